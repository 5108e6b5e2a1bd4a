"""Small annotated sets in every format, as tests of readers write them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest

#: What every written data set holds: a.png is 40 x 20 pixels with two boxes, b.png has none.
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
    """An image of the usual size, of which the last hundred bytes are lost."""
    whole = draw(path.with_suffix(".whole.png"))
    path.write_bytes(whole.read_bytes()[:-100])
    whole.unlink()


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
    """Of sets with three rows, one that is bad on purpose is more than a tenth."""
    summary = ingest(root / "data", format, root / "out", Options(**{"allow_rejected": 1.0} | options))
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    return summary, list(read_jsonl(summary.records_file, Record)), rejected
