"""Predicted boxes, read from answers as ``score`` reads them."""

from __future__ import annotations

import pytest

from tests.helpers.outcomes import NORMAL, A, B, C, diagnosis, dialogue, predicted, record
from unveil.core.grading import ScoreError
from unveil.export import predicted as reading
from unveil.export.left_out import LeftOut

RECORDS = {"r": record(("Nodule", A), ("mass", B)), "s": record(name="s")}


def found(*asked: tuple) -> tuple[dict[str, list[tuple]], dict[str, int]]:
    """Labels and boxes by record, and what was left out."""
    left_out = LeftOut()
    dialogues = {d.id: d for d, _ in asked}
    answers = {d.id: predicted(d, answer) for d, answer in asked}
    boxes = reading.boxes(RECORDS, dialogues, answers, left_out)
    return {name: [(one.label, one.box) for one in rows] for name, rows in boxes.items()}, left_out.counts


def test_a_diagnosis_names_as_the_records_do() -> None:
    """The parser gives "nodule", the records write "Nodule"; what they do not know stays as it was said."""
    asked = dialogue("diagnosis"), diagnosis(("nodule", A), ("weird shadow", C))
    assert found(asked) == ({"r": [("Nodule", A), ("weird shadow", C)]}, {})


def test_a_localisation_adds_what_the_diagnosis_has_not_placed() -> None:
    asked = [
        (dialogue("localisation", target="mass", name="l1"), f"{[int(v) for v in B]}"),
        (dialogue("localisation", target="Nodule", name="l2"), f"{[int(v) for v in C]}"),
        (dialogue("diagnosis"), diagnosis(("nodule", A))),
    ]
    assert found(*asked) == ({"r": [("Nodule", A), ("mass", B)]}, {})


def test_nothing_abnormal_is_an_answer_without_boxes() -> None:
    assert found((dialogue("diagnosis", of="s"), NORMAL)) == ({"s": []}, {})


def test_what_cannot_be_read_is_counted() -> None:
    asked = [(dialogue("diagnosis"), "Mumble."), (dialogue("detection", name="e"), "Yes.")]
    assert found(*asked) == ({}, {"answers that cannot be read": 1})


def test_a_name_without_a_box_is_counted() -> None:
    answer = "Detection: abnormal.\nLocalisation: none.\nRecognition: mass."
    assert found((dialogue("diagnosis"), answer)) == ({"r": []}, {"names to which a model gave no box": 1})


def test_files_that_do_not_belong_together() -> None:
    d = dialogue("diagnosis", of="gone")
    with pytest.raises(ScoreError, match="'gone' is not among the records"):
        found((d, NORMAL))
