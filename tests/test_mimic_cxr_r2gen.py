"""MIMIC-CXR in R2Gen's layout: an entry for each image, so that a study of two views stands twice with one report."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.annotated import run
from tests.helpers.sets import mimic_cxr_r2gen


def test_a_study_of_two_views_counts_once(tmp_path: Path) -> None:
    """Six entries of four studies: six records, four reports asked for."""
    mimic_cxr_r2gen.write(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert summary.format == "mimic-cxr-r2gen" and len(records) == 6 and not rejected
    assert [q.id for r in records for q in r.questions] == ["59990001", "59990002", "59990003", "59990004"]
    assert {r.report for r in records if r.study == "59990001"} == {mimic_cxr_r2gen.report(59990001)}


def test_an_image_that_stands_twice_is_one_record(tmp_path: Path) -> None:
    mimic_cxr_r2gen.write(tmp_path / "data")
    file = tmp_path / "data" / "annotation.json"
    content = json.loads(file.read_text())
    content["train"].append(content["train"][0])
    file.write_text(json.dumps(content))
    _, records, _ = run(tmp_path, "auto")
    assert len(records) == 6 and sum(len(r.questions) for r in records) == 4


def test_the_patient_is_the_subject_and_the_set_credentialed(tmp_path: Path) -> None:
    mimic_cxr_r2gen.write(tmp_path / "data")
    _, records, _ = run(tmp_path, "auto")
    assert {r.patient for r in records} == {"19990001", "19990002", "19990003", "19990004"}
    assert {r.source.access for r in records} == {"credentialed"}


def test_reports_that_compare_with_earlier_images_are_told(tmp_path: Path) -> None:
    """All six entries say "unchanged", and no earlier image is given."""
    mimic_cxr_r2gen.write(tmp_path / "data")
    summary, _, _ = run(tmp_path, "auto")
    assert any("compare with earlier images" in note and "6 times" in note for note in summary.notes)
