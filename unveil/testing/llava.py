"""LLaVA-1.5 and its relatives: a tower, a projector of two layers, a Llama or a Mistral."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import IM_TEMPLATE, stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

IMAGE_TOKEN: dict[str, Any] = {"extra_special_tokens": {"image_token": "<image>"}}


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
    model.config.unveil = {"box_format": "bins-64", "hint": False}
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


def llava_onevision(size: Size = TINY, most: int = 9) -> tuple[Any, Any]:
    """As LLaVA-NeXT with a SigLIP tower and a Qwen2; features of more than ``most`` tiles are made coarser."""
    named = {"image_token": "<image>", "video_token": "<video>"}
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], size, eos="<|im_end|>", extra_special_tokens=named
    )
    once, twice = size.picture, 2 * size.picture
    grids = [[once, twice], [twice, once], [twice, twice]]
    config = tf.LlavaOnevisionConfig(
        vision_config=tf.SiglipVisionConfig(**size.tower, vision_use_head=False),
        text_config=tf.Qwen2Config(**size.text, **ids_of(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grids,
        vision_aspect_ratio=f"anyres_max_{most}",
    )
    eyes = tf.LlavaOnevisionImageProcessorPil(**size.siglip, image_grid_pinpoints=grids)
    processor = stills(tf.LlavaOnevisionProcessor)(
        eyes,
        words,
        num_image_tokens=size.patches,
        vision_feature_select_strategy="full",
        vision_aspect_ratio=f"anyres_max_{most}",
        chat_template=IM_TEMPLATE.format(image="<image>\n"),
    )
    return tf.LlavaOnevisionForConditionalGeneration(config), processor


def fast_vlm(size: Size = TINY) -> tuple[Any, Any]:
    """FastVLM: a tower of convolutions. ConvNeXt stands for the published FastViTHD, which needs timm."""
    words = train_tokenizer(["<|im_start|>", "<|im_end|>", "<image>"], size, eos="<|im_end|>", **IMAGE_TOKEN)
    tower = {"num_stages": 2, "hidden_sizes": [size.hidden] * 2, "depths": [1, 1], "patch_size": 7}
    config = tf.FastVlmConfig(
        vision_config=tf.ConvNextConfig(**tower, hidden_size=size.hidden, image_size=size.picture),
        text_config=tf.Qwen2Config(**size.text, **ids_of(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=size.patches,
    )
    eyes = tf.CLIPImageProcessorPil(**size.clip)
    processor = tf.LlavaProcessor(
        eyes,
        words,
        patch_size=14,
        vision_feature_select_strategy="full",
        chat_template=IM_TEMPLATE.format(image="<image>\n"),
    )
    return tf.FastVlmForConditionalGeneration(config), processor


def deepseek_vl(size: Size = TINY) -> tuple[Any, Any]:
    """DeepSeek-VL 1.3B: the projector is an ``aligner``; images stand in a square, padded."""
    named = {"image_token": "<image_placeholder>"}
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], size, eos="<|im_end|>", extra_special_tokens=named
    )
    config = tf.DeepseekVLConfig(
        vision_config={**size.tower, "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config={**size.text, **ids_of(words), "model_type": "llama"},
        image_token_id=words.convert_tokens_to_ids("<image_placeholder>"),
    )
    eyes = tf.DeepseekVLImageProcessorPil(size=size.siglip["size"], min_size=14)
    template = IM_TEMPLATE.format(image="<image_placeholder>")
    processor = tf.DeepseekVLProcessor(eyes, words, chat_template=template, num_image_tokens=size.patches)
    return tf.DeepseekVLForConditionalGeneration(config), processor
