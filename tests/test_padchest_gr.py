"""PadChest-GR: phrases in two languages, boxes of two readers in shares of the image, sentences that deny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import padchest_gr
from unveil.ingest.reading import IngestError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    padchest_gr.write(tmp_path / "data")
    return tmp_path / "data"


def test_a_sentence_is_a_phrase_in_both_languages_at_the_boxes_of_both_readers(data: Path) -> None:
    """Of 64 x 50 pixels, (0.5, 0.5, 0.75, 0.8) is (32, 25, 48, 40). Two labels and three boxes are six findings."""
    summary, records, rejected = run(data.parent, "auto")
    assert summary.format == "padchest-gr" and not rejected
    first = [f for f in records[0].findings if f.phrase == "Left basal opacity with effusion."]
    assert [(f.label, f.box, f.readers) for f in first[:3]] == [
        ("opacity", (32, 25, 48, 40), ("reader 1",)),
        ("opacity", pytest.approx((6.4, 25, 16, 40)), ("reader 1",)),
        ("opacity", (32, 30, 48, 45), ("reader 2",)),
    ]
    assert [f.label for f in first[3:]] == ["pleural effusion"] * 3
    assert first[0].translations == {"es": "Opacidad basal izquierda con derrame."}
    assert first[0].attributes == {"location": "left, basal"}
    assert records[0].readers == ("reader 1", "reader 2") and records[1].readers == ("reader 1",)


def test_sentences_without_boxes_and_those_that_deny(data: Path) -> None:
    """What is said to be there and was not drawn is a finding without a place; what is denied stands in the report."""
    _, records, _ = run(data.parent, "auto")
    placeless = [f for f in records[0].findings if f.box is None]
    assert [(f.label, f.phrase, f.readers) for f in placeless] == [("scoliosis", "Scoliosis.", ())]
    assert "Normal" not in {f.label for r in records for f in r.findings}
    assert records[0].report == "Left basal opacity with effusion. Scoliosis. No cardiomegaly."
    assert {r.completeness for r in records} == {"unknown"}


def test_readers_by_a_rule(data: Path) -> None:
    """What both drew: (32, 25, 48, 40) and (32, 30, 48, 45) share 10 of 20 rows, so one place at their mean."""
    _, records, _ = run(data.parent, "auto", readers="majority")
    assert records[0].findings[-1].label == "scoliosis", "which no reader drew and the report says"
    drawn = [(f.label, f.box) for f in records[0].findings if f.box]
    assert drawn == [("opacity", (32, 27.5, 48, 42.5)), ("pleural effusion", (32, 27.5, 48, 42.5))]
    with pytest.raises(IngestError, match="--readers nobody is none of"):
        run(data.parent, "auto", readers="nobody")


def test_patients_and_splits_are_in_the_table(data: Path) -> None:
    _, records, _ = run(data.parent, "auto")
    assert [r.split for r in records] == ["train", "train", "train", "val", "test", "test"]
    assert [r.patient for r in records] == ["8000", "8000", "8001", "8001", "8002", "8002"]
    (data / "master_table.csv").unlink()
    summary, records, _ = run(data.parent, "auto")
    assert {(r.patient, r.split) for r in records} == {(None, None)}
    assert any("neither patients, their sex and age, nor splits" in note for note in summary.notes)


def test_what_cannot_be_used_is_rejected(data: Path) -> None:
    """Boxes in pixels, a denial with a box, no labels: no image loses its others."""
    file = data / "grounded_reports_20240819.json"
    content = json.loads(file.read_text())
    content[0]["findings"][0]["boxes"][1] = [8, 25, 16, 40]
    content[0]["findings"][2]["boxes"] = [[0, 0, 1, 1]]
    content[1]["findings"][1]["labels"] = []
    content[2] = {"ImageID": 5}
    file.write_text(json.dumps(content))
    _, records, rejected = run(data.parent, "auto")
    assert len(records) == 5 and records[0].completeness == records[1].completeness == "partial"
    told = " ".join(r["reason"] for r in rejected)
    assert "outside the image" in told and "not abnormal has boxes" in told and "has no labels" in told
    assert "an object with StudyID" in told
