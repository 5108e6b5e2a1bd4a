"""How sure a number is: resamples of clusters, what they cannot tell, and from how many on a verdict may be given.

Images of one patient are alike, so what belongs together is drawn together: clusters (``Record.cluster``: patient, else
study, else group, else image) are drawn with replacement, everything of a drawn cluster comes along, the whole figure
is computed again, and the interval is read from the percentiles of the values (Efron and Tibshirani 1993, chapter 13).

Shapes: B resamples, C clusters, K sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
TELLING = math.ceil(1 - math.log2(1 - LEVEL))
"""Clusters that must speak for a verdict, 6: all on one side, a two-sided sign test then has p = 2 / 2^6 < 0.05."""
MANY = 20
"""With fewer clusters a percentile interval is too narrow, and no report calls one model better than another."""
Array = NDArray[np.float64]

_BLOCK = 2_000_000  # weights held at once: 16 MB
_KEPT = 32_000_000  # counts that are kept for the next figures of as many clusters: 32 MB
ROUNDING = 1e-12  # a difference as small as this is none


def weights(clusters: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each cluster was drawn, in blocks of resamples (B, C): C draws with replacement for each resample."""
    held = clusters * resamples <= _KEPT
    for counts_BC in _drawn(clusters, resamples, seed) if held else _counts(clusters, resamples, seed):
        yield counts_BC.astype(np.float64)


@lru_cache(maxsize=3)  # most figures are of the same clusters
def _drawn(clusters: int, resamples: int, seed: int) -> list[NDArray[Any]]:
    """All of them, in the smallest type that holds them."""
    return [counts_BC.astype(np.min_scalar_type(counts_BC.max())) for counts_BC in _counts(clusters, resamples, seed)]


def _counts(clusters: int, resamples: int, seed: int) -> Iterator[NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        drawn_BC = rng.integers(clusters, size=(min(block, resamples - start), clusters), dtype=np.int32)
        counts_BC = np.empty(drawn_BC.shape, np.int32)
        for drawn_C, counts_C in zip(drawn_BC, counts_BC, strict=True):
            counts_C[:] = np.bincount(drawn_C, minlength=clusters)
        yield counts_BC


def resampled(sums: Sequence[NDArray[Any]], resamples: int = RESAMPLES, seed: int = 0) -> list[Array]:
    """Sums of all clusters, (C,) or (C, K) each, added up over the same resamples: (B,) or (B, K) each.

    Clusters stand in an order of their own (sorted), so that a seed draws the same ones.
    """
    stacked = columns(sums)
    return apart(np.concatenate([w @ stacked for w in weights(len(sums[0]), resamples, seed)]), sums)


def columns(sums: Sequence[NDArray[Any]]) -> Array:
    """Sums of all clusters, (C,) or (C, K) each, side by side: one product with the weights adds up all of them."""
    return np.concatenate([one.reshape(len(one), -1) for one in sums], axis=1, dtype=np.float64)


def apart(drawn_BK: Array, sums: Sequence[NDArray[Any]]) -> list[Array]:
    """What such a product has of each of them, (B,) or (B, K)."""
    ends = np.cumsum([one[:1].size for one in sums])[:-1]
    parts = np.split(drawn_BK, ends, axis=1)
    return [part[:, 0] if one.ndim == 1 else part for part, one in zip(parts, sums, strict=True)]


def percentiles(values_B: Array) -> tuple[float, float]:
    """The percentile interval."""
    low, high = np.percentile(values_B, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def unmoved(value: float, values_B: Array) -> bool:
    """Whether every resample has the same value, as it has where all clusters agree: its percentiles tell nothing."""
    return bool(np.abs(values_B - value).max(initial=0.0) <= ROUNDING)


def exact(value: float, clusters: int, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
    """The interval of a mean of which all clusters have the same value; a value is between ``low`` and ``high``.

    What all of C clusters show has a probability of at least p = 0.025^(1/C) (exact binomial interval, Clopper and
    Pearson 1934), and the rest may have any value. So what never happened in C clusters lies in [0, 1 - p], what always
    did in [p, 1], and a difference of 1 in [2p - 1, 1], which leaves out 0 from 6 clusters on, as the sign test does.
    """
    sure = (0.5 * (1 - LEVEL)) ** (1 / clusters)
    return low + sure * (value - low), high - sure * (high - value)


def interval(
    value: float, values_B: Array, clusters: int, lowest: float = 0.0, highest: float = 1.0
) -> tuple[float, float] | str:
    """The 95 % interval of a figure between ``lowest`` and ``highest``, or the reason why it has none.

    ``values_B`` are its values in the resamples that have one, ``clusters`` those with something to count in it. Where
    no resample moves it this is the exact interval (``exact``), else the percentiles. These lie within the values of
    single clusters, and all C of those lie on one side of the truth as often as 2 / 2^C: of fewer than ``TELLING``
    clusters no percentiles hold it in 95 %, so there is no such interval.
    """
    if clusters < 2:
        return "one cluster only"
    if not len(values_B):
        return "no resample holds an item"
    if unmoved(value, values_B):
        return exact(value, clusters, lowest, highest) if math.isfinite(highest) else "all clusters alike"
    return percentiles(values_B) if clusters >= TELLING else f"fewer than {TELLING} clusters"


def beyond_zero(low: float | None, high: float | None) -> bool:
    """Whether an interval lies on one side of zero."""
    return low is not None and high is not None and (low > ROUNDING or high < -ROUNDING)
