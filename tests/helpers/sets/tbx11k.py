"""A small folder in the layout of TBX11K: images of healthy, sick and tuberculous people, of test and of other sets.

Not verified at the source: 512 x 512 pixels (here 64 x 64) and names such as tb/tb0003.png.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Boxes = dict[str, list[tuple[int, int, int, int, int]]]

CATEGORIES = ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis")
#: Image by split: (category id, x, y, width, height) of each box.
IMAGES: dict[str, Boxes] = {
    "train": {
        "health/h0001.png": [],
        "health/h0002.png": [],
        "sick/s0001.png": [],
        "sick/s0002.png": [],
        "tb/tb0003.png": [(1, 8, 10, 20, 16), (2, 36, 12, 18, 24)],
        "tb/tb0005.png": [(1, 30, 30, 20, 20)],
    },
    "val": {"health/h0003.png": [], "sick/s0003.png": [], "tb/tb0007.png": [(2, 12, 20, 24, 24)]},
}
EXTRA: Boxes = {"extra/da+db/train/p001.png": [(1, 4, 4, 20, 20)]}
WITHHELD: Boxes = {"test/test_0001.png": [], "test/test_0002.png": []}


def content(images: Boxes) -> dict[str, Any]:
    return {
        "info": {},
        "licenses": [],
        "categories": [{"id": i, "name": name, "supercategory": "TB"} for i, name in enumerate(CATEGORIES, 1)],
        "images": [{"id": i, "file_name": name, "width": 64, "height": 64} for i, name in enumerate(images, 1)],
        "annotations": [
            {"id": 10 * i + n, "image_id": i, "category_id": kind, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for i, boxes in enumerate(images.values(), 1)
            for n, (kind, *box) in enumerate(boxes)
        ],
    }


def write(folder: Path) -> None:
    root, rng = folder / "TBX11K", np.random.default_rng(0)
    train, val = IMAGES["train"], IMAGES["val"]
    for name in (*train, *val, *EXTRA, *WITHHELD):
        path = root / "imgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    (root / "annotations" / "json").mkdir(parents=True)
    files = {
        "TBX11K_train": train,
        "TBX11K_val": val,
        "TBX11K_trainval": train | val,
        "all_train": train | EXTRA,
        "all_val": val,
        "all_test": WITHHELD,
    }
    for name, images in files.items():
        (root / "annotations" / "json" / f"{name}.json").write_text(json.dumps(content(images)))
    (root / "lists").mkdir()
    (root / "lists" / "TBX11K_train.txt").write_text("\n".join(train))
    (root / "lists" / "TBX11K_val.txt").write_text("\n".join(val))
