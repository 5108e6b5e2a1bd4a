"""Language models most of whose layers hand a state along the row: Qwen3.5's linear attention, LFM2's convolutions."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf

from unveil.testing.lfm2_eyes import Lfm2VlImageProcessorPil
from unveil.testing.processors import IM_TEMPLATE, stills
from unveil.testing.qwen import QWEN_TEMPLATE, QWEN_TOKENS, qwen_ids
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

CHAT = ["<|im_start|>", "<|im_end|>"]
ENDS = (("start", ""), ("end", "/"))


def qwen3_5_text(size: Size) -> dict[str, Any]:
    """Three layers of the gated delta rule to one of attention, as published; of two layers one is of each kind."""
    kinds = [*["linear_attention"] * (size.layers - 1), "full_attention"][-min(4, size.layers) :]
    heads = size.hidden // size.head
    return {
        **size.text,
        "head_dim": size.head,
        "layer_types": [kinds[i % len(kinds)] for i in range(size.layers)],
        "rope_parameters": {**size.rope(2, 1, 1), "partial_rotary_factor": 0.5},
        "linear_num_key_heads": heads // 2,
        "linear_num_value_heads": heads,
        "linear_key_head_dim": size.head,
        "linear_value_head_dim": size.head,
    }


def qwen3_5(size: Size = TINY) -> tuple[Any, Any]:
    """Qwen3.5: layers of linear attention with a state for each head, two value heads to a key head."""
    return _qwen3_5(size, tf.Qwen3_5ForConditionalGeneration, tf.Qwen3_5Config, qwen3_5_text(size))


def qwen3_5_moe(size: Size = TINY) -> tuple[Any, Any]:
    """With experts: two of four for each token, and one that all share."""
    text = qwen3_5_text(size) | {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": size.hidden,
        "shared_expert_intermediate_size": size.hidden,
    }
    del text["intermediate_size"]
    return _qwen3_5(size, tf.Qwen3_5MoeForConditionalGeneration, tf.Qwen3_5MoeConfig, text)


def _qwen3_5(size: Size, model: Any, config: Any, text: dict[str, Any]) -> tuple[Any, Any]:
    words = train_tokenizer(QWEN_TOKENS, size, eos="<|im_end|>")
    tower = {**size.qwen_tower, "num_position_embeddings": 64, "patch_size": 14}
    eyes = tf.Qwen2VLImageProcessorPil(**size.qwen)
    found = model(config(vision_config=tower, text_config={**text, **ids_of(words)}, **qwen_ids(words)))
    return remembering(found), stills(tf.Qwen3VLProcessor)(eyes, words, chat_template=QWEN_TEMPLATE)


def remembering(model: Any) -> Any:
    """The model with states that last: a token takes from 3 to 50 % of them, by head, and not nearly all as drawn."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".A_log"):  # what is taken is 1 - exp(-exp(A_log) softplus(dt_bias + ...)), dt_bias 1
                parameter.copy_(torch.linspace(0.02, 0.5, len(parameter)).log())
    return model


def minicpmv4_6(size: Size = TINY) -> tuple[Any, Any]:
    """MiniCPM-V 4.6: Qwen3.5's language model behind slices of an image whose patches stand in one row."""
    named = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        **{f"{what}_{end}_token": f"<{mark}{what}>" for what in ("image", "slice", "image_id") for end, mark in ENDS},
    }
    words = train_tokenizer([*CHAT, *named.values()], size, eos="<|im_end|>", extra_special_tokens=named)
    tower = {**size.tower, "patch_size": 14, "insert_layer_id": 0}
    config = tf.MiniCPMV4_6Config(
        vision_config=tower,
        text_config={**qwen3_5_text(size), **ids_of(words), "model_type": "qwen3_5_text"},
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
        insert_layer_id=0,
    )
    eyes = tf.MiniCPMV4_6ImageProcessorPil(scale_resolution=size.picture, max_slice_nums=4)
    processor = stills(tf.MiniCPMV4_6Processor, slice_mode=False, downsample_mode="16x")
    template = IM_TEMPLATE.format(image="<|image_pad|>")
    # it has no part for videos, so the second one is its tokenizer
    model = remembering(tf.MiniCPMV4_6ForConditionalGeneration(config))
    return model, processor(eyes, words, words, chat_template=template)


def lfm2_vl(size: Size = TINY) -> tuple[Any, Any]:
    """LFM2-VL: short convolutions between layers of attention, an image resized freely or cut into tiles."""
    named = {"image_token": "<image>", "image_start_token": "<|image_start|>", "image_end_token": "<|image_end|>"}
    named["image_thumbnail_token"] = "<|img_thumbnail|>"
    tiles = [f"<|img_row_{i}_col_{j}|>" for i in range(1, 4) for j in range(1, 4)]
    words = train_tokenizer([*CHAT, *named.values(), *tiles], size, eos="<|im_end|>", extra_special_tokens=named)
    kinds = [*["conv"] * (size.layers - 1), "full_attention"][-min(3, size.layers) :]
    text = {**size.text, **ids_of(words), "layer_types": [kinds[i % len(kinds)] for i in range(size.layers)]}
    config = tf.Lfm2VlConfig(
        vision_config=tf.Siglip2VisionConfig(
            **{name: value for name, value in size.tower.items() if name != "image_size"},
            num_patches=size.patches,
            vision_use_head=False,
        ),
        text_config=tf.Lfm2Config(**text),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        projector_hidden_size=size.hidden,
    )
    eyes = Lfm2VlImageProcessorPil(
        encoder_patch_size=14,
        tile_size=size.picture,
        min_image_tokens=size.patches // 8,
        max_image_tokens=2 * size.patches,
        max_pixels_tolerance=0.15,
        max_tiles=4,
    )
    template = IM_TEMPLATE.format(image="<image>")
    return tf.Lfm2VlForConditionalGeneration(config), tf.Lfm2VlProcessor(eyes, words, chat_template=template)
