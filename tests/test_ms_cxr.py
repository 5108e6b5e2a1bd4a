"""MS-CXR: xywh, whose split counts, boxes of one phrase, copies of another size, JSON without file names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import draw, run
from tests.helpers.sets import ms_cxr
from unveil.ingest.reading import IngestError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    ms_cxr.write(tmp_path / "data")
    return tmp_path / "data"


def only_json(data: Path) -> Path:
    (data / "MS_CXR_Local_Alignment_v1.1.0.csv").unlink()
    return data / "MS_CXR_Local_Alignment_v1.1.0.json"


@pytest.mark.parametrize("json_alone", [False, True])
def test_boxes_are_xywh_and_those_of_a_phrase_stay_together(json_alone: bool, data: Path) -> None:
    """(8, 10, 20, 24) ends at (28, 34); read as corners it would be (8, 10)-(20, 24)."""
    if json_alone:
        only_json(data)
    summary, records, rejected = run(data.parent, "auto")
    assert summary.format == "ms-cxr" and not rejected and len(records) == 5
    places: dict[str | None, list[object]] = {}
    for finding in records[0].findings:
        places.setdefault(finding.phrase, []).append((finding.label, finding.box))
    assert places == {
        "patchy opacities in both lungs": [("Pneumonia", (8, 10, 28, 34)), ("Pneumonia", (36, 10, 56, 34))],
        "enlarged heart": [("Cardiomegaly", (20, 24, 50, 50))],
    }
    assert {r.completeness for r in records} == {"partial"}
    assert (records[0].patient, records[0].study) == ("19990001", "59990001")


def test_mimics_split_goes_before_its_own(data: Path) -> None:
    """The third image is training by its own table."""
    summary, records, _ = run(data.parent, "auto")
    assert [r.split for r in records] == ["train", "train", "test", "val", "test"]
    assert records[2].source.benchmark == "ms-cxr"
    assert any("another split than MIMIC" in note for note in summary.notes)
    (data / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    summary, records, _ = run(data.parent, "auto")
    assert [r.split for r in records] == ["train", "train", "train", "val", "test"]
    assert any("MS-CXR's own" in note for note in summary.notes)


def test_boxes_of_a_resized_copy_are_scaled(data: Path) -> None:
    """Half as wide and high: (8, 10, 28, 34) is (4, 5, 14, 17). A copy that was cropped is another picture."""
    draw(next(data.rglob("aaaa0001.jpg")), ms_cxr.WIDTH // 2, ms_cxr.HEIGHT // 2)
    draw(next(data.rglob("aaaa0002.jpg")), ms_cxr.WIDTH, ms_cxr.WIDTH)
    summary, records, rejected = run(data.parent, "auto")
    assert records[0].findings[0].box == (4, 5, 14, 17)
    assert any("boxes are scaled" in note for note in summary.notes)
    assert len(rejected) == 1 and "another shape: cropped or padded?" in rejected[0]["reason"]
    assert records[1].completeness == "partial" and records[1].findings == ()


def test_the_size_of_a_box_is_not_taken_for_that_of_the_image(data: Path) -> None:
    """Some copies of the JSON state the box's width and height beside it."""
    file = only_json(data)
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["width"], annotation["height"] = annotation["bbox"][2:]
    file.write_text(json.dumps(content))
    _, records, rejected = run(data.parent, "auto")
    assert records[0].findings[0].box == (8, 10, 28, 34) and not rejected


def test_images_and_mimics_split_may_lie_apart(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mimic").mkdir()
    for name in ("files", "mimic-cxr-2.0.0-split.csv.gz"):
        (data / name).rename(tmp_path / "mimic" / name)
    _, records, _ = run(tmp_path, "auto", images=tmp_path / "mimic")
    assert [r.split for r in records] == ["train", "train", "test", "val", "test"]


def test_what_a_file_lacks_is_told(data: Path) -> None:
    file = only_json(data)
    content = json.loads(file.read_text())
    content["annotations"][0]["label_text"] = None
    content["annotations"][1]["image_id"] = 99
    file.write_text(json.dumps(content))
    _, _, rejected = run(data.parent, "auto")
    assert {r["reason"] for r in rejected} == {
        "a category and a phrase are needed, not 'Pneumonia' and ''",
        "image_id 99 is no image with a path",
    }
    file.write_text(json.dumps({"images": [], "boxes": []}))
    with pytest.raises(IngestError, match="lists of annotations, categories are needed; it has images, boxes"):
        run(data.parent, "auto")
