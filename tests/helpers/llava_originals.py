"""Tiny models in the layout of the LLaVA program: configuration and names of weights as they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from unveil.testing.sizes import TINY
from unveil.testing.vocabulary import train_tokenizer

LAYERS, WIDTH, INNER, PATCHES = 2, 64, 96, 16
#: Of microsoft/llava-med-v1.5-mistral-7b, with other widths: what is of the program alone begins with ``mm_``.
CONFIG: dict[str, Any] = {
    "architectures": ["LlavaMistralForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "freeze_mm_mlp_adapter": False,
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "image_aspect_ratio": "pad",
    "initializer_range": 0.02,
    "intermediate_size": INNER,
    "max_position_embeddings": 32768,
    "mm_hidden_size": WIDTH,
    "mm_projector_type": "mlp2x_gelu",
    "mm_use_im_patch_token": False,
    "mm_use_im_start_end": False,
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "model_type": "llava_mistral",
    "num_attention_heads": 4,
    "num_hidden_layers": LAYERS,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "tokenizer_model_max_length": 2048,
    "torch_dtype": "float32",
    "tune_mm_mlp_adapter": False,
    "unfreeze_mm_vision_tower": True,
    "use_cache": True,
    "use_mm_proj": True,
}
TOWER = "model.vision_tower.vision_tower.vision_model."


def shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The names of the weights as they are published, with shapes."""
    half, out = WIDTH // 2, dict[str, tuple[int, ...]]()
    out["model.embed_tokens.weight"] = out["lm_head.weight"] = (vocabulary, WIDTH)
    out["model.norm.weight"] = (WIDTH,)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        out |= {f"{layer}self_attn.{n}_proj.weight": (WIDTH, WIDTH) for n in "qo"}
        out |= {f"{layer}self_attn.{n}_proj.weight": (half, WIDTH) for n in "kv"}
        out |= {f"{layer}mlp.{n}_proj.weight": (INNER, WIDTH) for n in ("gate", "up")}
        out[f"{layer}mlp.down_proj.weight"] = (WIDTH, INNER)
        out |= {f"{layer}{n}_layernorm.weight": (WIDTH,) for n in ("input", "post_attention")}
    for i in (0, 2):
        out |= {f"model.mm_projector.{i}.weight": (WIDTH, WIDTH), f"model.mm_projector.{i}.bias": (WIDTH,)}
    return out | {TOWER + name: shape for name, shape in tower_shapes().items()}


def tower_shapes() -> dict[str, tuple[int, ...]]:
    """The same of a CLIP tower, by the names that stand behind its own."""
    out: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (WIDTH,),
        "embeddings.patch_embedding.weight": (WIDTH, 3, 14, 14),
        "embeddings.position_embedding.weight": (PATCHES + 1, WIDTH),
    }
    linear = {"self_attn.q_proj": WIDTH, "self_attn.k_proj": WIDTH, "self_attn.v_proj": WIDTH,
              "self_attn.out_proj": WIDTH, "mlp.fc1": INNER, "mlp.fc2": WIDTH}  # fmt: skip
    for i in range(LAYERS):
        layer = f"encoder.layers.{i}."
        for name, rows in linear.items():
            out |= {f"{layer}{name}.weight": (rows, INNER if name == "mlp.fc2" else WIDTH)}
            out |= {f"{layer}{name}.bias": (rows,)}
        out |= {f"{layer}layer_norm{n}.{part}": (WIDTH,) for n in (1, 2) for part in ("weight", "bias")}
    return out | {f"{n}.{part}": (WIDTH,) for n in ("pre_layrnorm", "post_layernorm") for part in ("weight", "bias")}


def weights(names: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Random numbers of these shapes, large enough that answers differ; norms near 1."""
    draws = torch.Generator().manual_seed(seed)
    out = {name: torch.randn(shape, generator=draws) * 0.15 for name, shape in names.items()}
    return {name: 1 + value if "norm" in name and name.endswith("weight") else value for name, value in out.items()}


def original(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """Writes a model of the LLaVA program, its weights in two files as large ones are; returns the weights."""
    words = train_tokenizer([], TINY, bos="<s>", eos="</s>")
    words.save_pretrained(folder)
    about = CONFIG | {"vocab_size": len(words)} | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in about.items() if value is not ...}))
    found = weights(shapes(len(words)))
    write(folder, found)
    return found


def write(folder: Path, found: dict[str, Tensor]) -> None:
    """Weights in two files."""
    for old in folder.glob("*.safetensors"):
        old.unlink()
    names = sorted(found)
    for i, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :])):
        save_file({name: found[name] for name in part}, folder / f"model-{i + 1:05}-of-00002.safetensors")
