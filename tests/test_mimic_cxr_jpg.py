"""MIMIC-CXR-JPG: uncertain and blank labels stay apart, tables are joined by patient, study and image, and reports
compare with images that are not there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import mimic_cxr_jpg
from unveil.ingest.reading import IngestError
from unveil.ingest.sets import mimic


@pytest.fixture
def data(tmp_path: Path) -> Path:
    mimic_cxr_jpg.write(tmp_path / "data")
    return tmp_path / "data"


def test_uncertain_denied_and_blank_labels_stay_apart(data: Path) -> None:
    """Of the first patient's studies, atelectasis is there in one and cardiomegaly denied; in the other that is
    uncertain, and nothing else spoken of."""
    summary, records, rejected = run(data.parent, "auto")
    assert not rejected and {r.completeness for r in records} == {"unknown"}
    by_study = {r.study: r for r in records}
    first = by_study["59990001"]
    assert [f.label for f in first.findings] == ["Atelectasis", "Support Devices"]
    assert all(f.box is None for f in first.findings)
    answers = {q.text: q.answer for q in first.questions}
    assert answers["Does the image show cardiomegaly?"] == "no" and answers["Does the image show atelectasis?"] == "yes"
    assert by_study["59990002"].findings == by_study["59990002"].questions == ()
    assert any("uncertain (-1)" in note for note in summary.notes)


def test_no_finding_makes_no_negative(data: Path) -> None:
    """A program drew it from the report; and it is not asked about."""
    _, records, _ = run(data.parent, "auto")
    record = next(r for r in records if r.study == "59990004")
    assert record.findings == () and record.completeness == "unknown"
    assert [(q.text, q.answer) for q in record.questions] == [("Does the image show atelectasis?", "no")]


def test_tables_are_joined_by_patient_study_and_image(data: Path) -> None:
    """Six images of five studies of four patients; validate is val."""
    _, records, _ = run(data.parent, "auto")
    assert [(r.patient, r.study, r.split) for r in records] == [
        (str(subject), str(study), "val" if split == "validate" else split)
        for subject, study, split, _, images in mimic_cxr_jpg.STUDIES
        for _ in images
    ]
    assert {(r.source.access, r.source.benchmark) for r in records if r.split == "test"} == {
        ("credentialed", "mimic-cxr-jpg")
    }


def test_folders_have_the_first_two_digits_of_the_patient() -> None:
    """p and ten or more: not the last digits, and not the study's."""
    assert mimic.place("0a", "10000032", "50414267") == "files/p10/p10000032/s50414267/0a"
    assert mimic.whose("files/p10/p10000032/s50414267/0a.jpg") == ("10000032", "50414267")


def test_a_view_that_is_not_stated_changes_nothing(data: Path) -> None:
    """ViewPosition may be blank."""
    with gzip.open(data / "mimic-cxr-2.0.0-metadata.csv.gz", "rt") as file:
        text = file.read().replace(",AP,", ",,")
    (data / "mimic-cxr-2.0.0-metadata.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert len(run(data.parent, "auto")[1]) == 6


def test_reports_beside_the_studies_are_read_and_comparisons_told(data: Path) -> None:
    summary, records, _ = run(data.parent, "auto")
    texts = {r.study: r.report for r in records}
    assert texts["59990001"] == mimic_cxr_jpg.REPORT.strip() and texts["59990003"] is None
    told = next(r.sections for r in records if r.study == "59990001")
    assert told["findings"] == "Unchanged atelectasis at the left base." and told["impression"] == "Atelectasis."
    assert any("compare with earlier images" in note for note in summary.notes)


def test_a_part_of_the_images_is_read_as_that(data: Path) -> None:
    """Who has not all 377,110 is told how many are missing, and nothing is rejected."""
    next(data.rglob("aaaa0006.jpg")).unlink()
    summary, records, rejected = run(data.parent, "auto")
    assert len(records) == 5 and not rejected
    assert any("1 of 6 images" in note for note in summary.notes)
    for image in data.rglob("*.jpg"):
        image.unlink()
    with pytest.raises(IngestError, match="none of its 6 images is here"):
        run(data.parent, "auto")


def test_labels_by_hand_go_before_those_of_programs(data: Path) -> None:
    (data / "mimic-cxr-2.1.0-test-set-labeled.csv").write_text("study_id,Atelectasis,Edema\n59990005,0,1\n")
    (data / "mimic-cxr-2.0.0-negbio.csv").write_text("subject_id,study_id,Edema\n19990004,59990005,1\n")
    summary, records, _ = run(data.parent, "auto")
    assert [f.label for f in records[-1].findings] == ["Edema"]
    assert any("those of CheXpert are read" in note for note in summary.notes)


def test_other_values_and_columns_are_told(data: Path) -> None:
    (data / "mimic-cxr-2.1.0-test-set-labeled.csv").write_text("study_id,Atelectasis\n59990005,perhaps\n")
    _, _, rejected = run(data.parent, "auto")
    assert [r["reason"] for r in rejected] == ["a label is 1, 0, -1 or blank, not 'perhaps'"]
    (data / "mimic-cxr-2.1.0-test-set-labeled.csv").write_text("study,Atelectasis\n59990005,1\n")
    with pytest.raises(IngestError, match=r"columns study_id are missing; it has study, Atelectasis \(study instead"):
        run(data.parent, "auto")
