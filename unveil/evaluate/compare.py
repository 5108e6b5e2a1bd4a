"""How sure a number is, and whether one model is better than another: the bootstrap over patients.

Images of one patient are alike, so they are drawn together: clusters (``Record.cluster``: patient, else study, else
group, else image) are drawn with replacement, every outcome of a drawn cluster comes along, the whole metric is
computed again, and the interval is read from the percentiles of the values (Efron and Tibshirani 1993, chapter 13).
Two models are compared on the same resamples. With few clusters (some twenty or less) such an interval is too narrow.

Metrics are ratios of sums (``metrics.METRICS``), so a resample is a weighting of per-cluster sums, and all resamples of
all metrics are one matrix product. Shapes: B resamples, C clusters, R ratios, M metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unveil.evaluate.metrics import METRICS, RATIOS, Outcome, ScoreError

RESAMPLES = 2000
LEVEL = 0.95
_BLOCK = 4_000_000  # weights held at once: 32 MB
_COLUMN = {ratio: i for i, ratio in enumerate(RATIOS)}
_ROUNDING = 1e-12  # a difference as small as this is none
Array = NDArray[np.float64]


class PairingError(ScoreError):
    """Two models that were not asked the same questions."""


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its 95% interval, the number of items and of clusters that it rests on.

    ``value`` is None where there is nothing to compute it from, ``low`` and ``high`` where there is no interval;
    ``reason`` then says why. ``valid`` is the share of the resamples in which the metric could be computed.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    reason: str | None = None
    valid: float = 1.0


@dataclass(frozen=True)
class Difference(Estimate):
    """The second model's value minus the first's. ``excludes_zero``: the interval lies on one side of zero."""

    excludes_zero: bool = False


@dataclass(frozen=True)
class Sums:
    """Numerators, denominators and numbers of items of all ratios by cluster, each (C, R)."""

    numerators_CR: Array
    denominators_CR: Array
    items_CR: Array

    def reason(self, metric: str) -> str | None:
        """Why the metric has no interval, if it has none."""
        columns = [_COLUMN[r] for r in METRICS[metric]]
        if not self.items_CR[:, columns].any(0).all():
            return "no items"
        if not self.denominators_CR[:, columns].any(0).all():
            return "nothing to count"
        if ((self.items_CR[:, columns] > 0).sum(0) < 2).any():
            return "one cluster only"
        return None

    def size(self, metric: str) -> tuple[int, int]:
        """The numbers of items and of clusters that take part in the metric."""
        items_C = self.items_CR[:, [_COLUMN[r] for r in METRICS[metric]]].sum(1)
        return int(items_C.sum()), int((items_C > 0).sum())


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
    drawn_BM = np.concatenate([_values(w, table) for w in _weights(len(table.items_CR), resamples, seed)])
    values_M = _values(np.ones((1, len(table.items_CR))), table)[0]
    return {m: _estimate(table, m, values_M[i], drawn_BM[:, i]) for i, m in enumerate(METRICS)}


def differences(
    first: Sequence[Outcome], second: Sequence[Outcome], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """The second model minus the first, every metric, on the same items and the same resamples."""
    _check(resamples, first)
    _check_pairs(first, second)
    a, b = sums(first), sums(second)
    weights = [np.ones((1, len(a.items_CR))), *_weights(len(a.items_CR), resamples, seed)]
    values_BM = np.concatenate([_values(w, b) - _values(w, a) for w in weights])
    return {m: _difference(a, b, m, values_BM[0, i], values_BM[1:, i]) for i, m in enumerate(METRICS)}


def cluster_kind(outcomes: Sequence[Outcome]) -> str:
    """What the clusters are: "patient", "study", "group" or "image", or "mixed"."""
    kinds = {o.cluster.partition(":")[0] for o in outcomes}
    return kinds.pop() if len(kinds) == 1 else "mixed"


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


def _weights(clusters: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each cluster was drawn, in blocks of resamples (B, C): C draws with replacement for each resample."""
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(clusters, size=(size, clusters)) + clusters * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters).astype(np.float64)


def _values(weights_BC: Array, table: Sums) -> Array:
    """All metrics (B, M) under the weights; NaN where a part has nothing to count."""
    numerators_BR, denominators_BR = weights_BC @ table.numerators_CR, weights_BC @ table.denominators_CR
    nothing = np.full_like(numerators_BR, np.nan)
    ratios_BR = np.divide(numerators_BR, denominators_BR, out=nothing, where=denominators_BR > 0)
    return np.stack([ratios_BR[:, [_COLUMN[r] for r in ratios]].mean(1) for ratios in METRICS.values()], 1)


def _estimate(table: Sums, metric: str, value: float, drawn_B: Array) -> Estimate:
    reason, (n, clusters) = table.reason(metric), table.size(metric)
    low, high, valid = _interval(drawn_B)
    if np.isnan(value):
        return Estimate(None, None, None, n, clusters, reason, 0.0)
    if reason or low is None:
        return Estimate(float(value), None, None, n, clusters, reason or "no resample holds an item", valid)
    return Estimate(float(value), low, high, n, clusters, None, valid)


def _difference(a: Sums, b: Sums, metric: str, value: float, drawn_B: Array) -> Difference:
    worse = a if a.reason(metric) else b  # either may have nothing to count; items and clusters are the same
    estimate = _estimate(worse, metric, value, drawn_B)
    low, high = estimate.low, estimate.high
    apart = low is not None and high is not None and (low > _ROUNDING or high < -_ROUNDING)
    return Difference(**vars(estimate), excludes_zero=apart)


def _interval(drawn_B: Array) -> tuple[float | None, float | None, float]:
    """The percentile interval over the resamples that have a value, and their share."""
    valid = drawn_B[~np.isnan(drawn_B)]
    if not len(valid):
        return None, None, 0.0
    low, high = np.percentile(valid, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high), len(valid) / len(drawn_B)
