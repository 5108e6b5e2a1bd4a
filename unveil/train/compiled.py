"""Layers of the language model compiled by torch, for the passes that are learnt from.

Answers are drawn, and attention is looked at, by the layers as they are: the shapes of the one and the hooks of the
other would be compiled anew time and again.
"""

from __future__ import annotations

import functools
import shutil
from typing import Any

import torch

from unveil.train.loop import TrainingError
from unveil.vlm import attention, states
from unveil.vlm.masks import kinds
from unveil.vlm.model_parts import language_model


def compile_layers(model: Any, backend: str = "inductor") -> None:
    """Compiles each layer when it is first learnt with, those that hand on a state left out: their loops take minutes.

    Raises ``TrainingError`` where nothing is there to do that.
    """
    if next(model.parameters()).device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++"))):
        raise TrainingError("--compile needs a C++ compiler on a CPU, and neither g++ nor clang++ is here")
    for layer, kind in zip(language_model(model).layers, kinds(model), strict=True):
        if kind not in states.KINDS:
            _compile(layer, backend)


def _compile(layer: Any, backend: str) -> None:
    plain = layer.forward
    fast = torch.compile(plain, dynamic=True, backend=backend)

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        learning = torch.is_grad_enabled() and not any(map(attention.watched, layer.modules()))
        return (fast if learning else plain)(*args, **kwargs)

    layer.forward = forward
