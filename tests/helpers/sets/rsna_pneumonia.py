"""A small folder in the layout of RSNA's pneumonia challenge: nine images of 64 x 64 pixels in place of 1024 x 1024.

Boxes stand in the table 16 times as large. Not verified at the source: that the header's PatientID is the image's name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.images import dicom

NOT_NORMAL = "No Lung Opacity / Not Normal"
#: Class and boxes of each image, x, y, width, height in 1024 x 1024 pixels.
IMAGES: dict[str, tuple[str, list[tuple[float, float, float, float]]]] = {
    "0004cfab": (NOT_NORMAL, []),
    "000924cf": ("Normal", []),
    "00436515": ("Lung Opacity", [(160.0, 320.0, 240.0, 320.0), (560.0, 320.0, 256.0, 160.0)]),
    "00569f44": ("Normal", []),
    "006cec2e": (NOT_NORMAL, []),
    "00704310": ("Lung Opacity", [(320.0, 480.0, 160.0, 160.0)]),
    "00aecb01": ("Normal", []),
    "00c0b293": ("Lung Opacity", [(480.0, 160.0, 320.0, 480.0)]),
    "00d7c36e": ("Lung Opacity", [(640.0, 640.0, 160.0, 160.0)]),
}


def write(folder: Path) -> None:
    (folder / "stage_2_train_images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    boxes, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    for name, (kind, some) in IMAGES.items():
        pixels = rng.integers(0, 255, (64, 64), np.uint8)
        dicom(folder / "stage_2_train_images" / f"{name}.dcm", pixels, Modality="CR", PatientID=name)
        boxes += [f"{name},{','.join(map(str, box))},1" for box in some] or [f"{name},,,,,0"]
        classes += [f"{name},{kind}"] * max(1, len(some))
    (folder / "stage_2_train_labels.csv").write_text("\n".join([*boxes, ""]))
    (folder / "stage_2_detailed_class_info.csv").write_text("\n".join([*classes, ""]))
