"""Small folders in the layouts of VinDr-CXR: as PhysioNet distributes it (``write``), and as Kaggle (``write_kaggle``).

Not verified at the source: the columns of PhysioNet's tables of labels, of which four stand here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.images import dicom

LABELS = ("Cardiomegaly", "Nodule/Mass", "Pneumonia", "No finding")
#: By image of training and reader: label and box of each row; "" has no box.
Marks = dict[str, dict[str, list[tuple[str, str]]]]
TRAIN: Marks = {
    "0a01": {
        "R8": [("Cardiomegaly", "10,30,50,60"), ("Nodule/Mass", "12,8,20,16")],
        "R9": [("Cardiomegaly", "12,32,50,60")],
        "R10": [("Cardiomegaly", "11,31,50,60"), ("Nodule/Mass", "40,8,48,16")],
    },
    "0a02": {reader: [("No finding", "")] for reader in ("R8", "R9", "R10")},
    "0a03": {
        "R1": [("No finding", "")],
        "R2": [("Nodule/Mass", "20,20,30,30")],
        "R3": [("Pneumonia", ""), ("Nodule/Mass", "20,20,30,31")],
    },
    "0a04": {reader: [("No finding", "")] for reader in ("R1", "R2", "R3")},
    "0a05": {reader: [("Cardiomegaly", "8,30,56,60")] for reader in ("R1", "R2", "R3")},
}
TEST: Marks = {
    "0b01": {"": [("Nodule/Mass", "30,10,44,24"), ("Pneumonia", "")]},
    "0b02": {"": [("No finding", "")]},
    "0b03": {"": [("Cardiomegaly", "8,28,54,58")]},
}


def images(folder: Path, names: list[str]) -> None:
    """DICOM of 12 bits, the first with white as zero."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(sum(map(ord, "".join(names))))
    for n, name in enumerate(names):
        told = {"PhotometricInterpretation": f"MONOCHROME{1 if n == 0 else 2}", "Modality": "DX"}
        told |= {"PatientSex": "F", "PatientAge": "000Y" if n == 0 else "047Y"}
        array = rng.integers(0, 4096, (64, 64), np.uint16)
        dicom(folder / f"{name}.dicom", array, BitsStored=12, HighBit=11, **told)


def write(folder: Path) -> None:
    """``annotations`` and ``image_labels``, by the readers of training and for the consensus of test."""
    (folder / "annotations").mkdir(parents=True)
    for split, marks in (("train", TRAIN), ("test", TEST)):
        images(folder / split, list(marks))
        who = "rad_id," if split == "train" else ""
        local, whole = [f"image_id,{who}class_name,x_min,y_min,x_max,y_max"], [f"image_id,{who}{','.join(LABELS)}"]
        for name, readers in marks.items():
            for reader, rows in readers.items():
                start = f"{name},{reader}," if who else f"{name},"
                local += [f"{start}{label},{box or ',,,'}" for label, box in rows if label != "Pneumonia"]
                whole.append(start + ",".join("1" if label in dict(rows) else "0" for label in LABELS))
        (folder / "annotations" / f"annotations_{split}.csv").write_text("\n".join([*local, ""]))
        (folder / "annotations" / f"image_labels_{split}.csv").write_text("\n".join([*whole, ""]))


def write_kaggle(folder: Path) -> None:
    """``train.csv`` with numbers of the classes, where 14 is that there is no finding; ``test`` without labels."""
    images(folder / "train", list(TRAIN))
    images(folder / "test", ["0c01"])
    lines = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    for name, readers in TRAIN.items():
        for reader, rows in readers.items():
            for label, box in rows:
                number = {"Cardiomegaly": 3, "Nodule/Mass": 8, "No finding": 14}.get(label)
                lines += [f"{name},{label},{number},{reader},{box or ',,,'}"] if number else []
    (folder / "train.csv").write_text("\n".join([*lines, ""]))
    (folder / "sample_submission.csv").write_text("image_id,PredictionString\n0c01,14 1 0 0 1 1\n")
