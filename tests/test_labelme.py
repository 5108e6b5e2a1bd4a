"""LabelMe: the shapes there are, the image that the file itself holds, and what marks no area."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.annotated import bomb, draw, run
from unveil.core.geometry import decode_mask


def written(tmp_path: Path, *shapes: dict[str, Any], **about: Any) -> Path:
    draw(tmp_path / "data" / "a.png")
    content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "..\\data\\a.png",
               "imageData": None, "imageHeight": 20, "imageWidth": 40, **about}  # fmt: skip
    (tmp_path / "data" / "a.json").write_text(json.dumps(content))
    return tmp_path


def shape(kind: str | None, *points: tuple[float, float], label: str = "mass", **about: Any) -> dict[str, Any]:
    return {"label": label, "points": [list(point) for point in points], "shape_type": kind, "flags": {}, **about}


def png(array: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_rectangles_in_any_order_polygons_circles_and_masks(tmp_path: Path) -> None:
    """A circle about (20, 10) through (20, 4) has a radius of 6. The mask of 3 x 2 lies at (30, 4)."""
    mask = np.array([[0, 255, 255], [255, 255, 0]], np.uint8)
    where = written(
        tmp_path,
        shape("rectangle", (20, 12), (4, 2), flags={"benign": True, "sure": False}),
        shape("polygon", (2, 2), (10, 2), (10, 8)),
        shape("circle", (20, 10), (20, 4)),
        shape("mask", (30, 4), (32, 5), mask=png(mask)),
        flags={"portable": True, "__ignore__": False},
    )
    _, [record], rejected = run(where, "auto")
    assert not rejected and record.completeness == "exhaustive"
    assert [f.box for f in record.findings] == [
        None, (4, 2, 20, 12), (2, 2, 10, 8), pytest.approx((14, 4, 26, 16)), (30, 4, 33, 6),
    ]  # fmt: skip
    assert record.findings[0].label == "portable" and record.findings[1].attributes == {"benign": "yes"}
    last = record.findings[4].mask
    assert last and decode_mask(last)[4:6, 30:33].tolist() == (mask > 0).tolist()


def test_an_image_that_is_not_there_comes_out_of_the_file(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 40), np.uint8)
    where = written(tmp_path, shape("rectangle", (4, 2), (20, 12)), imageData=png(picture))
    (where / "data" / "a.png").unlink()
    _, [record], _ = run(where, "auto")
    assert record.source.file == "a.json#imageData" and record.findings[0].box == (4, 2, 20, 12)
    made = where / "out" / record.image
    assert (np.asarray(Image.open(made)) == picture).all()


def test_what_marks_no_area_leaves_no_negative(tmp_path: Path) -> None:
    where = written(tmp_path, shape("point", (1, 1)), shape("linestrip", (1, 1), (2, 2)))
    summary, [record], rejected = run(where, "auto")
    assert not rejected and record.completeness == "partial" and any("points and lines" in n for n in summary.notes)


def test_wrong_shapes_and_masks_are_rejected(tmp_path: Path) -> None:
    """Among them a PNG that promises 50,000 x 50,000 pixels: its size is looked at, and nothing decoded."""
    bomb(tmp_path / "bomb.png")
    huge = base64.b64encode((tmp_path / "bomb.png").read_bytes()).decode()
    where = written(
        tmp_path,
        shape("rectangle", (4, 2)),
        shape("mask", (0, 0), (1, 1), mask=huge),
        shape("mask", (0, 0), (1, 1), mask="!!"),
        shape("mask", (0, 0), (1, 1), mask=base64.b64encode(b"GIF89a").decode()),
        shape("mask", (39, 0), (41, 1), mask=png(np.full((2, 3), 255, np.uint8))),
        shape("polygon", (2, 2), (10, 2), (10, 8), label=""),
    )
    _, [record], rejected = run(where, "auto")
    assert record.findings == () and record.completeness == "partial"
    told = [r["reason"] for r in rejected]
    for why in ("'rectangle' with 1 points is not known", "50000 x 50000 pixels is larger", "base64 is needed",
                "is no PNG", "leads outside the image", "--default-label"):  # fmt: skip
        assert any(why in reason for reason in told), why


def test_a_file_that_cannot_be_read_loses_its_image_only(tmp_path: Path) -> None:
    where = written(tmp_path, shape("rectangle", (4, 2), (20, 12)))
    draw(where / "data" / "b.png")
    (where / "data" / "b.json").write_text('{"imagePath": "b.png", "shapes": [')
    _, [record], rejected = run(where, "auto")
    assert record.source.file == "a.png" and len(rejected) == 1 and "not JSON" in rejected[0]["reason"]


def test_a_file_of_another_name_loses_the_image_that_it_names(tmp_path: Path) -> None:
    """What the second says of a.png cannot be used, so the first, which has no shape, is not all there is to say."""
    where = written(tmp_path)
    draw(where / "data" / "b.png")
    about = {"imagePath": "a.png", "imageHeight": 99, "imageWidth": 99, "shapes": [shape("rectangle", (4, 2), (9, 9))]}
    (where / "data" / "b.json").write_text(json.dumps(about))
    _, [record], rejected = run(where, "auto")
    assert record.source.file == "a.png" and record.completeness == "partial" and len(rejected) == 2
