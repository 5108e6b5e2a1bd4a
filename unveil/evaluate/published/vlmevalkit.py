"""VLMEvalKit (github.com/open-compass/VLMEvalKit, commit e8e78f05): yes or no, POPE and RefCOCO."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unveil.core.geometry import Box
from unveil.evaluate.published.box_iou import guarded

_SIGNS = ';/[]"{}()=+\\_-><@`,?!'
_STOP = re.compile(r"\.(?!\d)")


def yes_no(text: str) -> bool | None:
    """Yes or no as a word, one without the other; None ("Unknown") for all else. It has no fault but that it takes out
    32 full stops at the most, and that a hyphen beside a blank joins what stands around it."""
    out = text = text.lower()
    grouped = re.search(r"\d,\d", text) is not None
    for sign in _SIGNS:
        if sign in text:
            out = out.replace(sign, "" if f"{sign} " in text or f" {sign}" in text or grouped else " ")
    words = set(_STOP.sub("", out, count=32).split())
    return "yes" in words if ("yes" in words) != ("no" in words) else None


def pope(rows: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Figures of answers to yes-or-no questions (gold, predicted), in shares. Fault: an Unknown is a no wherever it is
    counted but in the accuracy, so that a model that says nothing has a high specificity."""
    true, said = [gold.lower() == "yes" for gold, _ in rows], [yes_no(text) for _, text in rows]
    pairs = list(zip(true, (one is True for one in said), strict=True))
    hits, alarms, missed = (pairs.count(pair) for pair in ((True, True), (False, True), (True, False)))
    precision, recall = (hits / whole if whole else 0.0 for whole in (hits + alarms, hits + missed))
    return {
        "accuracy": sum(a is b for a, b in zip(true, said, strict=True)) / len(rows),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }


_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_FOUR = re.compile(r"\[\s*" + r"(?:\s*,\s*|\s+)".join([f"({_NUMBER})"] * 4) + r"\s*\]")


def refcoco_box(text: str, size: tuple[int, int]) -> Box | None:
    """A box in pixels of an image of that width and height. Faults: without a list of four numbers the first four
    numbers of the prose are one; the scale is guessed from the largest (up to 1.5: shares; up to 1000: thousandths;
    else pixels), so that pixels of a small image are taken for thousandths; what lies outside is cut off, and inverted
    sides are swapped."""
    found = _FOUR.search(text)
    numbers = [float(one) for one in (found.groups() if found else re.findall(_NUMBER, text)[:4])]
    if len(numbers) < 4:
        return None
    largest = max(map(abs, numbers))
    grid = 1.0 if largest <= 1.5 else 1000.0 if largest <= 1000 else None
    scaled = [n if grid is None else n / grid * size[i % 2] for i, n in enumerate(numbers)]
    x1, y1, x2, y2 = (min(max(n, 0.0), float(size[i % 2])) for i, n in enumerate(scaled))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def refcoco_iou(text: str, true: Box, size: tuple[int, int]) -> float:
    """Intersection over union of the box that is read from an answer; 0 where none can be."""
    box = refcoco_box(text, size)
    return 0.0 if box is None else guarded(box, true)
