"""Models of families that nothing is declared of, each with something that declared ones do not have."""

from __future__ import annotations

from typing import Any

import transformers as tf

from unveil.testing.processors import IM_TEMPLATE, stills
from unveil.testing.qwen import QWEN_TEMPLATE, QWEN_TOKENS, qwen_ids
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

CHAT = ["<|im_start|>", "<|im_end|>"]


def scaled_head(size: Size = TINY) -> tuple[Any, Any]:
    """HyperCLOVA X: its logits are divided by a number, ``logits_scaling``, behind the head."""
    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>", extra_special_tokens=named)
    tower = {**size.qwen_tower, "window_size": 56, "fullatt_block_indexes": [1], "model_type": "qwen2_5_vl_vision"}
    text = {**size.text, **ids_of(words), "model_type": "hyperclovax", "logits_scaling": 0.25}
    ids = {name: i for name, i in qwen_ids(words).items() if name in ("image_token_id", "video_token_id")}
    config = tf.HyperCLOVAXVisionV2Config(vision_config=tower, text_config=text, **ids)
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    processor = stills(tf.HyperCLOVAXVisionV2Processor)(eyes, words, chat_template=QWEN_TEMPLATE)
    return tf.HyperCLOVAXVisionV2ForConditionalGeneration(config), processor


def no_features(size: Size = TINY) -> tuple[Any, Any]:
    """DeepSeek-VL 7B: no features of images can be had apart, and its projector, an ``aligner``, joins two towers."""
    named = {"image_token": "<image_placeholder>"}
    words = train_tokenizer([*CHAT, *named.values()], size, eos="<|im_end|>", extra_special_tokens=named)
    fine = {**size.tower, "output_channels": size.hidden, "global_attn_indexes": [0], "window_size": 2, "mlp_dim": 64}
    config = tf.DeepseekVLHybridConfig(
        vision_config={**size.tower, "model_type": "siglip_vision_model", "vision_use_head": False},
        high_res_vision_config={**fine, "model_type": "sam_vision_model"},
        text_config={**size.text, **ids_of(words), "model_type": "llama"},
        image_token_id=words.convert_tokens_to_ids("<image_placeholder>"),
    )
    square = {"height": size.picture, "width": size.picture}
    eyes = tf.DeepseekVLHybridImageProcessorPil(size=square, high_res_size=square, min_size=14)
    template = IM_TEMPLATE.format(image="<image_placeholder>")
    processor = tf.DeepseekVLHybridProcessor(eyes, words, chat_template=template, num_image_tokens=size.patches)
    return tf.DeepseekVLHybridForConditionalGeneration(config), processor


def more_than_pixels(size: Size = TINY) -> tuple[Any, Any]:
    """VideoLLaMA 3: its tower is told how patches are merged, besides pixels."""
    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>", extra_special_tokens=named)
    widths = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    tower = {name: size.tower[name] for name in widths}
    ids = {name: i for name, i in qwen_ids(words).items() if name in ("image_token_id", "video_token_id")}
    config = tf.VideoLlama3Config(
        vision_config={**tower, "patch_size": 14},
        text_config={**size.text, **ids_of(words), "model_type": "qwen2"},
        **ids,
    )
    eyes = tf.VideoLlama3ImageProcessorPil(size={"shortest_edge": 14 * 14 * 4, "longest_edge": 14 * 14 * size.patches})
    template = IM_TEMPLATE.format(image="<|image_pad|>")
    return tf.VideoLlama3ForConditionalGeneration(config), stills(tf.VideoLlama3Processor)(
        eyes, words, chat_template=template
    )
