"""Average precision and FROC of weighted answers: the curves over the confidence of boxes, of many resamples at once.

Who meets whom is fixed (``detections.greedy``); a resample says how often each cluster of answers was drawn. At weights
of 1 the values are those of pycocotools, at other weights those of pycocotools on an answer repeated so often.

Shapes: B resamples, C clusters, D boxes from the surest on, K of them that hit at any threshold, T thresholds, R
recalls, F rates of false positives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]
Bools = NDArray[np.bool_]

#: COCO's thresholds of IoU and recalls, to the last bit: 0.6 is 0.6000000000000001 there, so 3/5 does not reach it.
THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10, dtype=np.float64)
RECALLS: Floats = np.linspace(0.0, 1.0, 101, dtype=np.float64)
#: The rates of false positives per image at which the sensitivity is read, whose mean is LUNA16's CPM (Setio et al.
#: 2017, arXiv 1612.08012).
RATES: Floats = np.array([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])

_BLOCK = 2_000_000  # values held at once


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


def average_precision(ranked: Ranked, weights_BC: Floats) -> Floats:
    """The mean over 101 recalls of the largest precision at that recall or more, (B, T); NaN where nothing is there."""
    values_BT: Floats = interpolated(ranked, weights_BC).mean(-1)
    return values_BT


def interpolated(ranked: Ranked, weights_BC: Floats) -> Floats:
    """That precision at each recall, (B, T, R); NaN where nothing is there."""
    true_B = (weights_BC @ ranked.true_C).round().astype(int)
    hits = np.flatnonzero(ranked.hit_DT.any(1))
    thresholds = ranked.hit_DT.shape[1]
    out_BTR = np.zeros((len(weights_BC), thresholds, len(RECALLS)))
    if len(hits):
        for rows in _blocks(len(weights_BC), len(ranked.cluster_D) + len(hits) * thresholds):
            out_BTR[rows] = _interpolated(ranked, hits, weights_BC[rows], true_B[rows])
    out_BTR[true_B == 0] = np.nan
    return out_BTR


def _interpolated(ranked: Ranked, hits: Ints, weights_BC: Floats, true_B: Ints) -> Floats:
    """Precision is largest where a hit has just been counted, so only these places are looked at."""
    drawn_BD = weights_BC.astype(np.int64)[:, ranked.cluster_D]
    all_BK = drawn_BD.cumsum(1)[:, hits]
    hits_BTK = (drawn_BD[:, hits][:, None] * ranked.hit_DT[hits].T).cumsum(2)
    precision_BTK = hits_BTK / (all_BK[:, None] + np.spacing(1))
    precision_BTK = np.maximum.accumulate(precision_BTK[..., ::-1], -1)[..., ::-1]
    shape = hits_BTK.shape
    needed_BTR = np.broadcast_to(_needed(true_B)[:, None], (*shape[:2], len(RECALLS)))
    at = _searched(hits_BTK.reshape(-1, shape[2]), needed_BTR.reshape(-1, len(RECALLS)), "left")
    met = np.take_along_axis(precision_BTK.reshape(-1, shape[2]), np.minimum(at, shape[2] - 1), 1)
    return np.where(at < shape[2], met, 0.0).reshape(*shape[:2], len(RECALLS))


def _needed(true_B: Ints) -> Ints:
    """The fewest hits whose share of the true boxes is each recall or more, as numbers are rounded there; (B, R)."""
    true_B1 = np.maximum(true_B, 1)[:, None]
    least_BR: Ints = np.maximum(np.ceil(RECALLS * true_B1).astype(int) - 1, 0)
    for _ in range(2):
        least_BR += least_BR / true_B1 < RECALLS
    return least_BR


def sensitivities(ranked: Ranked, answers_C: Ints, weights_BC: Floats, rates_F: Floats = RATES) -> Floats:
    """FROC: the share of true boxes that are found at a threshold of confidence at which at most so many boxes per
    answer are false, (B, F), at the first threshold of IoU; NaN where nothing is there.

    ``answers_C`` counts all answers, those without a true box too. No value is interpolated: between two thresholds
    lies no other, and equally sure boxes come together. A model that never reaches a rate has the sensitivity of all
    its boxes there (Bandos et al. 2009, doi 10.1111/j.1541-0420.2008.01049.x, on FROC).
    """
    ends = np.flatnonzero(np.append(np.diff(ranked.score_D) != 0, True)[: len(ranked.score_D)])
    out_BF = np.zeros((len(weights_BC), len(rates_F)))
    for rows in _blocks(len(weights_BC), 2 * max(1, len(ranked.score_D))):
        drawn_BC = weights_BC[rows].round().astype(np.int64)
        drawn_BD = drawn_BC[:, ranked.cluster_D]
        hits_BE = (drawn_BD * ranked.hit_DT[:, 0]).cumsum(1)[:, ends]
        false_BE = (drawn_BD * ~ranked.hit_DT[:, 0]).cumsum(1)[:, ends]
        allowed_BF = np.floor(rates_F * (drawn_BC @ answers_C)[:, None] + 1e-9).astype(np.int64)
        at_BF = _searched(false_BE, allowed_BF, "right")
        found_BF = np.take_along_axis(np.pad(hits_BE, ((0, 0), (1, 0))), at_BF, 1)
        true_B1 = (drawn_BC @ ranked.true_C).astype(float)[:, None]
        out_BF[rows] = np.divide(found_BF, true_B1, out=np.full(found_BF.shape, np.nan), where=true_B1 > 0)
    return out_BF


def _searched(values_BK: Ints, wanted_BR: Ints, side: str) -> Ints:
    """``np.searchsorted`` of each row's numbers, from 0 on, in that row, of which none falls."""
    rows, columns = values_BK.shape
    if not columns:
        return np.zeros(wanted_BR.shape, int)
    apart = int(max(values_BK.max(initial=0), wanted_BR.max(initial=0))) + 1
    shift_B1 = apart * np.arange(rows)[:, None]
    at = np.searchsorted((values_BK + shift_B1).ravel(), (wanted_BR + shift_B1).ravel(), side=side)  # type: ignore[call-overload]
    found: Ints = at.reshape(wanted_BR.shape) - columns * np.arange(rows)[:, None]
    return found


def _blocks(resamples: int, values: int) -> Iterator[slice]:
    """Parts of the resamples, each of about ``_BLOCK`` values."""
    size = max(1, _BLOCK // max(1, values))
    for start in range(0, resamples, size):
        yield slice(start, min(start + size, resamples))
