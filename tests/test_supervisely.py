"""Supervisely: rectangles by their first and last pixel, holes, bitmaps packed with zlib, and bombs."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.annotated import draw, run
from unveil.core.geometry import decode_mask
from unveil.ingest import supervisely


def written(tmp_path: Path, *objects: Any, tags: Any = ()) -> Path:
    draw(tmp_path / "data/ds/img/a.png")
    (tmp_path / "data/ds/ann").mkdir()
    (tmp_path / "data/meta.json").write_text(json.dumps({"classes": [{"title": "mass", "shape": "any"}], "tags": []}))
    size = {"height": 20, "width": 40}
    content = {"description": "", "tags": list(tags), "size": size, "objects": list(objects)}
    (tmp_path / "data/ds/ann/a.png.json").write_text(json.dumps(content))
    return tmp_path


def drawn(kind: str, exterior: Any, *interior: Any) -> dict[str, Any]:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": "mass", "geometryType": kind, "points": points}


def bitmap(packed: bytes, origin: list[int]) -> dict[str, Any]:
    data = {"data": base64.b64encode(packed).decode(), "origin": origin}
    return {"classTitle": "mass", "geometryType": "bitmap", "bitmap": data}


def test_a_rectangle_holds_its_last_pixel(tmp_path: Path) -> None:
    """From (4, 2) to (19, 11): 16 x 10 pixels, which end at 20 and 12."""
    where = written(tmp_path, drawn("rectangle", [[19, 2], [4, 11]]), tags=[{"name": "test"}])
    summary, [record], rejected = run(where, "auto")
    assert summary.format == "supervisely" and not rejected and record.split == "test"
    assert record.findings[0].box == (4, 2, 20, 12) and record.completeness == "exhaustive"


def test_a_hole_is_not_part_of_the_polygon(tmp_path: Path) -> None:
    """A square of 16 x 16 with a hole of 4 x 4."""
    square, hole = [[2, 2], [18, 2], [18, 18], [2, 18]], [[8, 8], [12, 8], [12, 12], [8, 12]]
    _, [record], _ = run(written(tmp_path, drawn("polygon", square, hole)), "auto")
    [finding] = record.findings
    assert finding.box == (2, 2, 18, 18) and finding.mask
    assert decode_mask(finding.mask).sum() == 16 * 16 - 4 * 4


def test_a_bitmap_lies_at_its_origin(tmp_path: Path) -> None:
    mask, file = np.array([[0, 255, 255], [255, 255, 0]], np.uint8), io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    _, [record], _ = run(written(tmp_path, bitmap(zlib.compress(file.getvalue()), [30, 4])), "auto")
    [finding] = record.findings
    assert finding.box == (30, 4, 33, 6) and finding.mask
    assert decode_mask(finding.mask)[4:6, 30:33].tolist() == (mask > 0).tolist()


def test_bitmaps_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb of more bytes than any image has is not unpacked: here the limit is lowered to 1,000."""
    monkeypatch.setattr(supervisely, "LARGEST", 1000)
    bomb, no_zlib = bitmap(zlib.compress(b"\0" * 10**6), [0, 0]), bitmap(b"abc", [0, 0])
    where = written(tmp_path, bomb, no_zlib, bitmap(zlib.compress(b"abc"), [0, 0]), drawn("polygon", [[0, 0]]), 5)
    _, [record], rejected = run(where, "auto")
    told = " ".join(r["reason"] for r in rejected)
    assert len(rejected) == 5 and record.completeness == "partial"
    for why in ("more than 1000 bytes", "cannot be unpacked", "is no PNG", "list of 2 or more points", "classTitle"):
        assert why in told


def test_what_marks_no_area_leaves_no_negative(tmp_path: Path) -> None:
    _, [record], rejected = run(written(tmp_path, drawn("point", [[1, 1]])), "auto")
    assert not rejected and record.completeness == "partial"


def test_a_tag_that_names_what_an_image_shows_leaves_no_negative(tmp_path: Path) -> None:
    """A tag with a value, such as the view, only describes it."""
    tags = [{"name": "train", "value": None}, {"name": "view", "value": "AP"}]
    _, [record], _ = run(written(tmp_path, tags=tags), "auto")
    assert record.completeness == "exhaustive" and record.split == "train"
    tags.append({"name": "pneumonia", "value": None})
    (tmp_path / "again").mkdir()
    summary, [record], _ = run(written(tmp_path / "again", tags=tags), "auto")
    assert record.completeness == "partial" and any("a.png.json: pneumonia" in note for note in summary.notes)


def test_a_hole_as_large_as_its_polygon_leaves_nothing(tmp_path: Path) -> None:
    square = [[2, 2], [18, 2], [18, 18], [2, 18]]
    _, [record], [rejected] = run(written(tmp_path, drawn("polygon", square, square)), "auto")
    assert "leave nothing" in rejected["reason"] and record.completeness == "partial"
