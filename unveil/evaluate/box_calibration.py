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
from unveil.evaluate.box_figures import Boxes
from unveil.evaluate.detections import BoxAnswer, Detections
from unveil.evaluate.estimates import Array, divided, estimate, plain
from unveil.evaluate.reliability import Confident, calibration_error, equal_width, isotonic, reliability, rising


def calibration(boxes: Boxes, validation: Sequence[BoxAnswer], resamples: int, seed: int) -> dict[str, Any]:
    """ECE and Brier score of the boxes that were asked for, ``before`` and ``after`` calibration; ``reason`` says why
    there is no calibration where there is none."""
    judged = _judged(boxes.proven)
    if boxes.unsure or not len(judged):
        return {"reason": "no box with a confidence" if not boxes.unsure else boxes.reason}
    found: dict[str, Any] = {"boxes": len(judged), "right": int(judged.right_N.sum())}
    fitted = _judged(
        Detections.of([a for a in validation if a.true is not None and a.exhaustive and None not in a.scores])
    )
    if why := _why_not(fitted, bool(validation)):
        reason = f"scores are calibrated on boxes of the validation split: {why}"
        return found | _figures({"before": judged}, resamples, seed) | {"reason": reason}
    after = judged.calibrated(isotonic(fitted, judged.confidence_N))
    corners = zip(*rising(fitted.confidence_N, fitted.right_N), strict=True)
    return {
        **found,
        **_figures({"before": judged, "after": after}, resamples, seed),
        "validation": {"boxes": len(fitted), "right": int(fitted.right_N.sum())},
        "curve": [[round(float(x), 6), round(float(y), 6)] for x, y in corners],
    }


def _judged(of: Detections) -> Confident:
    _, cluster_D = np.unique([of.answers[u].cluster for u in of.answer_D.tolist()], return_inverse=True)
    return Confident(of.score_D, of.meets().astype(float), cluster_D)


def _why_not(fitted: Confident, given: bool) -> str:
    """Why nothing can be fitted to the validation split; empty where something can."""
    if not given:
        return "no answers on it are given (--validation)"
    if len(fitted) < MANY:
        return f"its answers hold {len(fitted)} with a confidence, and {MANY} are needed"
    if 0 < fitted.right_N.mean() < 1:
        return ""
    return f"all {len(fitted)} are {'right' if fitted.right_N.all() else 'wrong'}: there is nothing to fit"


def _figures(judged: Mapping[str, Confident], resamples: int, seed: int) -> dict[str, Any]:
    """ECE and Brier score of the same boxes by several confidences, on the same resamples, and what the bins (of equal
    width) hold: mean confidence, share that is right, and number."""
    edges = equal_width()
    first = next(iter(judged.values()))
    n_C = first.sums(np.ones(len(first)))
    tables = [table for one in judged.values() for table in (one.gaps(edges), one.squared())]
    n_B, *drawn = bootstrap.resampled([n_C, *tables], resamples, seed)

    def cell(value: Array, values_B: Array) -> dict[str, Any]:
        return plain(estimate(float(value), values_B, len(first), len(n_C)))

    n, found = n_C.sum(), {}
    for i, (name, one) in enumerate(judged.items()):
        (gaps_CM, squared_C), (gaps_BM, squared_B) = tables[2 * i : 2 * i + 2], drawn[2 * i : 2 * i + 2]
        bins = reliability(one, edges)
        found[name] = {
            "ece": cell(calibration_error(gaps_CM.sum(0), n), calibration_error(gaps_BM, n_B)),
            "brier": cell(divided(squared_C.sum(), n), divided(squared_B, n_B)),
            "bins": [[round(m["confidence"], 4), round(m["accuracy"], 4), int(m["n"])] for m in bins],
        }
    return found
