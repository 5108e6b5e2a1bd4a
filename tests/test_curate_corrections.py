"""What people decide, carried out on records: each kind of edit, what stays, what goes, and what nobody may apply."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reviewed import changes, corrected, marks, said, where
from unveil import cli
from unveil.core import geometry
from unveil.core.decisions import Annotation
from unveil.core.records import Finding, Record, RecordError, Source

MASK = geometry.mask_from_polygons([(10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)], 100, 80)
NODULE = Finding(
    *("nodule", (10.0, 10.0, 30.0, 30.0), MASK, {"side": "left", "shape": "round"}, "A round nodule."),
    readers=("otto",),
)
CYST = Finding("cyst", (60.0, 40.0, 80.0, 60.0), attributes={"side": "right"})
ROW = Record(
    *("a", "../images/a.png", 100, 80),
    findings=(NODULE, CYST),
    completeness="exhaustive",
    split="train",
    report="FINDINGS: A round nodule. A cyst.",
    sections={"findings": "A round nodule. A cyst."},
    readers=("otto",),
    source=Source("ward"),
)
OTHER = replace(ROW, id="b", image="b.png")
M0, M1 = marks(ROW)


def one(tmp_path: Path, *marks: Annotation, **known: Any) -> Record:
    """The record after one reader has left these marks."""
    options = {name: known.pop(name) for name in ("whole_image",) if name in known}
    found: list[Record] = corrected(tmp_path, [ROW, OTHER], [said(ROW, "edit", after=marks, **known)], **options)
    return found[0]


def test_what_is_accepted_stays_and_names_its_reader(tmp_path: Path) -> None:
    """The image's path counts from the new file; a row about which nobody has decided stays as it is."""
    row, other = corrected(tmp_path, [ROW, OTHER], [said(ROW)])
    findings = (replace(NODULE, readers=("otto", "anna")), replace(CYST, readers=("anna",)))
    assert row == replace(ROW, findings=findings, readers=("otto", "anna"))
    assert other == replace(OTHER, image="../data/b.png")
    assert changes(tmp_path)["a"]["outcome"] == "accepted" and list(changes(tmp_path)) == ["a"]


def test_a_moved_box_drops_the_mask_that_no_longer_fits(tmp_path: Path) -> None:
    """From (10, 10, 30, 30) to (12, 10, 32, 30), IoU 18 / 22: words of the place stay. To (40, 10, 60, 30): they go."""
    row = one(tmp_path, replace(M0, box=(12.0, 10.0, 32.0, 30.0)), M1)
    assert row.findings[0] == replace(NODULE, box=(12.0, 10.0, 32.0, 30.0), mask=None, readers=("otto", "anna"))
    assert row.findings[1].attributes == CYST.attributes and row.completeness == "exhaustive"
    told = changes(tmp_path)["a"]
    assert (told["done"], told["lost"]) == (["moved"], ["mask that no longer fits its box"])
    assert told["before"]["findings"][0]["box"] == [10.0, 10.0, 30.0, 30.0]
    assert told["after"]["findings"][0]["box"] == [12.0, 10.0, 32.0, 30.0]
    [reader] = told["readers"]
    assert (reader["reviewer"], reader["time"]) == ("anna", "2026-05-01T10:00:00+00:00")
    far = one(tmp_path, replace(M0, box=(40.0, 10.0, 60.0, 30.0)), M1).findings[0]
    assert (far.attributes, far.phrase, far.mask) == ({"shape": "round"}, None, None)
    near = one(tmp_path, replace(M0, box=(10.5, 10.0, 30.0, 30.5)), M1).findings[0]
    assert near.mask == MASK and near.phrase == "A round nodule."


def test_a_renamed_finding_keeps_its_place_and_not_its_phrase(tmp_path: Path) -> None:
    [nodule, _] = one(tmp_path, replace(M0, label="mass"), M1).findings
    assert (nodule.label, nodule.box, nodule.mask, nodule.phrase) == ("mass", NODULE.box, MASK, None)
    assert nodule.attributes == NODULE.attributes


def test_an_outline_becomes_a_mask(tmp_path: Path) -> None:
    """The square from (50, 10) to (54, 14), by hand 16 pixels."""
    corners = ((50.0, 10.0), (54.0, 10.0), (54.0, 14.0), (50.0, 14.0))
    drawn = Annotation("mass", (50.0, 10.0, 54.0, 14.0), corners)
    row = one(tmp_path, M0, M1, drawn)
    assert where(*row.findings)[2] == ("mass", (50.0, 10.0, 54.0, 14.0)) and row.findings[2].readers == ("anna",)
    assert geometry.decode_mask(row.findings[2].mask or {}).sum() == 16
    assert changes(tmp_path)["a"]["done"] == ["added"]


def test_an_image_does_not_become_normal_by_a_lost_box(tmp_path: Path) -> None:
    """Without findings it is partial, unless its readers have searched all of it; what they miss is never complete."""
    assert (one(tmp_path).findings, one(tmp_path).completeness) == ((), "partial")
    assert one(tmp_path, M1).completeness == "partial"
    again = Annotation("mass", (12.0, 10.0, 32.0, 30.0))
    assert one(tmp_path, again, M1).completeness == "exhaustive", "it was taken away and drawn anew"
    assert one(tmp_path, replace(again, box=(40.0, 10.0, 60.0, 30.0)), M1).completeness == "partial"
    assert one(tmp_path, whole_image=True).completeness == "exhaustive"
    assert one(tmp_path, M0, M1, reasons=("missing-finding",), whole_image=True).completeness == "partial"
    assert one(tmp_path, M0, M1, Annotation("mass"), reasons=("missing-finding",)).completeness == "exhaustive"
    unknown = replace(ROW, completeness="unknown")
    assert corrected(tmp_path, [unknown], [said(unknown, "edit", after=())])[0].completeness == "unknown"


def test_a_report_that_was_changed(tmp_path: Path) -> None:
    """Its parts are read anew, and a phrase that it says no more goes."""
    text = "FINDINGS: A cyst."
    row = one(tmp_path, M0, M1, texts={"report": text}, texts_before={"report": ROW.report})
    assert (row.report, row.sections, row.findings[0].phrase) == (text, {"findings": "A cyst."}, None)
    assert changes(tmp_path)["a"]["lost"] == ["phrase that the report says no more"]


@pytest.mark.parametrize(
    ("verdict", "why"),
    [("reject", "rejected"), ("phi", "it may tell who the patient is"), ("bad-image", "bad image")],
)
def test_what_is_left_out_is_counted(
    verdict: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = corrected(tmp_path, [ROW, OTHER], [said(ROW, verdict)])
    assert [row.id for row in rows] == ["b"]
    told = changes(tmp_path)["a"]
    assert (told["outcome"], told["done"], told["before"]["report"]) == ("left out", [why], ROW.report)
    assert f"left out: {why}" in " ".join(capsys.readouterr().err.split())


def test_whoever_does_not_decide_leaves_a_record_as_it_was(tmp_path: Path) -> None:
    decisions = [said(ROW, "skip"), said(OTHER, "unsure")]
    rows = corrected(tmp_path, [ROW, OTHER], decisions)
    assert [replace(row, image="") for row in rows] == [replace(row, image="") for row in (ROW, OTHER)]
    assert {name: told["outcome"] for name, told in changes(tmp_path).items()} == {"a": "kept", "b": "unsure"}
    assert [row.id for row in corrected(tmp_path, [ROW, OTHER], [decisions[1]], only_reviewed=True)] == ["b"]


def test_what_has_changed_since_is_refused_with_its_id(tmp_path: Path) -> None:
    stale = said(replace(ROW, report="Another."), "reject")
    with pytest.raises(RecordError, match=r"1 of 2 decided rows have changed since they were shown \(a\)"):
        corrected(tmp_path, [ROW, OTHER], [stale, said(OTHER)])
    assert not (tmp_path / "corrected/rows.jsonl").exists()
    rows = corrected(tmp_path, [ROW, OTHER], [stale, said(OTHER)], changed="keep")
    assert [row.id for row in rows] == ["a", "b"] and rows[0].readers == ("otto",)
    assert changes(tmp_path)["a"]["done"] == ["changed since it was shown"]


def test_readers_who_differ_and_who_decides_between_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anna accepts, ben rejects: nobody's word stands until carla says so; she counts as a reader of the record."""
    both = [said(ROW), said(ROW, "reject", "ben"), said(OTHER), said(OTHER, "accept", "ben")]
    assert [row.id for row in corrected(tmp_path, [ROW, OTHER], both)] == ["b"]
    assert changes(tmp_path)["a"]["done"] == ["readers differ: verdict"]
    assert "Cohen's kappa" in capsys.readouterr().err
    told = json.loads((tmp_path / "corrected/rows.agreement.json").read_text())
    assert (told[0]["what"], told[0]["n"], told[0]["readers"]) == ("verdict", 2, 2)
    corrected(tmp_path, [ROW, OTHER], both[:1])
    assert not (tmp_path / "corrected/rows.agreement.json").exists()
    assert corrected(tmp_path, [ROW, OTHER], both, differing="keep")[0].readers == ("otto",)
    with pytest.raises(RecordError, match=r"readers differ about 1 rows \(a\)"):
        corrected(tmp_path, [ROW, OTHER], both, differing="refuse")
    carla = said(ROW, "accept", "carla", adjudicates=("anna", "ben"))
    row, other = corrected(tmp_path, [ROW, OTHER], [*both, carla])
    assert row.readers == ("otto", "anna", "ben", "carla") and row.findings[1].readers == ("anna", "carla")
    assert other.findings[1].readers == ("anna", "ben")


def test_what_may_tell_who_the_patient_is_waits_for_nobodys_agreement(tmp_path: Path) -> None:
    """Ben alone says so, and rows about which readers differ are to be kept: this one is not."""
    both = [said(ROW), said(ROW, "phi", "ben")]
    assert [row.id for row in corrected(tmp_path, [ROW, OTHER], both, differing="keep")] == ["b"]


def test_a_reviewers_last_word_counts_and_a_decision_taken_back_does_not(tmp_path: Path) -> None:
    last = [
        said(ROW, "reject"),
        said(ROW, "accept", revision=2),
        said(OTHER, "reject"),
        said(OTHER, "withdraw", revision=2),
    ]
    assert [row.readers for row in corrected(tmp_path, [ROW, OTHER], last)] == [("otto", "anna"), ("otto",)]


def test_decisions_about_something_else_are_no_corrections(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nothing is decided about records there, but about dialogues"):
        corrected(tmp_path, [ROW], [replace(said(ROW), subject="dialogue")])
    with pytest.raises(RecordError, match="none of the 1 decided rows is in this file"):
        corrected(tmp_path, [ROW], [said(replace(ROW, id="z"))])


def test_a_mark_outside_its_image_takes_its_record_out(tmp_path: Path) -> None:
    wrong = said(ROW, "edit", after=(replace(M0, box=(90.0, 0.0, 130.0, 10.0)),))
    assert [row.id for row in corrected(tmp_path, [ROW, OTHER], [wrong])] == ["b"]
    assert "leads outside" in changes(tmp_path)["a"]["done"][0]


def test_the_command_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is made once; a second call finds it there."""
    test = replace(OTHER, split="test")
    corrected(tmp_path, [ROW, test], [said(ROW), said(test, "edit", after=())])
    out = tmp_path / "corrected/rows.jsonl"
    told = capsys.readouterr().err
    assert f"go on: unveil run --data {out} --out runs/corrected" in told
    assert "1 rows of the test split were edited or left out" in told
    words = ["--reviews", tmp_path / "reviews.jsonl", "--records", tmp_path / "data/rows.jsonl", "--out", out]
    assert cli.main(["curate", "corrections", *map(str, words), "--restart"]) == 0
    assert cli.main(["curate", "corrections", *map(str, words)]) == 0
    assert "is there already" in capsys.readouterr().err
