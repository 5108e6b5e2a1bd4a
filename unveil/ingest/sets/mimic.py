"""What the sets on MIMIC-CXR's images have in common: where an image lies, whose it is, its published split.

An image is ``files/p10/p10000000/s50000000/DICOM.jpg``: ten, the patient (subject) and the study, each by its number.
The images may lie apart from the annotations (``--images``), and MIMIC's own tables with either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from unveil.core import geometry
from unveil.core.geometry import Box
from unveil.core.records import Split
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import folded
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image
from unveil.ingest.rows import rows

_PLACE = re.compile(r"(?:^|/)p(\d+)/s(\d+)(?:/|$)")
#: By which the sides of a resized image may differ from the exact ratio, in pixels: sides are whole numbers.
ROUNDING = 1.0


def place(dicom: str, subject: str, study: str) -> str:
    """Where an image lies, without its ending: JPEG, PNG and DICOM have the same name."""
    return f"files/p{subject[:2]}/p{subject}/s{study}/{dicom}"


def whose(path: str) -> tuple[str | None, str | None]:
    """The patient and the study that a path tells."""
    found = _PLACE.search(path)
    return (found[1], found[2]) if found else (None, None)


def is_here(folder: Folder, dicom: str) -> bool:
    """Whether any image of this name is in the folder: of 377,110, users have as many as they could download."""
    return folded(dicom) in folder.index.named


def tables(folder: Folder, *names: str) -> list[Path]:
    """MIMIC's own tables, packed or not, in the data folder or where the images lie."""
    patterns = [pattern for name in names for pattern in (name, f"{name}.gz")]
    apart = folder.index.paths.values() if folder.options.images else ()
    beside = [path for path in apart if any(fnmatchcase(path.name, pattern) for pattern in patterns)]
    return list(dict.fromkeys([*folder.named(*patterns), *beside]))


def splits(folder: Folder) -> dict[str, Split]:
    """The split of each image by its DICOM id, as MIMIC-CXR-JPG publishes it; nothing where its table is not here."""
    found: dict[str, Split] = {}
    for path in tables(folder, "mimic-cxr-*-split.csv"):
        for _, row in rows(folder, path, ("dicom_id", "split")):
            if split := SPLIT_NAMES.get(row["split"].lower()):
                found[row["dicom_id"]] = split
    return found


def scaled(folder: Folder, box: Sequence[float], stated: tuple[float, float] | None, image: Image) -> Box:
    """A box that was drawn on an image of the ``stated`` width and height, in pixels of the copy that is here.

    Raises ``AnnotationError`` where the copy is not the same picture stretched evenly: cropped or padded.
    """
    x1, y1, x2, y2 = box
    size = (image.width, image.height)
    if stated is None or stated == size:
        return x1, y1, x2, y2
    if min(stated) <= 0 or abs(stated[1] * image.width / stated[0] - image.height) > ROUNDING:
        raise AnnotationError(
            f"drawn on {stated[0]:g} x {stated[1]:g} pixels, and the image has {image.width} x {image.height}, which "
            "is another shape: cropped or padded?"
        )
    folder.note("images smaller or larger than they were annotated: their boxes are scaled", image.file)
    return geometry.scale((x1, y1, x2, y2), stated, size)
