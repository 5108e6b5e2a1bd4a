"""Vision features of a frozen tower, computed once per image and used in every epoch and for every question.

For models whose ``vision_tower`` takes images as rows of ``pixel_values`` (B, 3, H, W) and gives hidden states (the
LLaVA family). Others run as they are.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput


def remember(model: nn.Module, room_mb: int) -> bool:
    """Lets the model's frozen tower remember what it saw, up to ``room_mb`` of features; False where it cannot.

    An image is known by the bytes of its pixels. Each is run alone, so that its features do not depend on which others
    were new in the same batch, and a resumed run computes the same bits.
    """
    tower = next((m for name, m in model.named_modules() if name.split(".")[-1] == "vision_tower"), None)
    layer = getattr(getattr(model, "config", None), "vision_feature_layer", None)
    if tower is None or not isinstance(layer, int) or any(p.requires_grad for p in tower.parameters()):
        return False
    tower.forward = _Remembering(tower, tower.forward, layer, room_mb * 2**20)
    return True


class _Remembering:
    """The forward pass of a frozen tower with a memory. Shapes: B images, P patches, D features."""

    def __init__(self, tower: nn.Module, forward: Any, layer: int, room: int):
        self.tower, self.forward, self.layer, self.room = tower, forward, layer, room
        self.known: dict[bytes, tuple[Tensor, int]] = {}
        self.computed = 0

    def __call__(self, pixel_values: Tensor, **options: Any) -> BaseModelOutput:
        seen = [self._features(image[None], options) for image in pixel_values]
        features_BPD = torch.cat([features for features, _ in seen])
        states: list[Tensor | None] = [None] * seen[0][1]
        states[self.layer] = features_BPD
        return BaseModelOutput(last_hidden_state=features_BPD, hidden_states=tuple(states))

    def _features(self, image: Tensor, options: dict[str, Any]) -> tuple[Tensor, int]:
        """The chosen hidden state of one image (1, P, D), and how many hidden states there are."""
        bits = image.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        key = hashlib.blake2b(bits, digest_size=16).digest()
        if key in self.known:
            return self.known[key]
        self.computed += 1
        self.tower.eval()
        with torch.no_grad():
            states = self.forward(image, **{**options, "output_hidden_states": True}).hidden_states
        found = states[self.layer].detach(), len(states)
        if found[0].nbytes <= self.room:
            self.room -= found[0].nbytes
            self.known[key] = found
        return found
