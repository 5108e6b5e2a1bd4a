"""IU X-Ray in R2Gen's layout: two images a study, which counts once; the raw report; nobody names the patients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import iu_xray
from unveil.ingest.reading import IngestError


def test_both_images_of_a_study_have_its_report_and_it_counts_once(tmp_path: Path) -> None:
    """Four studies of two images: eight records, and four questions for a report."""
    iu_xray.write(tmp_path / "data")
    _, records, rejected = run(tmp_path, "auto")
    assert len(records) == 8 and not rejected
    assert all(r.report == iu_xray.report(r.study or "") for r in records)
    asked = [(r.study, q.answer) for r in records for q in r.questions]
    assert len(asked) == 4 and all(answer == iu_xray.report(study or "") for study, answer in asked)


def test_the_report_is_raw_and_the_split_that_of_r2gen(tmp_path: Path) -> None:
    """R2Gen's own reference is in small letters and cut: here, capitals, stops and all words stay."""
    iu_xray.write(tmp_path / "data")
    _, records, _ = run(tmp_path, "auto")
    assert {(r.study, r.split, r.source.published) for r in records} == {
        (study, split, split) for split, studies in iu_xray.STUDIES.items() for study in studies
    }
    assert records[0].report and records[0].report.startswith("The heart") and "XXXX." in records[0].report
    assert {r.source.benchmark for r in records if r.split == "test"} == {"iu-xray"}
    assert {(r.patient, r.completeness) for r in records} == {(None, "unknown")}


def test_a_study_of_one_image_is_read_and_noted(tmp_path: Path) -> None:
    """R2Gen's own loader needs exactly two."""
    iu_xray.write(tmp_path / "data")
    file = tmp_path / "data" / "annotation.json"
    content = json.loads(file.read_text())
    content["train"][0]["image_path"].pop()
    file.write_text(json.dumps(content))
    summary, records, _ = run(tmp_path, "auto")
    assert len(records) == 7 and any("have not two images" in note for note in summary.notes)


def test_entries_that_cannot_be_used_say_what_they_lack(tmp_path: Path) -> None:
    iu_xray.write(tmp_path / "data")
    file = tmp_path / "data" / "annotation.json"
    content = json.loads(file.read_text())
    del content["train"][0]["report"]
    content["train"][1]["split"] = "test"
    file.write_text(json.dumps(content))
    _, records, rejected = run(tmp_path, "auto")
    assert len(records) == 4
    assert [r["reason"] for r in rejected] == [
        "train: report is missing; the entry has id, image_path, split",
        "train: the entry says that it is of the split 'test'",
    ]


def test_other_lists_than_those_of_the_splits_are_told(tmp_path: Path) -> None:
    iu_xray.write(tmp_path / "data")
    file = tmp_path / "data" / "annotation.json"
    file.write_text(file.read_text().replace('"train": [', '"training": ['))
    with pytest.raises(IngestError, match=r"lists of train, val and test are needed; it has training, val, test"):
        run(tmp_path, "auto")
