"""A small folder in the layout of the ISIC challenge of 2018: masks of task 1, diagnoses of task 3 for some images.

A table of sex and age, as of the challenge of 2019, stands beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: Of each image the split, the diagnosis if it is known, and the lesion as a rectangle.
IMAGES = {
    "ISIC_0000000": ("Training", "NV", (12, 8, 40, 36)),
    "ISIC_0000001": ("Training", "MEL", (20, 10, 50, 40)),
    "ISIC_0000003": ("Training", None, (8, 8, 30, 30)),
    "ISIC_0000004": ("Training", None, (16, 12, 44, 30)),
    "ISIC_0000006": ("Test", "BCC", (10, 14, 30, 40)),
    "ISIC_0000007": ("Test", None, (22, 6, 52, 40)),
}
COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    tables: dict[str, list[str]] = {}
    for name, (split, diagnosis, (x1, y1, x2, y2)) in IMAGES.items():
        picture = folder / f"ISIC2018_Task1-2_{split}_Input" / f"{name}.jpg"
        mask = folder / f"ISIC2018_Task1_{split}_GroundTruth" / f"{name}_segmentation.png"
        for path in (picture, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        array = np.zeros((48, 64), np.uint8)
        array[y1:y2, x1:x2] = 255
        Image.fromarray(rng.integers(90, 250, (48, 64, 3), np.uint8) - array[:, :, None] // 4).save(picture)
        Image.fromarray(array).save(mask)
        if diagnosis:
            marks = ",".join("1.0" if column == diagnosis else "0.0" for column in COLUMNS)
            tables.setdefault(split, [f"image,{','.join(COLUMNS)}"]).append(f"{name},{marks}")
    about = ["image,age_approx,anatom_site_general,lesion_id,sex", "ISIC_0000000,55.0,anterior torso,,female"]
    (folder / "ISIC_2019_Training_Metadata.csv").write_text("\n".join([*about, "ISIC_0000001,,,,", ""]))
    for split, lines in tables.items():
        path = folder / f"ISIC2018_Task3_{split}_GroundTruth" / f"ISIC2018_Task3_{split}_GroundTruth.csv"
        path.parent.mkdir()
        path.write_text("\n".join([*lines, ""]))
