"""Readers: the boxes that went in come out, in every format; what is wrong is set aside with file, row and reason."""

import json
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unveil import geometry
from unveil.ingest import IngestError, Options, Summary, ingest, reading, table
from unveil.records import Record, image_path, read_jsonl

REAL = Path(__file__).parents[2] / "shared" / "data"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real sets are not here: {REAL}")

#: What every written data set below holds: a.png is 40 x 20 pixels with two boxes, b.png has none.
BOXES = [("nodule", (4.0, 2.0, 20.0, 12.0)), ("mass", (30.0, 5.0, 40.0, 20.0))]


def draw(path: Path, width: int = 40, height: int = 20, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)).save(path)
    return path


def bomb(path: Path) -> None:
    """A PNG whose header promises 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))


def truncate(path: Path) -> None:
    draw(path.with_suffix(".jpg"), 200, 200)
    path.write_bytes(path.with_suffix(".jpg").read_bytes()[:2000])
    if path.suffix != ".jpg":
        path.with_suffix(".jpg").unlink()


def xml(filename: str, boxes: list[Any], size: tuple[int, int] = (40, 20)) -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, (x1, y1, x2, y2) in boxes
    )
    measures = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{filename}</filename>{measures}{objects}</annotation>"


def write_voc(root: Path, first: str = "a.png") -> None:
    for folder in ("Annotations", "ImageSets/Main"):
        (root / "VOC" / folder).mkdir(parents=True)
    (root / "VOC/Annotations/a.xml").write_text(xml(first, BOXES))
    (root / "VOC/Annotations/b.xml").write_text(xml("b.png", []))
    (root / "VOC/ImageSets/Main/train.txt").write_text("a\n")
    (root / "VOC/ImageSets/Main/test.txt").write_text("b\n")
    draw(root / "VOC/JPEGImages/a.png")
    draw(root / "VOC/JPEGImages/b.png", seed=1)


def coco(first: str = "a.png") -> dict[str, Any]:
    annotations = [
        {"id": n, "image_id": 7, "category_id": n, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for n, (_, (x1, y1, x2, y2)) in enumerate(BOXES)
    ]
    return {
        "images": [{"id": 7, "file_name": first, "width": 40, "height": 20}],
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for n, (name, _) in enumerate(BOXES)],
    }


def write_coco(root: Path, first: str = "a.png") -> None:
    draw(root / "images/a.png")
    draw(root / "images/b.png", seed=1)
    (root / "annotations").mkdir()
    (root / "annotations/instances_train2017.json").write_text(json.dumps(coco(first)))
    rest = coco() | {"images": [{"id": 1, "file_name": "b.png"}], "annotations": []}
    (root / "annotations/instances_test.json").write_text(json.dumps(rest))


def write_yolo(root: Path, first: str = "a.png") -> None:
    draw(root / "train/images" / first)
    draw(root / "test/images/b.png", seed=1)
    for folder in ("train", "test"):
        (root / folder / "labels").mkdir()
    rows = [
        f"{n} {(x1 + x2) / 80} {(y1 + y2) / 40} {(x2 - x1) / 40} {(y2 - y1) / 20}\n"
        for n, (_, (x1, y1, x2, y2)) in enumerate(BOXES)
    ]
    (root / "train/labels" / Path(first).with_suffix(".txt")).write_text("".join(rows))
    (root / "test/labels/b.txt").write_text("")
    (root / "data.yaml").write_text("train: ../train/images\ntest: D:/mine/test/images\nnames: [nodule, mass]\n")


def write_csv(root: Path, first: str = "a.png") -> None:
    draw(root / "a.png")
    draw(root / "b.png", seed=1)
    rows = [f"{first},{name},{','.join(map(str, box))},train\n" for name, box in BOXES]
    (root / "labels.csv").write_text("image,label,x1,y1,x2,y2,split\n" + "".join(rows) + "b.png,,,,,,test\n")


WRITERS: dict[str, Callable[..., None]] = {"voc": write_voc, "coco": write_coco, "yolo": write_yolo, "csv": write_csv}
every_format = pytest.mark.parametrize("format", WRITERS)


def run(root: Path, format: str, **options: Any) -> tuple[Summary, list[Record], list[dict[str, Any]]]:
    summary = ingest(root / "data", format, root / "out", Options(**options))
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    return summary, list(read_jsonl(summary.records_file, Record)), rejected


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# The same boxes in, the same boxes out


@every_format
def test_round_trip(format: str, data: Path) -> None:
    WRITERS[format](data)
    summary, (a, b), rejected = run(data.parent, format, dataset="set", licence="MIT", modality="CT")
    if a.findings == ():
        a, b = b, a
    assert [(f.label, f.box) for f in a.findings] == [(name, pytest.approx(box)) for name, box in BOXES]
    assert (a.size, a.split, a.modality, a.patient) == ((40, 20), "train", "CT", None)
    assert (b.findings, b.split, b.completeness) == ((), "test", "exhaustive")
    assert a.completeness == ("unknown" if format == "csv" else "exhaustive")
    assert a.id == f"set/{a.source.file}" and a.source.licence == "MIT" and len(a.source.sha256 or "") == 64
    assert image_path(a, summary.records_file).samefile(data / (a.source.file or ""))
    assert (summary.records, summary.findings, rejected) == (2, 2, [])


@every_format
def test_options_of_all_formats(format: str, data: Path) -> None:
    WRITERS[format](data)
    _, records, _ = run(data.parent, format, splits="none", patient_pattern=r"(?P<patient>[ab])\.png$")
    assert {(r.split, r.patient) for r in records} == {(None, "a"), (None, "b")}


def test_image_below_the_output_folder_is_named_relative_to_it(data: Path) -> None:
    write_csv(data)
    ingest(data, "csv", data)
    assert {r.image for r in read_jsonl(data / "records.jsonl", Record)} == {"a.png", "b.png"}


box_strategy = st.tuples(*[st.integers(0, 300)] * 4).map(
    lambda v: (float(min(v[0], v[2])), float(min(v[1], v[3])), max(v[0], v[2]) + 1.0, max(v[1], v[3]) + 1.0)
)


@given(box=box_strategy, units=st.sampled_from(["pixels", "normalised", "percent"]))
@pytest.mark.parametrize("convention", ["xyxy", "xywh", "centre", "yxyx"])
def test_csv_conventions(convention: Any, box: geometry.Box, units: Any) -> None:
    """Each convention is written by hand from x1 y1 x2 y2 of an image of 320 x 310 pixels, and read back."""
    x1, y1, x2, y2 = box
    written: tuple[float, ...] = {
        "xyxy": box,
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "centre": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    }[convention]
    whole = {"pixels": None, "normalised": 1.0, "percent": 100.0}[units]
    if whole:
        extents = (310, 320, 310, 320) if convention == "yxyx" else (320, 310, 320, 310)
        written = tuple(v / e * whole for v, e in zip(written, extents, strict=True))
    image = reading.Image(Path("a.png"), "a.png", 320, 310, "")
    options = Options(box_convention=convention, box_units=units)
    assert table.in_pixels(list(written), image, options) == pytest.approx(box, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(boxes=st.lists(box_strategy, min_size=1, max_size=4))
@pytest.mark.parametrize("format", ["voc", "coco", "yolo", "csv"])
def test_any_boxes_round_trip(format: str, boxes: list[geometry.Box], tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("any") / "data"
    draw(data / "images/a.png", 320, 310)
    if format == "voc":
        (data / "a.xml").write_text(xml("a.png", [("x", box) for box in boxes], (320, 310)))
    elif format == "coco":
        bboxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
        annotations = [{"id": n, "image_id": 7, "category_id": 1, "bbox": b} for n, b in enumerate(bboxes)]
        (data / "a.json").write_text(json.dumps(coco() | {"annotations": annotations, "images": [IMAGE_320]}))
    elif format == "yolo":
        (data / "labels").mkdir()
        (data / "data.yaml").write_text("names: {0: x}")
        rows = [f"0 {(a + c) / 640} {(b + d) / 620} {(c - a) / 320} {(d - b) / 310}" for a, b, c, d in boxes]
        (data / "labels/a.txt").write_text("\n".join(rows))
    else:
        rows = [f"a,x,{','.join(map(str, box))}" for box in boxes]
        (data / "a.csv").write_text("\n".join(["image,label,x1,y1,x2,y2", *rows]))
    _, (record,), rejected = run(data.parent, format)
    assert rejected == []
    assert [f.box for f in record.findings] == [pytest.approx(box, abs=1e-6) for box in boxes]


IMAGE_320 = {"id": 7, "file_name": "a.png", "width": 320, "height": 310}


# What each format has of its own


def test_voc_one_based_corners(data: Path) -> None:
    """In the original VOC sets corners are inclusive pixels from 1: (1, 1, 40, 20) is all of a 40 x 20 image."""
    write_voc(data)
    (data / "VOC/Annotations/a.xml").write_text(xml("a.png", [("x", (1, 1, 40, 20)), ("y", (3, 3, 3, 3))]))
    _, records, _ = run(data.parent, "voc", voc_corners="one_based")
    assert [f.box for r in records for f in r.findings] == [(0, 0, 40, 20), (2, 2, 3, 3)]


def test_voc_image_by_the_stem_where_filename_is_wrong(data: Path) -> None:
    write_voc(data, first="renamed.png")
    summary, _, rejected = run(data.parent, "voc")
    assert (summary.records, rejected) == (2, [])


def test_voc_published_splits_that_are_wrong(data: Path) -> None:
    write_voc(data)
    (data / "VOC/ImageSets/Main/test.txt").write_text("b\n\nghost\na\n")
    _, records, rejected = run(data.parent, "voc")
    assert [r.split for r in records] == ["test", "test"]
    assert [(Path(r["file"]).name, r["row"], r["reason"]) for r in rejected] == [
        ("test.txt", 3, "no annotation file 'ghost.xml'"),
        ("train.txt", 1, "'a' is already in test"),
    ]


def test_coco_segmentations(data: Path) -> None:
    """A square polygon from (4, 2) to (8, 6), the same as run lengths by columns, and those compressed: 16 pixels.

    Columns of 20 rows: 4 * 20 + 2 empty, then 4 columns of 4 with 16 between; 800 - 82 - 4 * 4 - 3 * 16 = 654 remain.
    """
    counts = [82, 4, 16, 4, 16, 4, 16, 4, 654]
    mask = np.zeros((20, 40), bool)
    mask[2:6, 4:8] = True
    shapes: list[Any] = [
        [[4, 2, 8, 2, 8, 6, 4, 6]],
        {"size": [20, 40], "counts": counts},
        geometry.encode_mask(mask),
    ]
    write_coco(data)
    content = coco()
    content["annotations"] = [
        {"id": n, "image_id": 7, "category_id": 0, "segmentation": shape, "iscrowd": int(n == 1)}
        for n, shape in enumerate(shapes)
    ]
    (data / "annotations/instances_train2017.json").write_text(json.dumps(content))
    _, records, rejected = run(data.parent, "coco")
    findings = [f for r in records for f in r.findings]
    assert rejected == [] and [f.box for f in findings] == [(4, 2, 8, 6)] * 3
    assert all((geometry.decode_mask(f.mask or {}) == mask).all() for f in findings)
    assert [f.attributes for f in findings] == [{}, {"crowd": "yes"}, {}]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"bbox": [1, 1, 0, 5]}, "zero-area"),
        ({"bbox": [1, 1, 90, 5]}, "outside"),
        ({"bbox": [1, 1, float("nan"), 5]}, "finite"),
        ({"bbox": [1, 1, 5]}, "4 numbers"),
        ({"bbox": [1, 1, 5, 5], "category_id": 99}, "category_id 99"),
        ({}, "neither bbox nor segmentation"),
        ({"bbox": [1, 1, 5, 5], "image_id": 99}, "image_id 99"),
        ({"segmentation": [[1, 1, 5, 5]]}, "three or more"),
        ({"segmentation": [[1, 1, 1e12, 5, 5, 1e12]]}, "outside"),
        ({"segmentation": {"size": [20, 40], "counts": [799]}}, "add up to 799, not 800"),
        ({"segmentation": {"size": [20, 40], "counts": [-1, 801]}}, "whole numbers"),
        ({"segmentation": {"size": [20, 40], "counts": "zzzzzz"}}, "the character 'z'"),
        ({"segmentation": {"size": [20, 40], "counts": "0"}}, "add up to 0, not 800"),
        ({"segmentation": {"size": [20, 40], "counts": "P"}}, "middle of a number"),
        ({"segmentation": {"size": [9**9, 9**9], "counts": "0"}}, "needs size"),
        ({"segmentation": {"size": [20, 40], "counts": [800]}}, "empty mask"),
    ],
)
def test_coco_bad_annotation(annotation: dict[str, Any], reason: str, data: Path) -> None:
    write_coco(data)
    content = coco()
    content["annotations"].append({"id": 9, "image_id": 7, "category_id": 0} | annotation)
    (data / "annotations/instances_train2017.json").write_text(json.dumps(content))
    summary, _, rejected = run(data.parent, "coco")
    assert summary.findings == 2
    assert [(r["file"], r["row"]) for r in rejected] == [("annotations/instances_train2017.json", 3)]
    assert reason in rejected[0]["reason"]


def test_coco_file_with_a_split_goes_before_one_without(data: Path) -> None:
    write_coco(data)
    (data / "annotations/all.json").write_text(json.dumps(coco()))
    _, records, rejected = run(data.parent, "coco")
    assert {r.split for r in records} == {"train", "test"}
    assert ["stands twice" in r["reason"] for r in rejected] == [True]
    assert run(data.parent, "coco", annotations="annotations/instances_*.json")[2] == []


def test_coco_ids_that_stand_twice(data: Path) -> None:
    write_coco(data)
    content = coco()
    content["images"].append({"id": 7, "file_name": "b.png"})
    (data / "annotations/instances_train2017.json").write_text(json.dumps(content))
    _, records, rejected = run(data.parent, "coco")
    assert [r.source.file for r in records] == ["images/b.png"]
    assert [r["reason"] for r in rejected] == ["image: image id 7 stands 2 times"] * 2


def test_coco_damaged_file_is_rejected_and_the_others_are_read(data: Path) -> None:
    write_coco(data)
    (data / "annotations/val.json").write_text(json.dumps(coco())[:-5])
    summary, _, rejected = run(data.parent, "coco")
    assert summary.records == 2 and "not usable as COCO" in rejected[0]["reason"]


def test_yolo_polygon(data: Path) -> None:
    """The square from (4, 2) to (8, 6) in a 40 x 20 image is 0.1 0.1, 0.2 0.1, 0.2 0.3, 0.1 0.3."""
    write_yolo(data)
    (data / "test/labels/b.txt").write_text("1 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3\n")
    _, records, _ = run(data.parent, "yolo")
    (finding,) = next(r for r in records if r.split == "test").findings
    assert finding.label == "mass" and finding.box == pytest.approx((4, 2, 8, 6))
    assert np.argwhere(geometry.decode_mask(finding.mask or {})).tolist() == [
        [r, c] for r in range(2, 6) for c in range(4, 8)
    ]


def test_yolo_missing_label_file(data: Path) -> None:
    """Nobody said that the image was looked at: rejected, unless the user says that it is a negative."""
    write_yolo(data)
    (data / "test/labels/b.txt").unlink()
    summary, _, rejected = run(data.parent, "yolo")
    assert summary.records == 1 and "no label file" in rejected[0]["reason"]
    summary, records, _ = run(data.parent, "yolo", missing_labels="negative")
    assert summary.records == 2 and next(r for r in records if r.split == "test").completeness == "exhaustive"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7 .5 .5 .1 .1", "class 7"),
        ("0 .5 .5 0 .1", "zero-area"),
        ("0 .9 .5 .9 .1", "outside"),
        ("0 .5 .5 .1 x", "number"),
        ("0 .5 .5 .1", "4 numbers"),
        ("0 .5 .5 .1 .1 .9", "4 numbers"),
        ("0 nan .5 .1 .1", "finite"),
        ("0 .5 .5 .5001 .5 .5 .5001", "no pixel"),
    ],
)
def test_yolo_bad_row(row: str, reason: str, data: Path) -> None:
    """The row is set aside; the image stays, but its unmarked area is no longer known to be free of findings."""
    write_yolo(data)
    (data / "test/labels/b.txt").write_text(f"\n{row}\n")
    _, records, rejected = run(data.parent, "yolo")
    assert [(r["file"], r["row"]) for r in rejected] == [("test/labels/b.txt", 2)]
    assert reason in rejected[0]["reason"]
    assert {r.split: r.completeness for r in records} == {"train": "exhaustive", "test": "partial"}


def test_yolo_split_is_what_the_yaml_says(data: Path) -> None:
    draw(data / "images/fold3/a.png")
    (data / "labels/fold3").mkdir(parents=True)
    (data / "labels/fold3/a.txt").write_text("")
    (data / "labels/fold3/stray.txt").write_text("")
    (data / "data.yaml").write_text("names: {0: x}\nval: [images/fold3]\n")
    _, (record,), rejected = run(data.parent, "yolo")
    assert record.split == "val" and rejected[0]["reason"] == "no image belongs to this label file"


def csv_file(data: Path, text: str) -> None:
    write_csv(data)
    (data / "labels.csv").write_text(text)


def test_csv_columns(data: Path) -> None:
    text = (
        "pic;finding;bbox;pid;study;modality;Set;body_part;side;report\n"
        'a;nodule;"[4, 2, 20, 12]";p1;s1;CT;valid;lung;left;Two lesions.\n'
        "a;mass;;p1;s1;CT;valid;;;\n"
        "b;No Finding;;p2;;MR;test;;;Nothing.\n"
    )
    csv_file(data, text)
    columns = {"image_column": "pic", "label_column": "finding", "box_columns": ("bbox",), "patient_column": "pid"}
    _, (a, b), rejected = run(data.parent, "csv", delimiter=";", split_column="Set", **columns)
    assert rejected == []
    assert (a.patient, a.study, a.modality, a.split, a.report) == ("p1", "s1", "CT", "val", "Two lesions.")
    assert [(f.label, f.box, f.attributes) for f in a.findings] == [
        ("nodule", (4, 2, 20, 12), {"body_part": "lung", "side": "left"}),
        ("mass", None, {}),
    ]
    assert (b.findings, b.completeness, b.study, b.modality) == ((), "exhaustive", None, "MR")


@pytest.mark.parametrize(
    ("rows", "row", "reason", "records"),
    [
        ("a.png,x,1,1,5,5\na.png,x,1,1,1,5\n", 3, "zero-area", 1),
        ("a.png,x,1,1,5,5\na.png,x,1,1,,5\n", 3, "number", 1),
        ("a.png,x,1,1,5,5\na.png,,1,1,5,5\n", 3, "without a label", 1),
        ("a.png,x,1,1,5,5\na.png,x,1,1,5\n", 3, "6 fields", 1),
        ("a.png,x,1,1,5,5\na.png,x,1,1,5,5,9\n", 3, "6 fields", 1),
        ("a.png,x,1,1,5,5\na.png,,,,,\n", 3, "deny", 1),
        ("a.png,x,1,1,5,5\nghost.png,x,1,1,5,5\n", 3, "no image 'ghost.png'", 1),
        ("a.png,x,1,1,5,5\n,x,1,1,5,5\n", 3, "empty", 1),
        (f"a.png,x,1,1,5,5\n{'n' * 5000},x,1,1,5,5\n", 3, "name", 1),
    ],
)
def test_csv_bad_row(rows: str, row: int, reason: str, records: int, data: Path) -> None:
    csv_file(data, "image,label,x1,y1,x2,y2\n" + rows)
    _, found, rejected = run(data.parent, "csv", completeness="exhaustive")
    assert [(r["file"], r["row"]) for r in rejected] == [("labels.csv", row)]
    assert reason.lower() in rejected[0]["reason"].lower()
    assert [len(r.findings) for r in found] == [1]
    of_its_image = rows.splitlines()[1].startswith("a.png")
    assert found[0].completeness == ("partial" if of_its_image else "exhaustive")


def test_csv_rows_that_disagree_reject_the_image(data: Path) -> None:
    csv_file(data, "image,label,patient,split\na,x,p1,train\na,y,p2,train\nb,x,p3,holdout\nb.png,x,p3,holdout\n")
    with pytest.raises(IngestError, match="not one record"):
        run(data.parent, "csv")
    rejected = [json.loads(line) for line in (data.parent / "out/rejected.jsonl").read_text().splitlines()]
    assert [r["row"] for r in rejected] == [2, 4]
    assert "disagree on its patient: p1, p2" in rejected[0]["reason"] and "'holdout'" in rejected[1]["reason"]


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("image,label,x1,y1,x2,y2", {"patient_column": "pid"}, "no column 'pid'"),
        ("image,label,x1,y1", {}, "only some of the box columns"),
        ("image,image,label", {}, "several columns 'image'"),
        ("image,label", {"box_columns": ("x", "y")}, "one column or four"),
        ("pic,label", {}, "is not csv"),
        ("image,label", {"annotations": "ghost.csv"}, "fits the pattern 'ghost.csv'"),
    ],
)
def test_csv_header_that_does_not_fit(header: str, options: dict[str, Any], message: str, data: Path) -> None:
    csv_file(data, header + "\na,x\n")
    with pytest.raises(IngestError, match=message):
        run(data.parent, "csv", **options)


def test_csv_with_an_unnamed_index_column(data: Path) -> None:
    """As pandas writes it."""
    csv_file(data, ",image,label\n0,a,x\n1,b,\n")
    assert run(data.parent, "csv")[0].records == 2


# Bad input of every kind


@every_format
def test_missing_folder(format: str, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no such folder"):
        ingest(tmp_path / "ghost", format, tmp_path / "out")


@every_format
def test_empty_folder(format: str, data: Path) -> None:
    with pytest.raises(IngestError, match=f"is not {format}: looked for"):
        run(data.parent, format)


@every_format
def test_wrong_format_names_the_right_one(format: str, data: Path) -> None:
    WRITERS[format](data)
    for other in set(WRITERS) - {format}:
        with pytest.raises(IngestError, match=f"is not {other}.*it looks like {format}$"):
            run(data.parent, other)


def test_unknown_format_and_pattern(data: Path) -> None:
    write_csv(data)
    with pytest.raises(IngestError, match="'bmp' is none of voc, coco, yolo, csv"):
        run(data.parent, "bmp")
    with pytest.raises(IngestError, match="not a regular expression"):
        run(data.parent, "csv", patient_pattern="(")


SPOILERS: dict[str, Callable[[Path], object]] = {
    "decoding failed": truncate,
    "limit": bomb,
    "broken at its start": lambda path: path.write_bytes(b"GIF89a"),
    "empty": lambda path: path.write_bytes(b""),
}


@every_format
@pytest.mark.parametrize("reason", SPOILERS)
def test_unusable_image_is_rejected_and_the_run_goes_on(format: str, reason: str, data: Path) -> None:
    WRITERS[format](data)
    SPOILERS[reason](next(data.rglob("a.png")))
    summary, (record,), rejected = run(data.parent, format)
    assert record.findings == () and summary.records == len(rejected) == 1
    assert reason in rejected[0]["reason"] or reason == "empty"


def test_without_decoding_only_the_header_is_read(data: Path) -> None:
    write_csv(data)
    path = data / "c.jpg"
    draw(path, 200, 200)
    path.write_bytes(path.read_bytes()[:2000])
    with (data / "labels.csv").open("a") as rows:
        rows.write("c.jpg,,,,,,\n")
    assert run(data.parent, "csv", decode=False)[0].records == 3
    assert run(data.parent, "csv")[0].records == 2


@pytest.mark.parametrize("name", ["../secret.png", "{root}/secret.png", "link.png"])
@pytest.mark.parametrize("format", ["voc", "coco", "csv"])
def test_image_that_leads_outside(format: str, name: str, data: Path) -> None:
    """By dots, by an absolute path, and by a link inside the folder."""
    secret = draw(data.parent / "secret.png")
    deep = {"voc": "../../../", "coco": "../../", "csv": "../"}[format]
    WRITERS[format](data, first=name.replace("../", deep).format(root=data.parent))
    (data / "link.png").symlink_to(secret)
    _, (record,), rejected = run(data.parent, format)
    assert record.findings == ()
    assert any("leads outside" in r["reason"] for r in rejected)


def test_yolo_link_that_leads_outside(data: Path) -> None:
    write_yolo(data)
    (data / "train/images/a.png").unlink()
    (data / "train/images/a.png").symlink_to(draw(data.parent / "secret.png"))
    summary, _, rejected = run(data.parent, "yolo")
    assert summary.records == 1 and "leads outside" in rejected[0]["reason"]


@every_format
def test_nothing_usable_raises_and_still_says_why(format: str, data: Path) -> None:
    WRITERS[format](data)
    for path in data.rglob("*.png"):
        bomb(path)
    with pytest.raises(IngestError, match="not one record: 2 x"):
        run(data.parent, format)
    assert len((data.parent / "out/rejected.jsonl").read_text().splitlines()) == 2
    assert not (data.parent / "out/records.jsonl").exists()


@pytest.mark.parametrize("format", ["voc", "coco"])
def test_other_size_than_annotated(format: str, data: Path) -> None:
    WRITERS[format](data)
    draw(next(data.rglob("a.png")), 80, 40)
    summary, _, rejected = run(data.parent, format)
    assert summary.records == 1 and "says 40 x 20, the image has 80 x 40" in rejected[0]["reason"]


@pytest.mark.parametrize("format", ["voc", "coco"])
def test_image_that_no_annotation_names(format: str, data: Path) -> None:
    WRITERS[format](data)
    draw(next(data.rglob("a.png")).with_name("c.png"))
    _, records, rejected = run(data.parent, format)
    assert len(records) == 2 and [r["reason"] for r in rejected] == ["no annotation names this image"]


def test_ids_that_stand_twice(data: Path) -> None:
    write_voc(data)
    (data / "VOC/Annotations/c.xml").write_text(xml("a.png", []))
    _, records, rejected = run(data.parent, "voc")
    assert len(records) == 2
    assert [r["reason"].split(":")[0] for r in rejected] == ["the id 'data/VOC/JPEGImages/a.png' stands twice"]


ENTITIES = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><annotation><filename>&b;</filename></annotation>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENTITIES, "entities"),
        (EXTERNAL, "entities"),
        ("<annotation>", "not readable as XML"),
        ("<svg/>", "root is <svg>"),
        ("<annotation/>", "name is empty"),
        (xml("b.png", [("x", (4, 4, 4, 4))]), "zero-area"),
        (xml("b.png", [("x", (4, 4, 99, 9))]), "outside"),
        (xml("b.png", [("", (4, 4, 9, 9))]), "no <name>"),
        (xml("b.png", [("x", (4, 4, "", 9))]), "<xmax>"),
        ("<annotation><filename>b.png</filename><object><name>x</name></object></annotation>", "no <bndbox>"),
    ],
)
def test_voc_bad_xml(text: str, reason: str, data: Path) -> None:
    write_voc(data)
    (data / "VOC/JPEGImages/b.png").rename(data / "VOC/JPEGImages/c.png") if "name is" in reason else None
    (data / "VOC/Annotations/b.xml").write_text(text)
    summary, _, rejected = run(data.parent, "voc")
    assert summary.findings == 2
    assert any(reason in r["reason"] and r["file"] == "VOC/Annotations/b.xml" for r in rejected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: !!python/object/apply:os.system ['touch {canary}']", "not usable as YAML"),
        ("names: [a, ", "not usable as YAML"),
        ("names: 3", "names must be"),
        ("names: {a: b}", "names must be"),
        ("names: []", "names must be"),
    ],
)
def test_yolo_bad_yaml(text: str, message: str, data: Path) -> None:
    write_yolo(data)
    canary = data.parent / "canary"
    (data / "data.yaml").write_text(text.replace("{canary}", str(canary)))
    with pytest.raises(IngestError, match=message):
        run(data.parent, "yolo")
    assert not canary.exists()


def test_no_torch() -> None:
    code = "import sys, unveil.ingest, unveil.ingest.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The real sets: the numbers of their PROVENANCE.md


@real
def test_bccd(tmp_path: Path) -> None:
    """364 images, 4888 boxes (RBC 4155, WBC 372, Platelets 361), two of them without area; 205 / 87 / 72 images."""
    summary = ingest(REAL / "bccd_bloodcells", "voc", tmp_path)
    records = list(read_jsonl(summary.records_file, Record))
    assert (summary.records, summary.findings, summary.rejected) == (364, 4886, 2)
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    assert [Path(r["file"]).stem for r in rejected] == ["BloodImage_00338", "BloodImage_00343"]
    assert Counter(r.split for r in records) == {"train": 205, "val": 87, "test": 72}
    assert Counter(r.completeness for r in records) == {"exhaustive": 362, "partial": 2}
    labels = Counter(f.label for r in records for f in r.findings)
    assert {name: labels[name] for name in ("WBC", "Platelets", "RBC")} == {"WBC": 372, "Platelets": 361, "RBC": 4153}


@real
@pytest.mark.parametrize(
    ("name", "images", "findings", "negatives", "masks"),
    [("brain_mri_tumor", 95, 44, 52, 44), ("dental_panoramic", 80, 588, 0, 0)],
)
def test_real_yolo(name: str, images: int, findings: int, negatives: int, masks: int, tmp_path: Path) -> None:
    summary = ingest(REAL / name, "yolo", tmp_path)
    records = list(read_jsonl(summary.records_file, Record))
    assert (summary.records, summary.findings, summary.rejected) == (images, findings, 0)
    assert sum(not r.findings and r.completeness == "exhaustive" for r in records) == negatives
    assert sum(f.mask is not None for r in records for f in r.findings) == masks
    assert all(r.split for r in records)


def test_csv_image_in_two_splits_is_a_record_in_each(tmp_path: Path) -> None:
    """As VQA-RAD is published: questions were split, not images. The leak is left for the check to find."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(data / "a.png")
    (data / "rows.csv").write_text("image,split\na.png,train\na.png,test\na.png,train\n")
    ingest(data, "csv", out)
    records = list(read_jsonl(out / "records.jsonl", Record))
    assert [(r.id, r.split) for r in records] == [("data/a.png@train", "train"), ("data/a.png@test", "test")]
    assert {r.completeness for r in records} == {"unknown"}, "a table without findings says nothing about them"
    assert [len(list(read_jsonl(out / "records.jsonl", Record))), (out / "rejected.jsonl").read_text()] == [2, ""]
    ingest(data, "csv", out, Options(splits="none"))
    assert [(r.id, r.split) for r in read_jsonl(out / "records.jsonl", Record)] == [("data/a.png", None)]


def test_questions_of_a_table_are_the_images(tmp_path: Path) -> None:
    """Rows of one image are joined: two questions, closed by column or by its yes; a row that only asks says nothing of
    findings, one with a label is a finding as well; a question without an answer is rejected and nothing else lost."""
    for name in "ab":
        Image.new("L", (40, 30), ord(name)).save(tmp_path / f"{name}.png")
    rows = [
        "image,label,question,answer,answer_type",
        "a.png,,Is it normal?,no,",
        "a.png,,Which plane?,axial,CLOSED",
        "a.png,nodule,What is it?,a nodule,",
        "a.png,,Where?,,",
        "b.png,,Which organ?,lung,open",
    ]
    (tmp_path / "q.csv").write_text("\n".join(rows))
    items = list(table.read(tmp_path, Options()))
    a, b = (item for item in items if isinstance(item, Record))
    assert [(q.text, q.answer, q.kind) for q in a.questions] == [
        ("Is it normal?", "no", "closed"),
        ("Which plane?", "axial", "closed"),
        ("What is it?", "a nodule", "open"),
    ]
    assert [f.label for f in a.findings] == ["nodule"] and a.completeness == "unknown" == b.completeness
    assert not b.findings and len(b.questions) == 1
    (bad,) = (item for item in items if isinstance(item, reading.Rejected))
    assert (bad.row, bad.reason) == (5, "a question without an answer")
