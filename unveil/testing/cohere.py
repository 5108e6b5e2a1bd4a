"""Cohere's, on a Command whose full layers know no positions: tiles, and an overview behind them."""

from __future__ import annotations

from typing import Any
from unittest import mock

import transformers as tf
from transformers.models.got_ocr2 import image_processing_pil_got_ocr2

from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer
from unveil.vlm.patch_grid import nearest_grid

TURNS = ["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"]
COHERE_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|START_OF_TURN_TOKEN|>"
    "<|{{ {'user': 'USER', 'assistant': 'CHATBOT', 'system': 'SYSTEM'}[m['role']] }}_TOKEN|>"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|END_OF_TURN_TOKEN|>{% endfor %}"
    "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
)


def aya_vision(size: Size = TINY) -> tuple[Any, Any]:
    """Aya Vision: tiles named by numbers, patches merged by squares of two."""
    named = [
        "<image>",
        "<|START_OF_IMG|>",
        "<|END_OF_IMG|>",
        "<|IMG_PATCH|>",
        "<|IMG_LINE_BREAK|>",
        "TILE_GLOBAL",
        "TILE",
    ]
    words = _words(size, named)
    config = tf.AyaVisionConfig(
        vision_config={**size.tower, "vision_use_head": False, "model_type": "siglip_vision_model"},
        text_config=_text(size, words),
        image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    eyes = tf.GotOcr2ImageProcessorPil(size=size.siglip["size"], crop_to_patches=True, max_patches=3)
    processor = tf.AyaVisionProcessor(
        eyes,
        words,
        patch_size=14,
        img_size=size.picture,
        downsample_factor=2,
        chat_template=COHERE_TEMPLATE.replace("IMAGE", "<image>"),
    )
    return tf.AyaVisionForConditionalGeneration(config), processor


def cohere2_vision(size: Size = TINY) -> tuple[Any, Any]:
    """Command A Vision: each tile's tokens end with a line break."""
    named = {
        "image_token": "<|IMG_PATCH|>",
        "boi_token": "<|START_OF_IMG|>",
        "eoi_token": "<|END_OF_IMG|>",
        "img_line_break_token": "<|IMG_LINE_BREAK|>",
    }
    words = _words(size, [*named.values()], extra_special_tokens=named)
    config = tf.Cohere2VisionConfig(
        vision_config={**size.tower, "vision_use_head": False, "model_type": "siglip_vision_model"},
        text_config=_text(size, words),
        image_token_id=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
        alignment_intermediate_size=2 * size.hidden,
    )
    eyes = Cohere2VisionImageProcessorPil(size=size.siglip["size"], crop_to_patches=True, max_patches=3)
    eyes.patch_size = size.picture // 28  # rows of a tile's tokens, which the published processor calls so
    template = COHERE_TEMPLATE.replace("IMAGE", "<|IMG_PATCH|>")
    return tf.Cohere2VisionForConditionalGeneration(config), tf.Cohere2VisionProcessor(
        eyes, words, chat_template=template
    )


class Cohere2VisionImageProcessorPil(tf.GotOcr2ImageProcessorPil):  # type: ignore[misc]  # transformers has no types
    """The published processor without torchvision: that of GOT-OCR 2, which chooses another grid of tiles."""

    def crop_image_to_patches(self, image: Any, min_patches: int, max_patches: int, *args: Any, **told: Any) -> Any:
        def chosen(size: tuple[int, int], tile: tuple[int, int], *_: int) -> tuple[int, int]:
            return nearest_grid((size[1], size[0]), tile[0], max_patches)

        with mock.patch.object(image_processing_pil_got_ocr2, "get_optimal_tiled_canvas", chosen):
            return super().crop_image_to_patches(image, min_patches, max_patches, *args, **told)


def _words(size: Size, named: list[str], **options: Any) -> Any:
    return train_tokenizer([*TURNS, *named], size, bos="<BOS_TOKEN>", eos="<|END_OF_TURN_TOKEN|>", **options)


def _text(size: Size, words: Any) -> dict[str, Any]:
    """Sliding layers and a full one at the end, as published; the window is shorter than a row."""
    kinds = [*["sliding_attention"] * (size.layers - 1), "full_attention"][-min(4, size.layers) :]
    return {
        **size.text,
        **ids_of(words),
        "bos_token_id": words.bos_token_id,
        "layer_types": [kinds[i % len(kinds)] for i in range(size.layers)],
        "sliding_window": size.window,
        "model_type": "cohere2",
    }
