"""FLARE-MLLM-2D: keys in several spellings, images in a zip, and boxes within the text of an answer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run
from tests.helpers.sets import flare_mllm_2d
from unveil.curate.mau import MauOptions, mau
from unveil.ingest.reading import IngestError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    flare_mllm_2d.write(tmp_path / "data")
    return tmp_path / "data"


def detections(data: Path, *rows: dict[str, Any]) -> None:
    (data / "BUS-UCLM-det/BUS-UCLM-det_questions_train.json").write_text(json.dumps(rows))


def test_every_kind_of_task(data: Path) -> None:
    """Counts and sizes are answers, a report is the image's report too, and an answer of several labels has no single
    choice. The images of the second set are in its zip."""
    summary, records, rejected = run(data.parent, "auto")
    asked = {q.text: (q.answer, q.kind, q.choices) for r in records for q in r.questions if "mixed" in r.id}
    assert (
        summary.format == "flare-mllm-2d"
        and rejected == []
        and asked
        == {
            "Which view?": ("AP", "closed", ("PA", "AP")),
            "What is seen?": ("Effusion; Mass", "open", ()),
            "How many cells?": ("12", "open", ()),
            "How old, in years?": ("6.5", "open", ()),
            "Write the report.": ("Clear lungs.", "open", ()),
        }
    )
    [reported] = [r for r in records if r.report]
    assert reported.report == "Clear lungs." and reported.source.file == "Xray/mixed/imagesTr.zip/imagesTr/x2.png"


def test_boxes_in_an_answer_are_findings(data: Path) -> None:
    """[0, 2, 20, 12] in pixels; the answer has it in neutral markup. The test's answers are withheld:
    what is published for validation is measured on."""
    _, records, _ = run(data.parent, "auto")
    first = records[0]
    assert [(f.label, f.box) for f in first.findings] == [("finding", (0, 2, 20, 12))]
    assert first.questions[0].answer == "<box 0.00 2.00 20.00 12.00>" and first.modality == "Ultrasound"
    told = [(r.split, r.source.published) for r in records if "BUS" in r.id]
    assert told == [*[("train", "train")] * 5, ("test", "val")]
    _, records, _ = run(data.parent, "auto", default_label="breast lesion")
    assert records[0].findings[0].label == "breast lesion"


def test_what_boxes_are_of_is_said_by_the_question_alone(data: Path) -> None:
    """Two questions about one image, each with its own place: each is asked as published, and not the two together."""
    rows = flare_mllm_2d.detections()[:1]
    rows.append(flare_mllm_2d.row("detection", "imagesTr/b0.png", "Locate the fetal head.", "[30, 5, 60, 40]"))
    detections(data, *rows)
    _, records, _ = run(data.parent, "auto")
    asked = [(d.id.rpartition("/")[2], d.question, d.answer) for d in mau(records[:1]) if d.kind == "grounding"]
    assert asked == [
        ("q0", "Where is the lesion?", "<box 0.00 2.00 20.00 12.00>."),
        ("q1", "Locate the fetal head.", "<box 30.00 5.00 60.00 40.00>."),
    ]
    skipped: Counter[str] = Counter()
    few = mau(records[:1], MauOptions(max_findings=0), 0, skipped)
    assert not [d for d in few if d.kind == "grounding"] and skipped["own question: more than 0 places"] == 2


def test_several_boxes_and_boxes_that_are_none(data: Path) -> None:
    rows = flare_mllm_2d.detections()
    rows[0]["Answer"] = [[1, 2, 20, 12], [30, 5, 60, 40]]
    rows[1]["Answer"] = "[1, 2, 20, 12] and [30, 5, 900, 40]"
    detections(data, *rows)
    _, records, [rejected] = run(data.parent, "auto")
    assert [f.box for f in records[0].findings] == [(1, 2, 20, 12), (30, 5, 60, 40)]
    assert "a box that is none in 64 x 48 pixels" in rejected["reason"]
    assert (records[1].findings, records[1].completeness) == ((), "partial")


@pytest.mark.parametrize("image", ["image_name", "image", "image_path", "ImagePath", "file_name", "filename"])
def test_keys_in_all_spellings(image: str, data: Path) -> None:
    row = {"task_type": "detection", image: "b0.png", "prompt": "Where?", "answer": "[1, 2, 20, 12]", "qid": 7}
    detections(data, {**row, image: ["b0.png"]})
    _, records, rejected = run(data.parent, "auto")
    [question] = records[0].questions
    assert (question.text, question.id, records[0].findings[0].box, rejected) == ("Where?", "7", (1, 2, 20, 12), [])


def test_other_spellings_and_the_split_as_given(data: Path) -> None:
    """``task``, ``question`` and ``QuestionID``; the row's own split goes before that of its file's name."""
    row = {"task": "classification", "image": "b0.png", "question": "Is it?", "Answer": "B", "QuestionID": "q7"}
    detections(data, {**row, "choices": ["A. no", "B. yes"], "Split": "val"})
    _, records, rejected = run(data.parent, "auto")
    [asked] = records[0].questions
    assert (asked.text, asked.answer, asked.id, asked.choices) == ("Is it?", "yes", "q7", ("no", "yes"))
    assert records[0].source.published == "val" and rejected == []


def test_a_row_with_several_images_is_rejected(data: Path) -> None:
    rows = flare_mllm_2d.detections()
    rows[0]["ImageName"] = ["imagesTr/b0.png", "imagesTr/b1.png"]
    detections(data, *rows)
    _, _, [rejected] = run(data.parent, "auto")
    assert rejected["reason"] == "several images, of which a question can have one" and rejected["row"] == 1


def test_sets_that_call_their_images_alike(data: Path) -> None:
    """x0.png of the second set is in its zip, whatever the first calls so; and what the first lacks is not the
    second's, though both have imagesTr/y0.png in their rows."""
    draw(data / "BUS-UCLM-det/imagesTr/x0.png", 20, 20)
    draw(data / "Xray/mixed/imagesTr/y0.png", 20, 20)
    detections(data, *flare_mllm_2d.detections(), flare_mllm_2d.row("detection", "imagesTr/y0.png", "Where?", "[]"))
    _, records, rejected = run(data.parent, "auto", allow_rejected=1.0)
    [asked] = [r for r in records if any(q.text == "Which view?" for q in r.questions)]
    assert asked.source.file == "Xray/mixed/imagesTr.zip/imagesTr/x0.png" and asked.size == flare_mllm_2d.SIZE
    assert [item["reason"] for item in rejected] == [
        "no image 'imagesTr/y0.png': Xray/mixed/imagesTr/y0.png is that of another set"
    ]


def test_a_missing_key_is_named(data: Path) -> None:
    detections(data, {"TaskType": "detection", "ImageName": "b0.png", "Question": "Where?", "Reply": "x"})
    with pytest.raises(IngestError, match="a row has no Answer, in no spelling; it has TaskType, ImageName"):
        run(data.parent, "auto")
