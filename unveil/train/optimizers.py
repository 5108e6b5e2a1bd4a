"""Optimisers by name: AdamW, and AdamW whose moments are kept in 8 bits.

8 bits hold a moment as one of 256 levels, times the largest of its block of 256 weights (arXiv 2110.02861), which is a
quarter of the memory. bitsandbytes computes it; matrices of fewer than 4,096 weights keep their moments in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from unveil.train.loop import TrainingError
from unveil.train.options import Optimizer
from unveil.vlm import imports

BLOCK = 256
"""Weights whose moments share a scale."""
#: Bytes of both moments of a trained weight.
MOMENTS: dict[Optimizer, float] = {
    "adamw": 8,
    "adamw-8bit": 2 * (1 + 4 / BLOCK),
    "paged-adamw-8bit": 2 * (1 + 4 / BLOCK),
}
BETAS = (0.9, 0.98)


def made(name: Optimizer, groups: Iterable[dict[str, Any]], rate: float, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of these groups of parameters; raises ``TrainingError`` where it cannot be had here."""
    refuse(name, device)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=BETAS)
    kinds = bitsandbytes(f"--optimizer {name}").optim
    kind = kinds.PagedAdamW8bit if name == "paged-adamw-8bit" else kinds.AdamW8bit
    optimizer: torch.optim.Optimizer = kind(groups, lr=rate, betas=BETAS)
    return optimizer


def refuse(name: Optimizer, device: torch.device) -> None:
    """Raises ``TrainingError`` where an optimiser cannot be had on a device."""
    if name == "paged-adamw-8bit" and device.type != "cuda":
        raise TrainingError(
            f"--optimizer {name} lets moments leave a GPU's memory, and this is {device.type}: take adamw-8bit"
        )
    if name != "adamw":
        bitsandbytes(f"--optimizer {name}")


def bitsandbytes(asked: str) -> Any:
    """The library of 8-bit optimisers and 4-bit weights; raises ``TrainingError`` where it is not installed."""
    try:
        return imports.bitsandbytes()
    except ImportError as error:
        raise TrainingError(f"{asked} needs bitsandbytes: pip install 'unveil[quantised]' ({error})") from error
