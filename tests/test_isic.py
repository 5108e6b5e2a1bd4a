"""ISIC challenges as they are distributed: masks by the images' names, diagnoses in columns of 0 and 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.sets import isic as fixture
from tests.helpers.sets import read
from unveil.ingest.reading import IngestError, Options


def table(folder: Path) -> Path:
    return folder / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"


def test_a_mask_is_found_by_its_image_and_named_by_the_diagnosis(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert [(f.label, f.box) for f in records["ISIC_0000001"].findings] == [("melanoma", (20, 10, 50, 40))]
    assert [f.label for f in records["ISIC_0000003"].findings] == ["skin lesion"] and summary.rejected == 0
    assert {name for name, r in records.items() if r.split == "test"} == {"ISIC_0000006", "ISIC_0000007"}


def test_images_whose_truth_is_withheld_are_left_out(tmp_path: Path) -> None:
    """They are no negatives; of training alone some images are measured on."""
    fixture.write(tmp_path / "set")
    for path in (tmp_path / "set").glob("*Test_GroundTruth/*"):
        path.unlink()
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 4 and any("left out (2 times" in note for note in summary.notes)
    assert {(r.split, r.source.published) for r in records.values()} == {(None, "train")}


def test_an_empty_mask_is_no_negative(tmp_path: Path) -> None:
    """Every image shows a lesion."""
    fixture.write(tmp_path / "set")
    mask = tmp_path / "set" / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_0000003_segmentation.png"
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(mask)
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [(f.label, f.box) for f in records["ISIC_0000003"].findings] == [("skin lesion", None)]
    assert records["ISIC_0000003"].completeness == "partial"


def test_images_of_one_lesion_are_one_study(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    lines = "image,lesion_id,diagnosis_confirm_type\nISIC_0000000,HAM_1,follow_up\nISIC_0000001,HAM_1,histopathology\n"
    (tmp_path / "set" / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text(lines)
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["ISIC_0000000"].cluster == records["ISIC_0000001"].cluster == "study:isic:HAM_1"


def test_tables_that_are_nearly_right_say_what_differs(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    content = table(tmp_path / "set").read_text()
    table(tmp_path / "set").write_text(content.replace("DF,VASC", "DF,OTHER"))
    with pytest.raises(IngestError, match="not OTHER"):
        read(tmp_path / "set", tmp_path / "out")


def test_a_row_with_two_diagnoses_names_none(tmp_path: Path) -> None:
    """The lesion has its mask all the same, and the image is not complete."""
    fixture.write(tmp_path / "set")
    rows = table(tmp_path / "set").read_text()
    table(tmp_path / "set").write_text(rows.replace("0.0,1.0,0.0,0.0", "0.0,1.0,1.0,0.0"))
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert "'ISIC_0000000' has several diagnoses, NV, BCC" in str(summary.reasons[0])
    assert [f.label for f in records["ISIC_0000000"].findings] == ["skin lesion"]
    assert records["ISIC_0000000"].completeness == "partial"


def test_tables_of_several_years(tmp_path: Path) -> None:
    """That of 2017 has columns for two diagnoses only: what is none of them is what 2018 says; what is another than
    2018 says is told, and the image is not complete."""
    fixture.write(tmp_path / "set")
    rows = "image_id,melanoma,seborrheic_keratosis\nISIC_0000000,1.0,0.0\nISIC_0000006,0.0,0.0\n"
    (tmp_path / "set" / "ISIC-2017_Training_Part3_GroundTruth.csv").write_text(rows)
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert [f.label for f in records["ISIC_0000006"].findings] == ["basal cell carcinoma"]
    assert records["ISIC_0000000"].completeness == "partial" and "tables disagree" in str(summary.reasons[0])


def test_a_mask_of_another_size_is_of_another_version(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    mask = tmp_path / "set" / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_0000003_segmentation.png"
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(mask)
    _, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert "its mask has 32 x 24 pixels, the image 64 x 48" in str(summary.reasons[0])
