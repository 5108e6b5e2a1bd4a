"""DeepLesion as it is distributed: 16 bits, windows, vectors in cells, padded boxes, lesions that nobody marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.sets import deeplesion as fixture
from unveil.core.geometry import decode_mask
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest
from unveil.ingest.sets import deeplesion


def read(folder: Path, out: Path, options: Options | None = None) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", out, options)
    return list(read_jsonl(summary.records_file, Record)), summary


def changed(folder: Path, old: str, new: str) -> None:
    """The fixture with something else in its table."""
    fixture.write(folder)
    table = folder / "DL_info.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))


def test_units_are_stored_with_32768_and_shown_by_the_window(tmp_path: Path) -> None:
    """-1024 HU lies below -175 and is black, 180 HU is 255 (180 + 175) / 450 = 201 (of 16 bits no program cuts 8)."""
    fixture.write(tmp_path / "set")
    [first, *_], summary = read(tmp_path / "set", tmp_path / "out")
    shown = np.asarray(Image.open(tmp_path / "out" / first.image))
    assert summary.rejected == 0 and shown.dtype == np.uint8 and (shown[0] == 0).all() and shown[24, 30] == 201
    assert first.source.file == "Images_png/000001_01_01/109.png"
    assert first.plane and first.plane.window == (-175, 275) and first.plane.spacing == (0.8, 0.8)


def test_several_rows_of_a_slice_are_one_record_and_the_noisy_are_told(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert [len(r.findings) for r in records] == [2, 1, 1, 1, 1, 1, 1, 1]
    assert [f.attributes.get("possibly_noisy") for f in records[0].findings] == [None, "yes"]
    assert any("possibly noisy" in note for note in summary.notes)


def test_a_box_is_the_padded_extent_of_the_diameters(tmp_path: Path) -> None:
    """Ends at (30, 18), (30, 30), (27, 24), (33, 24): the box is 5 pixels wider on each side. The quadrilateral of
    the ends in turn has half of 12 x 6 pixels; joined as they stand they would cross. 12 pixels are 9.6 mm."""
    fixture.write(tmp_path / "set")
    [first, *_], _ = read(tmp_path / "set", tmp_path / "out")
    lesion = first.findings[0]
    assert lesion.box == (22, 13, 38, 35) and lesion.mask
    assert abs(decode_mask(lesion.mask).sum() - 36) <= 6
    assert (lesion.attributes["long_axis_mm"], lesion.attributes["short_axis_mm"]) == ("9.6", "4.8")


def test_the_published_example(tmp_path: Path) -> None:
    """The box is the extent of the four ends, 231.169 to 236.252 and 95.0204 to 106.977, and 5 pixels around them;
    11.9677 pixels of 0.488281 mm are 5.8 mm."""
    row = (
        '000001_01_01_000.png,1,1,1,0,"233.537, 95.0204, 234.057, 106.977, 231.169, 101.605, 236.252, 101.143",'
        '"226.169, 90.0204, 241.252, 111.977","11.9677, 5.10387","0.44666, 0.283794, 0.434454",3,0,"103, 115",'
        '"0.488281, 0.488281, 5","512, 512","-175, 275",F,62,1'
    )
    (tmp_path / "set" / "Images_png" / "000001_01_01").mkdir(parents=True)
    slice_ = np.full((512, 512), 32768, np.uint16)
    Image.fromarray(slice_).save(tmp_path / "set" / "Images_png" / "000001_01_01" / "000.png")
    (tmp_path / "set" / "DL_info.csv").write_text(f"{fixture.HEADER}\n{row}\n")
    [record], _ = read(tmp_path / "set", tmp_path / "out")
    [lesion] = record.findings
    assert lesion.box == (226.169, 90.0204, 241.252, 111.977) and lesion.attributes["long_axis_mm"] == "5.8"
    assert lesion.box == pytest.approx((231.169 - 5, 95.0204 - 5, 236.252 + 5, 106.977 + 5)) and record.split == "train"


def test_parts_of_one_scan_stay_together(tmp_path: Path) -> None:
    """One scan may be several series with slices of their own (Slice_range): they are one study of one patient."""
    changed(tmp_path / "set", "000001_01_01_120.png,1,1,1", "000001_01_02_120.png,1,1,2")
    images = tmp_path / "set" / "Images_png"
    (images / "000001_01_02").mkdir()
    (images / "000001_01_01" / "120.png").rename(images / "000001_01_02" / "120.png")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [(r.source.file, r.study) for r in records[:2]] == [
        ("Images_png/000001_01_01/109.png", "1-1"),
        ("Images_png/000001_01_02/120.png", "1-1"),
    ]
    assert records[0].cluster == records[1].cluster


def test_a_padded_box_may_lead_over_the_edge(tmp_path: Path) -> None:
    """Padding leads 5 pixels over the left edge, where the lesion is 0 to 6 pixels from it."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    [lesion] = next(r for r in records if r.patient == "5").findings
    assert lesion.box == (0, 19, 11, 41)


def test_vectors_may_have_no_space_after_their_commas(tmp_path: Path) -> None:
    changed(tmp_path / "set", "22, 13, 38, 35", "22,13,38,35")
    [first, *_], _ = read(tmp_path / "set", tmp_path / "out")
    assert first.findings[0].box == (22, 13, 38, 35)


def test_windows_are_lowest_and_highest(tmp_path: Path) -> None:
    """As level and width, (450, 50) would be a window; as lowest and highest it is none."""
    changed(tmp_path / "set", '"-175, 275",F,62,2', '"450, 50",F,62,2')
    _, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 1 and "lowest, highest" in str(summary.reasons[0])


@pytest.mark.parametrize("stored", ["8 bits", "no offset"])
def test_values_that_are_no_hounsfield_units_are_told(stored: str, tmp_path: Path) -> None:
    """What a program cuts to 8 bits, or has subtracted already, would be shown all black."""
    fixture.write(tmp_path / "set")
    path = tmp_path / "set" / "Images_png" / "000002_01_01" / "007.png"
    wrong = np.zeros((56, 56), np.uint8) if stored == "8 bits" else np.full((56, 56), 1064, np.uint16)
    Image.fromarray(wrong).save(path)
    _, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    said = {"8 bits": "8 bits, not 16", "no offset": "no Hounsfield units"}[stored]
    assert summary.rejected == 1 and said in str(summary.reasons[0])


def test_types_of_one_table_and_none_in_training(tmp_path: Path) -> None:
    """Third parties disagree whether 1 is bone or lung; -1 is a lesion of no known type."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    names = {r.patient: r.findings[0].label for r in records}
    assert names == {
        "1": "pelvic lesion",
        "2": "bone lesion",
        "3": "lesion",
        "4": "lesion",
        "5": "lesion",
        "6": "liver lesion",
    }
    assert deeplesion.TYPES[5] == "lung lesion" and records[0].findings[0].label == "lung lesion"


def test_splits_are_of_patients_and_no_slice_is_complete(tmp_path: Path) -> None:
    """1, 2, 3 are train, val, test; unmarked lesions are the rule, so that slices without a row are no records."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {(r.patient, r.split) for r in records} == {
        *[("1", "test"), ("2", "val"), ("3", "train"), ("4", "train"), ("5", "train"), ("6", "test")]
    }
    assert {r.completeness for r in records} == {"partial"} and len(records) == 8
    assert records[0].source.benchmark == "deeplesion" and records[0].study == "1-1"


def test_images_need_not_have_512_pixels_but_those_that_are_stated(tmp_path: Path) -> None:
    changed(tmp_path / "set", "56, 56", "512, 512")
    _, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert "another version" in str(summary.reasons[0])


def test_slices_may_lie_under_their_whole_names(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    for path in (tmp_path / "set" / "Images_png").glob("*/*.png"):
        path.rename(tmp_path / "set" / f"{path.parent.name}_{path.name}")
    assert len(read(tmp_path / "set", tmp_path / "out")[0]) == 8


def test_a_table_that_is_nearly_right_says_what_differs(tmp_path: Path) -> None:
    changed(tmp_path / "set", "DICOM_windows", "windows")
    with pytest.raises(IngestError, match=r"DICOM_windows are missing.*windows instead of DICOM_windows"):
        read(tmp_path / "set", tmp_path / "out")
