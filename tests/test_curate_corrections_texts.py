"""What people decide, carried out on dialogues, pairs and answers of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reviewed import changes, corrected, said
from unveil.core.decisions import Annotation
from unveil.core.jsonl import write_jsonl
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.records import Dialogue, Pair, Prediction, Record, RecordError
from unveil.curate.applied import severity_weight

ASKED = Dialogue(
    *("q", "a", "a.png", "train", "localisation", "Where is the nodule?"),
    "There is one: <box 10.00 10.00 30.00 30.00>, and <box 40.00 40.00 50.00 50.00>.",
    "nodule",
)
FIRST = Annotation("nodule", (10.0, 10.0, 30.0, 30.0), finding=0)
SECOND = Annotation("nodule", (40.0, 40.0, 50.0, 50.0), finding=1)
MOVED = replace(FIRST, box=(12.0, 10.0, 32.0, 30.0))
PAIR = Pair("p", "a", "a.png", "train", "open", "What is it?", "A nodule.", "A cyst.", weight=2.0)


def dialogue(tmp_path: Path, **known: Any) -> Dialogue:
    kept = replace(ASKED, id="kept")
    found: list[Dialogue] = corrected(tmp_path, [ASKED, kept], [said(ASKED, "edit", **known)])
    assert found[-1] == replace(kept, image="../data/a.png")
    return found[0]


def test_a_box_that_was_moved_moves_in_the_answer(tmp_path: Path) -> None:
    row = dialogue(tmp_path, before=(FIRST, SECOND), after=(MOVED, SECOND))
    assert row.answer == "There is one: <box 12.00 10.00 32.00 30.00>, and <box 40.00 40.00 50.00 50.00>."
    assert (row.writer, changes(tmp_path)["q"]["done"]) == ("rules, corrected by anna", ["moved"])


def test_another_answer_with_the_boxes_that_it_names(tmp_path: Path) -> None:
    """The second box is gone from the text and from the marks; the first one was moved as well."""
    texts = {"answer": "Here: <box 10.00 10.00 30.00 30.00>."}
    row = dialogue(tmp_path, before=(FIRST, SECOND), after=(MOVED,), texts=texts)
    assert row.answer == "Here: <box 12.00 10.00 32.00 30.00>."
    assert dialogue(tmp_path, texts={"question": "Where?"}).question == "Where?"


def test_boxes_that_its_answer_does_not_name_take_a_dialogue_out(tmp_path: Path) -> None:
    """A box was taken away, and the answer still names it."""
    assert dialogue(tmp_path, before=(FIRST, SECOND), after=(FIRST,)).id == "kept"
    [why] = changes(tmp_path)["q"]["done"]
    assert why == "cannot be carried out: its boxes are others than those that its answer names"


@pytest.mark.parametrize(("verdict", "left"), [("reject", 1), ("phi", 1), ("unsure", 2), ("skip", 2), ("accept", 2)])
def test_dialogues_that_are_left_out(verdict: str, left: int, tmp_path: Path) -> None:
    rows = corrected(tmp_path, [ASKED, replace(ASKED, id="kept")], [said(ASKED, verdict)])
    assert len(rows) == left and rows[-1].answer == ASKED.answer


def pair(tmp_path: Path, verdict: str = "accept", row: Pair = PAIR, **known: Any) -> Pair | None:
    found = corrected(tmp_path, [row, replace(PAIR, id="kept")], [said(row, verdict, **known)])
    return found[0] if found[0].id == "p" else None


def test_the_preferred_side_is_the_chosen_one(tmp_path: Path) -> None:
    assert pair(tmp_path) == replace(PAIR, image="../data/a.png")
    swapped = pair(tmp_path, preferred="rejected")
    assert swapped and (swapped.chosen, swapped.rejected) == ("A cyst.", "A nodule.")
    assert swapped.writer == "rules, corrected by anna" and changes(tmp_path)["p"]["done"] == ["swapped"]
    edited = pair(tmp_path, "edit", texts={"chosen": "A round nodule."}, preferred="chosen")
    assert edited and (edited.chosen, edited.rejected) == ("A round nodule.", "A cyst.")


@pytest.mark.parametrize(
    ("verdict", "known", "why"),
    [
        ("accept", {"preferred": "tie"}, "tie"),
        ("unsure", {}, "unsure"),
        ("skip", {}, "skipped"),
        ("phi", {}, "it may tell who the patient is"),
        ("reject", {"preferred": "rejected"}, "rejected"),
        ("edit", {"texts": {"chosen": "A cyst."}}, "cannot be carried out: chosen and rejected are equal"),
    ],
)
def test_what_nobody_prefers_is_no_pair(verdict: str, known: dict[str, Any], why: str, tmp_path: Path) -> None:
    assert pair(tmp_path, verdict, **known) is None
    assert changes(tmp_path)["p"]["done"][0].startswith(why)


def test_sides_under_two_pictures_do_not_change_places(tmp_path: Path) -> None:
    noised = replace(PAIR, rejected_noise=Noise(LesionMap(boxes=((1.0, 1.0, 5.0, 6.0),)), 1, 500))
    assert pair(tmp_path, row=noised, preferred="rejected") is None
    assert pair(tmp_path, row=noised, preferred="chosen") is not None


def test_weights_follow_severity_and_agreement(tmp_path: Path) -> None:
    """From 0.75 to 1.25 over five steps; carla decides between anna and ben, so two of three say so."""
    assert list(map(severity_weight, (None, 1, 3, 5))) == [1.0, 0.75, 1.0, 1.25]
    grave = pair(tmp_path, severity=5)
    assert grave and grave.weight == 2.0 * 1.25
    said_so = [said(PAIR), said(PAIR, reviewer="ben", preferred="rejected")]
    carla = said(PAIR, reviewer="carla", preferred="rejected", severity=1, adjudicates=("anna", "ben"))
    [row] = corrected(tmp_path, [PAIR], [*said_so, carla])
    assert (row.chosen, row.weight) == ("A cyst.", pytest.approx(2.0 * 0.75 * 2 / 3))


def answers(tmp_path: Path, *decisions: Any, **options: Any) -> list[Pair]:
    write_jsonl(tmp_path / "data/dialogues.jsonl", [ASKED])
    write_jsonl(tmp_path / "data/records.jsonl", [Record("a", "a.png", 200, 100)])
    files = {f"{name}s": tmp_path / f"data/{name}s.jsonl" for name in ("dialogue", "record")}
    return corrected(tmp_path, [ANSWER], decisions, **files | options)


ANSWER = Prediction("q", "a", "localisation", "At [50, 100, 150, 300].", "json-1000", (1000, 1000), "tiny")


def test_a_corrected_answer_is_preferred_to_the_models_own(tmp_path: Path) -> None:
    """Per mille of 200 x 100: [50, 100, 150, 300] is (10, 10, 30, 30) pixels."""
    [row] = answers(tmp_path, said(ANSWER, "edit", texts={"answer": "At [60, 100, 160, 300]."}, severity=5))
    assert (row.id, row.weight, row.split, row.image) == ("q/review", 1.25, "train", "../data/a.png")
    assert row.chosen == "At <box 12.00 10.00 32.00 30.00>." and row.rejected == "At <box 10.00 10.00 30.00 30.00>."
    assert (row.question, row.target, row.writer) == (ASKED.question, "nodule", "tiny, corrected by anna")


def test_an_answer_that_nobody_has_corrected_is_no_pair(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nothing is left to write: 1 x no other answer was written"):
        answers(tmp_path, said(ANSWER))
    with pytest.raises(RecordError, match="give --dialogues and --records"):
        answers(tmp_path, said(ANSWER), records=None)
