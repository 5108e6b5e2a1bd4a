"""MedXpertQA-MM, OmniMedVQA and MMMU's medical subjects: options, splits, and what has several images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import medxpertqa_mm, mmmu_med, omnimedvqa
from unveil.core.records import Question
from unveil.ingest.reading import IngestError


def test_medxpertqa_takes_the_options_out_of_the_text(tmp_path: Path) -> None:
    """Of question 3 the label is "ABCDE"[3]; the one with two images is rejected; dev is to learn from."""
    medxpertqa_mm.write(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert summary.format == "medxpertqa-mm"
    asked = Question(
        "Patient 3 coughs.\nWhat is shown?", "Cyst", "closed", "MM-3", tuple(medxpertqa_mm.OPTIONS.values()), "en"
    )
    assert records[2].questions == (asked,)
    assert [r.split for r in records] == ["train"] * 2 + ["test"] * 4
    assert {r.source.benchmark for r in records} == {None, "medxpertqa-mm"}
    assert [(item["row"], item["reason"]) for item in rejected] == [
        (5, "several images, of which a question can have one: 2")
    ]


def test_omnimedvqa_has_no_training_split_and_two_to_four_options(tmp_path: Path) -> None:
    """Image 3 of 2 options: OPTIONS[3 % 2], image 4 of 3: OPTIONS[4 % 3]. The misnamed kind of image counts."""
    omnimedvqa.write(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert summary.format == "omnimedvqa" and rejected == []
    of = {Path(r.image).stem: r for r in records}
    assert {r.split for r in records} == {"test"} and {r.source.benchmark for r in records} == {"omnimedvqa"}
    assert [len(of[n].questions[0].choices) for n in "1234"] == [4, 4, 2, 3]
    assert [of[n].questions[0].answer for n in "34"] == ["Yes, pneumonia.", "Yes, pneumonia."]
    assert {r.modality for r in records} == {"CT(Computed Tomography)"}


def test_mmmu_measures_on_validation(tmp_path: Path) -> None:
    """Two questions of Clinical Medicine and two of Pharmacy, one of them open; that with two images and that without
    an answer are rejected. An apostrophe in a list that Python wrote is kept."""
    mmmu_med.write(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert summary.format == "mmmu-med"
    assert {r.questions[0].id: (r.split, r.questions[0].answer) for r in records} == {
        "Clinical_1": ("train", "Crohn's disease"),
        "Clinical_2": ("train", "Crohn's disease"),
        "Clinical_3": ("test", "Crohn's disease"),
        "Clinical_4": ("test", "Fever"),
        "Pharmacy_7": ("test", "Both"),
        "Pharmacy_8": ("test", "aspirin"),
    }
    assert records[0].questions[0].text == "What does 1 show?"
    assert sorted(item["reason"] for item in rejected) == [
        "its answer is withheld",
        "several images, of which a question can have one",
    ]


@pytest.mark.parametrize("options", ["A, B", "{'A': 1}", "[1, 2]", "__import__('os')"])
def test_options_that_are_no_list_of_texts_are_rejected(options: str, tmp_path: Path) -> None:
    """Nothing in a cell is run."""
    rows = [mmmu_med.row("Pharmacy", 1), mmmu_med.row("Pharmacy", 2, options=options)]
    mmmu_med.table(tmp_path / "data" / "Pharmacy" / "validation-00000-of-00001.parquet", rows)
    assert [item["reason"][:30] for item in run(tmp_path, "auto")[2]] == ["options are a list of texts, n"]


def test_a_question_without_what_it_needs_is_named(tmp_path: Path) -> None:
    omnimedvqa.write(tmp_path / "data")
    file = tmp_path / "data/QA_information/Open-access/BUSI.json"
    rows = json.loads(file.read_text())
    for name in ("gt_answer", "image_path"):
        rows[0].pop(name)
    file.write_text(json.dumps(rows))
    with pytest.raises(IngestError, match=r"BUSI.json: a question has no gt_answer, image_path; it has"):
        run(tmp_path, "auto")
