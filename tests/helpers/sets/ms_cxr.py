"""A small folder in MS-CXR's layout with images in MIMIC-CXR-JPG's. All numbers, names and phrases are made up."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw
from tests.helpers.sets.mimic_cxr_jpg import place

WIDTH, HEIGHT = 64, 56
#: DICOM id, subject, study, own split, MIMIC's split, boxes as category, phrase, xywh. The first phrase has two boxes.
#: The third image is training by MS-CXR and test by MIMIC.
IMAGES: tuple[tuple[str, int, int, str, str, tuple[tuple[str, str, tuple[int, int, int, int]], ...]], ...] = (
    ("aaaa0001", 19990001, 59990001, "train", "train", (
        ("Pneumonia", "patchy opacities in both lungs", (8, 10, 20, 24)),
        ("Pneumonia", "patchy opacities in both lungs", (36, 10, 20, 24)),
        ("Cardiomegaly", "enlarged heart", (20, 24, 30, 26)),
    )),
    ("aaaa0002", 19990002, 59990002, "train", "train", (("Edema", "mild edema", (8, 8, 48, 40)),)),
    ("aaaa0003", 19990003, 59990003, "train", "test", (("Pneumothorax", "small apical pneumothorax", (4, 4, 16, 8)),)),
    ("aaaa0004", 19990004, 59990004, "val", "validate", (("Edema", "edema", (8, 8, 40, 40)),)),
    ("aaaa0005", 19990005, 59990005, "test", "test", (("Pneumonia", "left basal opacity", (36, 30, 20, 16)),)),
)  # fmt: skip


def write(folder: Path) -> None:
    """Table and JSON of version 1.1.0, the images, and MIMIC's table of splits."""
    table = ["dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height,split"]
    splits = ["dicom_id,study_id,subject_id,split"]
    for n, (dicom, subject, study, own, official, boxes) in enumerate(IMAGES):
        path = f"{place(subject, study)}/{dicom}.jpg"
        draw(folder / path, WIDTH, HEIGHT, seed=n)
        splits.append(f"{dicom},{study},{subject},{official}")
        for category, phrase, box in boxes:
            table.append(f"{dicom},{category},{phrase},{path},{','.join(map(str, box))},{WIDTH},{HEIGHT},{own}")
    (folder / "MS_CXR_Local_Alignment_v1.1.0.csv").write_text("\n".join(table) + "\n")
    (folder / "MS_CXR_Local_Alignment_v1.1.0.json").write_text(json.dumps(as_json()))
    with gzip.open(folder / "mimic-cxr-2.0.0-split.csv.gz", "wt") as file:
        file.write("\n".join(splits) + "\n")


def as_json() -> dict[str, Any]:
    """Images by their path and without a file_name; the annotations state the image's size."""
    names = sorted({category for *_, boxes in IMAGES for category, _, _ in boxes})
    return {
        "images": [{"id": n, "path": f"{place(s, t)}/{d}.jpg"} for n, (d, s, t, *_) in enumerate(IMAGES)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": 0, "image_id": n, "category_id": names.index(category), "label_text": phrase, "bbox": list(box),
             "width": WIDTH, "height": HEIGHT}
            for n, (*_, boxes) in enumerate(IMAGES)
            for category, phrase, box in boxes
        ],
    }  # fmt: skip
