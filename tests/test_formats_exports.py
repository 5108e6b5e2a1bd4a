"""What Label Studio and CVAT export, as they lay it out: all of it is read, each box at its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.runner import ingest

WIDTH, HEIGHT = 200, 120
LABELS = ["cyst", "nodule"]
Box = tuple[int, int, int, int]
#: Images with their boxes; the third was looked at and has none.
TRUTH: dict[str, list[tuple[str, Box]]] = {
    "a.png": [("nodule", (20, 10, 80, 60))],
    "b.png": [("cyst", (50, 20, 120, 90)), ("nodule", (5, 5, 40, 30))],
    "c.png": [],
}
#: What Label Studio writes before the names of images that were uploaded.
UPLOADED = "1f2e3d4c-"


def _images(folder: Path, before: str = "") -> None:
    for name in TRUTH:
        draw(folder / f"{before}{name}", WIDTH, HEIGHT)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _coco(file: Path, before: str, first: int) -> None:
    """Ids count from ``first``: 0 in Label Studio, 1 in CVAT."""
    boxes = [(i, LABELS.index(label), box) for i, of in enumerate(TRUTH.values()) for label, box in of]
    content = {
        "images": [
            {"id": i + first, "file_name": before + name, "width": WIDTH, "height": HEIGHT}
            for i, name in enumerate(TRUTH)
        ],
        "categories": [{"id": i + first, "name": label} for i, label in enumerate(LABELS)],
        "annotations": [
            {"id": n, "image_id": i + first, "category_id": k + first, "segmentation": [], "iscrowd": 0}
            | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            for n, (i, k, (x1, y1, x2, y2)) in enumerate(boxes)
        ],
    }
    _write(file, json.dumps(content))


def _yolo(name: str) -> str:
    rows = [
        (LABELS.index(label), (x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
        for label, (x1, y1, x2, y2) in TRUTH[name]
    ]
    return "".join(f"{' '.join(map(str, row))}\n" for row in rows)


def _voc(name: str, before: str = "") -> str:
    objects = "".join(
        f"<object><name>{label}</name><difficult>0</difficult><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        + "</bndbox></object>"
        for label, box in TRUTH[name]
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{before}{name}</filename>{size}{objects}</annotation>"


def _percent(name: str) -> list[dict[str, Any]]:
    return [
        {"x": 100 * x1 / WIDTH, "y": 100 * y1 / HEIGHT, "width": 100 * (x2 - x1) / WIDTH, "rotation": 0}
        | {"height": 100 * (y2 - y1) / HEIGHT, "rectanglelabels": [label]}
        for label, (x1, y1, x2, y2) in TRUTH[name]
    ]


# -------------------------------------------------------------------------------------------------------- what is read


def studio_coco(folder: Path) -> None:
    _coco(folder / "result.json", f"images/{UPLOADED}", 0)
    _images(folder / "images", UPLOADED)


def studio_coco_beside_own_images(folder: Path) -> None:
    _coco(folder / "result.json", f"images/{UPLOADED}", 0)
    _images(folder)


def studio_yolo(folder: Path) -> None:
    _write(folder / "classes.txt", "\n".join(LABELS))
    _write(folder / "notes.json", json.dumps({"categories": [], "info": {"contributor": "Label Studio"}}))
    _images(folder / "images", UPLOADED)
    for name in TRUTH:
        _write(folder / "labels" / f"{UPLOADED}{Path(name).stem}.txt", _yolo(name))


def studio_voc(folder: Path) -> None:
    _images(folder / "images", UPLOADED)
    for name in TRUTH:
        _write(folder / "Annotations" / f"{UPLOADED}{Path(name).stem}.xml", _voc(name, UPLOADED))


def cvat_coco(folder: Path) -> None:
    _coco(folder / "annotations" / "instances_default.json", "", 1)
    _images(folder / "images" / "default")


def cvat_voc(folder: Path) -> None:
    _images(folder / "JPEGImages")
    _write(folder / "ImageSets" / "Main" / "default.txt", "a\nb\nc\n")
    _write(folder / "labelmap.txt", "# label:color_rgb:parts:actions\ncyst:250,50,83::\nnodule:51,221,255::\n")
    for name in TRUTH:
        _write(folder / "Annotations" / f"{Path(name).stem}.xml", _voc(name))


def cvat_yolo(folder: Path) -> None:
    _images(folder / "obj_train_data")
    _write(folder / "obj.names", "\n".join(LABELS))
    _write(folder / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    _write(folder / "train.txt", "".join(f"data/obj_train_data/{name}\n" for name in TRUTH))
    for name in TRUTH:
        _write(folder / "obj_train_data" / f"{Path(name).stem}.txt", _yolo(name))


def studio_json(folder: Path) -> None:
    _images(folder)
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    about = {"type": "rectanglelabels", "from_name": "label", "to_name": "image", "origin": "manual", **size}
    tasks = [
        {
            "id": i,
            "data": {"image": f"/data/upload/1/{UPLOADED}{name}"},
            "annotations": [
                {
                    "id": i,
                    "completed_by": 1,
                    "was_cancelled": False,
                    "result": [{"id": f"r{n}", **about, "value": value} for n, value in enumerate(_percent(name))],
                }
            ],
            "predictions": [],
        }
        for i, name in enumerate(TRUTH)
    ]
    _write(folder / "project-1.json", json.dumps(tasks))


def studio_json_min(folder: Path) -> None:
    _images(folder)
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    tasks = [
        {"image": f"/data/upload/1/{UPLOADED}{name}", "id": i, "annotator": 1, "annotation_id": i, "lead_time": 3.5}
        | ({"label": [{**value, **size} for value in _percent(name)]} if TRUTH[name] else {})
        for i, name in enumerate(TRUTH)
    ]
    _write(folder / "project-1.json", json.dumps(tasks))


def cvat_xml(folder: Path) -> None:
    _images(folder / "images")
    lines = ["<?xml version='1.0' encoding='utf-8'?>", "<annotations><version>1.1</version><meta><task/></meta>"]
    for i, name in enumerate(TRUTH):
        lines.append(f'<image id="{i}" name="{name}" width="{WIDTH}" height="{HEIGHT}">')
        for label, box in TRUTH[name]:
            sides = " ".join(f'{k}="{v:.2f}"' for k, v in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True))
            lines.append(f'<box label="{label}" source="manual" occluded="0" {sides} z_order="0"></box>')
        lines.append("</image>")
    _write(folder / "annotations.xml", "\n".join([*lines, "</annotations>"]))


READ = (
    *(studio_coco, studio_coco_beside_own_images, studio_yolo, studio_voc, studio_json, studio_json_min),
    *(cvat_coco, cvat_voc, cvat_yolo, cvat_xml),
)


@pytest.mark.parametrize("export", READ, ids=lambda export: export.__name__)
def test_exports_that_are_read(export: Callable[[Path], None], tmp_path: Path) -> None:
    """Every box at its place, and the image without one free of findings."""
    export(tmp_path / "set")
    summary = ingest(tmp_path / "set", "auto", tmp_path / "out")
    assert (summary.records, summary.findings, summary.rejected) == (3, 3, 0)
    for record in read_jsonl(summary.records_file, Record):
        name = Path(record.image).name.removeprefix(UPLOADED)
        boxes = {f.label: f.box for f in record.findings}
        assert boxes == {label: pytest.approx(box, abs=0.01) for label, box in TRUTH[name]}
        assert record.completeness == "exhaustive"


def test_all_of_a_yolo_export_of_cvat_is_called_training(tmp_path: Path) -> None:
    cvat_yolo(tmp_path / "set")
    assert ingest(tmp_path / "set", "auto", tmp_path / "out").splits == {"train": 3}
