"""The VGG Image Annotator: projects, exports and tables, shapes, and which attribute names a region."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run

RECT = {"name": "rect", "x": 4, "y": 2, "width": 16, "height": 10}


def region(shape: dict[str, Any], **words: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": words}


def images(*regions: Any) -> dict[str, Any]:
    """a.png with the regions, and b.png, which has none."""
    return {
        f"{name}.png99": {"filename": f"{name}.png", "size": 99, "regions": list(of), "file_attributes": {}}
        for name, of in (("a", regions), ("b", ()))
    }


def written(tmp_path: Path, content: Any) -> Path:
    for n, name in enumerate(("a.png", "b.png")):
        draw(tmp_path / "data" / name, seed=n)
    (tmp_path / "data" / "via.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("form", ["project", "export", "version 1", "table"])
def test_every_form_says_the_same(form: str, tmp_path: Path) -> None:
    content = images(region(RECT, kind="mass"))
    if form == "version 1":
        content = {k: {**v, "regions": {str(i): r for i, r in enumerate(v["regions"])}} for k, v in content.items()}
    whole = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {}}
    where = written(tmp_path, whole if form == "project" else content)
    if form == "table":
        (where / "data" / "via.json").unlink()
        with (where / "data" / "via.csv").open("w", newline="") as file:
            columns = "filename,file_size,file_attributes,region_count,region_id"
            table = csv.writer(file)
            table.writerow([*columns.split(","), "region_shape_attributes", "region_attributes"])
            table.writerow(["a.png", 99, "{}", 1, 0, json.dumps(RECT), json.dumps({"kind": "mass"})])
            table.writerow(["b.png", 99, "{}", 0, 0, "{}", "{}"])
    summary, records, rejected = run(where, "auto")
    assert summary.format == "via" and not rejected
    assert [[(f.label, f.box) for f in r.findings] for r in records] == [[("mass", (4, 2, 20, 12))], []]
    assert {r.completeness for r in records} == {"exhaustive"}


def test_shapes(tmp_path: Path) -> None:
    """The ellipse of 6 x 4 about (20, 10) is turned by a quarter: 4 wide and 6 high to each side."""
    polygon = {"name": "polygon", "all_points_x": [2, 10, 10], "all_points_y": [2, 2, 8]}
    shapes: list[dict[str, Any]] = [
        polygon,
        {"name": "circle", "cx": 20, "cy": 10, "r": 5},
        {"name": "ellipse", "cx": 20, "cy": 10, "rx": 6, "ry": 4, "theta": math.pi / 2},
    ]
    _, records, _ = run(written(tmp_path, images(*(region(shape, label="x") for shape in shapes))), "auto")
    assert [f.box for f in records[0].findings] == [
        (2, 2, 10, 8), pytest.approx((15, 5, 25, 15)), pytest.approx((16, 4, 24, 16)),
    ]  # fmt: skip


def test_which_attribute_names_a_region(tmp_path: Path) -> None:
    """One that is called so; the only one; each tick of a box of ticks. Of others nobody knows, and the file's own name
    is none."""
    where = written(
        tmp_path,
        images(
            region(RECT, quality="good", Class="mass"),
            region({**RECT, "x": 5}, finding={"nodule": True, "cyst": True, "mass": False}),
            region({**RECT, "x": 6}, quality="good", side="left"),
            region({**RECT, "x": 7}),
        ),
    )
    _, records, rejected = run(where, "auto")
    assert [(f.label, f.attributes) for f in records[0].findings] == [
        ("mass", {"quality": "good"}), ("nodule", {}), ("cyst", {}),
    ]  # fmt: skip
    assert {r["reason"] for r in rejected} == {
        "which of its attributes names the region is not known: quality, side",
        "the annotation has no name; --default-label gives those without one a name",
    }


def test_what_is_not_read_leaves_no_negative(tmp_path: Path) -> None:
    odd = {"name": "polygon", "all_points_x": [2, 10], "all_points_y": [2]}
    where = written(tmp_path, images(region({"name": "point", "cx": 1, "cy": 1}, label="x"), region(odd, label="x"), 5))
    _, records, rejected = run(where, "auto")
    assert records[0].completeness == "partial" and len(rejected) == 2


def test_what_names_a_whole_image_leaves_no_negative(tmp_path: Path) -> None:
    """b.png has no region and is called pneumonia; a caption that is empty says nothing."""
    content = images(region(RECT, label="mass"))
    content["a.png99"]["file_attributes"] = {"caption": "", "class": ""}
    content["b.png99"]["file_attributes"] = {"Class": "pneumonia"}
    summary, records, _ = run(written(tmp_path, content), "auto")
    assert [r.completeness for r in records] == ["exhaustive", "partial"]
    assert any("Class of b.png" in note for note in summary.notes)
