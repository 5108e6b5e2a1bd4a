"""Published sets that show the same images, by the names that records have in ``source.dataset``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePath
from typing import Literal

from unveil.core.records import Record


@dataclass(frozen=True)
class SharedImages:
    """Two sets that share images."""

    one: str
    other: str
    """May be the same set, where its own parts share images."""
    why: str
    by: Literal["dicom id"] | None = None
    """What tells that two of their images are one, beside the pictures: the same DICOM id as name of the file."""


#: Sets that take their chest X-rays from MIMIC-CXR, and that itself.
MIMIC = ("mimic-cxr-jpg", "mimic-cxr-r2gen", "ms-cxr", "chest-imagenome")

OVERLAPS: tuple[SharedImages, ...] = (
    SharedImages("nih-chestxray14", "rsna-pneumonia", "RSNA annotated images of ChestX-ray14"),
    SharedImages("nih-chestxray14", "medmnist", "ChestMNIST is ChestX-ray14 made smaller"),
    SharedImages("rsna-pneumonia", "medmnist", "ChestMNIST and RSNA both come from ChestX-ray14"),
    SharedImages("tbx11k", "montgomery", "TBX11K's folder extra holds Montgomery"),
    SharedImages("tbx11k", "shenzhen", "TBX11K's folder extra holds Shenzhen"),
    SharedImages("slake", "slake", "the English and the Chinese questions are split apart from one another"),
    SharedImages("llava-med", "pmc-vqa", "both take figures of PubMed Central"),
    *(SharedImages(one, other, "both show images of MIMIC-CXR", "dicom id") for one, other in combinations(MIMIC, 2)),
)

_DICOM_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")


def dicom_id(record: Record) -> str | None:
    """The DICOM id by which MIMIC-CXR, and sets made of it, name the file of an image; None of any other name.

    Five groups of eight hexadecimal digits, which no other set is known to use, whatever the data set was called.
    """
    stem = PurePath(record.source.file or record.image).stem.lower()
    return stem if _DICOM_ID.fullmatch(stem) else None


def between(names: Set[str], others: Set[str]) -> Iterator[SharedImages]:
    """The known overlaps of a set among ``names`` with one among ``others``."""
    for overlap in OVERLAPS:
        one, other = overlap.one, overlap.other
        if (one in names and other in others) or (other in names and one in others):
            yield overlap
