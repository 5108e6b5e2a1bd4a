"""Whether a model knows when it is right: confidences beside what came of them.

Every figure is made of sums over clusters, so that a resample of clusters is a weighting of them (``bootstrap``).

Shapes: N answers, C clusters, B resamples, M bins, L levels of confidence, from the highest on, K sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unveil.core import bootstrap
from unveil.evaluate.estimates import Array, divided

Numbers = NDArray[np.int64]

BINS = 15
LEVELS = 1000
"""Levels of confidence that the resamples of a curve tell apart; the curve itself tells all of them apart."""


@dataclass(frozen=True)
class Confident:
    """Answers with their confidence from 0 to 1, whether each is right (0 or 1, or the chance of a guess), and the
    cluster that it belongs to."""

    confidence_N: Array
    right_N: Array
    cluster_N: Numbers
    """From 0 on, in an order of the clusters' own; each has an answer."""

    def __len__(self) -> int:
        return len(self.right_N)

    @cached_property
    def clusters(self) -> int:
        return int(self.cluster_N.max(initial=-1)) + 1

    def sums(self, values_N: Array) -> Array:
        """Values added up by cluster, (C,)."""
        return counted(self.cluster_N, values_N, self.clusters)

    def gaps(self, edges: Array) -> Array:
        """Right answers less confidence by cluster and bin, (C, M); with n they make the calibration error."""
        bins, at_N = len(edges) - 1, bin_of(self.confidence_N, edges)
        gaps_N = self.right_N - self.confidence_N
        flat = counted(self.cluster_N * bins + at_N, gaps_N, self.clusters * bins)
        return flat.reshape(self.clusters, bins)

    def squared(self) -> Array:
        """The squared distances of confidences from what holds, by cluster: Brier's score (Brier 1950) of n, (C,)."""
        return self.sums(np.square(self.confidence_N - self.right_N))

    def calibrated(self, confidence_N: Array) -> Confident:
        return replace(self, confidence_N=confidence_N)


def counted(at_N: Numbers, values_N: Array, size: int) -> Array:
    """Values added up by the place that each belongs to."""
    return np.bincount(at_N, values_N, size).astype(np.float64)


# --------------------------------------------------------------------------------------------------------------- bins


def equal_width(bins: int = BINS) -> Array:
    """The edges of bins of equal width from 0 to 1."""
    return np.linspace(0.0, 1.0, bins + 1)


def equal_mass(confidence_N: Array, bins: int = BINS) -> Array:
    """The edges of bins that hold about as many answers each (Nixon et al. 2019, arXiv 1904.01685); equal confidences
    are never parted, so that some bins may be empty."""
    return np.percentile(confidence_N, 100 * np.linspace(0.0, 1.0, bins + 1))  # to the last bit as scikit-learn


def bin_of(confidence_N: Array, edges: Array) -> Numbers:
    """The bin of each confidence: above its lower edge up to its upper one, the first with its lower one too."""
    return np.searchsorted(edges[1:-1], confidence_N)


def calibration_error(gaps_XM: Array, n_X: ArrayLike) -> Array:
    """The expected calibration error (Guo et al. 2017, arXiv 1706.04599, equation 3), with the norm l1:
    sum over bins of n_m / n |accuracy_m - confidence_m|; NaN of no answers."""
    return divided(np.abs(gaps_XM).sum(-1), n_X)


def reliability(judged: Confident, edges: Array) -> list[dict[str, float]]:
    """The bins that hold answers: from, to, number of answers, their mean confidence and accuracy."""
    at_N = bin_of(judged.confidence_N, edges)
    out = []
    for m in np.unique(at_N):
        inside = at_N == m
        row = {"low": edges[m], "high": edges[m + 1], "n": int(inside.sum())}
        row |= {"confidence": judged.confidence_N[inside].mean(), "accuracy": judged.right_N[inside].mean()}
        out.append({name: value if name == "n" else float(value) for name, value in row.items()})
    return out


# ------------------------------------------------------------------------------------------------ risk and coverage


def levels(confidence_N: Array, most: int | None = None) -> tuple[Numbers, int]:
    """The level of each confidence, the highest first, and how many there are; of more than ``most`` neighbours are
    joined, as many to each."""
    unique, ascending_N = np.unique(confidence_N, return_inverse=True)
    count = len(unique)
    level_N = count - 1 - ascending_N
    if most is None or count <= most:
        return level_N, count
    return level_N * most // count, most


def curve(answers_XL: Array, wrong_XL: Array) -> tuple[Array, Array]:
    """Coverage and risk where the answers of the first level, of the first two, and so on are given, (X, L) each: the
    share of all answers, and the share of those that is wrong."""
    given_XL, errors_XL = answers_XL.cumsum(-1), wrong_XL.cumsum(-1)
    risk_XL = np.divide(errors_XL, given_XL, out=np.zeros_like(errors_XL), where=given_XL > 0)
    return given_XL / given_XL[..., -1:], risk_XL


def aurc(answers_XL: Array, wrong_XL: Array) -> Any:
    """The area under the risk-coverage curve (Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206): the mean risk over
    the answers, each taken with all that are as sure or surer."""
    _, risk_XL = curve(answers_XL, wrong_XL)
    return (answers_XL * risk_XL).sum(-1) / answers_XL.sum(-1)


def by_level(judged: Confident) -> tuple[Array, Array]:
    """Answers and wrong answers by level of confidence, (L,) each."""
    level_N, count = levels(judged.confidence_N)
    return counted(level_N, np.ones(len(judged)), count), counted(level_N, 1 - judged.right_N, count)


def threshold(judged: Confident, target: float, least: int) -> tuple[float, int] | None:
    """The lowest confidence at which the answers that are as sure or surer are right as often as ``target`` asks, and
    how many they are; None where no ``least`` of them are.

    Selective classification (Geifman and El-Yaniv 2017, arXiv 1705.08500) without its bound: what holds on one split
    may hold less on another.
    """
    answers_L, wrong_L = by_level(judged)
    given_L, risk_L = answers_L.cumsum(), curve(answers_L, wrong_L)[1]
    fit = np.flatnonzero((1 - risk_L >= target - bootstrap.ROUNDING) & (given_L >= least))
    if not len(fit):
        return None
    return float(np.unique(judged.confidence_N)[::-1][fit[-1]]), int(given_L[fit[-1]])


# --------------------------------------------------------------------------------------------------------- isotonic


def isotonic(fitted: Confident, confidence_N: Array) -> Array:
    """Confidences calibrated by the rising curve that fits other answers best (``rising``)."""
    return np.interp(confidence_N, *rising(fitted.confidence_N, fitted.right_N))


def rising(confidence_N: Array, right_N: NDArray[Any]) -> tuple[Array, Array]:
    """The rising curve that is closest to what holds (Zadrozny and Elkan 2002, doi 10.1145/775047.775151) as its
    corners: between them it is straight, beyond them flat."""
    from sklearn.isotonic import IsotonicRegression  # late: a second, which no start of a command should wait for

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(confidence_N, right_N.astype(float))
    return fitted.X_thresholds_, fitted.y_thresholds_


# -------------------------------------------------------------------------------------------------------- resamples


def resampled(judged: Confident, sums: Sequence[Array], resamples: int, seed: int) -> tuple[list[Array], Array]:
    """Sums by cluster, (C,) or (C, K) each, added up over the same resamples, and the area under the risk-coverage
    curve of each, (B,)."""
    from scipy.sparse import csr_array

    level_N, count = levels(judged.confidence_N, LEVELS)
    shape = judged.clusters, 2 * count
    both_N = np.concatenate([level_N, count + level_N])
    values_N = np.concatenate([np.ones(len(judged)), 1 - judged.right_N])
    table = csr_array((values_N, (np.tile(judged.cluster_N, 2), both_N)), shape).T.tocsr()
    table.eliminate_zeros()
    drawn, areas, stacked = [], [], bootstrap.columns(sums)
    for w in bootstrap.weights(judged.clusters, resamples, seed):
        drawn.append(w @ stacked)
        found_BL = np.ascontiguousarray((table @ w.T).T)
        with np.errstate(invalid="ignore"):  # a resample may hold none of the answers
            areas.append(aurc(found_BL[:, :count], found_BL[:, count:]))
    return bootstrap.apart(np.concatenate(drawn), sums), np.concatenate(areas)
