"""A small folder in the layout of object-CXR: rectangles, an ellipse, a polygon, and images without an object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: What the cell of each image holds.
TRAIN = {
    "00001.jpg": "0 10 20 30 40;1 36 10 56 26",
    "00002.jpg": "",
    "00003.jpg": "2 10 10 30 10 30 30 10 30",
    "00004.jpg": "0 12 12 20 40",
    "00005.jpg": "",
    "00006.jpg": "0 30 30 50 44",
}
DEV = {"08001.jpg": "1 20 20 44 50", "08002.jpg": "", "08003.jpg": "0 8 8 24 30"}


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, rows in (("train", TRAIN), ("dev", DEV)):
        (folder / split).mkdir(parents=True)
        for name in rows:
            Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(folder / split / name)
        lines = ["image_name,annotation", *(f"{name},{cell}" for name, cell in rows.items()), ""]
        (folder / f"{split}.csv").write_text("\n".join(lines))
