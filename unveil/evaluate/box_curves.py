"""Average precision and FROC of weighted answers: the curves over the confidence of boxes, of many resamples at once.

Who meets whom is fixed (``detections.greedy``); a resample says how often each cluster of answers was drawn. At weights
of 1 the values are those of pycocotools, at other weights those of pycocotools on an answer repeated so often.

Both curves change for the better only where a hit is counted, so only these places are looked at; how many boxes are
drawn up to each of them is one sparse matrix product of all resamples.

Shapes: B resamples, C clusters, D boxes from the surest on, K hits of them, G groups of equally sure boxes with a hit,
T thresholds, R recalls, F rates of false positives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

_BLOCK = 250_000  # values held at once


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


def side_by_side(first: Ranked, second: Ranked) -> Ranked:
    """The boxes of two models as one model's on twice as many clusters: the first model's, then the second's."""
    return Ranked.of(
        np.concatenate([first.cluster_D, second.cluster_D + len(first.true_C)]),
        np.concatenate([first.score_D, second.score_D]),
        np.concatenate([first.hit_DT, second.hit_DT]),
        np.concatenate([first.true_C, second.true_C]),
    )


def differing_clusters(first: Ranked, second: Ranked) -> Bools:
    """The clusters in which the boxes of two models are not equally sure or not the same hits at the first threshold of
    IoU, (C,)."""
    number_C, other_C = (np.bincount(one.cluster_D, minlength=len(one.true_C)) for one in (first, second))
    apart_C: Bools = number_C != other_C
    rows, others = (
        np.column_stack([one.cluster_D, one.score_D, one.hit_DT[:, 0]])[~apart_C[one.cluster_D]]
        for one in (first, second)
    )
    rows, others = (of[np.lexsort(of.T[::-1])] for of in (rows, others))
    apart_C[rows[(rows != others).any(1), 0].astype(int)] = True
    return apart_C


@dataclass(frozen=True)
class Resamples:
    """How often each cluster was drawn in some resamples."""

    counts_CB: Counts

    @classmethod
    def of(cls, weights_BC: Floats) -> Resamples:
        return cls(np.ascontiguousarray(weights_BC.astype(np.int32).T))

    def __len__(self) -> int:
        return int(self.counts_CB.shape[1])

    def total(self, items_C: Ints) -> Counts:
        """How many items were drawn, (B,), given how many are in each cluster."""
        own = np.flatnonzero(items_C)
        return self.up_to(np.repeat(own, items_C[own]), np.array([items_C.sum()]))[:, 0]

    def up_to(self, cluster_D: Ints, ends_K: Ints) -> Counts:
        """How many of the first so many boxes were drawn, (B, K), given the cluster of each; ``ends_K`` rise."""
        from scipy.sparse import csr_array  # late: a tenth of a second, which no start of a command should wait for

        size = int(ends_K[-1]) if len(ends_K) else 0
        between = csr_array(
            (np.ones(size, np.int32), cluster_D[:size], np.append(0, ends_K)), (len(ends_K), len(self.counts_CB))
        )
        counts_BK: Counts = np.ascontiguousarray((between @ self.counts_CB).T).cumsum(1, dtype=np.int32)
        return counts_BK

    def parts(self, width: int) -> Iterator[tuple[slice, Resamples]]:
        """Some resamples at a time, so that ``width`` values of each are no more than can be held at once."""
        size = max(1, _BLOCK // max(1, width))
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            yield rows, self if size >= len(self) else Resamples(np.ascontiguousarray(self.counts_CB[:, rows]))


def average_precision(ranked: Ranked, drawn: Resamples) -> Floats:
    """The mean over 101 recalls of the largest precision at that recall or more, (B, T); NaN where nothing is there."""
    out_BT = np.zeros((len(drawn), ranked.hit_DT.shape[1]))
    hits_K = np.flatnonzero(ranked.hit_DT.any(1))
    for rows, part in drawn.parts(len(hits_K)):
        true_B = part.total(ranked.true_C)
        all_BK = part.up_to(ranked.cluster_D, hits_K + 1).astype(np.float64)
        own_BK = np.ascontiguousarray(part.counts_CB.take(ranked.cluster_D[hits_K], 0).T)
        for t, hit_K in enumerate(ranked.hit_DT[hits_K].T):
            at = np.flatnonzero(hit_K)
            precision_BK, reached_BK = _interpolated(own_BK.take(at, 1), all_BK.take(at, 1), true_B)
            out_BT[rows, t] = (precision_BK * reached_BK).sum(1) / len(RECALLS)
        out_BT[rows][true_B == 0] = np.nan
    return out_BT


def precision_at_recalls(ranked: Ranked) -> Floats:
    """The largest precision at each recall or more, (R,), of all answers once, at the first threshold."""
    hits_K, true_1 = np.flatnonzero(ranked.hit_DT[:, 0]), ranked.true_C.sum()[None]
    [precision_K], [reached_K] = _interpolated(
        np.ones((1, len(hits_K)), np.int32), (hits_K[None] + 1).astype(np.float64), true_1
    )
    return np.pad(np.repeat(precision_K, reached_K), (0, len(RECALLS) - reached_K.sum()))


def _interpolated(own_BK: Counts, all_BK: Floats, true_B: Ints | Counts) -> tuple[Floats, Counts]:
    """The largest precision at each hit or later, and at how many recalls it stands: those that it is the first to
    reach; (B, K) each. ``own_BK`` is how often each hit was drawn, ``all_BK`` how many boxes up to it.
    """
    hits_BK = own_BK.cumsum(1, dtype=np.int32)
    precision_BK: Floats = np.divide(hits_BK, all_BK + np.spacing(1))
    np.maximum.accumulate(precision_BK[:, ::-1], 1, out=precision_BK[:, ::-1])
    recall_BK = hits_BK / np.maximum(true_B, 1)[:, None]
    whole_BK = (100 * recall_BK + 1e-9).astype(np.int32)  # a recall that is no whole per cent is further off
    reached_BK: Counts = whole_BK + (RECALLS.take(whole_BK) <= recall_BK)
    reached_BK[:, 1:] -= reached_BK[:, :-1].copy()
    return precision_BK, reached_BK


def sensitivities(ranked: Ranked, images_C: Ints, drawn: Resamples, rates_F: Floats = RATES) -> Floats:
    """FROC: the share of true boxes that are found at a threshold of confidence at which at most so many boxes per
    image are false, (B, F), at the first threshold of IoU; NaN where nothing is there.

    ``images_C`` counts all images, those without a true box too. No value is interpolated: between two thresholds
    lies no other, and equally sure boxes come together. A model that never reaches a rate has the sensitivity of all
    its boxes there (Bandos et al. 2009, doi 10.1111/j.1541-0420.2008.01049.x, on FROC).
    """
    hit_D = ranked.hit_DT[:, 0]
    ends = np.flatnonzero(np.append(np.diff(ranked.score_D) != 0, True)[: len(hit_D)]) + 1
    hits, first = np.unique(hit_D.cumsum()[ends - 1], return_index=True)
    ends_G, hits_G = ends[first[hits > 0]], hits[hits > 0]
    out_BF = np.zeros((len(drawn), len(rates_F)))
    for rows, part in drawn.parts(len(ends_G)):
        hits_BG = part.up_to(ranked.cluster_D[hit_D], hits_G)
        false_BG = part.up_to(ranked.cluster_D, ends_G) - hits_BG
        allowed_BF = np.floor(rates_F * part.total(images_C)[:, None] + 1e-9).astype(np.int64)
        at_BF = _within(false_BG, allowed_BF)
        found_BF = np.pad(hits_BG, ((0, 0), (1, 0)))[np.arange(len(at_BF))[:, None], at_BF]
        true_B1 = part.total(ranked.true_C)[:, None].astype(float)
        out_BF[rows] = np.divide(found_BF, true_B1, out=np.full(found_BF.shape, np.nan), where=true_B1 > 0)
    return out_BF


def _within(values_BG: Counts, most_BF: Ints) -> Ints:
    """How many numbers of each row, which never fall and begin at 0 or more, are at most so large; (B, F)."""
    rows, columns = values_BG.shape
    apart = int(max(values_BG.max(initial=0), most_BF.max(initial=0))) + 1
    shift_B1 = apart * np.arange(rows)[:, None]
    at = np.searchsorted((values_BG + shift_B1).ravel(), (most_BF + shift_B1).ravel(), side="right")
    found_BF: Ints = at.reshape(most_BF.shape) - columns * np.arange(rows)[:, None]
    return found_BF
