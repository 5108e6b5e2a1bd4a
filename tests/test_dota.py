"""DOTA's oriented boxes: the box around four corners, a header, and no mistaking them for YOLO's labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.annotated import draw, run
from unveil.core.geometry import decode_mask

HEADER = "imagesource:GoogleEarth\ngsd:0.146343590398\n"
DIAMOND = "20 2 28 10 20 18 12 10"


def written(tmp_path: Path, text: str) -> Path:
    for n, name in enumerate(("P0001", "P0002")):
        draw(tmp_path / "data" / "images" / f"{name}.png", seed=n)
    (tmp_path / "data" / "labelTxt").mkdir()
    (tmp_path / "data" / "labelTxt" / "P0001.txt").write_text(text)
    (tmp_path / "data" / "labelTxt" / "P0002.txt").write_text(HEADER)
    return tmp_path


@pytest.mark.parametrize("classes", [False, True])
def test_the_box_around_the_corners_and_the_turned_one_as_its_mask(classes: bool, tmp_path: Path) -> None:
    """A square on its corner from (12, 2) to (28, 18) covers half of the box around it: 128 of 256 pixels. A list of
    classes beside it makes no YOLO of it."""
    where = written(tmp_path, f"{HEADER}{DIAMOND} mass 1\n2.5 2 8 2 8 6 2.5 6 cyst 0\n")
    if classes:
        (where / "data" / "classes.txt").write_text("mass\ncyst\n")
    summary, records, rejected = run(where, "auto")
    assert summary.format == "dota" and not rejected
    first, second = records[0].findings
    assert (first.label, first.box, first.attributes) == ("mass", (12, 2, 28, 18), {"difficult": "yes"})
    assert first.mask and decode_mask(first.mask).sum() == pytest.approx(128, abs=20)
    assert (second.label, second.box, second.attributes) == ("cyst", (2.5, 2, 8, 6), {})
    assert records[1].findings == () and {r.completeness for r in records} == {"exhaustive"}


def test_lines_that_are_no_boxes_are_rejected(tmp_path: Path) -> None:
    where = written(tmp_path, f"{DIAMOND} mass 0\n{DIAMOND}\n1 2 3 mass 0\n20 2 28 10 200 18 12 10 mass 0\n")
    _, records, rejected = run(where, "auto")
    assert len(records[0].findings) == 1 and records[0].completeness == "partial"
    assert [r["row"] for r in rejected] == [2, 3, 4]
