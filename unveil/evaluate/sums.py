"""What answers add to the ratios of which metrics are made, as tables: by answer, and added up by cluster.

Shapes: N answers, E entries (one for each ratio that an answer counts in), C clusters, R ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from unveil.core.grading import Outcome
from unveil.evaluate.estimates import divided
from unveil.evaluate.metrics import METRICS, RATIOS

COLUMN = {ratio: i for i, ratio in enumerate(RATIOS)}
PARTS = {metric: [COLUMN[ratio] for ratio in ratios] for metric, ratios in METRICS.items()}
Array = NDArray[np.float64]
Whole = NDArray[np.int_]


@dataclass(frozen=True)
class Sums:
    """Numerators, denominators and numbers of items of all ratios by cluster, each (C, R)."""

    numerators_CR: Array
    denominators_CR: Array
    items_CR: Array

    def reason(self, metric: str) -> str | None:
        """Why the metric has no interval, if it has none."""
        parts = PARTS[metric]
        if not self.items_R[parts].all():
            return "no items"
        if not self.counting_R[parts].all():
            return "nothing to count"
        if self.counting_R[parts].min() < 2:
            return "one cluster only"
        return None

    @cached_property
    def items_R(self) -> Whole:
        """Numbers of items."""
        items_R: Whole = self.items_CR.sum(0).astype(int)
        return items_R

    @cached_property
    def counting_R(self) -> Whole:
        """In how many clusters there is something to count."""
        counts_R: Whole = (self.denominators_CR > 0).sum(0)
        return counts_R

    @cached_property
    def values_R(self) -> Array:
        """The ratios over all clusters."""
        every_1C = np.ones((1, len(self.items_CR)))
        values_R: Array = divided(every_1C @ self.numerators_CR, every_1C @ self.denominators_CR)[0]
        return values_R

    def size(self, metric: str) -> tuple[int, int]:
        """The numbers of items and of clusters that take part in the metric."""
        parts = PARTS[metric]
        return int(self.items_R[parts].sum()), int(self.items_CR[:, parts].any(1).sum())


@dataclass(frozen=True)
class Added:
    """What each answer of a model adds: an entry has the number of its answer, its ratio, numerator and denominator.

    ``cluster_N`` are numbers of the answers' clusters in sorted order, so that a seed draws the same ones.
    """

    cluster_N: Whole
    answer_E: Whole
    ratio_E: Whole
    numerator_E: Array
    denominator_E: Array

    def of_ratio(self, ratio: str, chosen_N: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Numerators and denominators of one ratio over the chosen answers, of all clusters (C,)."""
        entries = chosen_N[self.answer_E] & (self.ratio_E == COLUMN[ratio])
        rows_E, clusters = self.cluster_N[self.answer_E[entries]], int(self.cluster_N.max(initial=-1)) + 1
        parts = self.numerator_E[entries], self.denominator_E[entries]
        numerators_C, denominators_C = (np.bincount(rows_E, part, clusters).astype(np.float64) for part in parts)
        return numerators_C, denominators_C

    def sums(self, chosen_N: NDArray[np.bool_] | None = None) -> Sums:
        """Added up by cluster, over all answers or the chosen ones, in the order of the answers."""
        if chosen_N is None:
            chosen_N = np.ones(len(self.cluster_N), np.bool_)
        clusters = np.unique(self.cluster_N[chosen_N])
        entries = chosen_N[self.answer_E]
        rows_E = np.searchsorted(clusters, self.cluster_N[self.answer_E[entries]])
        at_E, size = rows_E * len(RATIOS) + self.ratio_E[entries], len(clusters) * len(RATIOS)

        def by_cluster(values_E: Array | None) -> Array:
            added: Array = np.bincount(at_E, values_E, size).astype(np.float64)
            return added.reshape(len(clusters), len(RATIOS))

        return Sums(by_cluster(self.numerator_E[entries]), by_cluster(self.denominator_E[entries]), by_cluster(None))


def added(outcomes: Sequence[Outcome]) -> Added:
    """What the answers add, in their order."""
    number = {cluster: i for i, cluster in enumerate(sorted({o.cluster for o in outcomes}))}
    clusters_N = np.array([number[o.cluster] for o in outcomes], int)
    sums_N = [o.sums for o in outcomes]
    answer_E = np.repeat(np.arange(len(sums_N)), list(map(len, sums_N)))
    ratio_E = np.fromiter(map(COLUMN.__getitem__, chain.from_iterable(sums_N)), int, len(answer_E))
    parts = chain.from_iterable(chain.from_iterable(map(dict.values, sums_N)))
    numerator_E, denominator_E = np.fromiter(parts, np.float64, 2 * len(answer_E)).reshape(-1, 2).T.copy()
    return Added(clusters_N, answer_E, ratio_E, numerator_E, denominator_E)


def sums(outcomes: Sequence[Outcome]) -> Sums:
    """The outcomes' contributions added up by cluster."""
    return added(outcomes).sums()
