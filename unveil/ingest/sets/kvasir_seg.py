"""Kvasir-SEG: polyps in endoscopy, each image with a mask and its boxes.

Masks are JPEG, so that grey values beside 0 and 255 surround each outline: what is above half is polyp.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest import mask_files
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number, parse_all

#: The name that is published, and the one that is meant.
BOXES = ("kavsir_bboxes.json", "kvasir_bboxes.json")


def found(folder: Folder) -> list[Path]:
    """The file of the boxes."""
    return folder.named(*BOXES)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has an entry; an image beside them that has none is rejected."""
    seen: set[Path] = set()
    for path in filter(folder.asked, found(folder)):
        content = folder.json(path)
        if not isinstance(content, dict):
            raise IngestError(f"{folder.relative(path)}: an object of images by their names is needed")
        masks = {mask.stem: mask for mask in folder.images if mask.parent == path.parent / "masks"}
        for row, (name, entry) in enumerate(content.items(), 1):
            try:
                place = folder.find(f"images/{name}", path.parent)
                if masks.get(place.stem) == place:  # they are called as their images
                    raise AnnotationError(f"only its mask {folder.relative(place)} is here")
                seen.add(place)
                yield from _record(folder, folder.relative(path), row, entry, place, masks.get(name))
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(folder.relative(path), row, f"image {quoted(name)}: {error}")
    yield from folder.unlisted(seen)


def _record(
    folder: Folder, file: str, row: int, entry: Any, place: Path, mask: Path | None
) -> Iterator[Record | Rejected]:
    if not isinstance(entry, dict) or not isinstance(entry.get("bbox"), list):
        raise AnnotationError(f"an object with height, width and bbox is needed, not {quoted(entry)}")
    size = number(entry.get("width"), "width"), number(entry.get("height"), "height")
    image = folder.open(place, size, file)
    inside = None if mask is None else mask_files.foreground(mask, image)
    findings, bad = parse_all([(row, box) for box in entry["bbox"]], lambda box: _finding(box, image, inside), file)
    yield from bad
    yield folder.record(image, findings, "exhaustive", bool(bad))


def _finding(box: Any, image: Image, mask_HW: np.ndarray | None) -> Finding:
    """A box, with the part of the mask that lies within it."""
    if not isinstance(box, dict):
        raise AnnotationError(f"a box is an object with a label and four corners, not {quoted(box)}")
    corners = [number(box.get(name), name) for name in ("xmin", "ymin", "xmax", "ymax")]
    finding = boxed(str(box.get("label") or "polyp"), corners, image)
    return finding if mask_HW is None else mask_files.within(finding, mask_HW)


FORMAT = Format(
    "kvasir-seg",
    read,
    "kavsir_bboxes.json beside images/ and masks/",
    found,
    (".json",),
    DataSet(
        "kvasir-seg",
        "Kvasir-SEG",
        "endoscopy",
        ("labels", "boxes", "masks"),
        "exhaustive",
        "open",
        None,
        "https://datasets.simula.no/kvasir-seg/",
        "Jha et al., Kvasir-SEG: A Segmented Polyp Dataset, 2020, arXiv 1911.07069",
        (
            Download("**/kavsir_bboxes.json", "the boxes (the name is misspelt at its source)"),
            Download("**/images/*.jpg", "1,000 images"),
            Download("**/masks/*.jpg", "their masks", needed=False),
        ),
        notes=(
            "There is no published split and no patient, and frames of one video may be alike: images are dealt to "
            "splits by themselves, and copies are joined by `unveil check`.",
        ),
    ),
)
