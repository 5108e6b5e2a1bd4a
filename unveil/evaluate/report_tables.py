"""Scores for readers: metrics in words, and numbers in few characters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from unveil.core.measures import MEASURES

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
    "nothing to count": "there is nothing to count",
    "one cluster only": "no interval from one patient or group",
    "fewer than 6 clusters": "no interval from fewer than 6 patients or groups",
    "no resample holds an item": "no interval from so few",
    "all clusters alike": "no interval, since all patients or groups are alike",
    "nothing is answered": "nothing is answered",
}


def absent(cell: Mapping[str, Any] | None) -> str:
    """Why a value or its interval is not there, in words; a reason that is none of ``REASONS`` is in words already."""
    reason: str = (cell.get("reason") or "") if cell else "no items"
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
