"""Boxes of many answers as arrays, and which of them meet true ones.

An answer is what COCO calls an image: one question on one image; there may be several on one. What is fixed for an
answer (who meets whom) is told here once; resamples only weight answers (``box_curves``).

Shapes: U answers, D boxes that answers give, G true boxes, P pairs of the two in one answer, T thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unveil.core.geometry import Box, generalised, match, overlaps
from unveil.core.grading import EXACT, HIT
from unveil.core.records import Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]
Bools = NDArray[np.bool_]


class BoxAnswer(NamedTuple):
    """What is kept of an answer to a question for places.

    A box without a name has the name "", which no true box has; where the question gives the name, or asks for a
    phrase, all boxes have that one. ``true`` is None where not every place is annotated. ``scores`` are None where the
    model's confidence is not known. ``iou`` is ``geometry.mean_iou``, None where nothing is there.
    """

    id: str
    image: str
    """The id of its record."""
    kind: Kind
    cluster: str
    area: float
    """Of the image, in square pixels."""
    exhaustive: bool
    readable: bool
    malformed: int
    boxes: tuple[Box, ...]
    names: tuple[str, ...]
    scores: tuple[float | None, ...]
    true: tuple[Box, ...] | None
    true_names: tuple[str, ...]
    iou: float | None


@dataclass(frozen=True)
class Detections:
    """All boxes of many answers, in the order of the answers and of their texts."""

    answers: Sequence[BoxAnswer]
    names: Sequence[str]
    """Which name a number stands for."""
    answer_D: Ints
    name_D: Ints
    score_D: Floats
    """NaN where it is not known."""
    box_D4: Floats
    share_D: Floats
    """The part of the image that a box covers."""
    answer_G: Ints
    name_G: Ints
    box_G4: Floats
    share_G: Floats

    @classmethod
    def of(cls, answers: Sequence[BoxAnswer]) -> Detections:
        """Of answers whose places are all annotated (``BoxAnswer.true`` is not None)."""
        names = sorted({name for a in answers for name in (*a.names, *a.true_names)})
        number = {name: i for i, name in enumerate(names)}
        area_U = np.array([a.area for a in answers], float)
        answer_D, box_D4 = _flat([a.boxes for a in answers])
        answer_G, box_G4 = _flat([a.true or () for a in answers])
        scores = [np.nan if score is None else score for a in answers for score in a.scores]
        return cls(
            answers,
            names,
            answer_D,
            np.array([number[name] for a in answers for name in a.names], int),
            np.array(scores, float),
            box_D4,
            _area(box_D4) / area_U[answer_D],
            answer_G,
            np.array([number[name] for a in answers for name in a.true_names], int),
            box_G4,
            _area(box_G4) / area_U[answer_G],
        )

    @cached_property
    def pairs(self) -> Pairs:
        """Every box with every true one of its answer."""
        true_U = np.bincount(self.answer_G, minlength=len(self.answers))
        times_D = true_U[self.answer_D]
        box_P = np.repeat(np.arange(len(self.answer_D)), times_D)
        within_P = np.arange(len(box_P)) - np.repeat(times_D.cumsum() - times_D, times_D)
        true_P = (true_U.cumsum() - true_U)[self.answer_D[box_P]] + within_P
        iou_P = overlaps(self.box_D4[box_P], self.box_G4[true_P])
        return Pairs(box_P, true_P, iou_P, self.name_D[box_P] == self.name_G[true_P])

    @cached_property
    def first_U(self) -> Ints:
        """Of each answer its surest box, the first one where confidences are not all known; -1 where it has none."""
        unsure_U = np.zeros(len(self.answers), bool)
        unsure_U[self.answer_D[np.isnan(self.score_D)]] = True
        score_D = np.where(unsure_U[self.answer_D], 0.0, self.score_D)
        order_D = np.lexsort((np.arange(len(score_D)), -score_D, self.answer_D))
        found, at = np.unique(self.answer_D[order_D], return_index=True)
        first_U = np.full(len(self.answers), -1)
        first_U[found] = order_D[at]
        return first_U

    def first(self) -> dict[str, Floats]:
        """What the surest box of each answer with true boxes is worth, (U,) each; NaN where nothing is there.

        ``acc50``: it meets a true one with IoU >= 0.5; ``pointing``: its centre lies in a true one (half-open; Zhang et
        al. 2018, arXiv 1608.00507); ``giou``: its largest GIoU. Without a box 0, 0 and -1: never a hit, wherever true
        boxes lie.
        """
        there_U = np.bincount(self.answer_G, minlength=len(self.answers)) > 0
        out = {
            name: np.where(there_U, low, np.nan) for name, low in (("acc50", 0.0), ("pointing", 0.0), ("giou", -1.0))
        }
        box_G = self.first_U[self.answer_G]
        said_G = box_G >= 0
        p_G4, t_G4, at_G = self.box_D4[box_G[said_G]], self.box_G4[said_G], self.answer_G[said_G]
        centre_G2 = (p_G4[:, :2] + p_G4[:, 2:]) / 2
        inside_G = ((t_G4[:, :2] <= centre_G2) & (centre_G2 < t_G4[:, 2:])).all(1)
        np.maximum.at(out["acc50"], at_G, (overlaps(p_G4, t_G4) >= HIT - EXACT).astype(float))
        np.maximum.at(out["pointing"], at_G, inside_G.astype(float))
        np.maximum.at(out["giou"], at_G, generalised(p_G4, t_G4))
        return out

    @cached_property
    def matched(self) -> tuple[Ints, Floats, Bools]:
        """The one-to-one pairs of all answers that maximise the summed IoU (``geometry.match``): the answer, the IoU,
        and whether the names are the same."""
        pairs = self.pairs
        touch_P = np.flatnonzero(pairs.iou_P > 0)
        of_P, box_P, true_P = self.answer_D[pairs.box_P[touch_P]], pairs.box_P[touch_P], pairs.true_P[touch_P]
        again_P = (np.bincount(box_P)[box_P] > 1) | (np.bincount(true_P)[true_P] > 1) if len(box_P) else of_P > 0
        choice_U = np.zeros(len(self.answers), bool)  # whether there is a choice: else all that touch are pairs
        choice_U[of_P[again_P]] = True
        sure = ~choice_U[of_P]
        own_P = touch_P[sure]
        rows = [row for u in np.flatnonzero(choice_U).tolist() for row in _matched(u, self.answers[u])]
        answers, values, agree = zip(*rows, strict=True) if rows else ((), (), ())
        return (
            np.concatenate([of_P[sure], np.array(answers, int)]),
            np.concatenate([pairs.iou_P[own_P], np.array(values, float)]),
            np.concatenate([pairs.agree_P[own_P], np.array(agree, bool)]),
        )

    def meets(self) -> Bools:
        """Whether each box meets any true one of its name with IoU >= 0.5, (D,)."""
        hit_D, pairs = np.zeros(len(self.answer_D), bool), self.pairs
        hit_D[pairs.box_P[pairs.agree_P & (pairs.iou_P >= HIT - EXACT)]] = True
        return hit_D


@dataclass(frozen=True)
class Pairs:
    """Boxes and true boxes of one answer, sorted by box and then by true box. ``agree_P``: they have one name."""

    box_P: Ints
    true_P: Ints
    iou_P: Floats
    agree_P: Bools


def greedy(
    found: Detections, thresholds_T: Floats, named: bool = True, low: float = 0.0, high: float = np.inf
) -> tuple[Bools, Bools]:
    """Which boxes are hits, (D, T), and which count at all, (D, T), as COCO's evaluation has it.

    In each answer (and for each name, where ``named``) the boxes take, the surest first, the true box with the largest
    IoU that is still free, if that is the threshold or more. A true box whose share of the image is not from ``low`` to
    ``high`` is ignored, and so is a box that takes such a one (which it does if there is no other), or none and is
    itself of another size.
    """
    pairs, thresholds_T = found.pairs, np.asarray(thresholds_T, float)
    keep_P = pairs.agree_P if named else np.ones(len(pairs.box_P), bool)
    rank_D = _ranks(found, named)
    ignored_G = (found.share_G < low) | (found.share_G > high)
    rows_P = np.flatnonzero(keep_P)
    rows_P = rows_P[np.lexsort((rows_P, rank_D[pairs.box_P[rows_P]]))]
    ends = np.append(np.flatnonzero(np.diff(rank_D[pairs.box_P[rows_P]])) + 1, len(rows_P))
    taken_GT = np.zeros((len(found.answer_G), len(thresholds_T)), bool)
    hit_DT = np.zeros((len(found.answer_D), len(thresholds_T)), bool)
    aside_DT = np.zeros_like(hit_DT)
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        part = rows_P[start:end]
        if len(part):
            _take(pairs, part, thresholds_T, ignored_G, taken_GT, hit_DT, aside_DT)
    outside_D1 = ((found.share_D < low) | (found.share_D > high))[:, None]
    return hit_DT, ~(aside_DT | (outside_D1 & ~hit_DT))


def _take(
    pairs: Pairs, part: Ints, thresholds_T: Floats, ignored_G: Bools, taken_GT: Bools, hit_DT: Bools, aside_DT: Bools
) -> None:
    """One box of each group takes a true one; of equal ones the last, as pycocotools does."""
    box_P, true_P, iou_P1 = pairs.box_P[part], pairs.true_P[part], pairs.iou_P[part][:, None]
    free_PT = (iou_P1 >= thresholds_T) & ~taken_GT[true_P]
    worth_PT = np.where(free_PT, iou_P1 - 4.0 * ignored_G[true_P][:, None], -9.0)
    starts = np.append(0, np.flatnonzero(np.diff(box_P)) + 1)
    best_ST = np.maximum.reduceat(worth_PT, starts, axis=0)
    sizes_S = np.diff(np.append(starts, len(part)))
    is_best_PT = worth_PT == np.repeat(best_ST, sizes_S, axis=0)
    last_ST = np.maximum.reduceat(np.where(is_best_PT, np.arange(len(part))[:, None], -1), starts, axis=0)
    s, t = np.nonzero(best_ST > -9.0)
    chosen, box = true_P[last_ST[s, t]], box_P[starts[s]]
    taken_GT[chosen, t] = True
    hit_DT[box, t] = ~ignored_G[chosen]
    aside_DT[box, t] = ignored_G[chosen]


def _ranks(found: Detections, named: bool) -> Ints:
    """The place of each box among those of its answer (and name), the surest first, from 0; equals in their order."""
    group_D = found.answer_D * (len(found.names) + 1) + (found.name_D if named else 0)
    order_D = np.lexsort((np.arange(len(group_D)), -found.score_D, group_D))
    new_D = np.append(True, np.diff(group_D[order_D]) != 0)[: len(order_D)]
    starts_D = np.maximum.accumulate(np.where(new_D, np.arange(len(order_D)), 0))
    rank_D = np.empty(len(order_D), int)
    rank_D[order_D] = np.arange(len(order_D)) - starts_D
    return rank_D


def _matched(u: int, answer: BoxAnswer) -> list[tuple[Any, Any, Any]]:
    true, names = answer.true or (), answer.true_names
    agree = [[said == name for name in names] for said in answer.names]
    return [(u, iou, agree[i][j]) for i, j, iou in match(answer.boxes, true, agree)]


def _flat(boxes: Sequence[Sequence[Box]]) -> tuple[Ints, Floats]:
    """The answer of each box, and the boxes (N, 4)."""
    answers = np.repeat(np.arange(len(boxes)), [len(of) for of in boxes])
    values = chain.from_iterable(chain.from_iterable(boxes))
    return answers, np.fromiter(values, float, 4 * len(answers)).reshape(-1, 4)


def _area(box_N4: Floats) -> Floats:
    area_N: Floats = (box_N4[:, 2:] - box_N4[:, :2]).clip(0).prod(1)
    return area_N
