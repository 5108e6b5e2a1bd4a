"""BUSI: ultrasound of the breast, by folders of what is seen (benign, malignant, normal), with a mask for each lesion.

``benign (1).png`` has ``benign (1)_mask.png``, and further lesions ``benign (1)_mask_1.png``. Normal images have an
empty mask, and are free of lesions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.ingest import mask_files, unread
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected

_NAME = re.compile(r"((benign|malignant|normal) ?\(\d+\))(_mask(_\d+)?)?\.png", re.IGNORECASE)
NORMAL = "normal"


def found(folder: Folder) -> list[Path]:
    """The masks."""
    return [path for path in folder.images if (told := _NAME.fullmatch(path.name)) and told[3]]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image with all of its masks."""
    masks: dict[tuple[Path, str], list[Path]] = {}
    images: dict[tuple[Path, str], tuple[Path, str]] = {}
    for path in folder.images:
        if told := _NAME.fullmatch(path.name):
            key = path.parent, told[1].lower()
            if told[3] and folder.asked(path):
                masks.setdefault(key, []).append(path)
            elif not told[3]:
                images[key] = path, told[2].lower()
    if folder.options.annotations:
        images = {key: image for key, image in images.items() if key in masks}
    if not masks:
        raise IngestError(f"looked for masks, such as benign (1)_mask.png, and found none. {unread.held(folder)}")
    for key, (path, kind) in images.items():
        try:
            yield _record(folder, path, kind, sorted(masks.pop(key, [])))
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
    for others in masks.values():
        yield Rejected(folder.relative(others[0]), None, "a mask without its image", len(others))


def _record(folder: Folder, path: Path, kind: str, masks: Sequence[Path]) -> Record:
    image = folder.open(path)
    label = f"{kind} lesion"
    inside = [mask_files.foreground(mask, image) for mask in masks]
    findings = [finding for mask in inside for finding in mask_files.findings(label, mask)]
    if kind == NORMAL and findings:
        raise AnnotationError("lies among the normal images, and its mask marks something")
    lost = kind != NORMAL and (not masks or len(findings) < len(masks))
    if lost and not findings:
        findings = [Finding(label)]  # somewhere
    return folder.record(image, findings, "exhaustive", lost)


FORMAT = Format(
    "busi",
    read,
    "masks such as benign (1)_mask.png",
    found,
    (".png",),
    DataSet(
        "busi",
        "BUSI (Breast Ultrasound Images)",
        "ultrasound",
        ("labels", "boxes", "masks"),
        "exhaustive",
        "open",
        None,
        "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        "Al-Dhabyani et al., Dataset of breast ultrasound images, 2020, doi 10.1016/j.dib.2019.104863",
        (
            Download("**/benign/benign (*).png", "images with benign lesions, and their masks"),
            Download("**/malignant/malignant (*).png", "images with malignant lesions, and their masks"),
            Download("**/normal/normal (*).png", "images without lesions, and their empty masks", needed=False),
        ),
        notes=("There is neither a split nor a patient: copies of an image are joined by `unveil check`.",),
    ),
)
