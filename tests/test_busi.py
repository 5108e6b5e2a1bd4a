"""BUSI as it is distributed: what is seen is the folder, one image has several masks, normal ones an empty mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.sets import busi as fixture
from tests.helpers.sets import read
from unveil.ingest.reading import Options

FOLDER = "Dataset_BUSI_with_GT"


def test_each_mask_is_a_lesion_of_its_folders_kind(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 8 and summary.rejected == 0  # no mask is taken for an image
    assert [(f.label, f.box) for f in records["benign (2)"].findings] == [
        ("benign lesion", (6, 6, 20, 20)),
        ("benign lesion", (34, 22, 56, 40)),
    ]
    assert [f.label for f in records["malignant (1)"].findings] == ["malignant lesion"]


def test_normal_is_a_true_negative_and_a_lost_mask_is_none(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    (tmp_path / "set" / FOLDER / "benign" / "benign (1)_mask.png").unlink()
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert (records["normal (1)"].findings, records["normal (1)"].completeness) == ((), "exhaustive")
    lost = records["benign (1)"]
    assert [(f.label, f.box) for f in lost.findings] == [("benign lesion", None)] and lost.completeness == "partial"


def test_masks_that_are_asked_for_may_lie_apart(tmp_path: Path) -> None:
    """``--images`` is where all of BUSI's files are; the pattern takes those of one folder."""
    fixture.write(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    options = Options(images=tmp_path / "set", annotations="benign/*")
    records, _ = read(tmp_path / "empty", tmp_path / "out", options)
    assert set(records) == {"benign (1)", "benign (2)", "benign (3)"}


def test_a_normal_image_with_a_lesion_and_a_mask_without_an_image(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    Image.fromarray(np.full((48, 64), 255, np.uint8)).save(tmp_path / "set" / FOLDER / "normal" / "normal (1)_mask.png")
    (tmp_path / "set" / FOLDER / "malignant" / "malignant (2).png").unlink()
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert len(records) == 6 and {str(r).split(" (")[0] for r in summary.reasons} == {
        "lies among the normal images, and its mask marks something",
        "a mask without its image",
    }
