"""A small folder in the layout of NIH ChestX-ray14: twelve images of eight patients in two of the twelve folders.

The images have 64 x 64 pixels in place of 1024 x 1024, so boxes stand in the table 16 times as large. Not verified at
the source: that all images with boxes are in the test list, as they are here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

ENTRIES = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
#: Patient, visit and labels of each image.
IMAGES = [
    (1, 0, "Cardiomegaly|Emphysema"),
    (1, 1, "No Finding"),
    (2, 0, "Hernia"),
    (3, 0, "No Finding"),
    (4, 0, "Mass|Nodule"),
    (4, 1, "No Finding"),
    (5, 0, "Pleural_Thickening"),
    (6, 0, "No Finding"),
    (7, 0, "Infiltration|Effusion"),
    (7, 1, "Atelectasis"),
    (8, 0, "No Finding"),
    (8, 1, "Atelectasis|Pneumothorax"),
]
#: Years that stand in the table for one of them; all others are 58.
AGES = {"00000001_000.png": "411", "00000002_000.png": "093"}
#: Boxes in the frame of 1024 x 1024 pixels, x, y, width, height.
PLACES = {
    "00000007_000.png": ("Infiltrate", (160, 320, 320, 240)),
    "00000007_001.png": ("Atelectasis", (480, 160, 256, 192)),
    "00000008_001.png": ("Atelectasis", (224.5, 547.0, 86.7, 79.2)),
}


def write(folder: Path) -> None:
    rng, entries, names = np.random.default_rng(0), [ENTRIES], []
    for n, (patient, visit, labels) in enumerate(IMAGES):
        name = f"{patient:08}_{visit:03}.png"
        path = folder / ("images_001" if n < 6 else "images_002") / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
        entries.append(f"{name},{labels},{visit},{patient},{AGES.get(name, 58)},M,PA,2682,2749,0.143,0.143")
        names.append(name)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join([*entries, ""]))
    boxes = [f"{name},{label},{','.join(map(str, box))}" for name, (label, box) in PLACES.items()]
    (folder / "BBox_List_2017.csv").write_text("\n".join([BOXES, *boxes, ""]))
    (folder / "train_val_list.txt").write_text("\n".join(names[:8]))
    (folder / "test_list.txt").write_text("\n".join(names[8:]))
