"""One number for an answer, and whether one text holds another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unveil.core.box_formats import MARKUP, View
from unveil.core.grading import grade, score
from unveil.core.records import Dialogue, Finding, Kind, Record
from unveil.core.words import holds

NODULE, CYST = Finding("nodule", (10.0, 10.0, 30.0, 30.0)), Finding("cyst", (60.0, 60.0, 80.0, 90.0))
NAMES = ["cyst", "mass", "nodule"]


def worth(kind: Kind, text: str, *findings: Finding, target: str | None = None, answer: str = "", **more: Any):
    one = Record("a", "a.png", 100, 100, findings=findings, completeness="exhaustive")
    one = replace(one, **more)
    dialogue = Dialogue("a/q", "a", "a.png", "val", kind, "?", answer, target)
    return score(grade(dialogue, one, text, View(MARKUP, one.size, one.size), NAMES).outcome)


def diagnosis(*boxes: str, names: str) -> str:
    return f"Detection: abnormal.\nLocalisation: {'; '.join(boxes)}.\nRecognition: {names}."


AT_NODULE, AT_CYST = "<box 10.00 10.00 30.00 30.00>", "<box 60.00 60.00 80.00 90.00>"


@pytest.mark.parametrize(
    ("names", "boxes", "expected"),
    [
        ("nodule; cyst", (AT_NODULE, AT_CYST), 1),
        # accuracy 1/2, sensitivity 1, iou 1, iou50 1, f1 1, f1 named 1/2
        ("nodule; mass", (AT_NODULE, AT_CYST), 5 / 6),
        # accuracy 1, sensitivity 1, iou 1, iou50 1, f1 1, f1 named 0: the names are in each other's place
        ("cyst; nodule", (AT_NODULE, AT_CYST), 5 / 6),
        # accuracy 1/2, sensitivity 1, iou 1/2, iou50 1/2, f1 2 x 1 of 3 boxes, named the same
        ("nodule", (AT_NODULE,), (1 / 2 + 1 + 1 / 2 + 1 / 2 + 2 / 3 + 2 / 3) / 6),
        # of three: accuracy 2/3, sensitivity 1, iou 2/3, iou50 2/3, f1 2 x 2 of 5 boxes, named the same
        (
            "nodule; cyst; mass",
            (AT_NODULE, AT_CYST, "<box 1.00 1.00 5.00 5.00>"),
            (2 / 3 + 1 + 2 / 3 + 2 / 3 + 4 / 5 + 4 / 5) / 6,
        ),
    ],
)
def test_a_diagnosis_by_hand(names: str, boxes: tuple[str, ...], expected: float) -> None:
    assert worth("diagnosis", diagnosis(*boxes, names=names), NODULE, CYST) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "text", "findings", "target", "answer", "expected"),
    [
        ("detection", "Yes.", (NODULE,), None, "Yes.", 1),
        ("detection", "No.", (NODULE,), None, "Yes.", 0),
        ("detection", "Who knows", (), None, "No.", 0),
        # 10 of 20 pixels across: 200 / 400
        ("localisation", "<box 20.00 10.00 30.00 30.00>", (NODULE,), "nodule", "", 0.5),
        ("localisation", "There is no mass.", (NODULE,), "mass", "", 1),
        ("localisation", AT_NODULE, (NODULE,), "mass", "", 0),
        ("recognition", "nodule (round).", (NODULE,), AT_NODULE, "", 1),
        ("recognition", "Nothing abnormal.", (NODULE,), AT_CYST, "", 1),
        ("closed", "No", (), None, "Yes", 0),
        # closed questions need not be answered by yes or no
        ("closed", "Left", (), None, "Left", 1),
        ("closed", "Right", (), None, "Left", 0),
        # two of three words of the truth, and no others: recall 2/3, f1 4/5, exact 0
        ("open", "left lung", (), None, "the left lung", (2 / 3 + 4 / 5) / 3),
    ],
)
def test_other_kinds_by_hand(kind: Kind, text: str, findings: Any, target: Any, answer: str, expected: float) -> None:
    assert worth(kind, text, *findings, target=target, answer=answer) == pytest.approx(expected)


def test_no_verdict_is_no_zero() -> None:
    """Nothing proves a finding false where the annotation is not exhaustive, and an empty truth compares to nothing."""
    assert worth("detection", "Yes.", completeness="partial") is None
    assert worth("localisation", AT_CYST, NODULE, target="mass", completeness="partial") is None
    assert worth("open", "anything", answer="...") is None


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("The answer is: left lung.", "Left lung", True),
        ("left upper lung", "left lung", False),
        ("lung left", "left lung", False),
        ("abnormal", "normal", False),
        ("not normal", "normal", True),
        ("3.5cm", "3.5 cm", True),
        ("13.5 cm", "3.5 cm", False),
        ("<box 1.00 2.00 3.00 4.00>; <box 5.00 6.00 7.00 8.00>.", "<box 5.00 6.00 7.00 8.00>.", True),
        ("", "yes", False),
        ("yes", "yes", True),
    ],
)
def test_holding_by_hand(text: str, part: str, expected: bool) -> None:
    """Whole words, side by side and in order, in any case and without punctuation."""
    assert holds(text, part) is expected
