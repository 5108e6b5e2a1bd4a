"""Structure sets: outlines in millimetres on the pixels of slices whose rows lie 2 mm and whose columns 1 mm apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.volumes import SAGITTAL, in_patient, series, structure_set
from unveil.core.geometry import decode_mask, even_odd
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest


def read(folder: Path, **options: Any) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", folder.parent / "out", Options(slices="every:1", **options))
    return list(read_jsonl(summary.records_file, Record)), summary


def rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Corners as columns and rows, whole at the middle of a pixel."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def area(finding: Finding) -> int:
    assert finding.mask
    return int(decode_mask(finding.mask).sum())


def test_the_centre_of_the_first_pixel_is_the_origin(tmp_path: Path) -> None:
    """Half a pixel: an outline from the edges of pixel (5, 4), at (4.5, 3.5) where whole numbers are the middles of
    pixels, to those of pixel (11, 7) covers just the columns 5 to 11 and the rows 4 to 7. Counted from edges it would
    cover another row or column."""
    images = series(tmp_path / "set")
    structure_set(
        tmp_path / "set" / "rt", images, {"GTV": [(1, in_patient(images[1], rectangle(4.5, 3.5, 11.5, 7.5)))]}
    )
    [record], summary = read(tmp_path / "set")
    assert not summary.rejected and record.source.file == "IM003"
    [finding] = record.findings
    assert (finding.label, finding.box, area(finding)) == ("GTV", (5, 4, 12, 8), 28)


def test_spacing_between_rows_and_columns_is_not_swapped(tmp_path: Path) -> None:
    """10 mm each way from the first pixel: 10 columns of 1 mm, 5 rows of 2 mm. Its corners are middles of pixels, and
    those at the upper left are inside, those at the lower right not."""
    images = series(tmp_path / "set")
    first = np.array(images[0].ImagePositionPatient, float)
    points = first + np.array([(0, 0, 0), (10, 0, 0), (10, 10, 0), (0, 10, 0)])
    structure_set(tmp_path / "set" / "rt", images, {"a": [(0, points)]})
    [record], _ = read(tmp_path / "set")
    assert [f.box for f in record.findings] == [(0, 0, 10, 5)]


def test_an_outline_within_another_is_a_hole(tmp_path: Path) -> None:
    """XOR: of 10 x 8 pixels 4 x 4 are cut out, and 2 x 2 in there are filled again."""
    images = series(tmp_path / "set")
    rings = [rectangle(1.5, 1.5, 11.5, 9.5), rectangle(4.5, 3.5, 8.5, 7.5), rectangle(5.5, 4.5, 7.5, 6.5)]
    structure_set(tmp_path / "set" / "rt", images, {"ring": [(2, in_patient(images[2], r)) for r in rings]})
    [record], _ = read(tmp_path / "set")
    assert [(f.box, area(f)) for f in record.findings] == [((2, 2, 12, 10), 80 - 16 + 4)]


def test_a_hole_by_a_channel_is_one_too(tmp_path: Path) -> None:
    """One outline goes along the outer edge, inwards, around the hole and back through the same channel."""
    images = series(tmp_path / "set")
    outer, inner = rectangle(1.5, 1.5, 11.5, 9.5), rectangle(4.5, 3.5, 8.5, 7.5)
    keyhole = [*outer, outer[0], inner[0], *reversed(inner[1:]), inner[0]]
    structure_set(tmp_path / "set" / "rt", images, {"ring": [(2, in_patient(images[2], keyhole))]})
    [record], _ = read(tmp_path / "set")
    assert [area(f) for f in record.findings] == [80 - 16]


def test_what_encloses_nothing_is_told_and_the_image_is_not_complete(tmp_path: Path) -> None:
    """Two points, a contour smaller than a pixel between the middles of four, and one beside the image: none crashes or
    drops the slice, whose other contour is read."""
    images = series(tmp_path / "set")
    drawn = [
        [(2.0, 2.0), (9.0, 2.0)],
        rectangle(3.2, 3.2, 3.6, 3.6),
        rectangle(40, 3, 50, 6),
        rectangle(4.5, 3.5, 11.5, 7.5),
    ]
    structure_set(tmp_path / "set" / "rt", images, {"a": [(1, in_patient(images[1], corners)) for corners in drawn]})
    [record], summary = read(tmp_path / "set", completeness="exhaustive", allow_rejected=1)
    assert [f.box for f in record.findings] == [(5, 4, 12, 8)] and record.completeness == "partial"
    text = " ".join(reason.first.reason for reason in summary.reasons)
    assert summary.rejected == 3
    assert all(said in text for said in ("2 points encloses nothing", "covers no pixel", "lies outside its image"))


def test_what_leads_out_of_the_field_of_view_is_cut_there(tmp_path: Path) -> None:
    images = series(tmp_path / "set")
    corners = rectangle(-30, 3.5, 4.5, 900)
    structure_set(tmp_path / "set" / "rt", images, {"a": [(1, in_patient(images[1], corners))]})
    [record], summary = read(tmp_path / "set")
    assert [f.box for f in record.findings] == [(0, 4, 5, 16)]
    assert any("cut at its edge" in note for note in summary.notes)


def test_slices_need_not_be_axial(tmp_path: Path) -> None:
    """On a sagittal series, by the planes of its own images, with and without their names."""
    images = series(tmp_path / "set", cosines=SAGITTAL)
    points = in_patient(images[2], rectangle(4.5, 3.5, 11.5, 7.5))
    structure_set(tmp_path / "set" / "rt", images, {"named": [(2, points)], "unnamed": [(None, points)]})
    [record], _ = read(tmp_path / "set")
    assert [f.box for f in record.findings] == [(5, 4, 12, 8)] * 2 and record.source.file == "IM002"


def test_a_contour_on_another_plane_is_refused(tmp_path: Path) -> None:
    """Drawn on a reformatted picture it crosses the slices; one between two slices is in neither, and one that names a
    slice 6 mm away contradicts itself."""
    images = series(tmp_path / "set")
    flat = in_patient(images[1], rectangle(4.5, 3.5, 11.5, 7.5))
    crossing = flat + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 6], [0, 0, 6]])
    contours = [(None, crossing), (None, flat + np.array([0, 0, 1.5])), (3, flat), (None, flat + np.array([0, 0, 0.4]))]
    structure_set(tmp_path / "set" / "rt", images, {"a": contours})
    [record], summary = read(tmp_path / "set", allow_rejected=1)
    assert record.source.file == "IM003" and [f.box for f in record.findings] == [(5, 4, 12, 8)]
    text = " ".join(reason.first.reason for reason in summary.reasons)
    assert all(said in text for said in ("across the slices", "which is meant", "6.00 mm from the image that it names"))


def test_a_structure_set_needs_the_series_that_it_refers_to(tmp_path: Path) -> None:
    """Its millimetres say nothing on another series: it is refused by file and reason."""
    images = series(tmp_path / "set")
    points = rectangle(4.5, 3.5, 11.5, 7.5)
    structure_set(tmp_path / "set" / "rt", images, {"a": [(1, in_patient(images[1], points))]})
    other = series(tmp_path / "elsewhere", number=2)
    structure_set(tmp_path / "set" / "stray", other, {"a": [(1, in_patient(other[1], points))]}, SOPInstanceUID="1.2.3")
    [record], summary = read(tmp_path / "set", allow_rejected=1)
    assert len(record.findings) == 1 and summary.rejected == 1
    assert summary.reasons[0].first.file == "stray" and "none of which is here" in summary.reasons[0].first.reason


def test_a_region_without_a_name_leaves_the_others(tmp_path: Path) -> None:
    """ROIName may be empty: what it outlines is lost, so no slice is complete, and the regions behind it are read."""
    images = series(tmp_path / "set")
    corners = [(4.5, 3.5), (11.5, 3.5), (11.5, 7.5), (4.5, 7.5)]
    regions: dict[str, list[tuple[int | None, np.ndarray]]] = {
        name: [(k, in_patient(images[k], corners))] for k, name in enumerate(("a", "", "b"))
    }
    structure_set(tmp_path / "set" / "rt", images, regions)
    summary = ingest(tmp_path / "set", "auto", tmp_path / "out", Options(slices="all", allow_rejected=1))
    records = list(read_jsonl(summary.records_file, Record))
    assert [[f.label for f in r.findings] for r in records] == [["a"], [], ["b"], []]
    assert {r.completeness for r in records} == {"partial"} and summary.rejected == 1


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    images = series(tmp_path / "set")
    good = in_patient(images[1], rectangle(4.5, 3.5, 11.5, 7.5))
    path = structure_set(tmp_path / "set" / "rt", images, {"a": [(1, good), (1, good + 0), (1, good)]})
    import pydicom

    content = pydicom.dcmread(path)
    contours = content.ROIContourSequence[0].ContourSequence
    contours[1].ContourData = [1, 2, 3, 4]
    contours[2].ContourGeometricType = "POINT"
    content.save_as(path)
    [record], summary = read(tmp_path / "set", allow_rejected=1)
    assert len(record.findings) == 1 and summary.rejected == 2


def test_even_odd_counts_each_centre_once() -> None:
    """Two rectangles that share an edge cover each pixel once; a corner at a centre belongs to the side of the lower
    right; what is enormous costs no more than the image."""
    left, right = (np.array(rectangle(a, 0, a + 2.5, 4), float) for a in (0, 2.5))
    assert (even_odd([left, right], 5, 4) == (even_odd([left], 5, 4) ^ even_odd([right], 5, 4))).all()
    assert even_odd([left], 5, 4).sum() == 8 and even_odd([right], 5, 4).sum() == 12
    assert even_odd([np.array(rectangle(-1e300, -1e300, 1e300, 1e300))], 5, 4).all()


@pytest.mark.parametrize("seed", range(3))
def test_even_odd_agrees_with_a_test_of_each_point(seed: int) -> None:
    """Against rays counted one by one from each centre to the right, on random polygons that cross themselves."""
    polygon = np.random.default_rng(seed).uniform(-3, 12, (7, 2))
    inside = even_odd([polygon], 10, 9)
    for row in range(9):
        for column in range(10):
            x, y, crossings = column + 0.5, row + 0.5, 0
            for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
                crossings += (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
            assert inside[row, column] == crossings % 2
