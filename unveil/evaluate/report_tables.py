"""Scores for readers: metrics in words, and numbers in few characters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """A metric in words. ``better`` is 1 where more is better, -1 where less is, 0 where nobody has said."""

    group: str
    name: str
    meaning: str
    better: int = 1
    unit: str = "share"


DIAGNOSIS = "The diagnosis: is anything abnormal, where, and what is it"
ASKED = "Asked one thing at a time"
REPORTS = "Reports"
OWN = "Questions that came with the images"
FORM = "All answers"
OTHER = "Other measures"

#: In the order of the table; metrics that are not here follow under their own names.
MEASURES = {
    "f1_50_named": Measure(DIAGNOSIS, "Found and named (F1)", "Box overlaps a true one by half and bears its name."),
    "f1_50": Measure(DIAGNOSIS, "Found (F1)", "The same, whatever the name: found boxes against missed and surplus."),
    "iou": Measure(DIAGNOSIS, "Overlap of boxes (IoU)", "0: boxes do not touch; 1: they are the same.", unit="ratio"),
    "iou50": Measure(DIAGNOSIS, "Right place", "Findings of abnormal images whose box overlaps the true one by half."),
    "accuracy": Measure(DIAGNOSIS, "Right name", "Findings of abnormal images that are named, wherever they are."),
    "diagnosis_detection": Measure(DIAGNOSIS, "Abnormal or not", "The mean of the next two."),
    "diagnosis_sensitivity": Measure(DIAGNOSIS, "Sensitivity", "Abnormal images that are called abnormal."),
    "diagnosis_specificity": Measure(DIAGNOSIS, "Specificity", "Normal images that are called normal."),
    "detection": Measure(ASKED, "Abnormal or not", "“Is anything abnormal?” The mean of the next two."),
    "sensitivity": Measure(ASKED, "Sensitivity", "Abnormal images that are called abnormal."),
    "specificity": Measure(ASKED, "Specificity", "Normal images that are called normal."),
    "localisation_iou": Measure(ASKED, "Place for a name (IoU)", "“Where is the …?”, when it is there.", unit="ratio"),
    "localisation_refusal": Measure(ASKED, "Refusal of a name", "“Where is the …?”, when it is not there."),
    "grounding_iou": Measure(ASKED, "Place for a phrase (IoU)", "“Where is this seen: …?”", unit="ratio"),
    "grounding_iou50": Measure(ASKED, "Right place for a phrase", "Phrases whose boxes overlap the true ones by half."),
    "recognition": Measure(ASKED, "Name for a place", "“What is in this region?”, when something is."),
    "recognition_refusal": Measure(ASKED, "Refusal of a place", "“What is in this region?”, when nothing is."),
    "report_rougeL": Measure(REPORTS, "Words in common (ROUGE-L)", "Longest common sequence of words, F1, by report."),
    "report_found": Measure(REPORTS, "Findings named (F1)", "Names that report and reference find, over all reports."),
    "report_denied": Measure(REPORTS, "Findings denied (F1)", "The same of what both say is not there."),
    "closed": Measure(OWN, "Closed questions", "Questions with a few possible answers, such as yes and no."),
    "choice": Measure(OWN, "Multiple choice", "Questions with options to choose from; the mark is a guess."),
    "choice_likelihood": Measure(OWN, "Multiple choice (likeliest)", "The option that the model holds most likely."),
    "open_recall": Measure(OWN, "Open questions (recall)", "Words of the true answer that the answer holds."),
    "open_f1": Measure(OWN, "Open questions (F1)", "Words that both answers share, surplus words counted against it."),
    "exact": Measure(OWN, "Exact answers", "Closed and open questions answered word for word."),
    "question_accuracy": Measure(FORM, "All questions", "Right answers to questions of all kinds but the diagnosis."),
    "parse_failures": Measure(FORM, "Unreadable answers", "Nothing that was asked for can be read from them.", -1),
}
HEADLINES = (
    *("f1_50_named", "iou", "accuracy", "question_accuracy", "grounding_iou", "recognition", "sensitivity", "closed"),
    *("choice", "report_found", "report_rougeL", "iou50"),
)

#: What can be wrong with a finding, as ``grading`` counts it.
MEANINGS = {
    "wrong place": "Right name, or none asked for, but the box overlaps the true one by less than half.",
    "wrong name": "The place is right, the name is not.",
    "missed": "It is there, and the answer leaves it out.",
    "false alarm": "The answer gives what is not there.",
    "unparsable": "The answer could not be read.",
}


PER_CENT = "\u202f%"


def count(value: float) -> str:
    """12345 as 12 345, with narrow spaces that do not break."""
    return f"{value:,}".replace(",", "\u202f")


def figure(value: float | None, unit: str = "share", digits: int = 0) -> str:
    """A metric's value: a share in per cent, a ratio with two digits, a dash where there is none."""
    if value is None:
        return "–"
    if unit == "share" and 0 <= value <= 1:
        return f"{100 * value:.{digits}f}{PER_CENT}"
    return compact(value) if abs(value) > 1 else f"{value:.2f}"


def change(value: float | None, unit: str = "share", digits: int = 0) -> str:
    """A difference with its sign; of shares in percentage points."""
    if value is None:
        return "–"
    text = f"{100 * value:+.{digits}f}" if unit == "share" and abs(value) <= 1 else f"{value:+.2f}"
    return text.replace("-", "−")


def interval(cell: Mapping[str, Any], unit: str = "share") -> str:
    """The 95 % interval of a value, its unit said once."""
    low, high = figure(cell["low"], unit, 1), figure(cell["high"], unit, 1)
    return f"{low.removesuffix(PER_CENT)} to {high}"


def chance(p: float) -> str:
    """A p-value: two digits, and those of small ones that count."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.001 else "< 0.001"


def compact(value: float) -> str:
    """Any number with few characters."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) or abs(value) >= 1000:
        return count(round(value)).replace("-", "−")
    digits = f"{value:.3g}" if abs(value) >= 0.001 else re.sub(r"e-0*", "e-", f"{value:.1e}")
    return digits.replace("-", "−")


#: Why a metric has no value, or no interval.
REASONS = {
    "no items": "nothing of the kind was asked",
    "nothing to count": "nothing of the kind is said, and none is there",
    "one cluster only": "no interval from one patient or group",
    "fewer than 6 clusters": "no interval from fewer than 6 patients or groups",
    "no resample holds an item": "no interval from so few",
    "all clusters alike": "no interval, since all patients or groups are alike",
    "nothing is answered": "nothing is answered",
}


def absent(cell: Mapping[str, Any] | None) -> str:
    """Why a value or its interval is not there, in words; a reason that is none of ``REASONS`` is in words already."""
    reason: str = cell.get("reason", "") if cell else "no items"
    return REASONS.get(reason, reason)


FILTERS = {
    "figure": figure,
    "interval": interval,
    "change": change,
    "count": count,
    "compact": compact,
    "absent": absent,
    "chance": chance,
    "measure": lambda key: MEASURES[key],
}
