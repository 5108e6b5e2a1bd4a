"""FLARE-MLLM-2D's own evaluation (github.com/medfm-flare/FLARE26-MedGemma, mle/engine/evaluate.py, commit 49363ed).

All rows of a split are scored together, whichever of the nineteen sets they are of, and splits count alike in the mean.
Reports are scored by GREEN there. The baseline of 2025 (FLARE25-QWen2.5VL) takes boxes in the order in which they are
written, from an IoU above the threshold on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from unveil.core.geometry import Box

_NOTHING = {"", "none", "no finding", "no findings", "n/a", "na", "null", "[]"}
_FIELDS = ("bbox", "bboxes", "box", "boxes", "bounding_box", "bounding_boxes", "detections")
_LISTS = re.compile(r"\[\s*([-+0-9eE.,\s]+)\]")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_APART = re.compile(r"[;\n|]+")


class NamedBox(NamedTuple):
    """A box as it is read from an answer, in whatever range its numbers are."""

    box: Box
    label: str | None = None


def folded(value: Any) -> str:
    """A value as it is compared: in small letters, blanks run together."""
    return " ".join(str(value).split()).lower()


def boxes(answer: str) -> list[NamedBox]:
    """The boxes of an answer. Faults: of what cannot be read there is none, so that it is no false alarm; one list of
    other than four numbers takes the others with it; numbers are pixels, in whatever range a model writes."""
    try:
        return _boxes(answer)
    except (ValueError, TypeError):  # of the latter it does not know, and stops
        return []


def _boxes(value: Any) -> list[NamedBox]:
    if isinstance(value, str):
        return _in_text(value)
    if isinstance(value, Mapping):
        return _in_object(value)
    if isinstance(value, list):
        if len(value) == 4 and all(isinstance(one, (int, float)) for one in value):
            return [_corners(value)]
        return [box for one in value for box in _boxes(one)]
    if value is None:
        return []
    raise ValueError(f"no box: {value!r}")


def _in_text(text: str) -> list[NamedBox]:
    if folded(text) in _NOTHING:
        return []
    if (value := _json(text)) is not None:
        return _boxes(value)
    if lists := _LISTS.findall(text):
        return [_corners([one for one in inside.split(",") if one.strip()]) for inside in lists]
    raise ValueError(f"no box: {text!r}")


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text.strip()[:1] in ("[", "{") else None
    except json.JSONDecodeError:
        return None


def _in_object(value: Mapping[str, Any]) -> list[NamedBox]:
    label = next((value[name] for name in ("label", "class", "category", "name") if name in value), None)
    if value.keys() >= {"x1", "y1", "x2", "y2"}:
        return [_corners([value[name] for name in ("x1", "y1", "x2", "y2")], label)]
    if value.keys() >= {"x", "y", "width", "height"}:
        x, y, wide, high = (float(value[name]) for name in ("x", "y", "width", "height"))
        return [_corners([x, y, x + wide, y + high], label)]
    if field := next((name for name in _FIELDS if name in value), None):
        return [_named(one, label) for one in _boxes(value[field])]
    return [_named(one, name) for name, of in value.items() for one in _boxes(of)]


def _named(one: NamedBox, label: Any) -> NamedBox:
    return one if label is None or one.label else NamedBox(one.box, folded(label))


def _corners(numbers: Sequence[Any], label: Any = None) -> NamedBox:
    x1, y1, x2, y2 = map(float, numbers)
    return NamedBox((x1, y1, x2, y2), folded(label) or None if label is not None else None)


def hits(gold: Sequence[NamedBox], said: Sequence[NamedBox], threshold: float = 0.5) -> int:
    """How many boxes are found. Fault: the pair with the largest IoU goes first, which may leave two others apart that
    the best assignment would not. Boxes with different names are no pair; one without any goes with all."""
    pairs = sorted(
        (
            (iou, i, j)
            for i, true in enumerate(gold)
            for j, one in enumerate(said)
            if (not (true.label and one.label) or true.label == one.label)
            and (iou := _iou(true.box, one.box)) >= threshold
        ),
        reverse=True,
    )
    true_taken, said_taken = set[int](), set[int]()
    for _, i, j in pairs:
        if i not in true_taken and j not in said_taken:
            true_taken.add(i)
            said_taken.add(j)
    return len(true_taken)


def _iou(a: Box, b: Box) -> float:
    """0 for what has no area, an inverted box among them."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * high)


def detection_f1(rows: Iterable[tuple[str, str]], threshold: float = 0.5) -> float:
    """F1 of all boxes of all rows (gold, predicted). Fault: it is 1 where there is no box on either side."""
    found = [(boxes(gold), boxes(said)) for gold, said in rows]
    whole = sum(len(gold) + len(said) for gold, said in found)
    return 2 * sum(hits(gold, said, threshold) for gold, said in found) / whole if whole else 1.0


def same_class(gold: str, said: str) -> bool:
    """Of one class: the same letters. Fault: "B." or "B: Normal" is not the true "B"."""
    return folded(gold) == folded(said)


def balanced_accuracy(rows: Sequence[tuple[str, str]]) -> float:
    """The mean over true classes. Fault: the letter A is one class, whatever stood beside it in a question."""
    by: dict[str, list[bool]] = {}
    for gold, said in rows:
        by.setdefault(folded(gold), []).append(same_class(gold, said))
    return sum(sum(of) / len(of) for of in by.values()) / len(by)


def labels(text: str) -> set[str]:
    """The labels of a list. Fault: where no semicolon stands, a comma within a label parts it."""
    if (value := _json(text)) is None:
        value = _APART.split(text) if _APART.search(text) else text.split(",")
    elif isinstance(value, Mapping):
        value = value.get("labels", [name for name, there in value.items() if there])
    return {name for one in value if (name := folded(one)) not in _NOTHING}


def labels_f1(gold: str, said: str) -> float:
    """F1 of one row's labels; 1 where neither side has any."""
    true, own = labels(gold), labels(said)
    return 2 * len(true & own) / (len(true) + len(own)) if true or own else 1.0


def number(text: str) -> float:
    """The first number of an answer. Faults: of T2 it is 2, and an answer without any is a 0."""
    if isinstance(value := _json(text), list):
        text = str(value[0]) if len(value) == 1 else ""
    found = _NUMBER.search(text.replace(",", ""))
    return float(found[0]) if found else 0.0
