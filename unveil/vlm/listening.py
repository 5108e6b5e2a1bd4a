"""What tokens are drawn by, and who hears them while an answer is written and may end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

Hear = Callable[[list[int]], None]

_hears: ContextVar[Hear | None] = ContextVar("hears", default=None)


class Stopped(BaseException):
    """Raised by who hears an answer, to end it; like ``KeyboardInterrupt`` it is no fault of a model."""


@contextmanager
def heard(hear: Hear) -> Iterator[None]:
    """Calls ``hear`` with the next token of each place that writes, as it is drawn; in this thread only."""
    token = _hears.set(hear)
    try:
        yield
    finally:
        _hears.reset(token)


def tell(ids_R: Tensor) -> None:
    """Tells who hears, if anybody does; raises what they raise."""
    if hear := _hears.get():
        hear(ids_R.tolist())


def uniforms(seeds: Sequence[int], answers: int, count: int) -> Tensor:
    """Numbers from 0 to 1 for ``count`` tokens of each answer, (R, T), each answer's from a generator of its own."""
    rows = [np.random.default_rng((seed, k)).random(count, np.float32) for seed in seeds for k in range(answers)]
    return torch.from_numpy(np.stack(rows))  # all below 1, which as rounded doubles they would not be
