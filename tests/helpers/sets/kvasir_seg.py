"""A small folder in Kvasir-SEG's layout: six frames of differing sizes, the last without a mask's file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

#: Width, height and boxes of each image: the second has two polyps.
SHAPES = [
    (64, 48, [(10, 8, 30, 24)]),
    (48, 64, [(4, 4, 20, 20), (24, 40, 44, 60)]),
    *((56 + 2 * n, 50, [(12 + n, 10, 34 + n, 30)]) for n in range(4)),
]


def write(folder: Path) -> None:
    """``images``, ``masks`` (JPEG, so that outlines ring) and the boxes in a file of the misspelt name."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rng, boxes = np.random.default_rng(0), {}
    for n, (width, height, places) in enumerate(SHAPES):
        name = f"cju0{n}"
        mask = np.zeros((height, width, 3), np.uint8)
        for x1, y1, x2, y2 in places:
            mask[y1:y2, x1:x2] = 255
        picture = rng.integers(0, 120, mask.shape, np.uint8) + mask // 4
        Image.fromarray(picture).save(folder / "images" / f"{name}.jpg", quality=95)
        if n < len(SHAPES) - 1:
            Image.fromarray(mask).save(folder / "masks" / f"{name}.jpg", quality=60)
        corners = ("xmin", "ymin", "xmax", "ymax")
        boxes[name] = {
            "height": height,
            "width": width,
            "bbox": [{"label": "polyp", **dict(zip(corners, box, strict=True))} for box in places],
        }
    (folder / "kavsir_bboxes.json").write_text(json.dumps(boxes))
