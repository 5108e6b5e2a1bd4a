"""A small folder in KiTS23's layout: eight cases, whose header is as counted in cases 0, 1, 160 and 588.

Axes are (slices, rows, columns), which run downwards, forwards and to the left ("IPL" by nibabel's letters), only the
sform is set, and label maps are uint8. Images are float64, as the test of the authors' own repository has them (others
report int16), and one case has more columns than rows.
"""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np

CASES = (0, 1, 2, 160, 299, 400, 401, 588)
#: Kidney, tumor and cyst in voxels (slices, rows, columns), half-open, of every case.
KIDNEY = ((2, 6), (10, 30), (8, 24))
TUMOR = ((3, 5), (12, 20), (10, 16))
CYST = ((3, 4), (22, 26), (18, 22))
SPACING = (3.0, 0.8, 0.7)


def volume(case: int) -> tuple[np.ndarray, np.ndarray]:
    """Values in Hounsfield units and labels, (slices, rows, columns)."""
    shape = (8, 48, 64 if case == 160 else 48)
    values = np.random.default_rng(case).normal(0, 15, shape)
    labels = np.zeros(shape, np.uint8)
    for label, box, level in ((1, KIDNEY, 160.0), (2, TUMOR, 60.0), (3, CYST, 5.0)):
        place = tuple(slice(*ends) for ends in box)
        labels[place] = label
        values[place] += level
    values[:, :3] = -1000
    return values, labels


def affine(case: int) -> np.ndarray:
    """Columns lead right to left, rows front to back, slices downwards; the origin is arbitrary."""
    matrix = np.zeros((4, 4))
    matrix[0, 2], matrix[1, 1], matrix[2, 0] = (-step for step in reversed(SPACING))
    matrix[:, 3] = (case, -20.5, 100, 1)
    return matrix


def save(path: Path, array: np.ndarray, case: int) -> None:
    image = nibabel.Nifti1Image(array, affine(case))
    image.set_sform(affine(case), 1)
    image.set_qform(None, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def write(folder: Path) -> None:
    """``dataset/case_00000/{imaging,segmentation}.nii.gz`` with instances beside, and the table of the diagnoses."""
    for case in CASES:
        values, labels = volume(case)
        root = folder / "dataset" / f"case_{case:05}"
        save(root / "imaging.nii.gz", values, case)
        save(root / "segmentation.nii.gz", labels, case)
        save(root / "instances" / "tumor_instance-1_annotation-1.nii.gz", (labels == 2).astype(np.uint8), case)
    rows = [
        {"case_id": f"case_{case:05}", "malignant": True, "tumor_histologic_subtype": "clear_cell_rcc"}
        for case in CASES
    ]
    (folder / "dataset" / "kits23.json").write_text(json.dumps(rows))
