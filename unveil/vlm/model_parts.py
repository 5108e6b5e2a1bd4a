"""A model taken apart: its language model, its vision tower, what joins them, and a fingerprint of their weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from unveil.vlm.families import ModelError

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def fingerprint(model: nn.Module, parts: Collection[Part] | None = None) -> str:
    """A hash that changes with any weight (of the named parts): of each parameter's name, shape and bits.

    The bits are summed as integers, which unlike floating point comes to the same on any machine.
    """
    digest, values = hashlib.sha256(), model.state_dict()
    if parts is not None:
        part_of = parts_of(model)
        values = {name: value for name, value in values.items() if part_of(name) in parts}
    with torch.no_grad():
        for name, value in sorted(values.items()):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            for part in value.detach().flatten().view(_BITS[value.element_size()]).split(2**24):
                wide = part.long()
                places = torch.arange(1, wide.numel() + 1, device=wide.device)
                digest.update(f"{int(wide.sum())} {int((wide * places).sum())}".encode())
    return digest.hexdigest()[:16]


Part = Literal["language", "projector", "tower"]


_TOWER = re.compile(r"visual|vqmodel|(\w+_)?(vision|image|video|audio|speech)_(tower|model|encoder|tokenizer)")


_MERGERS = ("merger", "deepstack_merger_list")  # projectors that stand inside of their towers


def parts_of(model: nn.Module) -> Callable[[str], Part]:
    """Tells by a parameter's or a module's name to which part of the model it belongs.

    Language is what lies under the language model, and the head; the tower is what encodes images (or sounds), by
    transformers' names; whatever else there is stands between the two and is the projector, whatever it is called.
    """
    inner = language_model(model)
    head = getattr(model, "get_output_embeddings", lambda: None)()
    language = {name for name, module in model.named_modules() if module is inner or (head and module is head)}

    def part_of(name: str) -> Part:
        words = name.split(".")
        if any(".".join(words[:depth]) in language for depth in range(1, len(words) + 1)):
            return "language"
        if any(word in _MERGERS for word in words):
            return "projector"
        return "tower" if any(map(_TOWER.fullmatch, words)) else "projector"

    return part_of


def language_model(model: nn.Module) -> PreTrainedModel:
    """The language model inside of a vision-language model, without its head where that stands apart."""
    found = (m for name, m in model.named_modules() if name.split(".")[-1] in ("language_model", "text_model"))
    inner = next((m for m in found if isinstance(m, PreTrainedModel)), None)
    if inner is None:
        raise ModelError(f"{type(model).__name__}: its language model was not found")
    return inner


def linear_layers(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """The names of all linear layers of the given parts, the head left out: what LoRA is put on by default."""
    part_of = parts_of(model)
    head = re.compile(r"(^|\.)(lm_head|score)$")
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not head.search(name) and part_of(name) in parts
    ]
