"""TBX11K as it is distributed: what an image without a box is, labels that are withheld, images of other sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import xml
from tests.helpers.sets import read
from tests.helpers.sets import tbx11k as fixture
from unveil.ingest.reading import IngestError, Options

JSON = "TBX11K/annotations/json"


def test_boxes_have_corner_and_extent(tmp_path: Path) -> None:
    """8, 10 and 20 wide, 16 high; names are the set's own."""
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert [(f.label, f.box) for f in records["tb0003"].findings] == [
        ("ActiveTuberculosis", (8, 10, 28, 26)),
        ("ObsoletePulmonaryTuberculosis", (36, 12, 54, 36)),
    ]
    assert summary.rejected == 0


def test_validation_is_what_figures_are_measured_on(tmp_path: Path) -> None:
    """Labels of test are withheld."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {n for n, r in records.items() if r.split == "test"} == {"h0003", "s0003", "tb0007"}
    assert {r.source.published for r in records.values() if r.split == "test"} == {"val"}


def test_no_box_is_a_true_negative_of_the_healthy(tmp_path: Path) -> None:
    """The sick have no tuberculosis, and yet a finding: an image of theirs is not called normal."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["h0001"].findings == () and [f.label for f in records["s0001"].findings] == ["sick but non-TB"]
    assert {r.completeness for r in records.values()} == {"exhaustive"}


def test_images_of_tb_without_a_box_are_no_negatives(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    for name in ("TBX11K_train", "TBX11K_trainval"):
        file = tmp_path / "set" / JSON / f"{name}.json"
        content = json.loads(file.read_text())
        content["annotations"] = [row for row in content["annotations"] if row["image_id"] != 6]
        file.write_text(json.dumps(content))
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["tb0005"].findings == () and records["tb0005"].completeness == "unknown"


def test_images_of_test_and_of_other_sets_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """Test images have no labels, which does not make them healthy; `extra` holds those of four other sets."""
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 9 and any("other sets" in note for note in summary.notes)
    more, _ = read(tmp_path / "set", tmp_path / "more", Options(annotations="all_*.json"))
    assert len(more) == 12 and more["p001"].findings
    assert {more[f"test_000{n}"].completeness for n in (1, 2)} == {"unknown"}


def test_xml_of_the_same_boxes_is_no_second_reading(tmp_path: Path) -> None:
    """Only images of tuberculosis have XML, by which the healthy would be images that nobody has looked at."""
    fixture.write(tmp_path / "set")
    (tmp_path / "set" / "TBX11K" / "annotations" / "xml").mkdir()
    text = xml("tb0003.png", [("ActiveTuberculosis", (8, 10, 28, 26))], (64, 64))
    (tmp_path / "set" / "TBX11K" / "annotations" / "xml" / "tb0003.xml").write_text(text)
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert summary.format == "tbx11k" and len(records) == 9 and len(records["tb0003"].findings) == 2


def test_train_and_val_in_one_file(tmp_path: Path) -> None:
    """Where only that is there, every image is train, as the name tells."""
    fixture.write(tmp_path / "set")
    for name in ("train", "val"):
        (tmp_path / "set" / JSON / f"TBX11K_{name}.json").unlink()
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert len(records) == 9 and {r.split for r in records.values()} == {"train"}


def test_what_is_no_box_makes_an_image_partial(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    file = tmp_path / "set" / JSON / "TBX11K_val.json"
    content = json.loads(file.read_text())
    content["annotations"] += [
        {"image_id": 1, "category_id": 9, "bbox": [1, 1, 5, 5]},
        {"image_id": 77, "category_id": 1, "bbox": [1, 1, 5, 5]},
    ]
    file.write_text(json.dumps(content))
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 2 and records["h0003"].completeness == "partial"


def test_a_file_that_is_nearly_right_says_what_differs(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    (tmp_path / "set" / JSON / "TBX11K_val.json").write_text('{"images": [], "categories": []}')
    with pytest.raises(IngestError, match="annotations, categories are needed; it has images, categories"):
        read(tmp_path / "set", tmp_path / "out")
