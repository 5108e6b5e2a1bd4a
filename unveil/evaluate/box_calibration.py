"""Scores of boxes as probabilities: isotonic regression on the validation split, and how far they are from what holds.

A box is right where it meets a true box of its name with IoU >= 0.5; boxes of images that are not annotated
exhaustively, where a box is not proven wrong, take no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unveil.core import bootstrap
from unveil.core.bootstrap import MANY
from unveil.evaluate.box_curves import Floats
from unveil.evaluate.box_figures import Boxes, estimate
from unveil.evaluate.detections import Bools, BoxAnswer, Detections, Ints
from unveil.evaluate.figures import plain
from unveil.evaluate.reliability import BINS, bin_of, equal_width, rising


def calibration(boxes: Boxes, validation: Sequence[BoxAnswer], resamples: int, seed: int) -> dict[str, Any]:
    """ECE and Brier score of the boxes that were asked for, ``before`` and ``after`` calibration; ``reason`` says why
    there is no calibration where there is none."""
    score_D, right_D, answer_D = _scored(boxes.proven)
    if boxes.unsure or not len(score_D):
        return {"reason": "no box with a confidence" if not boxes.unsure else boxes.reason}
    number = {cluster: i for i, cluster in enumerate(boxes.clusters)}
    cluster_D = np.array([number[boxes.proven.answers[u].cluster] for u in answer_D.tolist()], int)

    def told(**probabilities: Floats) -> dict[str, Any]:
        held = {name: _sums(p_D, right_D, cluster_D, len(boxes.clusters)) for name, p_D in probabilities.items()}
        return _apart(held, len(right_D), len(np.unique(cluster_D)), resamples, seed)

    found: dict[str, Any] = {"boxes": len(score_D), "right": int(right_D.sum())}
    held = Detections.of([a for a in validation if a.true is not None and a.exhaustive and None not in a.scores])
    known_D, true_D, _ = _scored(held)
    if len(known_D) < MANY:
        many = f"its answers hold {len(known_D)} with a confidence, and {MANY} are needed"
        why = many if validation else "no answers on it are given (--validation)"
        return (
            found | told(before=score_D) | {"reason": f"scores are calibrated on boxes of the validation split: {why}"}
        )
    curve = rising(known_D, true_D)
    return (
        found
        | told(before=score_D, after=np.interp(score_D, *curve))
        | {
            "validation": {"boxes": len(known_D), "right": int(true_D.sum())},
            "curve": [[round(float(x), 6), round(float(y), 6)] for x, y in zip(*curve, strict=True)],
        }
    )


def _scored(of: Detections) -> tuple[Floats, Bools, Ints]:
    return of.score_D, of.meets(), of.answer_D


def _sums(probability_D: Floats, right_D: Bools, cluster_D: Ints, clusters: int) -> Floats:
    """By cluster and bin: boxes, their probabilities, those that are right, and squared distances; (C, X, 4)."""
    bin_D = bin_of(probability_D, equal_width())
    sums_CX4 = np.zeros((clusters, BINS, 4))
    worth_D4 = np.stack([np.ones(len(right_D)), probability_D, right_D, (probability_D - right_D) ** 2], 1)
    np.add.at(sums_CX4, (cluster_D, bin_D), worth_D4)
    return sums_CX4


def _apart(held: Mapping[str, Floats], boxes: int, with_box: int, resamples: int, seed: int) -> dict[str, Any]:
    """ECE (15 bins of equal width, L1; Guo et al. 2017, arXiv 1706.04599) and Brier score, and what the bins hold as
    mean probability, share that is right, and number."""
    found = {}
    tables = [sums_CX4.reshape(len(sums_CX4), -1) for sums_CX4 in held.values()]
    for (name, sums_CX4), drawn_BX in zip(held.items(), bootstrap.resampled(tables, resamples, seed), strict=True):
        whole, drawn = _ece_brier(sums_CX4.sum(0)[None]), _ece_brier(drawn_BX.reshape(-1, BINS, 4))
        size = boxes, with_box, with_box
        told: dict[str, Any] = {k: plain(estimate(float(whole[k][0]), drawn[k], size)) for k in ("ece", "brier")}
        told["bins"] = [[round(p / n, 4), round(r / n, 4), int(n)] for n, p, r, _ in sums_CX4.sum(0).tolist() if n]
        found[name] = told
    return found


def _ece_brier(sums_BX4: Floats) -> dict[str, Floats]:
    total_B = sums_BX4[..., 0].sum(1)
    known_B = total_B > 0
    gaps_B = np.abs(sums_BX4[..., 1] - sums_BX4[..., 2]).sum(1)
    nothing = np.full(len(total_B), np.nan)
    return {
        "ece": np.divide(gaps_B, total_B, out=nothing.copy(), where=known_B),
        "brier": np.divide(sums_BX4[..., 3].sum(1), total_B, out=nothing.copy(), where=known_B),
    }
