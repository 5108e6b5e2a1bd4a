"""Hidden states of a frozen tower, remembered while the projector behind them is trained."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from unveil.vlm.families import family_of


def frozen(base: Any, look: Any) -> Any:
    """Runs without a graph, without dropout, and in the weights' own precision, so that every run gets the same."""
    training, device = base.training, next(base.parameters()).device
    if training:
        base.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return look()
    finally:
        if training:
            base.train()


def remember(base: Any, room_mb: int, count: Any = lambda: None) -> Remembering | None:
    """Lets a LLaVA's frozen tower remember its hidden states, up to ``room_mb``; None where it cannot.

    For models whose ``vision_tower`` takes images as rows of ``pixel_values`` (B, 3, H, W). An image is known by the
    bytes of its pixels. ``count`` is called for each image that the tower looks at.
    """
    found = with_states(base)
    if found is None:
        return None
    remembering = Remembering(*found, room_mb * 2**20, count)
    remembering.enter()
    return remembering


def with_states(base: Any) -> tuple[Any, int] | None:
    """The frozen tower of a model and the layer whose hidden state its projector takes; None where that is not so."""
    if not family_of(base.config).tower_states:
        return None
    tower = next((m for name, m in base.named_modules() if name.split(".")[-1] == "vision_tower"), None)
    layer = getattr(base.config, "vision_feature_layer", None)
    if tower is None or not isinstance(layer, int) or any(p.requires_grad for p in tower.parameters()):
        return None
    return tower, layer


@dataclass(frozen=True)
class _States:
    """What is kept of one image: the chosen hidden state (1, P, D), the tower's output, the number of states."""

    chosen: Tensor
    last: Tensor | None
    """Kept where the last layer is chosen: behind it, some towers have a norm, and some projectors take its output."""
    count: int

    @property
    def nbytes(self) -> int:
        return self.chosen.nbytes + (0 if self.last is None else self.last.nbytes)


class Remembering:
    """The forward pass of a frozen tower with a memory. Shapes: B images, P patches, D features."""

    def __init__(self, tower: Any, layer: int, room: int, count: Any):
        self.tower, self.forward, self.layer, self.room, self.count = tower, tower.forward, layer, room, count
        self.known: dict[bytes, _States] = {}

    def enter(self) -> None:
        """Takes the place of the tower's own forward pass."""
        self.tower.forward = self

    def leave(self) -> None:
        """Gives the tower its own forward pass back."""
        self.tower.forward = self.forward

    def __call__(self, pixel_values: Tensor, **options: Any) -> BaseModelOutput:
        seen = [self._states(image[None], options) for image in pixel_values]
        states: list[Tensor | None] = [None] * seen[0].count
        states[self.layer] = torch.cat([one.chosen for one in seen])
        lasts = [one.last for one in seen if one.last is not None]
        return BaseModelOutput(last_hidden_state=torch.cat(lasts) if lasts else None, hidden_states=tuple(states))

    def _states(self, image: Tensor, options: dict[str, Any]) -> _States:
        bits = image.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        key = hashlib.blake2b(bits, digest_size=16).digest()
        if key in self.known:
            return self.known[key]
        self.count()
        out = frozen(self.tower, lambda: self.forward(image, **{**options, "output_hidden_states": True}))
        states = out.hidden_states
        last = out.last_hidden_state.detach() if self.layer in (-1, len(states) - 1) else None
        found = _States(states[self.layer].detach(), last, len(states))
        if found.nbytes <= self.room:
            self.room -= found.nbytes
            self.known[key] = found
        return found
