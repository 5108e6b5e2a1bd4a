"""Random models of every architecture that is supported, with the real configuration and processor classes.

The tokenizer is trained here on a few sentences, so nothing is downloaded. Chat templates are those of the published
models, shortened. Processors that also take videos need torchvision for that; here they are built without that part
(``stills``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import transformers as tf

from bench.vocabulary import byte_level
from unveil.vlm import families, model_parts
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded

IMAGE_TOKEN: dict[str, Any] = {"extra_special_tokens": {"image_token": "<image>"}}
SENTENCES = (
    "Is anything abnormal in this image?",
    "Where is the nodule? Name the finding. What is in this region?",
    "Detection: abnormal.\nLocalisation: none.\nRecognition: nodule; cyst (round, sharp edge).",
    "user\n\n\nmodel\n\nassistant\nUser: Assistant: USER: ASSISTANT: Yes. No.",
)


# ---------------------------------------------------------------------------------------------------------- tokenizers


def train_tokenizer(special: list[str], size: Size, **options: Any) -> Any:
    """A tokenizer that knows the texts of the tests and the tiny base model's box tokens."""
    texts = [*SENTENCES * 4, *["a\n\nb", "a\n\n\nb"] * 40]  # so that runs of line feeds are one token
    return byte_level(texts, special, size.longest, bins=64, **options)


def stills(kind: type) -> type:
    """A processor class without its part for videos, which needs torchvision."""

    def attributes(cls: type) -> list[str]:
        return ["image_processor", "tokenizer"]

    videos = SimpleNamespace(num_frames=1, fps=1)  # what SmolVLM's asks for although there is no video
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(attributes), "video_processor": videos})


# ------------------------------------------------------------------------------------------------------- architectures


@dataclass(frozen=True)
class Size:
    """How large a model is built: ``TINY`` for tests, ``LARGER`` where cost is measured."""

    hidden: int = 32
    layers: int = 2
    head: int = 16
    """Width of an attention head."""
    picture: int = 56
    """Width and height of what the tower takes, in pixels; a patch has 14."""
    longest: int = 1024
    """Most tokens of a row."""
    window: int = 24
    """Sliding window of Mistral, and with 40 more of Gemma: shorter than a row in tests."""

    @property
    def patches(self) -> int:
        return (self.picture // 14) ** 2

    @property
    def text(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // self.head,
            "num_key_value_heads": self.hidden // self.head // 2,
            "max_position_embeddings": self.longest,
            "bos_token_id": None,
        }

    @property
    def tower(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // self.head,
            "image_size": self.picture,
            "patch_size": 14,
        }

    @property
    def qwen_tower(self) -> dict[str, Any]:
        return {
            "depth": self.layers,
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_heads": self.hidden // self.head,
            "out_hidden_size": self.hidden,
        }

    def rope(self, *section: int) -> dict[str, Any]:
        """Positions of three axes, which share a head's 8 pairs of 16 features as ``section`` says."""
        parts = [n * self.head // 16 for n in section]
        return {"rope_type": "default", "mrope_section": parts, "rope_theta": 10000.0}

    @property
    def siglip(self) -> dict[str, Any]:
        return {
            "size": {"height": self.picture, "width": self.picture},
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        }

    @property
    def clip(self) -> dict[str, Any]:
        square = {"height": self.picture, "width": self.picture}
        return {"size": {"shortest_edge": self.picture}, "crop_size": square}

    @property
    def qwen(self) -> dict[str, Any]:
        return {"size": {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * self.patches}}

    @property
    def idefics(self) -> dict[str, Any]:
        return {"size": {"longest_edge": 2 * self.picture}, "max_image_size": {"longest_edge": self.picture}}


TINY = Size()
LARGER = Size(hidden=256, layers=4, head=64, picture=336, longest=8192, window=4096)


def ids_of(words: Any) -> dict[str, Any]:
    return {"vocab_size": len(words), "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}


def llava_siglip(size: Size = TINY) -> tuple[Any, Any]:
    """The tiny base model's architecture: SigLIP tower, tied head, boxes as bins."""
    words = train_tokenizer(["<user>", "<assistant>", "<image>"], size, **IMAGE_TOKEN)
    config = tf.LlavaConfig(
        vision_config=tf.SiglipVisionConfig(**size.tower, vision_use_head=False),
        text_config=tf.LlamaConfig(**size.text, **ids_of(words), tie_word_embeddings=True),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=size.patches,
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
    eyes = tf.SiglipImageProcessorPil(**size.siglip)
    return model, tf.LlavaProcessor(
        eyes, words, patch_size=14, vision_feature_select_strategy="full", chat_template=template
    )


def llava_clip(size: Size = TINY) -> tuple[Any, Any]:
    """LLaVA-1.5: CLIP tower without its class token, a tokenizer that puts <s> in front, a space before each answer."""
    words = train_tokenizer(["<image>"], size, bos="<s>", eos="</s>", **IMAGE_TOKEN)
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**size.tower),
        text_config=tf.LlamaConfig(**{**size.text, **ids_of(words), "bos_token_id": words.bos_token_id}),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=size.patches,
        tie_word_embeddings=False,
    )
    template = (
        "{% for m in messages %}{{ m['role'].upper() + ': ' }}{% for c in m['content'] if c['type'] == 'image' %}"
        "{{ '<image>\n' }}{% endfor %}{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] + ' ' }}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )
    eyes = tf.CLIPImageProcessorPil(**size.clip)
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


def qwen_ids(words: Any) -> dict[str, int]:
    names = {"image_token_id": 4, "video_token_id": 5, "vision_start_token_id": 2, "vision_end_token_id": 3}
    return {key: words.convert_tokens_to_ids(QWEN_TOKENS[i]) for key, i in names.items()}


def qwen2_5_vl(size: Size = TINY) -> tuple[Any, Any]:
    """Native resolution, three-dimensional positions, boxes in pixels of the resized image."""
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>")
    tower = {**size.qwen_tower, "window_size": 56, "fullatt_block_indexes": [1]}
    text = {**size.text, **ids_of(words), "rope_parameters": size.rope(2, 3, 3)}
    config = tf.Qwen2_5_VLConfig(vision_config=tower, text_config=text, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    processor = stills(tf.Qwen2_5_VLProcessor)(eyes, words, chat_template=QWEN_TEMPLATE)
    return tf.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl(size: Size = TINY) -> tuple[Any, Any]:
    """As its predecessor, with features of the tower added in several layers and boxes in thousandths."""
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>")
    tower = {**size.qwen_tower, "num_position_embeddings": 64, "patch_size": 14, "deepstack_visual_indexes": [0]}
    text = {**size.text, **ids_of(words), "rope_parameters": size.rope(4, 2, 2), "head_dim": size.head}
    config = tf.Qwen3VLConfig(vision_config=tower, text_config=text, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    return tf.Qwen3VLForConditionalGeneration(config), stills(tf.Qwen3VLProcessor)(
        eyes, words, chat_template=QWEN_TEMPLATE
    )


def internvl(size: Size = TINY) -> tuple[Any, Any]:
    """Tiles of a fixed size: one to three and an overview, all behind one another."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], size, eos="<|im_end|>", extra_special_tokens=named
    )
    tower = tf.InternVLVisionConfig(**{**size.tower, "image_size": [size.picture] * 2, "patch_size": [14, 14]})
    config = tf.InternVLConfig(
        vision_config=tower,
        text_config=tf.Qwen2Config(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=size.patches // 4,
    )
    eyes = tf.GotOcr2ImageProcessorPil(size=size.siglip["size"], crop_to_patches=True, max_patches=3)
    processor = stills(tf.InternVLProcessor)(
        eyes, words, image_seq_length=size.patches // 4, chat_template=IM_TEMPLATE.format(image="<IMG_CONTEXT>\n")
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


def idefics3(size: Size = TINY) -> tuple[Any, Any]:
    """Rows and columns of tiles, named by tokens, and an overview; a batch is padded to the most tiles."""
    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS], size)
    config = tf.Idefics3Config(
        vision_config=size.tower,
        text_config=tf.LlamaConfig(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.Idefics3ImageProcessorPil(**size.idefics)
    processor = tf.Idefics3Processor(eyes, words, image_seq_len=size.patches // 4, chat_template=IDEFICS_TEMPLATE)
    return tf.Idefics3ForConditionalGeneration(config), processor


def smolvlm(size: Size = TINY) -> tuple[Any, Any]:
    """Idefics 3 made smaller. Its processor asks for num2words, which only videos need."""
    from transformers.models.smolvlm import processing_smolvlm

    words = train_tokenizer(["<|im_start|>", *IDEFICS_TOKENS], size)
    config = tf.SmolVLMConfig(
        vision_config=size.tower,
        text_config=tf.LlamaConfig(**size.text, **ids_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    eyes = tf.SmolVLMImageProcessorPil(**size.idefics)
    with mock.patch.object(processing_smolvlm, "num2words", str):
        processor = stills(tf.SmolVLMProcessor)(
            eyes, words, None, image_seq_len=size.patches // 4, chat_template=IDEFICS_TEMPLATE
        )
    return tf.SmolVLMForConditionalGeneration(config), processor


def gemma3(size: Size = TINY) -> tuple[Any, Any]:
    """Line feeds around the image that merge with the template's, <bos> written by the template, two-way attention."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = train_tokenizer(
        ["<start_of_turn>", "<end_of_turn>", *named.values()],
        size,
        bos="<bos>",
        eos="<eos>",
        extra_special_tokens=named,
    )
    config = tf.Gemma3Config(
        text_config={**size.text, **ids_of(words), "head_dim": size.head, "sliding_window": size.window + 40},
        vision_config={**size.tower, "vision_use_head": False},
        mm_tokens_per_image=size.patches // 4,
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
    eyes = tf.Gemma3ImageProcessorPil(**size.siglip)
    return tf.Gemma3ForConditionalGeneration(config), tf.Gemma3Processor(
        eyes, words, chat_template=template, image_seq_length=size.patches // 4
    )


def llava_mistral(size: Size = TINY) -> tuple[Any, Any]:
    """LLaVA-Med 1.5: as LLaVA-1.5 with a Mistral, whose window is shorter than a row here."""
    model, processor = llava_clip(size)
    words = processor.tokenizer
    text = tf.MistralConfig(
        **{**size.text, **ids_of(words), "bos_token_id": words.bos_token_id}, sliding_window=size.window
    )
    config = tf.LlavaConfig(**{**model.config.to_dict(), "text_config": text.to_dict()})
    return tf.LlavaForConditionalGeneration(config), processor


def llava_next(size: Size = TINY) -> tuple[Any, Any]:
    """Tiles of the image in a grid, cut to its shape, with a learnt token at the end of each row, and an overview."""
    words = train_tokenizer(["<image>"], size, bos="<s>", eos="</s>", **IMAGE_TOKEN)
    once, twice = size.picture, 2 * size.picture
    grids = [[once, twice], [twice, once], [twice, twice]]
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**size.tower),
        text_config=tf.LlamaConfig(**{**size.text, **ids_of(words), "bos_token_id": words.bos_token_id}),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
    )
    eyes = tf.LlavaNextImageProcessorPil(**size.clip, image_grid_pinpoints=grids)
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


def qwen2_vl(size: Size = TINY) -> tuple[Any, Any]:
    """The first with three-dimensional positions."""
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>")
    wide, heads = size.hidden, size.hidden // size.head
    tower = {"depth": size.layers, "embed_dim": wide, "hidden_size": wide, "mlp_ratio": 2, "num_heads": heads}
    text = {**size.text, **ids_of(words), "rope_parameters": size.rope(2, 3, 3)}
    config = tf.Qwen2VLConfig(vision_config=tower, text_config=text, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    return tf.Qwen2VLForConditionalGeneration(config), stills(tf.Qwen2VLProcessor)(
        eyes, words, chat_template=QWEN_TEMPLATE
    )


def paligemma(size: Size = TINY, gemma: Any = tf.GemmaConfig) -> tuple[Any, Any]:
    """No chat template; the whole prompt sees itself both ways, positions begin at 1, location tokens for boxes."""
    words = train_tokenizer(["<image>", *(f"<loc{i:04d}>" for i in range(1024))], size, bos="<bos>", eos="<eos>")
    config = tf.PaliGemmaConfig(
        text_config=gemma(**{**size.text, **ids_of(words)}, head_dim=size.head).to_dict(),
        vision_config={**size.tower, "vision_use_head": False, "model_type": "siglip_vision_model"},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=size.hidden,
        hidden_size=size.hidden,
    )
    eyes = tf.SiglipImageProcessorPil(**size.siglip)
    eyes.image_seq_length = size.patches
    return tf.PaliGemmaForConditionalGeneration(config), tf.PaliGemmaProcessor(eyes, words)


def paligemma2(size: Size = TINY) -> tuple[Any, Any]:
    """With a Gemma 2, every other layer of which has a sliding window and makes its masks itself."""
    return paligemma(size, tf.Gemma2Config)


LLAVAS = (llava_siglip, llava_clip, llava_mistral, llava_next)
QWENS = (qwen2_vl, qwen2_5_vl, qwen3_vl)
FAMILIES: dict[str, Callable[..., tuple[Any, Any]]] = {
    f.__name__: f for f in (*LLAVAS, *QWENS, internvl, idefics3, smolvlm, gemma3, paligemma)
}
#: Those that no tree is grown for.
PLAIN: dict[str, Callable[..., tuple[Any, Any]]] = {"paligemma2": paligemma2}


@cache
def parts(name: str, size: Size = TINY) -> tuple[Any, Any]:
    """Model and processor of a family, built once, with weights large enough that answers differ."""
    torch.manual_seed(0)
    model, processor = (FAMILIES | PLAIN)[name](size)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.normal_(0, 0.85 * size.hidden**-0.5)
    return model.eval(), processor


@cache
def loaded(name: str, size: Size = TINY) -> Loaded:
    model, processor = parts(name, size)
    return Loaded(name, model, Chat(processor, families.profile_of(model.config)), model_parts.fingerprint(model))


@cache
def pristine(name: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in parts(name)[0].state_dict().items()}


def fresh(name: str) -> Loaded:
    """A model of its own, which may be trained."""
    model, _ = (FAMILIES | PLAIN)[name]()
    model.load_state_dict(pristine(name))
    return replace(loaded(name), model=model)


def saved(name: str, folder: Path) -> Path:
    """Model and processor of a family, saved."""
    model, processor = parts(name)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
