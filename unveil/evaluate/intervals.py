"""How sure a metric is, and whether one model is better than another: the bootstrap over patients (``bootstrap``).

Two models are compared on the same resamples. Metrics are ratios of sums (``metrics.METRICS``), so a resample is a
weighting of per-cluster sums, and all resamples of all metrics are one matrix product. Shapes: B resamples, C clusters,
R ratios, K ratios of one metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.core.bootstrap import RESAMPLES
from unveil.core.grading import Outcome, ScoreError
from unveil.evaluate.metrics import METRICS, RATIOS

_COLUMN = {ratio: i for i, ratio in enumerate(RATIOS)}
_PARTS = {metric: [_COLUMN[ratio] for ratio in ratios] for metric, ratios in METRICS.items()}
Array = NDArray[np.float64]


class PairingError(ScoreError):
    """Two models that were not asked the same questions."""


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its 95% interval, the number of items and of clusters that it rests on.

    ``value`` is None where there is nothing to compute it from, ``low`` and ``high`` where there is no interval;
    ``reason`` then says why. ``valid`` is the share of the resamples in which the metric could be computed, ``fewest``
    the number of clusters with something to count in that ratio of the metric which has the fewest.
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
    lies on one side of zero, and enough clusters differ for a verdict (``bootstrap.TELLING``).
    """

    differing: int = 0
    excludes_zero: bool = False


@dataclass(frozen=True)
class Sums:
    """Numerators, denominators and numbers of items of all ratios by cluster, each (C, R)."""

    numerators_CR: Array
    denominators_CR: Array
    items_CR: Array

    def reason(self, metric: str) -> str | None:
        """Why the metric has no interval, if it has none."""
        parts = _PARTS[metric]
        if not self.items_CR[:, parts].any(0).all():
            return "no items"
        if not self.denominators_CR[:, parts].any(0).all():
            return "nothing to count"
        if self.counting_R[parts].min() < 2:
            return "one cluster only"
        return None

    @property
    def counting_R(self) -> NDArray[np.int_]:
        """In how many clusters there is something to count."""
        counts_R: NDArray[np.int_] = (self.denominators_CR > 0).sum(0)
        return counts_R

    @property
    def values_R(self) -> Array:
        """The ratios over all clusters."""
        every_1C = np.ones((1, len(self.items_CR)))
        values_R: Array = _ratios(every_1C @ self.numerators_CR, every_1C @ self.denominators_CR)[0]
        return values_R

    def size(self, metric: str) -> tuple[int, int]:
        """The numbers of items and of clusters that take part in the metric."""
        items_CK = self.items_CR[:, _PARTS[metric]]
        return int(items_CK.sum()), int(items_CK.any(1).sum())


def sums(outcomes: Sequence[Outcome]) -> Sums:
    """The outcomes' contributions added up by cluster; clusters are sorted, so that a seed draws the same ones."""
    row_of = {cluster: i for i, cluster in enumerate(sorted({o.cluster for o in outcomes}))}
    table = np.zeros((3, len(row_of), len(RATIOS)))
    for outcome in outcomes:
        for ratio, (numerator, denominator) in outcome.sums.items():
            table[:, row_of[outcome.cluster], _COLUMN[ratio]] += numerator, denominator, 1
    return Sums(*table)


def estimates(outcomes: Sequence[Outcome], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Estimate]:
    """Every metric of one model's outcomes with its interval."""
    _check(resamples, outcomes)
    table = sums(outcomes)
    drawn_BR = _ratios(*bootstrap.resampled([table.numerators_CR, table.denominators_CR], resamples, seed))
    values_R = table.values_R
    return {m: _estimate(table, m, table.counting_R, values_R, drawn_BR, 0.0) for m in METRICS}


def differences(
    first: Sequence[Outcome], second: Sequence[Outcome], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """The second model minus the first, every metric, on the same items and the same resamples."""
    _check(resamples, first)
    _check_pairs(first, second)
    a, b = sums(first), sums(second)
    tables = [b.numerators_CR, b.denominators_CR, a.numerators_CR, a.denominators_CR]
    drawn = bootstrap.resampled(tables, resamples, seed)
    drawn_BR = _ratios(*drawn[:2]) - _ratios(*drawn[2:])
    return {m: _difference(a, b, m, b.values_R - a.values_R, drawn_BR) for m in METRICS}


def _check(resamples: int, outcomes: Sequence[Outcome]) -> None:
    if resamples < 1:
        raise ScoreError(f"at least one resample is needed, not {resamples}")
    if not outcomes:
        raise ScoreError("there are no outcomes to resample")


def _check_pairs(first: Sequence[Outcome], second: Sequence[Outcome]) -> None:
    a, b = ({o.id: o.cluster for o in rows} for rows in (first, second))
    if len(a) < len(first) or len(b) < len(second):
        raise PairingError("an id occurs more than once")
    for here, there, which in ((a, b, "second"), (b, a, "first")):
        if missing := sorted(here.keys() - there.keys()):
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise PairingError(f"the {which} model lacks {', '.join(missing[:5])}{more}: pairs need the same ids")
    if moved := sorted(i for i in a if a[i] != b[i]):
        raise PairingError(f"{moved[0]} belongs to cluster {a[moved[0]]} in one and {b[moved[0]]} in the other")


def _ratios(numerators_BR: Array, denominators_BR: Array) -> Array:
    """All ratios (B, R) of summed numerators and denominators; NaN where one has nothing to count."""
    nothing = np.full_like(numerators_BR, np.nan)
    return np.divide(numerators_BR, denominators_BR, out=nothing, where=denominators_BR > 0)


def _estimate(
    table: Sums, metric: str, counting_R: NDArray[np.int_], values_R: Array, drawn_BR: Array, lowest: float
) -> Estimate:
    """A metric from its ratios, none of which is below ``lowest`` or above 1."""
    reason, (n, clusters) = table.reason(metric), table.size(metric)
    parts = _PARTS[metric]
    counting_K, values_K, drawn_BK = counting_R[parts], values_R[parts], drawn_BR[:, parts]
    value, fewest = float(values_K.mean()), int(counting_K.min())
    if np.isnan(value):
        return Estimate(None, None, None, n, clusters, reason, 0.0, fewest)
    drawn_BK = drawn_BK[~np.isnan(drawn_BK).any(1)]
    valid = len(drawn_BK) / len(drawn_BR)
    if reason or not valid:
        return Estimate(value, None, None, n, clusters, reason or "no resample holds an item", valid, fewest)
    low, high = _interval(counting_K, values_K, drawn_BK, lowest)
    return Estimate(value, low, high, n, clusters, None, valid, fewest)


def _interval(counting_K: NDArray[np.int_], values_K: Array, drawn_BK: Array, lowest: float) -> tuple[float, float]:
    """The percentiles of the mean over the ratios, made wider by the exact interval of a ratio that never moves.

    Of a mean the distances to its limits are added as squares (Zou and Donner 2008, doi 10.1002/sim.3095).
    """
    value, (low, high) = float(values_K.mean()), bootstrap.percentiles(drawn_BK.mean(1))
    still = [k for k in range(len(values_K)) if bootstrap.unmoved(values_K[k], drawn_BK[:, k])]
    if not still:
        return low, high
    reach_K2 = [np.subtract(bootstrap.exact(values_K[k], int(counting_K[k]), lowest), values_K[k]) for k in still]
    down, up = np.linalg.norm([(low - value, high - value), *(reach / len(values_K) for reach in reach_K2)], axis=0)
    return value - float(down), value + float(up)


def _difference(a: Sums, b: Sums, metric: str, values_R: Array, drawn_BR: Array) -> Difference:
    worse = a if a.reason(metric) else b  # either may have nothing to count; items and clusters are the same
    counting_R = np.minimum(a.counting_R, b.counting_R)  # F1 counts a normal image only where a box is said
    found = _estimate(worse, metric, counting_R, values_R, drawn_BR, -1.0)
    apart_CR = np.maximum(np.abs(a.numerators_CR - b.numerators_CR), np.abs(a.denominators_CR - b.denominators_CR))
    differing = int((apart_CR[:, _PARTS[metric]] > bootstrap.ROUNDING).any(1).sum())
    excludes = bootstrap.beyond_zero(found.low, found.high) and differing >= bootstrap.TELLING
    return Difference(**vars(found), differing=differing, excludes_zero=excludes)
