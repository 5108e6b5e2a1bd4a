"""Average precision and FROC of weighted answers: the curves over the confidence of boxes, of many resamples at once.

Who meets whom is fixed (``detections.greedy``); a resample says how often each cluster of answers was drawn. At weights
of 1 the values are those of pycocotools, at other weights those of pycocotools on an answer repeated so often.

Shapes: B resamples, C clusters, D boxes from the surest on, K of them that hit at any threshold, T thresholds, R
recalls, F rates of false positives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int32]

#: COCO's thresholds of IoU and recalls, to the last bit: 0.6 is 0.6000000000000001 there, so 3/5 does not reach it.
THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10, dtype=np.float64)
RECALLS: Floats = np.linspace(0.0, 1.0, 101, dtype=np.float64)
#: The rates of false positives per image at which the sensitivity is read, whose mean is LUNA16's CPM (Setio et al.
#: 2017, arXiv 1612.08012).
RATES: Floats = np.array([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])

_BLOCK, _LEAST = 1_000_000, 16  # values held at once, and resamples at least


@dataclass(frozen=True)
class Ranked:
    """Boxes that count, from the surest on, and the true boxes to be found, by cluster."""

    cluster_D: Ints
    score_D: Floats
    hit_DT: Bools
    true_C: Ints

    @classmethod
    def of(cls, cluster_D: Ints, score_D: Floats, hit_DT: Bools, true_C: Ints) -> Ranked:
        """Equally sure ones keep their order."""
        order_D = np.argsort(-score_D, kind="stable")
        return cls(cluster_D[order_D], score_D[order_D], hit_DT[order_D], true_C)


@dataclass(frozen=True)
class Resamples:
    """How often each cluster was drawn in some resamples."""

    weights_BC: Floats
    counts_CB: Counts
    """The same the other way round: numpy adds up whole rows the fastest."""

    @classmethod
    def of(cls, weights_BC: Floats) -> Resamples:
        return cls(weights_BC, np.ascontiguousarray(weights_BC.round().astype(np.int32).T))

    def total(self, items_C: Ints) -> Ints:
        """How many items were drawn, (B,), given how many are in each cluster."""
        return (self.weights_BC @ items_C).round().astype(int)

    def boxes(self, ranked: Ranked) -> Iterator[tuple[slice, Counts]]:
        """How often each box was drawn, (D, B), for some resamples at a time."""
        resamples, size = len(self.weights_BC), max(_LEAST, _BLOCK // max(1, len(ranked.cluster_D)))
        for start in range(0, resamples, size):
            rows = slice(start, min(start + size, resamples))
            yield rows, self.counts_CB[:, rows][ranked.cluster_D]


def average_precision(ranked: Ranked, drawn: Resamples) -> Floats:
    """The mean over 101 recalls of the largest precision at that recall or more, (B, T); NaN where nothing is there."""
    values_BT: Floats = interpolated(ranked, drawn).mean(-1)
    return values_BT


def interpolated(ranked: Ranked, drawn: Resamples) -> Floats:
    """That precision at each recall, (B, T, R); NaN where nothing is there."""
    true_B = drawn.total(ranked.true_C)
    out_BTR = np.zeros((len(true_B), ranked.hit_DT.shape[1], len(RECALLS)))
    for rows, drawn_DB in drawn.boxes(ranked):
        all_DB = drawn_DB.cumsum(0, dtype=np.int32)
        for t in np.flatnonzero(ranked.hit_DT.any(0)):
            out_BTR[rows, t] = _interpolated(np.flatnonzero(ranked.hit_DT[:, t]), drawn_DB, all_DB, true_B[rows])
    out_BTR[true_B == 0] = np.nan
    return out_BTR


def _interpolated(hits_K: Ints, drawn_DB: Counts, all_DB: Counts, true_B: Ints) -> Floats:
    """Precision is largest where a hit has just been counted, so only these places are looked at; (B, R).

    Each hit's precision stands at as many recalls as it is the first to reach, and 0 at those that none reaches.
    """
    hits_KB = drawn_DB[hits_K].cumsum(0, dtype=np.int32)
    precision_LB = np.zeros((len(hits_K) + 1, len(true_B)))
    np.divide(hits_KB, all_DB[hits_K] + np.spacing(1), out=precision_LB[:-1])
    np.maximum.accumulate(precision_LB[::-1], 0, out=precision_LB[::-1])
    recalls_LB = np.full((len(hits_K) + 1, len(true_B)), len(RECALLS))
    recalls_LB[:-1] = np.searchsorted(RECALLS, hits_KB / np.maximum(true_B, 1), side="right")
    met_BR = np.repeat(precision_LB.T.ravel(), np.diff(recalls_LB, axis=0, prepend=0).T.ravel())
    return met_BR.reshape(len(true_B), len(RECALLS))


def sensitivities(ranked: Ranked, answers_C: Ints, drawn: Resamples, rates_F: Floats = RATES) -> Floats:
    """FROC: the share of true boxes that are found at a threshold of confidence at which at most so many boxes per
    answer are false, (B, F), at the first threshold of IoU; NaN where nothing is there.

    ``answers_C`` counts all answers, those without a true box too. No value is interpolated: between two thresholds
    lies no other, and equally sure boxes come together. A model that never reaches a rate has the sensitivity of all
    its boxes there (Bandos et al. 2009, doi 10.1111/j.1541-0420.2008.01049.x, on FROC).
    """
    ends = np.flatnonzero(np.append(np.diff(ranked.score_D) != 0, True)[: len(ranked.score_D)])
    answers_B, true_B = drawn.total(answers_C), drawn.total(ranked.true_C)
    out_BF = np.zeros((len(true_B), len(rates_F)))
    for rows, drawn_DB in drawn.boxes(ranked):
        hits_DB = (drawn_DB * ranked.hit_DT[:, :1]).cumsum(0, dtype=np.int32)
        false_EB = (drawn_DB.cumsum(0, dtype=np.int32) - hits_DB)[ends]
        allowed_BF = np.floor(rates_F * answers_B[rows][:, None] + 1e-9).astype(np.int64)
        at_BF = _searched(false_EB, allowed_BF, "right")
        found_BF = np.pad(hits_DB[ends], ((1, 0), (0, 0)))[at_BF, np.arange(len(at_BF))[:, None]]
        true_B1 = true_B[rows][:, None].astype(float)
        out_BF[rows] = np.divide(found_BF, true_B1, out=np.full(found_BF.shape, np.nan), where=true_B1 > 0)
    return out_BF


def _searched(values_KB: Counts, wanted_BR: Ints, side: Literal["left", "right"]) -> Ints:
    """``np.searchsorted`` in each column, whose numbers begin at 0 or more and never fall; (B, R)."""
    rows, columns = values_KB.shape
    if not rows:
        return np.zeros(wanted_BR.shape, int)
    apart = int(max(values_KB[-1].max(initial=0), wanted_BR.max(initial=0))) + 1
    shift_B1 = apart * np.arange(columns)[:, None]
    at = np.searchsorted((values_KB.T + shift_B1).ravel(), (wanted_BR + shift_B1).ravel(), side=side)
    found: Ints = at.reshape(wanted_BR.shape) - rows * np.arange(columns)[:, None]
    return found
