"""A small folder in the layout of BUSI: images of three kinds, one with two masks, masks of several types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: Lesions of each image, as rectangles.
IMAGES: dict[str, list[tuple[int, int, int, int]]] = {
    "benign (1)": [(10, 12, 30, 28)],
    "benign (2)": [(6, 6, 20, 20), (34, 22, 56, 40)],
    "benign (3)": [(20, 10, 44, 34)],
    "malignant (1)": [(14, 8, 50, 40)],
    "malignant (2)": [(24, 16, 44, 30)],
    "normal (1)": [],
    "normal (2)": [],
    "normal (3)": [],
}


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, lesions in IMAGES.items():
        place = folder / "Dataset_BUSI_with_GT" / name.split()[0]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 200, (48, 64, 3), np.uint8)).save(place / f"{name}.png")
        for n, (x1, y1, x2, y2) in enumerate(lesions or [(0, 0, 0, 0)]):
            mask = np.zeros((48, 64), bool)
            mask[y1:y2, x1:x2] = True
            array = np.stack([mask * np.uint8(255)] * 3, 2) if "malignant" in name else mask
            Image.fromarray(array).save(place / f"{name}_mask{f'_{n}' if n else ''}.png")
