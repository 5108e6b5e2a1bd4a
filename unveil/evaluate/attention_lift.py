"""Attention maps as they are kept, and how much more of the attention lies on the findings than beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unveil.core import bootstrap


@dataclass(frozen=True)
class AttentionRow:
    """Attention from the words of a true diagnosis that name its findings, on one image.

    ``share`` of it lies in the findings' boxes, ``even`` would if it were spread evenly. ``map`` is the attention on
    the image as rows of cells, as far as it is more than the image's mean; the largest is 1.
    """

    id: str
    record: str
    cluster: str
    model: str
    share: float
    even: float
    map: tuple[tuple[float, ...], ...]


def lift(
    rows: Sequence[AttentionRow], resamples: int = bootstrap.RESAMPLES, seed: int = 0
) -> tuple[float, float | None, float | None]:
    """How many times more attention lies on the findings than if it were spread evenly, with a 95 % interval.

    The ratio of the summed shares; the interval is a bootstrap over patients (``AttentionRow.cluster``), None where
    they all have the same ratio, as one patient has, and where they are few (``bootstrap.interval``).
    """
    clusters = sorted({one.cluster for one in rows})
    sums_C2 = np.array([[sum(v) for v in zip(*_shares(rows, c), strict=True)] for c in clusters])
    (drawn_B2,) = bootstrap.resampled([sums_C2], resamples, seed)
    share, even = sums_C2.sum(0)
    found = bootstrap.interval(share / even, drawn_B2[:, 0] / drawn_B2[:, 1], len(clusters), highest=math.inf)
    return float(share / even), *((None, None) if isinstance(found, str) else found)


def _shares(rows: Sequence[AttentionRow], cluster: str) -> list[tuple[float, float]]:
    return [(one.share, one.even) for one in rows if one.cluster == cluster]
