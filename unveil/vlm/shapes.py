"""Shapes of published models, for what is told of them on a machine that has neither the model nor a network.

Each is what the model's own config.json says beyond the defaults of its class; no weights, no tokenizer.
"""

from __future__ import annotations

import math
from typing import Any

from transformers import AutoConfig

from unveil.vlm.families import CLASS_TOKENS, ModelError, family_of
from unveil.vlm.resolution import Cost, Resolution, too_much


class UnknownCostError(ModelError):
    """What an image costs cannot be told without the model's processor."""


def _qwen2_5(hidden: int, inner: int, layers: int, heads: tuple[int, int], tower: int, vocabulary: int) -> Any:
    """Qwen2.5-VL; ``heads`` are those of queries and of keys, ``tower`` the inner width of its MLP."""
    text = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": vocabulary,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
    }
    eyes = {"depth": 32, "hidden_size": 1280, "intermediate_size": tower, "out_hidden_size": hidden}
    tied = {"tie_word_embeddings": hidden == 2048}
    return {"model_type": "qwen2_5_vl", "text_config": text | tied, "vision_config": eyes, **tied}


def _qwen3(hidden: int, inner: int, layers: int, heads: int, eyes: dict[str, Any]) -> Any:
    """Qwen3-VL."""
    text = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "rope_parameters": {"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6},
    }
    tied = {"tie_word_embeddings": hidden == 2560}
    return {"model_type": "qwen3_vl", "text_config": text, "vision_config": {"out_hidden_size": hidden, **eyes}, **tied}


_SMALL_EYES = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
_GEMMA = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
_SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}

#: By hub id, the configuration as ``AutoConfig.for_model`` takes it.
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": _qwen2_5(2048, 11008, 36, (16, 2), 3420, 151936),
    "Qwen/Qwen2.5-VL-7B-Instruct": _qwen2_5(3584, 18944, 28, (28, 4), 3420, 152064),
    "Qwen/Qwen2.5-VL-32B-Instruct": _qwen2_5(5120, 27648, 64, (40, 8), 3456, 152064),
    "Qwen/Qwen3-VL-4B-Instruct": _qwen3(2560, 9728, 36, 32, _SMALL_EYES),
    "Qwen/Qwen3-VL-8B-Instruct": _qwen3(4096, 12288, 36, 32, {}),
    "Qwen/Qwen3-VL-32B-Instruct": _qwen3(5120, 25600, 64, 64, {}),
    "llava-hf/llava-1.5-7b-hf": {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}},
    "google/medgemma-4b-it": {
        "model_type": "gemma3",
        "text_config": _GEMMA,
        "vision_config": {**_SIGLIP, "image_size": 896, "patch_size": 14},
        "mm_tokens_per_image": 256,
    },
}


def config_of(name: str) -> Any:
    """The configuration of a model that is known here; raises ``KeyError`` for another one."""
    return AutoConfig.for_model(**SHAPES[name])


#: Fewest and most pixels of an image, as the processors of the family are published.
_AREAS = {
    "qwen2_vl": (3136, 12_845_056),
    "qwen2_5_vl": (3136, 12_845_056),
    "qwen3_vl": (65_536, 16_777_216),
}


def image_tokens(config: Any, size: tuple[int, int], limits: Resolution) -> int:
    """Tokens of an image of a width and height by its family's rule; raises ``UnknownCostError`` where there is none.

    Qwen-VL resizes to whole cells between two areas, a token each; LLaVA-1.5 has one for each patch, Gemma 3 a number
    that is fixed: where that goes beyond the limits, ``ModelError`` is raised as by the processor (``resolution``).
    """
    kind: str = config.model_type
    tower: Any = getattr(config, "vision_config", None)
    if kind in _AREAS:
        found = _cells(size, tower.patch_size * tower.spatial_merge_size, *_AREAS[kind], limits.max_pixels)
        return min(found, limits.image_tokens or found)
    if kind == "llava" and tower.model_type in CLASS_TOKENS:  # other towers take images of any size
        found = int((tower.image_size // tower.patch_size) ** 2)
    elif kind == "gemma3":
        found = int(config.mm_tokens_per_image + 4)  # and what stands around an image
    else:
        raise UnknownCostError(f"tokens of an image are not known for {kind}: load the model's processor once")
    least = Cost(found, tower.image_size**2)
    if not limits.allow(least):
        raise too_much(least, f"{kind} models")
    return found


def _cells(size: tuple[int, int], side: int, least: int, most: int, limit: int | None) -> int:
    """Cells of ``side`` pixels that an image has after it was resized to an area between two."""
    most = min(most, limit or most)
    wide, high = (max(side, round(n / side) * side) for n in size)
    if wide * high > most or wide * high < least:
        factor = math.sqrt(size[0] * size[1] / (most if wide * high > most else least))
        to = math.floor if wide * high > most else math.ceil
        wide, high = (max(side, to(n / factor / side) * side) for n in size)
    return (wide // side) * (high // side) + 2  # and what stands around an image


#: How families call the edge of the square of patches that becomes a token, in the configuration of tower or model.
_SQUARES = (
    "spatial_merge_size",
    "pooling_kernel_size",
    "hidden_stride",
    "downsample_factor",
    "projector_pooling_ratio",
    "scale_factor",
)


def patches_a_token(config: Any) -> float:
    """Patches of the vision encoder for each token of an image, 1 where a configuration does not tell."""
    tower: Any = getattr(config, "vision_config", None)
    if (tokens := getattr(config, "mm_tokens_per_image", None)) and hasattr(tower, "image_size"):
        return float((tower.image_size // tower.patch_size) ** 2 / tokens)
    if family_of(config).crossed:
        return float((tower.image_size // tower.patch_size) ** 2 * tower.max_num_tiles)
    if share := getattr(config, "downsample_ratio", None):
        return float(share**-2)
    if mode := getattr(config, "downsample_mode", None):  # MiniCPM: 4x or 16x
        return float(mode.rstrip("x"))
    sides = [getattr(where, name, None) for where in (tower, config) for name in _SQUARES]
    return float(next((side for side in sides if side), 1) ** 2)
