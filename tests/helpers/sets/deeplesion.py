"""A small folder in DeepLesion's layout: eight key slices of six patients, and slices beside them without a row.

Not verified at the source: that 32768 is what is added to Hounsfield units, and what the types mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEADER = (
    "File_name,Patient_index,Study_index,Series_ID,Key_slice_index,Measurement_coordinates,Bounding_boxes,"
    "Lesion_diameters_Pixel_,Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,"
    "Spacing_mm_px_,Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test"
)
#: Patient, slice, split, type, noisy, side of the image, centre of the lesion.
LESIONS = [
    (1, 109, 3, 5, 0, 64, (30, 24)),
    (1, 109, 3, 5, 1, 64, (12, 50)),
    (1, 120, 3, 8, 0, 64, (40, 40)),
    (2, 7, 2, 1, 0, 56, (20, 20)),
    (3, 7, 1, -1, 0, 64, (30, 30)),
    (3, 33, 1, -1, 0, 64, (22, 36)),
    (4, 50, 1, -1, 0, 64, (28, 20)),
    (5, 50, 1, -1, 0, 64, (3, 30)),
    (6, 51, 3, 4, 0, 64, (34, 30)),
]


def row(patient: int, slice_: int, split: int, kind: int, noisy: int, side: int, centre: tuple[int, int]) -> str:
    """A long axis of 12 pixels downwards, a short one of 6 across; the box is 5 pixels wider on each side."""
    x, y = centre
    ends = f"{x}, {y - 6}, {x}, {y + 6}, {x - 3}, {y}, {x + 3}, {y}"
    box = f"{x - 8}, {y - 11}, {x + 8}, {y + 11}"
    cells = [f"{patient:06}_01_01_{slice_:03}.png", str(patient), "1", "1", str(slice_), ends, box, "12, 6"]
    cells += ["0.5, 0.4, 0.5", str(kind), str(noisy), f"{slice_ - 6}, {slice_ + 6}", "0.8, 0.8, 5", f"{side}, {side}"]
    cells += ["-175, 275", "F", "62", str(split)]
    return ",".join(f'"{cell}"' if "," in cell else cell for cell in cells)


def write(folder: Path) -> None:
    """``Images_png`` with PNG of 16 bits, whose values are Hounsfield units and 32768, and the table."""
    rng = np.random.default_rng(0)
    for patient, slice_, _, _, _, side, (x, y) in LESIONS:
        for number in (slice_, slice_ + 1):
            path = folder / "Images_png" / f"{patient:06}_01_01" / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                units = rng.integers(-20, 60, (side, side))
                units[:4] = -1024
                units[max(y - 5, 0) : y + 5, max(x - 3, 0) : x + 3] = 180
                Image.fromarray((units + 32768).astype(np.uint16)).save(path)
    (folder / "DL_info.csv").write_text("\n".join([HEADER, *(row(*lesion) for lesion in LESIONS), ""]))
