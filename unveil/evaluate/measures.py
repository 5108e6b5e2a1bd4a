"""Scores for readers: metrics in words, numbers in few characters, and the table of what changed between models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
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
    "recognition": Measure(ASKED, "Name for a place", "“What is in this region?”, when something is."),
    "recognition_refusal": Measure(ASKED, "Refusal of a place", "“What is in this region?”, when nothing is."),
    "closed": Measure(OWN, "Closed questions", "Questions with a few possible answers, such as yes and no."),
    "open_recall": Measure(OWN, "Open questions (recall)", "Words of the true answer that the answer holds."),
    "open_f1": Measure(OWN, "Open questions (F1)", "Words that both answers share, surplus words counted against it."),
    "exact": Measure(OWN, "Exact answers", "Closed and open questions answered word for word."),
    "question_accuracy": Measure(FORM, "All questions", "Right answers to questions of all kinds but the diagnosis."),
    "parse_failures": Measure(FORM, "Unreadable answers", "Nothing that was asked for can be read from them.", -1),
}
#: From so many models on they stand side by side, and only the first ones are shown in full, as many as a page is wide.
FEW, IN_FULL = 4, 3
SIDE_BY_SIDE = ("accuracy", "iou", "f1_50_named", "question_accuracy", "closed")
HEADLINES = ("f1_50_named", "iou", "accuracy", "question_accuracy", "recognition", "sensitivity", "closed", "iou50")

#: What can be wrong with a finding, as ``verdict`` counts it.
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


def compact(value: float) -> str:
    """Any number with few characters."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) or abs(value) >= 1000:
        return count(round(value)).replace("-", "−")
    digits = f"{value:.3g}" if abs(value) >= 0.001 else re.sub(r"e-0*", "e-", f"{value:.1e}")
    return digits.replace("-", "−")


FILTERS = {"figure": figure, "interval": interval, "change": change, "count": count, "compact": compact}


# -------------------------------------------------------------------------------------------------- what changed


def changes(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The table of measures: a row for each metric with a value, and the names of those without one.

    Of ``FEW`` models and more the first ``IN_FULL`` are shown in full, with their differences from the second (the
    first being where all came from); ``beside`` then has the main measures of all of them.
    """
    every = list(scores.get("models", {}))
    models = every if len(every) < FEW else every[:IN_FULL]
    metrics = {m: scores["models"][m].get("metrics", {}) for m in models}
    present = dict.fromkeys(k for values in metrics.values() for k in values)
    order = [k for k in MEASURES if k in present] + [k for k in present if k not in MEASURES]
    pairs = {key: _pair(key, every) for key in scores.get("differences", {})}
    apart = {pairs[key]: values for key, values in scores.get("differences", {}).items()}
    beside = _beside(scores, every, apart) if len(every) >= FEW else None
    if beside:
        told = [f"{every[1]} − {every[0]}", *(f"{name} − {every[1]}" for name in models[2:])]
        apart = {pair: values for pair, values in apart.items() if pair in told}
    constant = scores.get("baselines", {}).get("majority", {}).get("metrics", {})
    rows = [_row(key, metrics, apart, constant) for key in order]
    measured = [row for row in rows if row["measured"]]
    return {
        "models": models,
        "beside": beside,
        "pairs": list(apart),
        "rows": measured,
        "groups": list(dict.fromkeys(row["measure"].group for row in measured)),
        "unmeasured": [row["measure"] for row in rows if not row["measured"]],
        "constant": bool(constant),
    }


def _beside(scores: Mapping[str, Any], every: Sequence[str], apart: Mapping[str, Any]) -> dict[str, Any]:
    """All models in rows, the main measures in columns, each with its difference from the second model."""
    known = [key for key in SIDE_BY_SIDE if any(_value(scores, name, key) is not None for name in every)]
    rows = []
    for name in every:
        differences = apart.get(f"{name} − {every[1]}", {})
        given = {key: differences.get(key) for key in known}
        judged = {key: d and {**d, "verdict": _verdict(d, MEASURES[key])} for key, d in given.items()}
        cells = {key: scores["models"][name].get("metrics", {}).get(key) for key in known}
        rows.append({"model": name, "cells": cells, "differences": judged})
    return {"second": every[1], "measures": {key: MEASURES[key] for key in known}, "rows": rows}


def _value(scores: Mapping[str, Any], name: str, key: str) -> float | None:
    return (scores["models"][name].get("metrics", {}).get(key) or {}).get("value")


def _pair(key: str, models: Sequence[str]) -> str:
    """ "sft-base" as "sft − base"; a model's own name may hold hyphens."""
    return next((f"{a} − {b}" for a in models for b in models if key == f"{a}-{b}"), key)


def _row(key: str, metrics: Mapping[str, Any], apart: Mapping[str, Any], constant: Mapping[str, Any]) -> dict[str, Any]:
    measure = MEASURES.get(key, Measure(OTHER, key.replace("_", " ").capitalize(), "", 0))
    cells = {m: values.get(key) for m, values in metrics.items()}
    numbers = [c[k] for c in cells.values() if c for k in ("value", "low", "high") if c.get(k) is not None]
    given = {pair: values.get(key) for pair, values in apart.items()}
    return {
        "key": key,
        "measure": measure,
        "cells": cells,
        "differences": {pair: d and {**d, "verdict": _verdict(d, measure)} for pair, d in given.items()},
        "constant": (constant.get(key) or {}).get("value"),
        "measured": bool(numbers),
        "plotted": bool(numbers) and min(numbers) >= 0 and max(numbers) <= 1,
        "sizes": sorted({(c["n"], c.get("clusters")) for c in cells.values() if c}, key=str),
    }


def _verdict(difference: Mapping[str, Any], measure: Measure) -> str | None:
    """What the interval of a difference says: "better", "worse", "different", "undecided" or "no interval".

    None where there is no difference to judge.
    """
    if difference.get("value") is None:
        return None
    if difference.get("low") is None:
        return "no interval"
    sign = measure.better * difference["value"]
    if not difference.get("excludes_zero"):
        return "undecided"
    return "different" if sign == 0 else "better" if sign > 0 else "worse"
