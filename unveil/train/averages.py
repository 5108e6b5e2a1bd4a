"""Means over a whole update: over all tokens, answers or pairs of its passes and of all processes, each counted alike.

A mean of the passes' means is another one where passes are not of one size: it weighs what stands in a small pass more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor

Ratio = tuple[float, float]
"""A figure as a sum and the number of what was summed, so that passes and processes add up to that of their update."""


def summed(terms: Tensor) -> Ratio:
    """The mean of terms as a ``Ratio``."""
    return float(terms.detach().cpu().double().sum()), terms.numel()


def times(mean: Tensor, count: int) -> Ratio:
    """A mean over ``count`` terms as a ``Ratio``; one over none of them is no figure."""
    return (float(mean.detach()) * count, count) if count else (0.0, 0.0)


def averaged(parts: Sequence[Mapping[str, Ratio]], accelerator: Accelerator) -> dict[str, float]:
    """Each figure over all passes of an update and all processes; without those that none of them has."""
    table = over_processes(torch.tensor([list(p.values()) for p in parts], dtype=torch.float64).sum(0), accelerator)
    return {name: total / count for name, (total, count) in zip(parts[0], table.tolist(), strict=True) if count}


def portions(sizes: Sequence[int], accelerator: Accelerator) -> list[float]:
    """What the mean over each pass weighs, so that an update is one mean over all its passes and processes.

    ``sizes`` say how much each pass holds of what is averaged: tokens, answers or pairs. DDP takes the mean of the
    processes' gradients, hence times their number.
    """
    whole = int(over_processes(torch.tensor(sum(sizes)), accelerator))
    return [size * accelerator.num_processes / whole for size in sizes]


def over_processes(own: Tensor, accelerator: Accelerator) -> Tensor:
    """The sum of what the processes have, on the CPU."""
    if accelerator.num_processes == 1:
        return own
    total: Tensor = accelerator.reduce(own.to(accelerator.device), "sum").cpu()
    return total
