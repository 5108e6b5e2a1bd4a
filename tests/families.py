"""Tiny random models of several architectures, with the real configuration and processor classes.

The tokenizer is trained here on a few sentences, so nothing is downloaded. Chat templates are those of the published
models, shortened. Processors that also take videos need torchvision for that; here they are built without that part
(``stills``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

from unveil import encoding, models
from unveil.encoding import Chat
from unveil.models import Loaded

SENTENCES = (
    "Is anything abnormal in this image?",
    "Where is the nodule? Name the finding. What is in this region?",
    "Detection: abnormal.\nLocalisation: none.\nRecognition: nodule; cyst (round, sharp edge).",
    "user\n\n\nmodel\n\nassistant\nUser: Assistant: USER: ASSISTANT: Yes. No.",
)


# ---------------------------------------------------------------------------------------------------------- tokenizers


def train_tokenizer(special: list[str], bos: str | None = None, eos: str = "<end>", **options: Any) -> Any:
    """Byte-level BPE with some 400 tokens; ``bos`` is put before every text, as by Llama's and Gemma's tokenizers.

    Runs of line feeds are one token, as in most large vocabularies.
    """
    special = list(dict.fromkeys(["<pad>", eos, *([bos] if bos else []), *special]))
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [*SENTENCES * 4, *["a\n\nb", "a\n\n\nb"] * 40],
        trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    bpe.add_tokens([f"<b{i}>" for i in range(64)])
    if bos:
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, bpe.token_to_id(bos))]
        )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", eos_token=eos, bos_token=bos, model_max_length=1024, **options
    )


def stills(kind: type) -> type:
    """A processor class without its part for videos, which needs torchvision."""

    def attributes(cls: type) -> list[str]:
        return ["image_processor", "tokenizer"]

    videos = SimpleNamespace(num_frames=1, fps=1)  # what SmolVLM's asks for although there is no video
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(attributes), "video_processor": videos})


# ------------------------------------------------------------------------------------------------------- architectures

TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "bos_token_id": None,
}
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
SIGLIP = {"size": {"height": 56, "width": 56}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def ids_of(words: Any) -> dict[str, Any]:
    return {"vocab_size": len(words), "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}


def llava_siglip() -> tuple[Any, Any]:
    """The tiny base model's architecture: SigLIP tower, tied head, boxes as bins."""
    words = train_tokenizer(["<user>", "<assistant>", "<image>"], extra_special_tokens={"image_token": "<image>"})
    config = tf.LlavaConfig(
        vision_config=tf.SiglipVisionConfig(**TOWER, vision_use_head=False),
        text_config=tf.LlamaConfig(**TEXT, **ids_of(words), tie_word_embeddings=True),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=16,
        tie_word_embeddings=True,
    )
    model = tf.LlavaForConditionalGeneration(config)
    model.config.unveil = {"syntax": "bins-64", "hint": False}
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}<user>{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
        "{% else %}<assistant>{% for c in m['content'] %}"
        "{{ c['text'] }}{% endfor %}<end>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    eyes = tf.SiglipImageProcessorPil(**SIGLIP)
    return model, tf.LlavaProcessor(
        eyes, words, patch_size=14, vision_feature_select_strategy="full", chat_template=template
    )


def llava_clip() -> tuple[Any, Any]:
    """LLaVA-1.5: CLIP tower without its class token, a tokenizer that puts <s> in front, a space before each answer."""
    words = train_tokenizer(["<image>"], bos="<s>", eos="</s>", extra_special_tokens={"image_token": "<image>"})
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**TOWER),
        text_config=tf.LlamaConfig(**{**TEXT, **ids_of(words), "bos_token_id": words.bos_token_id}),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    template = (
        "{% for m in messages %}{{ m['role'].upper() + ': ' }}{% for c in m['content'] if c['type'] == 'image' %}"
        "{{ '<image>\n' }}{% endfor %}{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] + ' ' }}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )
    eyes = tf.CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = tf.LlavaProcessor(
        eyes,
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return tf.LlavaForConditionalGeneration(config), processor


IM_TEMPLATE = (
    "{{% for m in messages %}}<|im_start|>{{{{ m['role'] }}}}\n{{% for c in m['content'] %}}"
    "{{% if c['type'] == 'image' %}}{image}{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}"
    "<|im_end|>\n{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
QWEN_TOKENS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
QWEN_TEMPLATE = IM_TEMPLATE.format(image="<|vision_start|><|image_pad|><|vision_end|>")
QWEN_SIZE = {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 16}


def qwen_ids(words: Any) -> dict[str, int]:
    names = {"image_token_id": 4, "video_token_id": 5, "vision_start_token_id": 2, "vision_end_token_id": 3}
    return {key: words.convert_tokens_to_ids(QWEN_TOKENS[i]) for key, i in names.items()}


def qwen2_5_vl() -> tuple[Any, Any]:
    """Native resolution, three-dimensional positions, boxes in pixels of the resized image."""
    words = train_tokenizer(QWEN_TOKENS, eos="<|im_end|>")
    tower = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 32,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    text = {**TEXT, **ids_of(words), "rope_parameters": rope}
    config = tf.Qwen2_5_VLConfig(vision_config=tower, text_config=text, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(size=QWEN_SIZE)
    processor = stills(tf.Qwen2_5_VLProcessor)(eyes, words, chat_template=QWEN_TEMPLATE)
    return tf.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl() -> tuple[Any, Any]:
    """As its predecessor, with features of the tower added in several layers and boxes in thousandths."""
    words = train_tokenizer(QWEN_TOKENS, eos="<|im_end|>")
    tower = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 32,
        "num_position_embeddings": 64,
        "patch_size": 14,
        "deepstack_visual_indexes": [0],
    }
    rope = {"rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0}
    text = {**TEXT, **ids_of(words), "rope_parameters": rope, "head_dim": 16}
    config = tf.Qwen3VLConfig(vision_config=tower, text_config=text, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(size=QWEN_SIZE)
    return tf.Qwen3VLForConditionalGeneration(config), stills(tf.Qwen3VLProcessor)(
        eyes, words, chat_template=QWEN_TEMPLATE
    )


def internvl() -> tuple[Any, Any]:
    """Tiles of a fixed size: one to three and an overview, all behind one another."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], eos="<|im_end|>", extra_special_tokens=named
    )
    tower = tf.InternVLVisionConfig(**{**TOWER, "image_size": [56, 56], "patch_size": [14, 14]})
    config = tf.InternVLConfig(
        vision_config=tower,
        text_config=tf.Qwen2Config(**TEXT, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    eyes = tf.GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}, crop_to_patches=True, max_patches=3)
    processor = stills(tf.InternVLProcessor)(
        eyes, words, image_seq_length=4, chat_template=IM_TEMPLATE.format(image="<IMG_CONTEXT>\n")
    )
    return tf.InternVLForConditionalGeneration(config), processor


IDEFICS_TOKENS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
IDEFICS_TOKENS += [f"<row_{i}_col_{j}>" for i in range(1, 4) for j in range(1, 4)]
IDEFICS_TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
IDEFICS_SIZE = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}


def idefics3() -> tuple[Any, Any]:
    """Rows and columns of tiles, named by tokens, and an overview; a batch is padded to the most tiles."""
    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS])
    config = tf.Idefics3Config(
        vision_config=TOWER,
        text_config=tf.LlamaConfig(**TEXT, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.Idefics3ImageProcessorPil(**IDEFICS_SIZE)
    processor = tf.Idefics3Processor(eyes, words, image_seq_len=4, chat_template=IDEFICS_TEMPLATE)
    return tf.Idefics3ForConditionalGeneration(config), processor


def smolvlm() -> tuple[Any, Any]:
    """Idefics 3 made smaller. Its processor asks for num2words, which only videos need."""
    from transformers.models.smolvlm import processing_smolvlm

    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS])
    config = tf.SmolVLMConfig(
        vision_config=TOWER,
        text_config=tf.LlamaConfig(**TEXT, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.SmolVLMImageProcessorPil(**IDEFICS_SIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processing_smolvlm, "num2words", str)
        processor = stills(tf.SmolVLMProcessor)(eyes, words, None, image_seq_len=4, chat_template=IDEFICS_TEMPLATE)
    return tf.SmolVLMForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    """Line feeds around the image that merge with the template's, <bos> written by the template, two-way attention."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = train_tokenizer(
        ["<start_of_turn>", "<end_of_turn>", *named.values()], bos="<bos>", eos="<eos>", extra_special_tokens=named
    )
    config = tf.Gemma3Config(
        text_config={**TEXT, **ids_of(words), "head_dim": 16, "sliding_window": 64},
        vision_config={**TOWER, "vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
    )
    template = (
        "{{ bos_token }}{% for m in messages %}<start_of_turn>"
        "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<start_of_image>{% else %}{{ c['text'] | trim }}{% endif %}{% endfor %}"
        "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    )
    eyes = tf.Gemma3ImageProcessorPil(**SIGLIP)
    return tf.Gemma3ForConditionalGeneration(config), tf.Gemma3Processor(
        eyes, words, chat_template=template, image_seq_length=4
    )


def llava_mistral() -> tuple[Any, Any]:
    """LLaVA-Med 1.5: as LLaVA-1.5 with a Mistral, whose window is shorter than a row here."""
    model, processor = llava_clip()
    words = processor.tokenizer
    text = tf.MistralConfig(**{**TEXT, **ids_of(words), "bos_token_id": words.bos_token_id}, sliding_window=24)
    config = tf.LlavaConfig(**{**model.config.to_dict(), "text_config": text.to_dict()})
    return tf.LlavaForConditionalGeneration(config), processor


def llava_next() -> tuple[Any, Any]:
    """Tiles of the image in a grid, cut to its shape, with a learnt token at the end of each row, and an overview."""
    words = train_tokenizer(["<image>"], bos="<s>", eos="</s>", extra_special_tokens={"image_token": "<image>"})
    grids = [[56, 112], [112, 56], [112, 112]]
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**TOWER),
        text_config=tf.LlamaConfig(**{**TEXT, **ids_of(words), "bos_token_id": words.bos_token_id}),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
    )
    eyes = tf.LlavaNextImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=grids
    )
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' }}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ ' [/INST]' }}"
        "{% else %}{% for c in m['content'] %}{{ ' ' + c['text'] }}{% endfor %}{{ '</s>' }}{% endif %}{% endfor %}"
    )
    processor = tf.LlavaNextProcessor(
        eyes,
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


def qwen2_vl() -> tuple[Any, Any]:
    """The first with three-dimensional positions."""
    words = train_tokenizer(QWEN_TOKENS, eos="<|im_end|>")
    tower = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2, "num_heads": 2}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    config = tf.Qwen2VLConfig(
        vision_config=tower, text_config={**TEXT, **ids_of(words), "rope_parameters": rope}, **qwen_ids(words)
    )
    eyes = tf.Qwen2VLImageProcessorPil(size=QWEN_SIZE)
    return tf.Qwen2VLForConditionalGeneration(config), stills(tf.Qwen2VLProcessor)(
        eyes, words, chat_template=QWEN_TEMPLATE
    )


def paligemma() -> tuple[Any, Any]:
    """No chat template; the whole prompt sees itself both ways, positions begin at 1, location tokens for boxes."""
    words = train_tokenizer(["<image>", *(f"<loc{i:04d}>" for i in range(1024))], bos="<bos>", eos="<eos>")
    config = tf.PaliGemmaConfig(
        text_config=tf.GemmaConfig(**{**TEXT, **ids_of(words)}, head_dim=16).to_dict(),
        vision_config={**TOWER, "vision_use_head": False, "model_type": "siglip_vision_model"},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    eyes = tf.SiglipImageProcessorPil(**SIGLIP)
    eyes.image_seq_length = 16
    return tf.PaliGemmaForConditionalGeneration(config), tf.PaliGemmaProcessor(eyes, words)


LLAVAS = (llava_siglip, llava_clip, llava_mistral, llava_next)
QWENS = (qwen2_vl, qwen2_5_vl, qwen3_vl)
FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    f.__name__: f for f in (*LLAVAS, *QWENS, internvl, idefics3, smolvlm, gemma3, paligemma)
}


@cache
def parts(name: str) -> tuple[Any, Any]:
    """Model and processor of a family, built once, with weights large enough that answers differ."""
    torch.manual_seed(0)
    model, processor = FAMILIES[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.normal_(0, 0.15)
    return model.eval(), processor


@cache
def loaded(name: str) -> Loaded:
    model, processor = parts(name)
    return Loaded(name, model, Chat(processor, encoding.profile_of(model.config)), models.fingerprint(model))


@cache
def pristine(name: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in parts(name)[0].state_dict().items()}


def fresh(name: str) -> Loaded:
    """A model of its own, which may be trained."""
    model, _ = FAMILIES[name]()
    model.load_state_dict(pristine(name))
    return replace(loaded(name), model=model)


def saved(name: str, folder: Path) -> Path:
    """Model and processor of a family, saved."""
    model, processor = parts(name)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
