"""FLARE-MLLM-2D: the tasks of its questions, told by kind and answer, by our figures and by its own (``published``).

Its file of questions names six tasks: a place is asked for in detection, a class in classification (closed), several in
multi-label classification, a number in counting and in regression, a text in report generation (all open). FLARE scores
each over all sets, and reports by GREEN. Shapes: N answers, K sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from unveil.core import phrases
from unveil.core.geometry import Box, match
from unveil.core.grading import EXACT, HIT, Case
from unveil.core.records import Prediction, Record
from unveil.core.words import tokens
from unveil.evaluate.benchmarks import numbers
from unveil.evaluate.benchmarks.benchmark import Further
from unveil.evaluate.estimates import Array, divided
from unveil.evaluate.exchange.forms import in_pixels
from unveil.evaluate.published import flare
from unveil.evaluate.sections.ratios import Statistic, estimates, ratio

Answer = tuple[Case, Prediction]
Values = Callable[[Case, Prediction], tuple[float, float]]


def figures(answers: Sequence[Answer], resamples: int, seed: int) -> Further:
    """Ours beside those that FLARE would print of the same answers, each with a 95 % interval over clusters."""

    def told(of: Sequence[Answer], values: Values, highest: float = 1.0) -> dict[str, Any]:
        values_N2 = np.array([values(*one) for one in of], float).reshape(-1, 2)
        clusters = [case.record.cluster for case, _ in of]
        return estimates({"": ratio(0, 1, highest=highest)}, values_N2, clusters, resamples, seed)[""]

    tasks = {name: [one for one in answers if fits(one[0])] for name, fits in _TASKS.items()}
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    if places := tasks["detection"]:
        ours["boxes_f1_50"] = told(places, _found)
        theirs["flare_detection_f1_50"] = told(places, partial(_found_there, threshold=0.5))
        theirs["flare_detection_f1_30"] = told(places, partial(_found_there, threshold=0.3))
    if classes := tasks["classification"]:
        theirs["flare_balanced_accuracy"] = _balanced(classes, resamples, seed)
    if lists := tasks["labels"]:
        theirs["flare_labels_f1"] = told(lists, _listed)
    for task in ("counting", "regression"):
        if of := tasks[task]:
            theirs[f"flare_{task}_mae"] = told(of, _off, math.inf)
    return Further(ours | numbers.figures(numbers.misses(answers), resamples, seed), theirs)


def by_set(record: Record) -> str:
    """Which of FLARE's sets an image is of: the folder that its folder of images (imagesTr, imagesVal) lies in."""
    parts = (record.source.file or record.id).split("/")
    images = next((i for i, part in enumerate(parts) if part.startswith("images")), 1)
    return parts[max(0, images - 1)]


def _lists_labels(case: Case) -> bool:
    is_report = tokens(case.dialogue.answer) == tokens(case.record.report or "")
    return case.dialogue.kind == "open" and not numbers.asks(case.dialogue) and not is_report


_TASKS: dict[str, Callable[[Case], bool]] = {
    "detection": lambda case: case.dialogue.kind == "grounding",
    "classification": lambda case: case.dialogue.kind == "closed",
    "labels": _lists_labels,
    "counting": lambda case: numbers.asks(case.dialogue) and numbers.counts(case.dialogue),
    "regression": lambda case: numbers.asks(case.dialogue) and not numbers.counts(case.dialogue),
}


def _true(case: Case) -> list[Box]:
    return phrases.boxes(phrases.of_phrase(case.record.findings, case.dialogue.target or "")) or []


def _found(case: Case, prediction: Prediction) -> tuple[float, float]:
    """Twice the boxes that are found, in the assignment with the largest sum of IoU, and all boxes."""
    true = _true(case)
    pairs = match(case.parsed.boxes, true)
    return 2 * sum(iou >= HIT - EXACT for _, _, iou in pairs), len(true) + len(case.parsed.boxes)


def _found_there(case: Case, prediction: Prediction, threshold: float) -> tuple[float, float]:
    true, said = list(map(flare.NamedBox, _true(case))), flare.boxes(in_pixels(prediction, case.record.size))
    return 2 * flare.hits(true, said, threshold), len(true) + len(said)


def _listed(case: Case, prediction: Prediction) -> tuple[float, float]:
    return flare.labels_f1(case.dialogue.answer, case.text), 1


def _off(case: Case, prediction: Prediction) -> tuple[float, float]:
    return abs(flare.number(case.text) - flare.number(case.dialogue.answer)), 1


def _balanced(answers: Sequence[Answer], resamples: int, seed: int) -> dict[str, Any]:
    """The mean of the accuracies of the classes that are drawn; of each, hits and answers are two sums."""
    classes = sorted({flare.folded(case.dialogue.answer) for case, _ in answers})
    values_NK = np.zeros((len(answers), 2 * len(classes)))
    for row_K, (case, _) in zip(values_NK, answers, strict=True):
        at = 2 * classes.index(flare.folded(case.dialogue.answer))
        row_K[at : at + 2] = flare.same_class(case.dialogue.answer, case.text), 1

    def mean(sums_K: Array) -> Array:
        shares = divided(sums_K[..., 0::2], sums_K[..., 1::2])
        return divided(np.nansum(shares, -1), (~np.isnan(shares)).sum(-1))

    one = Statistic(mean, tuple(range(1, 2 * len(classes), 2)))
    clusters = [case.record.cluster for case, _ in answers]
    return estimates({"": one}, values_NK, clusters, resamples, seed)[""]
