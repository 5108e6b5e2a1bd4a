"""How an answer is drawn, and seeds that depend on names instead of on the order in which things happen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 takes the likeliest token; ``top_k`` 0 and ``top_p`` 1 leave all tokens to be drawn."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0


def seed_of(*names: object) -> int:
    """A seed of 48 bits from names, the same on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, names)).encode()).digest()[:6])
