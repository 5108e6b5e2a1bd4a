"""VinDr-CXR as it is distributed: several readers of an image, one of whom may see nothing, in two layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.sets import read
from tests.helpers.sets import vindr_cxr as fixture
from unveil.core import image_files
from unveil.ingest.reading import IngestError, Options


@pytest.fixture(scope="module")
def physionet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vindr") / "set"
    fixture.write(folder)
    return folder


def test_what_readers_saw_in_one_place_is_one_finding(physionet: Path, tmp_path: Path) -> None:
    """The mean of three hearts (10, 30), (12, 32), (11, 31); two nodules of one reader each stay two."""
    records, summary = read(physionet, tmp_path / "out")
    heart, *nodules = records["0a01"].findings
    assert heart.box == pytest.approx((11, 31, 50, 60)) and heart.readers == ("R10", "R8", "R9")
    assert [n.readers for n in nodules] == [("R8",), ("R10",)] and summary.rejected == 0
    assert records["0a01"].readers == ("R10", "R8", "R9") and records["0a01"].completeness == "exhaustive"


def test_readers_may_be_kept_apart_or_counted_or_chosen(physionet: Path, tmp_path: Path) -> None:
    """Three readers: of 0a01 the heart is the majority's; what is dropped may be there, so the image is partial."""
    kept, _ = read(physionet, tmp_path / "keep", Options(readers="keep"))
    assert [f.readers for f in kept["0a01"].findings] == [("R8",), ("R8",), ("R9",), ("R10",), ("R10",)]
    most, _ = read(physionet, tmp_path / "most", Options(readers="majority"))
    assert [f.label for f in most["0a01"].findings] == ["Cardiomegaly"] and most["0a01"].completeness == "partial"
    one, _ = read(physionet, tmp_path / "one", Options(readers="R9"))
    assert set(one) == {"0a01", "0a02", "0b01", "0b02", "0b03"} and len(one["0a01"].findings) == 1
    with pytest.raises(IngestError, match="--readers R99 is none of"):
        read(physionet, tmp_path / "none", Options(readers="R99"))


def test_an_image_without_finding_is_one_by_all_its_readers(physionet: Path, tmp_path: Path) -> None:
    """0a02 by all three; of 0a03 one saw nothing, two saw a nodule, and one names pneumonia, which has no place."""
    records, _ = read(physionet, tmp_path / "out")
    assert records["0a02"].findings == () and records["0a02"].completeness == "exhaustive"
    assert [(f.label, f.readers) for f in records["0a03"].findings] == [
        ("Nodule/Mass", ("R2", "R3")),
        ("Pneumonia", ("R3",)),
    ]
    assert records["0a03"].readers == ("R1", "R2", "R3")


def test_the_test_split_is_a_consensus_that_names_nobody(physionet: Path, tmp_path: Path) -> None:
    records, _ = read(physionet, tmp_path / "out")
    assert {n for n, r in records.items() if r.split == "test"} == set(fixture.TEST)
    assert records["0b01"].readers == () and [f.label for f in records["0b01"].findings] == ["Nodule/Mass", "Pneumonia"]
    assert records["0b01"].source.benchmark == "vindr-cxr" and {r.patient for r in records.values()} == {None}


def test_kaggle_has_the_training_images_alone(tmp_path: Path) -> None:
    """Class 14 has no box and is no finding; all its images are train, so that some are dealt to test."""
    fixture.write_kaggle(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert summary.format == "vindr-cxr" and set(records) == set(fixture.TRAIN)
    assert records["0a04"].findings == () and records["0a04"].completeness == "exhaustive"
    assert {(r.split, r.source.published) for r in records.values()} == {(None, "train")}


def test_a_split_by_its_table_has_the_labels_of_whole_images_too(physionet: Path, tmp_path: Path) -> None:
    """Else an image without a box, such as one of pneumonia, would be free of findings."""
    records, _ = read(physionet, tmp_path / "out", Options(annotations="annotations_test.csv"))
    assert set(records) == set(fixture.TEST)
    assert [f.label for f in records["0b01"].findings] == ["Nodule/Mass", "Pneumonia"]


def test_white_may_be_zero(physionet: Path) -> None:
    """MONOCHROME1 is shown inverted: the largest value is the darkest."""
    path = physionet / "train" / "0a01.dicom"
    stored, shown = (image_files.read(path, windowed=w).array for w in (False, True))
    assert shown[np.unravel_index(stored.argmax(), stored.shape)] == shown.min()


def test_a_reader_who_denies_himself(tmp_path: Path) -> None:
    fixture.write_kaggle(tmp_path / "set")
    with (tmp_path / "set" / "train.csv").open("a") as file:
        file.write("0a05,No finding,14,R1,,,,\n0a05,Nodule/Mass,8,R2,90,90,99,99\n")
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 2 and records["0a05"].completeness == "partial"


def test_no_finding_with_a_box_is_no_true_negative(tmp_path: Path) -> None:
    """Where the numbers are a place; those that exports write into an empty cell, 0 0 1 1, are none."""
    fixture.write_kaggle(tmp_path / "set")
    table = tmp_path / "set" / "train.csv"
    text = table.read_text().replace("0a02,No finding,14,R8,,,,", "0a02,No finding,14,R8,0,0,1,1")
    table.write_text(text.replace("0a04,No finding,14,R1,,,,", "0a04,No finding,14,R1,5,5,20,20"))
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert {name: records[name].completeness for name in ("0a02", "0a04")} == {"0a02": "exhaustive", "0a04": "partial"}
    assert [str(reason).split(" (")[0] for reason in summary.reasons] == ["says 'No finding' and has a box"]


def test_a_label_is_nought_or_one(tmp_path: Path) -> None:
    """The image is not free of findings then, though another cell says so."""
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "annotations" / "image_labels_test.csv"
    table.write_text(table.read_text().replace("0b02,0,0,0,1", "0b02,0,0,-1,1"))
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert any("'Pneumonia' is 0 or 1, not '-1'" in str(reason) for reason in summary.reasons)
    assert records["0b02"].completeness == "partial"


def test_a_table_that_is_nearly_right_says_what_differs(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "annotations" / "image_labels_test.csv"
    table.write_text(table.read_text().replace("No finding", "No_finding"))
    with pytest.raises(IngestError, match="No_finding instead of No finding"):
        read(tmp_path / "set", tmp_path / "out")
