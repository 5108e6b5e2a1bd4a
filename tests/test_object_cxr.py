"""object-CXR as it is distributed: many marks in one cell, of three kinds."""

from __future__ import annotations

from math import pi
from pathlib import Path

import pytest

from tests.helpers.sets import object_cxr as fixture
from tests.helpers.sets import read
from unveil.core.geometry import decode_mask
from unveil.ingest.reading import Options


def test_rectangles_ellipses_and_polygons_of_one_cell(tmp_path: Path) -> None:
    """An ellipse of 20 x 16 pixels fills pi / 4 of its rectangle, a polygon of 20 x 20 all of it."""
    fixture.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    rectangle, ellipse = records["00001"].findings
    assert rectangle.box == (10, 20, 30, 40) and rectangle.mask is None and summary.rejected == 0
    assert ellipse.box == (36, 10, 56, 26) and ellipse.mask
    assert decode_mask(ellipse.mask).sum() == pytest.approx(pi / 4 * 20 * 16, rel=0.08)
    [polygon] = records["00003"].findings
    assert polygon.box == (10, 10, 30, 30) and polygon.mask and decode_mask(polygon.mask).sum() == 400
    assert {f.label for r in records.values() for f in r.findings} == {"foreign object"}


def test_an_empty_cell_is_a_true_negative(tmp_path: Path) -> None:
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert records["00002"].findings == () and {r.completeness for r in records.values()} == {"exhaustive"}


def test_dev_is_what_figures_are_measured_on(tmp_path: Path) -> None:
    """Unless a table of the test images is there."""
    fixture.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {n for n, r in records.items() if r.split == "test"} == {Path(name).stem for name in fixture.DEV}
    (tmp_path / "set" / "test.csv").write_text("image_name,annotation\n00006.jpg,\n")
    records, _ = read(tmp_path / "set", tmp_path / "more", Options(allow_rejected=0.5))
    assert {r.split for n, r in records.items() if f"{n}.jpg" in fixture.DEV} == {"val"}


def test_what_is_no_shape_makes_an_image_partial(tmp_path: Path) -> None:
    """A kind that is none, three numbers, a box outside: 3 of 11 marks."""
    fixture.write(tmp_path / "set")
    table = tmp_path / "set" / "dev.csv"
    table.write_text(table.read_text().replace("08002.jpg,", "08002.jpg,7 1 1 9 9;0 1 1 9;0 90 90 99 99;0 1 1 9 9"))
    records, summary = read(tmp_path / "set", tmp_path / "out", Options(allow_rejected=0.5))
    assert summary.rejected == 3 and records["08002"].completeness == "partial"
    assert [f.box for f in records["08002"].findings] == [(1, 1, 9, 9)]
