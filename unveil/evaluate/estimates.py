"""A figure with its interval, and the difference of two: one form for all parts of the evaluation.

Shapes: B resamples, K ratios of which a figure is the mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unveil.core import bootstrap

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure's value with its 95% interval, the number of items and of clusters that it rests on.

    ``value`` is None where there is nothing to compute it from, ``low`` and ``high`` where there is no interval;
    ``reason`` then says why. ``valid`` is the share of the resamples in which the figure could be computed, ``fewest``
    the number of clusters with something to count: of a mean of ratios in that which has the fewest, of a difference in
    that of the two figures which has fewer.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    reason: str | None = None
    valid: float = 1.0
    fewest: int = 0


@dataclass(frozen=True)
class Difference(Estimate):
    """The second model's value minus the first's.

    ``differing`` clusters are those in which the two models' answers count differently. ``excludes_zero``: the interval
    lies on one side of zero, and enough clusters differ for a verdict (``bootstrap.TELLING``). ``p`` is that of the
    permutation test (``permutations``), ``p_holm`` the same among all metrics of the two models (Holm 1979); None where
    none was made. ``detectable`` is the true difference that an interval of this width would leave out 0 for in four
    of five test sets of this size (power 0.8, two-sided 5 %); None where resamples show no spread.
    """

    differing: int = 0
    excludes_zero: bool = False
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None


def divided(above: ArrayLike, below: ArrayLike) -> Array:
    """Numerators by denominators, of any shape; NaN where there is nothing to count."""
    above, below = np.asarray(above, float), np.asarray(below, float)
    shares: Array = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=shares, where=below > 0)
    return shares


def estimate(
    value: float,
    drawn_B: Array,
    n: int,
    clusters: int,
    fewest: int | None = None,
    lowest: float = 0.0,
    highest: float = 1.0,
) -> Estimate:
    """A figure from ``lowest`` to ``highest`` with the interval of its values in resamples.

    ``fewest`` as in ``Estimate``: of the ``clusters`` those with something to count, all where it is not told.
    """
    counting_K = np.array([clusters if fewest is None else fewest])
    return of_mean(np.array([value]), drawn_B[:, None], n, clusters, counting_K, lowest, highest)


def of_mean(
    values_K: Array,
    drawn_BK: Array,
    n: int,
    clusters: int,
    counting_K: NDArray[np.int_],
    lowest: float = 0.0,
    highest: float = 1.0,
) -> Estimate:
    """The mean of ratios with its interval; ``counting_K`` are the clusters with something to count in each of them."""
    value, fewest = float(values_K.mean()), int(counting_K.min())
    if np.isnan(value):
        return Estimate(None, None, None, n, clusters, "nothing to count" if n else "no items", 0.0, fewest)
    known_BK = drawn_BK[~np.isnan(drawn_BK).any(1)]
    valid = len(known_BK) / len(drawn_BK)
    found = _interval(values_K, known_BK, counting_K, lowest, highest)
    if isinstance(found, str):
        return Estimate(value, None, None, n, clusters, found, valid, fewest)
    return Estimate(value, *found, n, clusters, None, valid, fewest)


def _interval(
    values_K: Array, drawn_BK: Array, counting_K: NDArray[np.int_], lowest: float, highest: float
) -> tuple[float, float] | str:
    """The percentiles of the mean over the ratios, made wider by the exact interval of a ratio that never moves.

    Of a mean the distances to its limits are added as squares (Zou and Donner 2008, doi 10.1002/sim.3095).
    """
    value, mean_B, fewest = float(values_K.mean()), drawn_BK.mean(1), int(counting_K.min())
    still = [k for k in range(len(values_K)) if bootstrap.unmoved(values_K[k], drawn_BK[:, k])]
    if len(values_K) == 1 or not still or fewest < 2 or not len(drawn_BK):
        return bootstrap.interval(value, mean_B, fewest, lowest, highest)
    moved = [k for k in range(len(values_K)) if k not in still]
    around = bootstrap.interval(value, mean_B, int(counting_K[moved].min())) if moved else (value, value)
    if isinstance(around, str):
        return around
    exact_K2 = [bootstrap.exact(values_K[k], int(counting_K[k]), lowest, highest) for k in still]
    reach_K2 = [np.subtract(ends_2, values_K[k]) / len(values_K) for k, ends_2 in zip(still, exact_K2, strict=True)]
    down, up = np.linalg.norm([np.subtract(around, value), *reach_K2], axis=0)
    return value - float(down), value + float(up)


def difference(found: Estimate, differing: int, detectable: float | None = None) -> Difference:
    """A figure that is the difference of two models' as such, with its verdict."""
    excludes = bootstrap.beyond_zero(found.low, found.high) and differing >= bootstrap.TELLING
    return Difference(**vars(found), differing=differing, excludes_zero=excludes, detectable=detectable)


def plain(estimate: Estimate) -> dict[str, Any]:
    """An estimate without the fields that say nothing (no reason, all resamples valid, no part with fewer clusters)."""
    values = dataclasses.asdict(estimate)
    if estimate.reason is None:
        del values["reason"]
    if estimate.valid == 1 or estimate.value is None:
        del values["valid"]
    if estimate.fewest == estimate.clusters:
        del values["fewest"]
    return {name: v for name, v in values.items() if v is not None or name not in ("p", "p_holm", "detectable")}


def written(cell: Mapping[str, Any] | None, digits: int = 2, signed: bool = False, n: bool = False) -> str:
    """A figure (``plain``) as the terminal has it: value and interval, and where it has none or ``n`` asks for it the
    number of items; a dash where there is no value."""
    if not cell or cell["value"] is None:
        return "-"
    form = f"{'+' if signed else ''}.{digits}f"
    known = cell["low"] is not None
    limits = f" [{cell['low']:{form}}, {cell['high']:{form}}]" if known else ""
    return f"{cell['value']:{form}}{limits}" + (f" (n {cell['n']})" if n or not known else "")
