"""Label Studio's JSON: turned rectangles, outlines, strokes of a brush, several people, and what nobody has done."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import exporting
from tests.helpers.annotated import draw, run
from unveil.core.geometry import decode_mask
from unveil.ingest import brush
from unveil.ingest.reading import AnnotationError, IngestError

WIDTH, HEIGHT = 40, 20


def result(value: dict[str, Any], id: str = "r", name: str = "label", **about: Any) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {"id": id, "from_name": name, "to_name": "image", "value": value, **size, **about}


def task(*annotations: dict[str, Any], image: str = "a.png") -> dict[str, Any]:
    return {"id": 1, "data": {"image": f"/data/upload/1/{image}"}, "annotations": list(annotations)}


def by(person: Any, *results: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {"completed_by": person, "result": list(results), **about}


def written(tmp_path: Path, *tasks: dict[str, Any]) -> Path:
    draw(tmp_path / "data" / "a.png", WIDTH, HEIGHT)
    (tmp_path / "data" / "project.json").write_text(json.dumps(tasks))
    return tmp_path


def strokes(mask_HW: np.ndarray) -> list[int]:
    """A mask as Label Studio writes it: blocks of single values (kind 3, 16 bits of length), and one of a repeated."""
    rgba = np.repeat(mask_HW.ravel().astype(np.uint8) * 255, 4)
    bits = f"{rgba.size:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    bits += f"1{0:02b}{4 - 1:03b}{rgba[0]:08b}"
    rest = rgba[4:]
    bits += f"0{3:02b}{rest.size - 1:016b}" + "".join(f"{value:08b}" for value in rest)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_a_turned_rectangle_is_the_box_around_it_and_its_own_mask(tmp_path: Path) -> None:
    """20 x 5 pixels at (20, 5), turned by 90 degrees clockwise about that corner: it leads 5 to the left and 20 down,
    here 10 x 4 pixels at (20, 5): (16, 5)-(20, 15)."""
    value = {"x": 50, "y": 25, "width": 25, "height": 20, "rotation": 90, "rectanglelabels": ["mass"]}
    _, [record], rejected = run(written(tmp_path, task(by(1, result(value)))), "auto")
    [finding] = record.findings
    assert not rejected and finding.label == "mass" and finding.box == pytest.approx((16, 5, 20, 15))
    assert finding.mask and decode_mask(finding.mask).sum() == pytest.approx(40, abs=15)


def test_percent_count_in_the_image_that_was_annotated(tmp_path: Path) -> None:
    """10, 10, 40, 50 % of 40 x 20 pixels is (4, 2, 20, 12). Of an image that was 80 x 20 when it was annotated they are
    those of another picture, cropped or padded since."""
    value = {"x": 10, "y": 10, "width": 40, "height": 50, "rotation": 0, "rectanglelabels": ["mass"]}
    _, [record], _ = run(written(tmp_path, task(by(1, result(value)))), "auto")
    assert [f.box for f in record.findings] == [(4, 2, 20, 12)]
    with pytest.raises(IngestError, match="original_width says 80 x 20, the image has 40 x 20"):
        run(written(tmp_path, task(by(1, result(value, original_width=80)))), "auto")


def test_outlines_and_ellipses(tmp_path: Path) -> None:
    """Percent of 40 x 20: the polygon reaches from (4, 2) to (20, 10), the ellipse from (10, 6) to (30, 14)."""
    polygon = {"points": [[10, 10], [50, 10], [50, 50]], "closed": True, "polygonlabels": ["nodule"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 20, "rotation": 0, "ellipselabels": ["cyst"]}
    both = by(1, result(polygon, "p"), result(ellipse, "e"))
    _, [record], _ = run(written(tmp_path, task(both)), "auto")
    assert [(f.label, f.box) for f in record.findings] == [("nodule", (4, 2, 20, 10)), ("cyst", (10, 6, 30, 14))]
    assert all(f.mask for f in record.findings) and record.completeness == "exhaustive"


def test_strokes_of_a_brush(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:8, 10:25] = True
    value = {"format": "rle", "rle": strokes(mask), "brushlabels": ["mass"]}
    _, [record], _ = run(written(tmp_path, task(by(1, result(value)))), "auto")
    [finding] = record.findings
    assert finding.box == (10, 3, 25, 8) and finding.mask and (decode_mask(finding.mask) == mask).all()


@pytest.mark.parametrize(
    ("rle", "why"),
    [
        ([255] * 40, "run lengths are of 4294967295 values"),
        (strokes(np.zeros((HEIGHT, WIDTH), bool))[:60], "end too early"),
        ([0, 0, 12, 128, 0, 0, 0, 0], "values of 1 bits"),
        ([0, 0, 12, 128, 56, 0, 1, 228, *[255] * 9], "end too early|lead outside"),
        ([300], "no list of bytes"),
        ("AAAA", "a list of bytes is needed"),
    ],
)
def test_run_lengths_that_cannot_be_are_refused(rle: Any, why: str) -> None:
    """Nothing is allocated for a size that is not the image's: here 20 x 40 pixels, 3,200 values."""
    with pytest.raises(AnnotationError, match=why):
        brush.decoded(rle, WIDTH, HEIGHT)


def test_parts_of_a_region_have_one_id(tmp_path: Path) -> None:
    """A rectangle, its label, a choice and a text about it; and a choice about the whole image."""
    parts = [
        result({"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0}, "r", "box"),
        result({"x": 0, "y": 0, "width": 50, "height": 50, "labels": ["mass"]}, "r"),
        result({"x": 0, "y": 0, "width": 50, "height": 50, "choices": ["benign"]}, "r", "grade"),
        result({"choices": ["dense"]}, "w", "breast"),
        result({"text": ["unclear"]}, "t", "remark"),
    ]
    summary, [record], rejected = run(written(tmp_path, task(by(1, *parts))), "auto")
    assert not rejected and [(f.label, f.box, f.attributes) for f in record.findings] == [
        ("mass", (0, 0, 20, 10), {"grade": "benign"}),
        ("dense", None, {}),
    ]
    assert any("texts, ratings" in note for note in summary.notes)


def box(x: float) -> dict[str, Any]:
    return result({"x": x, "y": 0, "width": 25, "height": 50, "rotation": 0, "rectanglelabels": ["mass"]})


def test_several_people_are_several_readers(tmp_path: Path) -> None:
    """The first marked 0 to 10 and the others 1 to 11 and nothing: two of three."""
    where = written(tmp_path, task(by({"id": 7, "email": "a@b"}, box(0)), by(8, box(2.5)), by(9)))
    with pytest.raises(
        IngestError, match=r"1 of 1 images were annotated by several people \(7, 8, 9\).*--readers keep"
    ):
        run(where, "auto")
    _, [record], _ = run(where, "auto", readers="keep")
    assert [(f.box, f.readers) for f in record.findings] == [((0, 0, 10, 10), ("7",)), ((1, 0, 11, 10), ("8",))]
    assert record.readers == ("7", "8", "9")
    _, [record], _ = run(where, "auto", readers="majority")
    assert [f.box for f in record.findings] == [(0.5, 0, 10.5, 10)]
    _, [record], _ = run(where, "auto", readers="8")
    assert [f.box for f in record.findings] == [(1, 0, 11, 10)] and record.completeness == "partial"


def test_cancelled_annotations_and_predictions_are_none(tmp_path: Path) -> None:
    """One task that was skipped, one that only a model has seen: neither image is free of findings."""
    where = written(
        tmp_path,
        task(by(1, box(0), was_cancelled=True)),
        {**task(image="b.png"), "predictions": [{"result": [box(0)]}]},
        task(by(1), image="c.png"),
    )
    for name in ("b.png", "c.png"):
        draw(where / "data" / name, WIDTH, HEIGHT)
    _, [record], rejected = run(where, "auto")
    assert record.source.file == "c.png" and record.findings == () and record.completeness == "exhaustive"
    assert [r["reason"] for r in rejected] == ["nobody has annotated this task"] * 2


def test_what_cannot_be_read_leaves_no_negative(tmp_path: Path) -> None:
    """Key points, a turned image, a region without a label; a task whose image is not told."""
    point = result({"x": 1, "y": 1, "width": 1, "keypointlabels": ["tip"]}, "k")
    turned = result({"x": 0, "y": 0, "width": 9, "height": 9, "rectanglelabels": ["mass"]}, "q", image_rotation=90)
    bare = result({"x": 0, "y": 0, "width": 9, "height": 9}, "b")
    where = written(tmp_path, task(by(1, point, turned, bare)), {"data": {"a": "x", "b": "y"}, "annotations": []})
    _, [record], rejected = run(where, "auto")
    told = " ".join(r["reason"] for r in rejected)
    assert record.findings == () and record.completeness == "partial"
    for why in ("key points", "image turned", "--default-label", "which of a, b is the image"):
        assert why in told


def test_what_was_exported_comes_back(tmp_path: Path) -> None:
    """Boxes, names and splits of `unveil export records`, and the image without a finding is still free of them."""
    rows = [exporting.record(tmp_path, "a.png", exporting.L, exporting.BOX), exporting.record(tmp_path, "b.png")]
    rows[0] = dataclasses.replace(rows[0], split="val")
    assert exporting.export(tmp_path, rows, "label-studio") == 0
    (tmp_path / "out").rename(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert [r.split for r in records] == ["val", None]
    assert {r.split for r in run(tmp_path, "auto", splits="none")[1]} == {None}
    assert summary.format == "label-studio" and not rejected
    written = {Path(row.image).name: [(f.label, pytest.approx(f.box)) for f in row.findings] for row in rows}
    assert {Path(r.image).name: [(f.label, f.box) for f in r.findings] for r in records} == written


def test_marks_of_another_kind_leave_no_negative(tmp_path: Path) -> None:
    """A mask as an address of data, as newer versions write it, and names in a tree."""
    mask = result({"format": "mask", "imageDataURL": "data:,", "bitmasklabels": ["mass"]}, "m")
    tree = result({"taxonomy": [["lesion", "cyst"]]}, "t")
    _, [record], rejected = run(written(tmp_path, task(by(1, mask, tree))), "auto")
    assert len(rejected) == 2 and all("not read" in r["reason"] for r in rejected)
    assert record.findings == () and record.completeness == "partial"


def test_marks_on_two_images_of_a_task_are_not_put_on_one(tmp_path: Path) -> None:
    """A prior image stands beside the current one: which name of a control is which image, the export does not say."""
    two = by(1, box(0), {**box(5), "id": "s", "to_name": "prior"})
    with pytest.raises(IngestError, match="several images of one task"):
        run(written(tmp_path, task(two)), "auto")


def test_a_choice_that_looks_like_a_text_leaves_no_negative(tmp_path: Path) -> None:
    """JSON-MIN writes a single choice as a text, behind the id; before it stand the data of the task."""
    draw(tmp_path / "data/b.png", WIDTH, HEIGHT)
    drawn = {"x": 0, "y": 0, "width": 25, "height": 50, "rectanglelabels": ["mass"]}
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    tasks = (
        {"image": "a.png", "note": "x", "id": 1, "label": [{**drawn, **size}], "annotator": 1},
        {"image": "b.png", "note": "x", "id": 2, "diagnosis": "pneumonia", "annotator": 1, "created_at": "2026"},
    )
    summary, records, _ = run(written(tmp_path, *tasks), "label-studio")
    assert [r.completeness for r in records] == ["exhaustive", "partial"]
    assert any("task 2: diagnosis" in note for note in summary.notes)
