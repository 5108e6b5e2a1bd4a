"""RSNA's pneumonia set as it is distributed: ids of images that look like patients', rows without a box, one frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.sets import read
from tests.helpers.sets import rsna_pneumonia as fixture
from unveil.ingest.reading import IngestError, Options


def test_several_rows_of_an_image_are_one_record_in_its_own_pixels(tmp_path: Path) -> None:
    """160, 320, 240 wide, 320 high of 1024 are 10, 20 to 25, 40 of 64."""
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert [f.box for f in records["00436515"].findings] == [(10, 20, 25, 40), (35, 20, 51, 30)]
    assert len(records) == 9 and summary.rejected == 0 and any("are scaled" in note for note in summary.notes)


def test_patient_id_is_the_name_of_an_image(tmp_path: Path) -> None:
    """Neither the column nor the header's PatientID, which repeats it, is a patient."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {r.patient for r in records.values()} == {None}
    with pytest.raises(IngestError, match="no image's header has a PatientID"):
        read(tmp_path / "set", tmp_path / "more", Options(patients_from="dicom"))


def test_no_opacity_is_a_true_negative_and_yet_not_normal(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["000924cf"].findings == () and records["000924cf"].completeness == "exhaustive"
    assert [(f.label, f.box) for f in records["0004cfab"].findings] == [(fixture.NOT_NORMAL, None)]


def test_without_the_classes_nobody_knows_what_else_there_is(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    (tmp_path / "set" / "stage_2_detailed_class_info.csv").unlink()
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {records[name].completeness for name in ("000924cf", "0004cfab")} == {"unknown"}
    assert records["00436515"].completeness == "exhaustive"


def test_rows_that_contradict_themselves(tmp_path: Path) -> None:
    """A box with the target 0; two targets of one image."""
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "stage_2_train_labels.csv"
    table.write_text(table.read_text().replace("00aecb01,,,,,0", "00aecb01,1,1,9,9,0") + "00c0b293,,,,,0\n")
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 2 and records["00aecb01"].completeness == "partial" and "00c0b293" not in records


def test_a_table_that_is_nearly_right_says_what_differs(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "stage_2_train_labels.csv"
    table.write_text(table.read_text().replace("Target", "target"))
    with pytest.raises(IngestError, match="target instead of Target"):
        read(tmp_path / "set", tmp_path / "out")
