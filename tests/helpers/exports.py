"""Sound files of other programs' forms about the images of ``inputs``, for mutation: one input holds all of a form."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.helpers.inputs import PICTURES


def _json(value: Any) -> list[bytes]:
    return [json.dumps(value).encode()]


def _mask() -> bytes:
    packed = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(packed, "PNG")
    return packed.getvalue()


def cvat() -> list[bytes]:
    shapes = (
        '<box label="m" xtl="1" ytl="1" xbr="5" ybr="6" rotation="9"><attribute name="a">b</attribute></box>'
        '<polygon label="m" points="1,1;5,1;5,5"/><ellipse label="m" cx="8" cy="6" rx="3" ry="2"/>'
        '<mask label="m" left="2" top="2" width="2" height="2" rle="1,3"/><tag label="t"/>'
    )
    image = f'<image id="0" name="a.png" width="16" height="12" subset="Train">{shapes}</image>'
    return [f"<annotations><version>1.1</version>{image}</annotations>".encode()]


def labelme() -> list[bytes]:
    shapes = [
        {"label": "m", "points": [[1, 1], [5, 6]], "shape_type": "rectangle", "flags": {"f": True}},
        {"label": "m", "points": [[1, 1], [5, 1], [5, 5]], "shape_type": "polygon"},
        {"label": "m", "points": [[8, 6], [8, 8]], "shape_type": "circle"},
        {"label": "m", "points": [[1, 1], [4, 4]], "shape_type": "mask", "mask": base64.b64encode(_mask()).decode()},
    ]
    size = {"imagePath": "a.png", "imageHeight": 12, "imageWidth": 16, "imageData": None, "flags": {"g": True}}
    return _json({"version": "5.0.1", "shapes": shapes, **size})


def supervisely() -> list[bytes]:
    data = base64.b64encode(zlib.compress(_mask())).decode()
    objects = [
        {"classTitle": "m", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [1, 2]}},
        {"classTitle": "m", "geometryType": "rectangle", "points": {"exterior": [[1, 1], [4, 5]], "interior": []}},
        {
            "classTitle": "m",
            "geometryType": "polygon",
            "points": {"exterior": [[1, 1], [4, 1], [4, 5]], "interior": []},
        },
    ]
    return _json({"tags": [{"name": "train"}], "size": {"height": 12, "width": 16}, "objects": objects})


def label_studio() -> list[bytes]:
    about = {"original_width": 16, "original_height": 12, "image_rotation": 0, "from_name": "l", "to_name": "i"}
    box = {"x": 5, "y": 5, "width": 30, "height": 40, "rotation": 10, "rectanglelabels": ["m"]}
    rim = {"points": [[5, 5], [50, 5], [50, 50]], "polygonlabels": ["m"]}
    round_ = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["m"]}
    values = [("rectanglelabels", box), ("polygonlabels", rim), ("ellipselabels", round_)]
    found = [{"id": str(n), "type": kind, "value": value, **about} for n, (kind, value) in enumerate(values)]
    return _json(
        [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "completed_by": 1, "result": found}]}]
    )


def via() -> list[bytes]:
    shapes: list[dict[str, Any]] = [
        {"name": "rect", "x": 1, "y": 1, "width": 4, "height": 5},
        {"name": "ellipse", "cx": 8, "cy": 6, "rx": 3, "ry": 2, "theta": 0.5},
        {"name": "polygon", "all_points_x": [1, 5, 5], "all_points_y": [1, 1, 5]},
    ]
    regions = [{"shape_attributes": shape, "region_attributes": {"label": "m"}} for shape in shapes]
    return _json({"a.png1": {"filename": "a.png", "size": 1, "regions": regions, "file_attributes": {}}})


def dota() -> list[bytes]:
    return [b"imagesource:x\ngsd:1\n1 1 5 1 5 5 1 5 mass 0\n2 2 6 3 5 6 1 5 mass 1\n"]


def rows() -> list[bytes]:
    boxes = {"bbox": [[1, 1, 4, 5]], "categories": ["m"]}
    lines = [
        {"file_name": "a.png", "question": "Q?", "answer": "B", "choices": ["A: x", "B: y"], "split": "train"},
        {"file_name": "b.png", "objects": boxes, "text": "t"},
    ]
    return [b"".join(json.dumps(line).encode() + b"\n" for line in lines)]


def asked() -> list[bytes]:
    return _json([{"image": name, "question": "Q?", "answer": "yes", "answer_type": "CLOSED"} for name in PICTURES])


def turns() -> list[bytes]:
    said = [{"from": "human", "value": "<image>\nQ?"}, {"from": "gpt", "value": "a [0.1, 0.1, 0.5, 0.5]"}]
    return _json([{"id": name, "image": name, "conversations": said} for name in PICTURES])


def marks() -> list[bytes]:
    return [b"image_id,PredictionString\na.png,mass 1.0 1 1 5 6 nodule 0.5 2 2 8 8\nb.png,mass 1.0 1 1 5 6\n"]


def parquet() -> list[bytes]:
    packed = io.BytesIO()
    rows = [{"image": {"bytes": raw, "path": name}, "question": "Q?", "answer": "a"} for name, raw in PICTURES.items()]
    pq.write_table(pa.Table.from_pylist(rows), packed)
    return [packed.getvalue()]


def arrow() -> list[bytes]:
    packed, held = io.BytesIO(), pa.table({"image": list(PICTURES), "question": ["Q?"] * 2, "answer": ["a"] * 2})
    with pa.ipc.new_stream(packed, held.schema) as out:
        out.write_table(held)
    return [packed.getvalue()]


def pickles() -> list[bytes]:
    value = [{"image": "a", "question": "Q?", "answer": "yes"}, {"image": "b", "question": "Q?", "answer": "é"}]
    return [pickle.dumps(value, protocol) for protocol in range(6)]


def own_records() -> list[bytes]:
    finding = {"label": "mass", "box": [1.0, 1.0, 5.0, 6.0], "mask": {"size": [12, 16], "counts": "=5700000S4"}}
    row = {"width": 16, "height": 12, "findings": [finding], "completeness": "exhaustive", "sections": {"a": "b"}}
    rows = [{"id": name, "image": name, **row, "source": {"dataset": "d", "file": name}} for name in PICTURES]
    return [b"".join(json.dumps(row).encode() + b"\n" for row in rows)]


def reviewed_tasks() -> list[bytes]:
    """Of Label Studio about ``own_records``, signed."""
    tasks = json.loads(label_studio()[0])
    tasks[0]["data"] |= {"record": "a.png", "sha256": "0"}
    tasks[0]["annotations"][0] |= {"lead_time": 3.5, "was_cancelled": False, "updated_at": "2026-01-01"}
    return _json(tasks)
