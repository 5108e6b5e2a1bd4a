"""What the numbers of a box mean, whether they look like it, and when what was rejected stops a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unveil.core import geometry
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Record
from unveil.ingest import conventions, looking, reading, rejections
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest

box_strategy = st.tuples(*[st.integers(0, 300)] * 4).map(
    lambda v: (float(min(v[0], v[2])), float(min(v[1], v[3])), max(v[0], v[2]) + 1.0, max(v[1], v[3]) + 1.0)
)


@given(box=box_strategy, units=st.sampled_from(["pixels", "normalised", "percent"]))
@pytest.mark.parametrize("order", ["xyxy", "xywh", "centre", "yxyx"])
def test_conventions(order: Any, box: geometry.Box, units: Any) -> None:
    """Each order is written by hand from x1 y1 x2 y2 of an image of 320 x 310 pixels, and read back."""
    x1, y1, x2, y2 = box
    written: tuple[float, ...] = {
        "xyxy": box,
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "centre": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    }[order]
    whole = {"pixels": None, "normalised": 1.0, "percent": 100.0}[units]
    if whole:
        extents = (310, 320, 310, 320) if order == "yxyx" else (320, 310, 320, 310)
        written = tuple(v / e * whole for v, e in zip(written, extents, strict=True))
    image = reading.Image(Path("a.png"), "a.png", 320, 310, "")
    assert conventions.in_pixels(written, image, order, units) == pytest.approx(box, abs=1e-9)


def test_what_is_declared() -> None:
    """The options go before the columns' names, and these before what the format usually writes."""
    assert conventions.declared("yolo", Options()) == ("centre", "normalised")
    assert conventions.declared("csv", Options(), "xywh") == ("xywh", "pixels")
    given = Options(box_convention="yxyx", box_units="percent")
    assert conventions.declared("csv", given, "xywh") == ("yxyx", "percent")


def spread(boxes: list[geometry.Box], size: tuple[int, int]) -> conventions.Spread:
    """Of records with one box each."""
    found = conventions.Spread()
    for box in boxes:
        found.add(Record("r", "a.png", *size, findings=(Finding("x", box),)))
    return found


CORNERS = [(1.0, 2.0, 30.0, 40.0), (50.0, 60.0, 80.0, 90.0), (5.0, 5.0, 99.0, 20.0)]


@pytest.mark.parametrize(
    ("boxes", "size", "said"),
    [
        ([(0.1, 0.2, 0.5, 0.6)], (96, 64), "normalised"),
        ([(0.1, 0.2, 0.5, 0.6), (4, 4, 9, 9)], (96, 64), "normalised"),  # one of two
        ([(0.1, 0.2, 0.5, 0.6)] + [(4, 4, 9, 9)] * 9, (96, 64), None),  # one of ten is not more than a tenth
        (CORNERS[:2], (400, 180), None),  # (100/400)^2 = 0.0625 may be chance
        (CORNERS, (400, 180), "percent"),  # (100/400)^3 = 0.0156
        (CORNERS[1:2], (512, 512), "percent"),  # (100/512)^2 = 0.038
        (CORNERS * 9, (199, 199), None),  # too small an image to tell
        ([(1.0, 2.0, 30.0, 40.0)] * 9, (512, 512), "percent"),  # however far they reach
        ([*CORNERS, (200.0, 200.0, 300.0, 300.0)], (512, 512), None),
        ([], (512, 512), None),
    ],
)
def test_boxes_that_cannot_be_pixels(boxes: list[geometry.Box], size: tuple[int, int], said: str | None) -> None:
    doubt = spread(boxes, size).doubt()
    assert f"--box-units {said}" in (doubt or "") if said else doubt is None


def test_boxes_that_lead_outside_are_no_percent() -> None:
    found = spread(CORNERS, (400, 180))
    found.add(reading.Rejected("a.json", 3, "zero-area", misfit="shape"))
    assert found.doubt()
    found.add(reading.Rejected("a.json", 4, "leads outside", misfit="outside"))
    assert found.doubt() is None and found.remark() is None


def test_what_is_only_odd_is_remarked() -> None:
    assert "--box-units percent" in (spread(CORNERS[:1], (300, 300)).remark() or "")
    assert "within 0 to 1" in (spread([(0.1, 0.2, 0.5, 0.6)] + [(4, 4, 9, 9)] * 9, (96, 64)).remark() or "")
    assert spread([(4, 4, 200, 9)], (512, 512)).remark() is None


def coco(folder: Path, boxes: Sequence[Sequence[float]], size: tuple[int, int] = (200, 160)) -> None:
    """A COCO file with an image for every box."""
    folder.mkdir()
    images, annotations = [], []
    for n, box in enumerate(boxes):
        grey = np.random.default_rng(n).integers(0, 255, size[::-1], np.uint8)
        Image.fromarray(grey).save(folder / f"{n}.png")
        images.append({"id": n, "file_name": f"{n}.png"})
        annotations.append({"id": n, "image_id": n, "category_id": 1, "bbox": box})
    about = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
    (folder / "a.json").write_text(json.dumps(about))


def read(root: Path, **options: Any) -> tuple[Summary, list[Record]]:
    summary = ingest(root / "data", "coco", root / "out", Options(**options))
    return summary, list(read_jsonl(summary.records_file, Record))


#: As corners; read as corner and extent, the second, third and fourth lead outside an image of 200 x 160.
AS_CORNERS = [[10, 10, 60, 60], [120, 30, 180, 90], [150, 100, 190, 150], [100, 20, 160, 70], [0, 0, 30, 20]]


def test_boxes_of_another_order_stop_the_run_and_the_right_order_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coco(tmp_path / "data", AS_CORNERS)
    hashed: Counter[str] = Counter()
    real = looking.look
    monkeypatch.setattr(looking, "look", lambda path, decode: (hashed.update([path]), real(path, decode))[1])
    with pytest.raises(IngestError) as stop:
        read(tmp_path)
    said = str(stop.value)
    assert "3 of 5 annotation rows" in said and "All boxes fit by --box-convention xyxy." in said
    assert "box [120, 30, 300, 120] leads outside" in said and "(a.json, row 2)" in said
    assert "--allow-rejected 0.6 " in said and said.endswith("out/rejected.jsonl")
    assert max(hashed.values()) == 1, "none is hashed for a trial"
    assert len((tmp_path / "out/rejected.jsonl").read_text().splitlines()) == 3
    assert not (tmp_path / "out/records.jsonl").exists()
    _, records = read(tmp_path, box_convention="xyxy")
    assert [f.box for r in records for f in r.findings] == [tuple(box) for box in AS_CORNERS]
    assert read(tmp_path, allow_rejected=0.6)[0].rejected == 3


def test_voc_in_another_order(tmp_path: Path) -> None:
    """Rows before columns, under the usual names: only so are all inside 200 x 160."""
    (tmp_path / "data").mkdir()
    for n, box in enumerate([(10, 120, 90, 190), (100, 150, 140, 199), (10, 10, 60, 60)]):
        Image.new("L", (200, 160), n).save(tmp_path / f"data/{n}.png")
        corners = "".join(
            f"<{name}>{v}</{name}>" for name, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        text = f"<annotation><object><name>x</name><bndbox>{corners}</bndbox></object></annotation>"
        (tmp_path / f"data/{n}.xml").write_text(text)
    with pytest.raises(IngestError, match=r"2 of 3 .*All boxes fit by --box-convention yxyx\."):
        ingest(tmp_path / "data", "voc", tmp_path / "out")
    ingest(tmp_path / "data", "voc", tmp_path / "out", Options(box_convention="yxyx"))
    records = iter(read_jsonl(tmp_path / "out/records.jsonl", Record))
    assert next(records).findings[0].box == (120, 10, 190, 90)


def test_shares_are_not_read_as_pixels(tmp_path: Path) -> None:
    """0.1 0.2 0.3 0.4 of 200 x 160 as corner and extent is 20 32 80 96."""
    coco(tmp_path / "data", [[0.1, 0.2, 0.3, 0.4]])
    with pytest.raises(
        IngestError, match=r"1 of 1 boxes lie within 0 to 1.*--box-units normalised.*--box-units pixels$"
    ):  # nothing was rejected that one could look up
        read(tmp_path)
    assert read(tmp_path, box_units="normalised")[1][0].findings[0].box == pytest.approx((20, 32, 80, 96))
    assert read(tmp_path, box_units="pixels")[1][0].findings[0].box == pytest.approx((0.1, 0.2, 0.4, 0.6))


@pytest.mark.parametrize("units", [None, "percent"])
def test_polygons_in_percent_are_not_read_as_pixels(units: Any, tmp_path: Path) -> None:
    """Nine squares from 10 to 60 percent of 400 x 300, which is from 40, 30 to 240, 180."""
    coco(tmp_path / "data", [[10, 10, 50, 50]] * 9, (400, 300))
    about = json.loads((tmp_path / "data/a.json").read_text())
    for annotation in about["annotations"]:
        annotation["segmentation"] = [[10, 10, 60, 10, 60, 60, 10, 60]]
    (tmp_path / "data/a.json").write_text(json.dumps(about))
    if units:
        assert read(tmp_path, box_units=units)[1][0].findings[0].box == (40, 30, 240, 180)
    else:
        with pytest.raises(IngestError, match=r"all 9 boxes lie within 0 to 100.*--box-units percent"):
            read(tmp_path)


def test_run_lengths_are_in_pixels(tmp_path: Path) -> None:
    """The first 50 rows of the first 50 columns of an image 300 high: each column is 50 of them and 250 others."""
    coco(tmp_path / "data", [[0, 0, 50, 50]] * 9, (400, 300))
    about = json.loads((tmp_path / "data/a.json").read_text())
    runs = [0, *[50, 250] * 49, 50, 250 + 350 * 300]
    for annotation in about["annotations"]:
        annotation["segmentation"] = {"size": [300, 400], "counts": runs}
    (tmp_path / "data/a.json").write_text(json.dumps(about))
    assert [f.box for f in read(tmp_path)[1][0].findings] == [(0, 0, 50, 50)]


def test_boxes_that_lie_within_100_are_no_percent_if_others_do_not_fit(tmp_path: Path) -> None:
    """Corner and extent of which only the first can be corners: by the others these are pixels."""
    boxes = [[10, 10, 90, 95], [400, 200, 100, 80], [300, 250, 60, 50]]
    coco(tmp_path / "data", boxes, (600, 400))
    with pytest.raises(IngestError, match=r"2 of 3 annotation rows .* All boxes fit by --box-convention xywh") as stop:
        read(tmp_path, box_convention="xyxy")
    assert "percent" not in str(stop.value)


def test_pixels_read_as_percent(tmp_path: Path) -> None:
    coco(tmp_path / "data", [[120, 20, 60, 60], [110, 10, 20, 20], [30, 120, 50, 30]])
    with pytest.raises(IngestError, match="All boxes fit by --box-units pixels"):
        read(tmp_path, box_units="percent")


def test_one_bad_row_does_not_stop_a_run_unless_it_is_the_only_one(tmp_path: Path) -> None:
    coco(tmp_path / "data", [[10, 10, 20, 20], [10, 10, 20, -20]])
    assert read(tmp_path)[0].reasons[0].rows == 1
    coco(tmp_path / "alone", [[10, 10, 20, -20]])
    with pytest.raises(IngestError, match="1 of 1 annotation rows"):
        ingest(tmp_path / "alone", "coco", tmp_path / "out")


def test_few_boxes_that_do_not_fit_are_remarked_where_another_order_fits_all(tmp_path: Path) -> None:
    """Two boxes of 40 are too near the edge for corner and extent; as centre and extent all fit."""
    boxes = [[80 + n, 80, 20, 20] for n in range(38)] + [[185, 80, 20, 20], [186, 80, 20, 20]]
    coco(tmp_path / "data", boxes)
    summary, _ = read(tmp_path)
    assert any("All boxes fit by --box-convention centre" in note for note in summary.notes)


def test_reasons_are_joined_where_they_differ_in_values_only_and_show_the_first() -> None:
    bad = [
        reading.Rejected("a.csv", 2, "no image 'x.png'"),
        reading.Rejected("a.csv", 7, "no image 'y.png'", rows=3),
        reading.Rejected("a.csv", 9, "box [1, 2, 3, 4] leads outside the image of 3 x 3", misfit="outside"),
        reading.Rejected("a.csv", 9, "zero-area or inverted box [1, 2, 1, 4]", misfit="shape"),
        reading.Rejected("c.png", None, "no annotation names this image", rows=0),
    ]
    found = rejections.Tally(bad).reasons()
    assert [(reason.rows, reason.entries) for reason in found] == [(4, 2), (2, 2), (0, 1)]
    assert str(found[0]) == "no image 'x.png' (a.csv, row 2)"
    assert str(found[2]) == "no annotation names this image (c.png)"


def test_boxes_that_almost_repeat_another_are_remarked(tmp_path: Path) -> None:
    """Both 50 x 50; moved by 5 they share 45 x 50 of 55 x 50, 0.818; by 6, 44 x 50 of 56 x 50, 0.786."""
    coco(tmp_path / "data", [[10, 10, 50, 50]])
    about = json.loads((tmp_path / "data/a.json").read_text())
    for x, said in ((15, True), (16, False)):
        again = {"id": 9, "image_id": 0, "category_id": 1, "bbox": [x, 10, 50, 50]}
        (tmp_path / "data/a.json").write_text(json.dumps(about | {"annotations": [*about["annotations"], again]}))
        summary, (record,) = read(tmp_path)
        assert len(record.findings) == 2 and any("marked twice" in note for note in summary.notes) == said


def test_a_finding_that_stands_twice_counts_once(tmp_path: Path) -> None:
    coco(tmp_path / "data", [[10, 10, 20, 20]])
    about = json.loads((tmp_path / "data/a.json").read_text())
    about["annotations"] *= 3
    (tmp_path / "data/a.json").write_text(json.dumps(about))
    summary, (record,) = read(tmp_path)
    assert len(record.findings) == summary.findings == 1
    assert [n for n in summary.notes if n.startswith("findings that repeat") and "2 times" in n]
