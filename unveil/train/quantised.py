"""QLoRA (arXiv 2305.14314): adapters on a language model whose frozen weights are kept in 4 bits.

A weight is one of the 16 levels of NF4, times the largest of its block of 64; those scales are kept in 8 bits again,
in blocks of 256 (double quantisation). Products unpack one matrix at a time. Tower, projector, embeddings and head stay
as they are: they are small, or an error in them is not small.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unveil.train.optimizers import bitsandbytes
from unveil.vlm.model_parts import linear_layers

BYTES = 4 / 8 + 1 / 64 + 4 / (64 * 256)
"""Of a weight with its share of both kinds of scales."""


def quantise(model: Any, device: torch.device) -> None:
    """Puts the linear layers of the language model into 4 bits on a device, one at a time, and all else there as it is.

    The whole model never is on the device at once. What is computed in is the type that the weights had.
    """
    library = bitsandbytes("--method qlora")
    for name in linear_layers(model, ["language"]):
        old = model.get_submodule(name)
        new = library.nn.Linear4bit(
            old.in_features, old.out_features, old.bias is not None, compute_dtype=old.weight.dtype, quant_type="nf4",
            device="meta",
        )  # fmt: skip
        new.weight = library.nn.Params4bit(
            old.weight.data.contiguous(), requires_grad=False, compress_statistics=True, quant_type="nf4", module=new
        )
        new.bias = old.bias
        model.set_submodule(name, new.to(device))
    model.to(device)
    model.is_loaded_in_4bit = True  # by which peft knows that its adapters lie on such layers


def quantisable(model: nn.Module) -> list[nn.Linear]:
    """The layers that ``quantise`` would change; what experts keep in one tensor is none of them."""
    return [model.get_submodule(name) for name in linear_layers(model, ["language"])]  # type: ignore[misc]


def weight_of(layer: nn.Module) -> Tensor:
    """A layer's weight as numbers, (out, in), unpacked where it is kept in 4 bits."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    if (state := getattr(weight, "quant_state", None)) is None:
        return weight
    unpacked: Tensor = bitsandbytes("--method qlora").functional.dequantize_4bit(weight.data, state)
    return unpacked
