"""Figures of a section from sums over patients: values, intervals and paired differences, recomputed on resamples.

A figure is a function of sums (``Statistic.of``), such as a ratio of two of them or the BLEU of a corpus; so it is
computed anew on every resample and never averaged. Shapes: N answers, C clusters, B resamples, K sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """A figure from sums (..., K) to (...): NaN where there is nothing to compute it from.

    ``counts`` are the columns of which one must not be 0 for an answer to take part; ``highest`` is its largest value,
    infinite of an error: then what all clusters agree on has no interval.
    """

    of: Callable[[Array], Array]
    counts: tuple[int, ...]
    highest: float = 1.0


def ratio(numerator: int, denominator: int, times: float = 1.0, highest: float = 1.0) -> Statistic:
    """The ratio of two columns."""
    return f_score(numerator, (denominator,), times, highest)


def f_score(numerator: int, denominators: tuple[int, ...], times: float = 2.0, highest: float = 1.0) -> Statistic:
    """``times`` a column over the sum of others: with 2, hits, what was said and what is true it is F1."""

    def of(sums_K: Array) -> Array:
        below = sums_K[..., list(denominators)].sum(-1)
        value: Array = np.divide(
            times * sums_K[..., numerator], below, out=np.full(below.shape, np.nan), where=below > 0
        )
        return value

    return Statistic(of, denominators, highest)


@dataclass(frozen=True)
class ClusterSums:
    """What one model's answers add up to by cluster: sums (C, K), and answers that have something there (C, K)."""

    sums_CK: Array
    items_CK: Array


def by_cluster(clusters: Sequence[str], values_NK: Array) -> ClusterSums:
    """ClusterSums by cluster; clusters are sorted, so that a seed draws the same ones for every model."""
    _, at_N = np.unique(np.asarray(clusters), return_inverse=True)
    sums_CK = np.zeros((int(at_N.max(initial=-1)) + 1, values_NK.shape[1]))
    items_CK = np.zeros_like(sums_CK)
    np.add.at(sums_CK, at_N, values_NK)
    np.add.at(items_CK, at_N, values_NK != 0)
    return ClusterSums(sums_CK, items_CK)


def estimates(
    figures: Mapping[str, Statistic], values_NK: Array, clusters: Sequence[str], resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Each figure with its interval, the answers and the clusters that it rests on, as JSON values."""
    table = by_cluster(clusters, values_NK)
    (drawn_BK,) = bootstrap.resampled([table.sums_CK], resamples, seed)
    found = {}
    for name, one in figures.items():
        n = int((values_NK[:, list(one.counts)] != 0).any(1).sum())
        found[name] = _estimate(one.of(table.sums_CK.sum(0)), one.of(drawn_BK), table, one, n, 0.0)
    return found


def differences(
    figures: Mapping[str, Statistic],
    first_NK: Array,
    second_NK: Array,
    clusters: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The second model less the first, on the same answers and the same resamples."""
    a, b = by_cluster(clusters, first_NK), by_cluster(clusters, second_NK)
    drawn_a, drawn_b = bootstrap.resampled([a.sums_CK, b.sums_CK], resamples, seed)
    found = {}
    for name, one in figures.items():
        columns = list(one.counts)
        n = int(((first_NK[:, columns] != 0) | (second_NK[:, columns] != 0)).any(1).sum())
        value = one.of(b.sums_CK.sum(0)) - one.of(a.sums_CK.sum(0))
        drawn = one.of(drawn_b) - one.of(drawn_a)
        row = _estimate(value, drawn, ClusterSums(a.sums_CK, a.items_CK + b.items_CK), one, n, -one.highest)
        apart_C = np.nan_to_num(one.of(a.sums_CK)) != np.nan_to_num(one.of(b.sums_CK))
        row["differing"] = int(apart_C.sum())
        enough = row["differing"] >= bootstrap.TELLING
        found[name] = row | {"excludes_zero": enough and bootstrap.beyond_zero(row["low"], row["high"])}
    return found


def _estimate(
    value: Array, drawn_B: Array, table: ClusterSums, one: Statistic, n: int, lowest: float
) -> dict[str, Any]:
    clusters = int((table.items_CK[:, list(one.counts)] > 0).any(1).sum())
    row: dict[str, Any] = {"value": None, "low": None, "high": None, "n": n, "clusters": clusters}
    if np.isnan(value):
        return row | {"reason": "nothing to count" if n else "no items"}
    row["value"], drawn_B = float(value), drawn_B[~np.isnan(drawn_B)]
    if clusters < 2:
        return row | {"reason": "one cluster only"}
    low, high = bootstrap.percentiles(drawn_B)
    if bootstrap.unmoved(float(value), drawn_B):
        if math.isinf(one.highest):
            return row | {"reason": "all clusters alike"}
        low, high = bootstrap.exact(float(value), clusters, lowest, one.highest)
    return row | {"low": low, "high": high}
