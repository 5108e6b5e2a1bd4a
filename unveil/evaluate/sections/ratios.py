"""Figures of a section from sums over patients: values, intervals and paired differences, recomputed on resamples.

A figure is a function of sums (``Statistic.of``), such as a ratio of two of them or the BLEU of a corpus; so it is
computed anew on every resample and never averaged. Shapes: N answers, C clusters, B resamples, K sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.evaluate.estimates import Array, difference, divided, estimate, plain
from unveil.evaluate.permutations import holm, p_of_figures


@dataclass(frozen=True)
class Statistic:
    """A figure from sums (..., K) to (...): NaN where there is nothing to compute it from.

    ``counts`` are the columns of which one must not be 0 for an answer to take part; ``highest`` is its largest value,
    infinite of an error.
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
        return divided(times * sums_K[..., numerator], sums_K[..., list(denominators)].sum(-1))

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
        n, value = int(_counts(values_NK, one).sum()), float(one.of(table.sums_CK.sum(0)))
        counting = int(_counts(table.items_CK, one).sum())
        found[name] = plain(estimate(value, one.of(drawn_BK), n, counting, highest=one.highest))
    return found


def differences(
    figures: Mapping[str, Statistic],
    first_NK: Array,
    second_NK: Array,
    clusters: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The second model less the first, on the same answers and the same resamples, each with the p of the permutation
    test and the same among all of these figures (Holm)."""
    a, b = by_cluster(clusters, first_NK), by_cluster(clusters, second_NK)
    drawn_a, drawn_b = bootstrap.resampled([a.sums_CK, b.sums_CK], resamples, seed)
    p = p_of_figures({name: one.of for name, one in figures.items()}, a.sums_CK, b.sums_CK, resamples, seed)
    among, found = holm(p), {}
    for name, one in figures.items():
        n = int((_counts(first_NK, one) | _counts(second_NK, one)).sum())
        in_a, in_b = _counts(a.items_CK, one), _counts(b.items_CK, one)
        value = float(one.of(b.sums_CK.sum(0)) - one.of(a.sums_CK.sum(0)))
        fewest = int(min(in_a.sum(), in_b.sum()))
        drawn_B = one.of(drawn_b) - one.of(drawn_a)
        apart = estimate(value, drawn_B, n, int((in_a | in_b).sum()), fewest, -one.highest, one.highest)
        told = difference(apart, int(_differ(one.of(a.sums_CK), one.of(b.sums_CK)).sum()))
        found[name] = plain(replace(told, p=p.get(name), p_holm=among.get(name)))
    return found


def _counts(values_XK: Array, one: Statistic) -> NDArray[np.bool_]:
    """Where a figure has something to count, (X,)."""
    counts_X: NDArray[np.bool_] = (values_XK[:, list(one.counts)] != 0).any(1)
    return counts_X


def _differ(first_C: Array, second_C: Array) -> NDArray[np.bool_]:
    """Where the figures of clusters differ, also in whether there is one, (C,)."""
    same_C = np.isclose(first_C, second_C, rtol=0.0, atol=bootstrap.ROUNDING, equal_nan=True)
    return ~same_C
