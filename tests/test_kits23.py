"""KiTS23 as it is distributed: slices first, label maps and images apart, values as doubles, diagnoses beside."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.sets import kits23
from unveil.core import image_files
from unveil.core.geometry import decode_mask
from unveil.core.image_plane import in_patient
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest


def read(folder: Path, out: Path, **options: object) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", out, Options(**options))  # type: ignore[arg-type]
    return list(read_jsonl(summary.records_file, Record)), summary


def test_slices_lie_along_the_first_axis_and_are_not_square(tmp_path: Path) -> None:
    """Never axis 2, nor as many rows as columns: case 160 has 48 rows of 64 columns. Letters "IPL" put rows top down
    from front to back and columns from right to left, as a screen has them, so nothing is mirrored, and the voxel
    slice 3 of 8 is the axial slice 4, counted upwards. The kidney is as large in 2 to 5, the tumor in 3 and 4, the
    cyst only in 4: the first of equal ones is taken."""
    kits23.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert summary.format == "kits23" and not summary.rejected
    record = next(r for r in records if r.source.file == "dataset/case_00160/imaging.nii.gz#axial-4")
    assert record.size == (64, 48)
    found = {f.label: f for f in record.findings}
    assert found["tumor"].box == (10, 12, 16, 20) and found["cyst"].box == (18, 22, 22, 26)
    own = {r.source.file for r in records if "case_00160" in str(r.source.file)}
    assert own == {_slice(2), _slice(3), _slice(4)}


def _slice(number: int) -> str:
    return f"dataset/case_00160/imaging.nii.gz#axial-{number}"


def test_a_kidney_is_one_with_what_grows_in_it(tmp_path: Path) -> None:
    """Labels 1, 2, 3 overwrite one another, and the evaluation's kidney is all three: its box is whole, its mask has no
    hole where the tumor is."""
    kits23.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    record = next(r for r in records if r.source.file == _slice(4))
    [kidney] = [f for f in record.findings if f.label == "kidney"]
    assert kidney.box == (8, 10, 24, 30) and kidney.mask and decode_mask(kidney.mask).sum() == 16 * 20
    assert [f.attributes["class"] for f in record.findings] == ["kidney and masses", "tumor, mass", "mass"]


def test_an_arbitrary_origin_is_kept_in_millimetres(tmp_path: Path) -> None:
    """The middle of the first pixel of axial slice 4 is voxel (3, 0, 0): RAS (160, -20.5, 100 - 3 x 3), and with left
    and back as positive (-160, 20.5, 91). The corner of the tumor's box, x 10 and y 12, lies (10 - 0.5) x 0.7 mm to the
    left and (12 - 0.5) x 0.8 mm to the back of it."""
    kits23.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    plane = next(r for r in records if r.source.file == _slice(4)).plane
    assert plane and plane.origin == pytest.approx((-160, 20.5, 91)) and plane.spacing == pytest.approx((0.8, 0.7))
    assert in_patient(plane, 10, 12) == pytest.approx((-160 + 9.5 * 0.7, 20.5 + 11.5 * 0.8, 91))
    assert plane.window == (-79, 304)


def test_doubles_are_windowed_as_the_set_says(tmp_path: Path) -> None:
    """float64 values from -1000: -79 and below are black, 304 and above white; tissue of 160 is (160 + 79) / 383 x 255
    = 159."""
    kits23.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    record = next(r for r in records if r.source.file == _slice(4))
    grey = image_files.read(Path(tmp_path / "out" / record.image)).array
    assert (grey[:3] == 0).all() and abs(float(np.median(grey[10:12, 8:24])) - 159) < 5
    assert record.modality == "CT"


def test_images_may_lie_apart_from_the_label_maps(tmp_path: Path) -> None:
    """They come from another place, as images/case_00000.nii.gz; test cases there have no label map and are no
    negatives; a label map whose image is not here is told."""
    kits23.write(tmp_path / "set")
    dataset = tmp_path / "set" / "dataset"
    (tmp_path / "set" / "images").mkdir()
    for case in kits23.CASES[:-1]:
        shutil.move(
            dataset / f"case_{case:05}" / "imaging.nii.gz", tmp_path / "set" / "images" / f"case_{case:05}.nii.gz"
        )
    (dataset / "case_00588" / "imaging.nii.gz").unlink()
    kits23.save(tmp_path / "set" / "images" / "case_00600.nii.gz", np.zeros((8, 48, 48)), 600)
    records, summary = read(tmp_path / "set", tmp_path / "out", allow_rejected=0.5)
    assert {str(r.source.file).split("#")[0] for r in records} == {
        f"images/case_{c:05}.nii.gz" for c in kits23.CASES[:-1]
    }
    assert summary.rejected == 1 and any("without a label map" in note for note in summary.notes)


def test_the_diagnosis_stays_out_and_cases_stay_whole(tmp_path: Path) -> None:
    """Nothing of kits23.json is in the records; all slices of a case are one study; no patient is made up."""
    kits23.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert "clear_cell" not in summary.records_file.read_text()
    assert {r.study for r in records} == {f"dataset/case_{c:05}/imaging.nii.gz" for c in kits23.CASES}
    assert {(r.patient, r.split, r.completeness) for r in records} == {(None, None, "exhaustive")}


def test_the_release_is_kept_and_drawings_of_single_annotators_are_not_read(tmp_path: Path) -> None:
    """Early releases of the cases had wrong spacings and directions, so a record says which one it is of. What each
    annotator drew of each instance lies beside the label map that was made of it, and counts no second time."""
    kits23.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out", dataset_version="v2.2.4", annotations="case_00001/*")
    assert {r.source.version for r in records} == {"v2.2.4"}
    assert any((tmp_path / "set").rglob("instances/*.nii.gz"))
    assert max(len([f for f in r.findings if f.label == "tumor"]) for r in records) == 1


def test_all_slices_hold_true_negatives_too(tmp_path: Path) -> None:
    """Of eight slices four hold the kidney; that the others hold none is known, since every case is marked whole."""
    kits23.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out", slices="all", annotations="case_00001/*")
    assert len(records) == 8
    assert [bool(r.findings) for r in records] == [False, False, True, True, True, True, False, False]
