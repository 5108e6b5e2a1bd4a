"""The figures of calibration of one set of answers, each with its interval, as JSON values.

Shapes as in ``reliability``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unveil.core.bootstrap import MANY
from unveil.evaluate import reliability
from unveil.evaluate.estimates import Array, divided, estimate, plain
from unveil.evaluate.reliability import Confident

TARGETS = (0.8, 0.9, 0.95)
"""Accuracies for which a threshold is chosen on the validation split."""
POINTS = 50
"""Points of a risk-coverage curve that are kept."""

HIGHEST = {"brier_options": 2.0}
"""The largest value of a mean, where it is not 1."""

Cell = dict[str, Any]


def figures(
    judged: Confident,
    beside: Mapping[str, Array],
    fitted: Confident | None,
    why: str,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """All figures of answers that are judged.

    ``beside`` are further values of each answer, (N,) each, of which the means are taken. ``fitted`` are answers of the
    validation split, on which isotonic calibration and thresholds are chosen; None where there are too few, and ``why``
    then says so.
    """
    edges, massed = reliability.equal_width(), reliability.equal_mass(judged.confidence_N)
    sums = {
        "n": judged.sums(np.ones(len(judged))),
        "accuracy": judged.sums(judged.right_N),
        "confidence": judged.sums(judged.confidence_N),
        "brier": judged.squared(),
        "ece": judged.gaps(edges),
        "ece_mass": judged.gaps(massed),
        **{name: judged.sums(values_N) for name, values_N in beside.items()},
    }
    after = None
    if fitted and 0 < fitted.right_N.mean() < 1:
        after = judged.calibrated(reliability.isotonic(fitted, judged.confidence_N))
        sums |= {"brier_after": after.squared(), "ece_after": after.gaps(edges)}
    thresholds = {target: reliability.threshold(fitted, target, MANY) if fitted else None for target in TARGETS}
    for target, chosen in thresholds.items():
        if chosen:
            given_N = (judged.confidence_N >= chosen[0]).astype(np.float64)
            sums[f"given {target}"] = judged.sums(given_N)
            sums[f"right {target}"] = judged.sums(given_N * judged.right_N)
    sure = _Resampled(judged, sums, resamples, seed)
    means = {name: sure.mean(name) for name in ("accuracy", "confidence", "brier", *beside)}
    errors = {name: sure.error(name) for name in ("ece", "ece_mass")}
    return {
        **means,
        **errors,
        "aurc": sure.area(),
        "isotonic": _after(sure, fitted, why) | ({} if after is None else {"reliability": _bins(after, edges)}),
        "selective": [_selected(sure, target, chosen, why) for target, chosen in thresholds.items()],
        "reliability": _bins(judged, edges),
        "curve": _points(judged),
    }


def _after(sure: _Resampled, fitted: Confident | None, why: str) -> dict[str, Any]:
    """Calibration error and Brier's score after isotonic calibration."""
    if fitted is None:
        return {"reason": why}
    if "ece_after" in sure.sums:
        return {"n": len(fitted), "ece": sure.error("ece_after"), "brier": sure.mean("brier_after")}
    every = "right" if fitted.right_N.all() else "wrong"
    return {"reason": f"all {len(fitted)} answers of the validation split are {every}: there is nothing to fit"}


def _selected(sure: _Resampled, target: float, chosen: tuple[float, int] | None, why: str) -> dict[str, Any]:
    """What is answered, and how well, at the threshold that was chosen for an accuracy."""
    if chosen is None:
        none = f"at no threshold {MANY} answers of the validation split or more are right that often"
        return {"target": target, "reason": why or none}
    coverage = sure.mean(f"given {target}")
    abstained = coverage | {
        "value": 1 - coverage["value"],
        "low": None if coverage["high"] is None else 1 - coverage["high"],
        "high": None if coverage["low"] is None else 1 - coverage["low"],
    }
    accuracy = sure.ratio(f"right {target}", f"given {target}")
    about = {"target": target, "threshold": chosen[0], "chosen_on": chosen[1]}
    return about | {"coverage": coverage, "abstained": abstained, "accuracy": accuracy}


def _bins(judged: Confident, edges: Array) -> list[dict[str, float]]:
    return reliability.reliability(judged, edges)


def _points(judged: Confident) -> list[list[float]]:
    """Coverage and risk, at so many levels of confidence as are kept, the first and the last among them."""
    coverage_L, risk_L = reliability.curve(*reliability.by_level(judged))
    at = np.unique(np.linspace(0, len(risk_L) - 1, POINTS).round().astype(int))
    return [[float(coverage_L[i]), float(risk_L[i])] for i in at]


class _Resampled:
    """Sums by cluster, and the same over the resamples."""

    def __init__(self, judged: Confident, sums: Mapping[str, Array], resamples: int, seed: int):
        self.judged, self.sums = judged, sums
        drawn, self.areas_B = reliability.resampled(judged, list(sums.values()), resamples, seed)
        self.drawn = dict(zip(sums, drawn, strict=True))

    def mean(self, name: str) -> Cell:
        """The mean of a value over all answers."""
        return self.ratio(name, "n")

    def ratio(self, above: str, below: str) -> Cell:
        """One sum over another, with the answers and clusters that the latter counts."""
        counted_C = self.sums[below]
        n, clusters = int(counted_C.sum()), int((counted_C > 0).sum())
        value = float(divided(self.sums[above].sum(), counted_C.sum()))
        drawn_B = divided(self.drawn[above], self.drawn[below])
        found = plain(estimate(value, drawn_B, n, clusters, highest=HIGHEST.get(above, 1.0)))
        return found if n else found | {"reason": "nothing is answered"}

    def error(self, name: str) -> Cell:
        """A calibration error from what is right less confidence, by bin."""
        n_C, gaps_CM = self.sums["n"], self.sums[name]
        value = float(reliability.calibration_error(gaps_CM.sum(0), n_C.sum()))
        drawn_B = reliability.calibration_error(self.drawn[name], self.drawn["n"])
        return plain(estimate(value, drawn_B, int(n_C.sum()), len(n_C)))

    def area(self) -> Cell:
        """The area under the risk-coverage curve."""
        value = float(reliability.aurc(*reliability.by_level(self.judged)))
        return plain(estimate(value, self.areas_B, len(self.judged), self.judged.clusters))


def confident(rows: Sequence[tuple[str, float, float]]) -> Confident:
    """Answers by their clusters, confidences and whether they are right."""
    clusters = [cluster for cluster, _, _ in rows]
    names: dict[str, int] = {name: i for i, name in enumerate(sorted(set(clusters)))}
    return Confident(
        np.array([confidence for _, confidence, _ in rows], np.float64),
        np.array([right for _, _, right in rows], np.float64),
        np.array([names[cluster] for cluster in clusters], np.int64),
    )
