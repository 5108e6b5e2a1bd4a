"""Tiny random models of families that nothing is declared of, each with something that declared ones do not have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers as tf

from bench.families import (
    IM_TEMPLATE,
    QWEN_TEMPLATE,
    QWEN_TOKENS,
    TINY,
    ids_of,
    qwen_ids,
    stills,
    train_tokenizer,
)
from unveil.vlm import model_parts
from unveil.vlm.chat import Chat
from unveil.vlm.families import Profile
from unveil.vlm.models import Loaded

CHAT = ["<|im_start|>", "<|im_end|>"]


def scaled_head() -> tuple[Any, Any]:
    """HyperCLOVA X: its logits are divided by a number, ``logits_scaling``, behind the head."""
    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = train_tokenizer(QWEN_TOKENS, TINY, eos="<|im_end|>", extra_special_tokens=named)
    tower = {**TINY.qwen_tower, "window_size": 56, "fullatt_block_indexes": [1], "model_type": "qwen2_5_vl_vision"}
    text = {**TINY.text, **ids_of(words), "model_type": "hyperclovax", "logits_scaling": 0.25}
    ids = {name: i for name, i in qwen_ids(words).items() if name in ("image_token_id", "video_token_id")}
    config = tf.HyperCLOVAXVisionV2Config(vision_config=tower, text_config=text, **ids)
    eyes = tf.Qwen2VLImageProcessorPil(**TINY.qwen)
    processor = stills(tf.HyperCLOVAXVisionV2Processor)(eyes, words, chat_template=QWEN_TEMPLATE)
    return tf.HyperCLOVAXVisionV2ForConditionalGeneration(config), processor


def no_features() -> tuple[Any, Any]:
    """DeepSeek-VL: no features of images can be had apart, and its projector is an ``aligner``."""
    named = {"image_token": "<image_placeholder>"}
    words = train_tokenizer([*CHAT, *named.values()], TINY, eos="<|im_end|>", extra_special_tokens=named)
    config = tf.DeepseekVLConfig(
        vision_config={**TINY.tower, "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config={**TINY.text, **ids_of(words), "model_type": "llama"},
        image_token_id=words.convert_tokens_to_ids("<image_placeholder>"),
    )
    eyes = tf.DeepseekVLImageProcessorPil(size={"height": TINY.picture, "width": TINY.picture}, min_size=14)
    template = IM_TEMPLATE.format(image="<image_placeholder>")
    processor = tf.DeepseekVLProcessor(eyes, words, chat_template=template, num_image_tokens=TINY.patches)
    return tf.DeepseekVLForConditionalGeneration(config), processor


def more_than_pixels() -> tuple[Any, Any]:
    """VideoLLaMA 3: its tower is told how patches are merged, besides pixels."""
    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    words = train_tokenizer(QWEN_TOKENS, TINY, eos="<|im_end|>", extra_special_tokens=named)
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {name: i for name, i in qwen_ids(words).items() if name in ("image_token_id", "video_token_id")}
    config = tf.VideoLlama3Config(
        vision_config={**tower, "patch_size": 14},
        text_config={**TINY.text, **ids_of(words), "model_type": "qwen2"},
        **ids,
    )
    eyes = tf.VideoLlama3ImageProcessorPil(size={"shortest_edge": 14 * 14 * 4, "longest_edge": 14 * 14 * 16})
    template = IM_TEMPLATE.format(image="<|image_pad|>")
    return tf.VideoLlama3ForConditionalGeneration(config), stills(tf.VideoLlama3Processor)(
        eyes, words, chat_template=template
    )


UNDECLARED: dict[str, Callable[[], tuple[Any, Any]]] = {
    f.__name__: f for f in (scaled_head, no_features, more_than_pixels)
}


@cache
def parts(name: str) -> tuple[Any, Any]:
    """Model and processor, with weights large enough that answers differ."""
    torch.manual_seed(0)
    model, processor = UNDECLARED[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.normal_(0, 0.85 * TINY.hidden**-0.5)
    return model.eval(), processor


def loaded(name: str) -> Loaded:
    """A model of its own, spoken with in JSON boxes."""
    pristine, processor = parts(name)
    model, _ = UNDECLARED[name]()
    model.load_state_dict(pristine.state_dict())
    return Loaded(name, model.eval(), Chat(processor, Profile("json-1000")), model_parts.fingerprint(model))
