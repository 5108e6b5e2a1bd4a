"""Answers to questions on a small image with a nodule and a cyst, and where the model looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from unveil.core.answered import Answered, Attention
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.geometry import Box
from unveil.core.grading import grade
from unveil.core.records import Dialogue, Finding, Kind, Record
from unveil.rl.rewards import (
    Combination,
    shares,
)

SIZE = (100, 100)
UNIT = View(BOX_FORMATS["unit"], SIZE, SIZE)
NAMES = ["cyst", "mass", "nodule"]
COMBINATIONS: tuple[Combination, ...] = get_args(Combination)
#: The left upper quarter of the image, the upper half of the right lower one, and the right half of the first.
AT_NODULE, AT_CYST, HALF = (0.0, 0.0, 50.0, 50.0), (50.0, 50.0, 100.0, 75.0), (25.0, 0.0, 50.0, 50.0)
NODULE, CYST, UNPLACED = Finding("nodule", AT_NODULE), Finding("cyst", AT_CYST), Finding("nodule")


def totals(parts: Any, rewards: Any, usable: Any, how: Combination = "max") -> Any:
    """Each answer's reward: what all of them add."""
    return sum(shares(parts, rewards, usable, how).values(), np.zeros(usable.shape))


def answered(
    kind: Kind,
    text: str,
    *findings: Finding,
    target: str | None = None,
    answer: str = "",
    complete: bool = True,
    cut: bool = False,
    **more: Any,
) -> Answered:
    """An answer to a question on an image with these findings."""
    record = Record("a", "a.png", *SIZE, findings=findings, completeness="exhaustive" if complete else "partial")
    dialogue = Dialogue("a/q", "a", "a.png", "train", kind, "?", answer, target)
    return Answered(grade(dialogue, record, text, UNIT, NAMES, cut), **more)


def diagnosis(names: str, *boxes: Box, verdict: str = "abnormal") -> str:
    """A diagnosis in three steps, boxes as the model writes them."""
    return f"Detection: {verdict}.\nLocalisation: {at(*boxes)}.\nRecognition: {names}."


def at(*boxes: Box) -> str:
    return "; ".join(map(UNIT.write, boxes)) or "none"


NORMAL = diagnosis("nothing abnormal", verdict="normal")


# --------------------------------------------------------------------------------------------------------- looked where

#: Four patches, the quarters of the image, row after row. The nodule covers the first, the cyst half of the last.
PATCHES = np.array([[0, 0, 50, 50], [50, 0, 100, 50], [0, 50, 50, 100], [50, 50, 100, 100]], float)


def looking(**shares: Sequence[float]) -> dict[str, Attention]:
    return {name: Attention(np.array(values), PATCHES) for name, values in shares.items()}


AT_BOTH = looking(nodule=(0.5, 0.2, 0.2, 0.1), cyst=(0.3, 0.2, 0.1, 0.4))


def seen(*findings: Finding, attention: dict[str, Attention] | None, names: str = "nodule", **more: Any) -> Answered:
    return answered("diagnosis", diagnosis(names, AT_NODULE), *findings, attention=attention, **more)
