"""Qwen's: an image of its own proportions, positions of three axes."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import IM_TEMPLATE, stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

QWEN_TOKENS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
QWEN_TEMPLATE = IM_TEMPLATE.format(image="<|vision_start|><|image_pad|><|vision_end|>")


def qwen_ids(words: Any) -> dict[str, int]:
    """The ids of Qwen's tokens for images, as its configurations name them."""
    names = {"image_token_id": 4, "video_token_id": 5, "vision_start_token_id": 2, "vision_end_token_id": 3}
    return {key: words.convert_tokens_to_ids(QWEN_TOKENS[i]) for key, i in names.items()}


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


def qwen3_vl_moe(size: Size = TINY) -> tuple[Any, Any]:
    """With experts: two of four for each token."""
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>")
    tower = {**size.qwen_tower, "num_position_embeddings": 64, "patch_size": 14, "deepstack_visual_indexes": [0]}
    text = {**size.text, **ids_of(words), "rope_parameters": size.rope(4, 2, 2), "head_dim": size.head}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": size.hidden}
    config = tf.Qwen3VLMoeConfig(vision_config=tower, text_config={**text, **experts}, **qwen_ids(words))
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    return tf.Qwen3VLMoeForConditionalGeneration(config), stills(tf.Qwen3VLProcessor)(
        eyes, words, chat_template=QWEN_TEMPLATE
    )
