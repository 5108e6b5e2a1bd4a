"""NIH ChestX-ray14 as it is distributed: headers with commas in their names, another frame, labels out of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.sets import nih_chestxray14 as fixture
from tests.helpers.sets import read
from unveil.ingest.reading import IngestError, Options


def test_boxes_count_in_1024_pixels_not_in_the_original(tmp_path: Path) -> None:
    """160, 320, 320 wide, 240 high of 1024 are 10, 20 to 30, 35 of 64, though the original is told to have 2682."""
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert [f.box for f in records["00000007_000"].findings] == [(10, 20, 30, 35), None]
    assert any("another size than 1024 x 1024" in note for note in summary.notes) and summary.rejected == 0


def test_a_header_with_commas_in_its_names_shifts_no_column(tmp_path: Path) -> None:
    """9 names in the header of the boxes and 6 cells in a row; y, w and h stand where they are counted."""
    fixture.write(tmp_path / "set")
    assert "Bbox [x,y,w,h],,," in (tmp_path / "set" / "BBox_List_2017.csv").read_text()
    records, _ = read(tmp_path / "set", tmp_path / "out")
    [finding, _] = records["00000008_001"].findings
    assert finding.box == pytest.approx((224.5 / 16, 547 / 16, 311.2 / 16, 626.2 / 16))


def test_infiltrate_is_infiltration_and_a_label_with_a_box_stands_once(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [f.label for f in records["00000007_000"].findings] == ["Infiltration", "Effusion"]


def test_labels_are_told_apart_at_the_bar(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [f.label for f in records["00000004_000"].findings] == ["Mass", "Nodule"]


def test_no_finding_of_a_report_is_no_true_negative(tmp_path: Path) -> None:
    """Labels were read by a program: that it found none does not tell that there is none."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["00000003_000"].findings == ()
    assert {r.completeness for r in records.values()} == {"unknown"}


def test_lists_are_of_patients_and_tell_where_the_boxes_are(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert {r.patient for r in records.values() if r.split == "test"} == {"7", "8"}
    assert {r.patient for r in records.values() if r.split == "train"} == {"1", "2", "3", "4", "5", "6"}
    assert records["00000008_001"].source.benchmark == "nih-chestxray14"
    assert any("images with boxes in the split test (3 times" in note for note in summary.notes)
    assert records["00000001_001"].study == "1-1"


def test_splits_that_are_dealt_anew_leave_the_benchmark_known(tmp_path: Path) -> None:
    """What is in the published test split must not be learnt from, though ``--splits none`` gives no split."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out", Options(splits="none"))
    assert {r.split for r in records.values()} == {None}
    assert {r.patient for r in records.values() if r.source.benchmark == "nih-chestxray14"} == {"7", "8"}


def test_a_box_that_is_none_and_one_of_an_unknown_image(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    with (tmp_path / "set" / "BBox_List_2017.csv").open("a") as file:
        file.write("00000007_001.png,Mass,900,900,400,400\n00000099_000.png,Mass,1,1,9,9\n")
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 2 and records["00000007_001"].completeness == "partial"
    assert any("has no labels" in str(reason) for reason in summary.reasons)


def test_an_image_that_is_not_square_has_lost_its_frame(tmp_path: Path) -> None:
    """Its box is rejected; the label that the box had stands in the other table."""
    fixture.write(tmp_path / "set")
    Image.fromarray(np.zeros((60, 64), np.uint8)).save(tmp_path / "set/images_002/images/00000007_000.png")
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    record = records["00000007_000"]
    assert record.completeness == "partial" and [f.label for f in record.findings] == ["Infiltration", "Effusion"]
    assert [f.box for f in record.findings] == [None, None]
    assert "boxes count in 1024 x 1024" in str(summary.reasons[0])


def test_a_table_that_is_nearly_right_says_what_differs(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace("Finding Labels", "Finding_Labels"))
    with pytest.raises(IngestError, match="Finding_Labels instead of Finding Labels"):
        read(tmp_path / "set", tmp_path / "out")
