"""What learns from rewards, beside the model itself: its critic, the model before training, recomputed activations."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer, whole


class Critic(nn.Module):
    """A value for each state: a line through the language model's last hidden state, 0 at first.

    ``through`` lets its error reach the language model too, as in PPO's shared networks.
    """

    def __init__(self, width: int, through: bool):
        super().__init__()
        self.line = nn.Linear(width, 1)
        self.through = through
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, hidden_SD: Tensor) -> Tensor:
        with torch.autocast(hidden_SD.device.type, enabled=False):  # rewards are learnt in float32
            return self.line((hidden_SD if self.through else hidden_SD.detach()).float())


def recomputing(model: Any) -> Any:
    """The model with layers that recompute their activations, where that was asked for, although it never trains.

    transformers lets them do so in training mode only. A layer that is put into it has to drop nothing out by itself;
    the modules within stay as they are.
    """

    def as_in_training(layer: nn.Module, given: Any) -> None:
        layer.training = True

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing:
            layer.register_forward_pre_hook(as_in_training)
            for name, value in vars(layer).items():
                if isinstance(value, float) and "drop" in name:
                    setattr(layer, name, 0.0)
    return model


def reference(model: Any, chat: Any, config: Any) -> Scorer | None:
    """The model before training: a copy where all weights are trained; adapters are simply switched off."""
    if config.method == "lora":
        return None
    held = copy.deepcopy(model).requires_grad_(False).eval()
    return Scorer(held, chat, Features(whole(held), chat.processor.image_processor, config.cache_mb))
