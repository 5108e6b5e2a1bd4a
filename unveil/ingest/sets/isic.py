"""ISIC challenges: lesions of the skin, with a mask each (``ISIC_0000000_segmentation.png``), a diagnosis, or both.

The tables of diagnoses have a column of 0 and 1 for each; an image for which all are 0 shows a lesion of another name.
Several images may show one lesion: where the challenge tells, they are one study. Images of test whose truth is
withheld are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core import pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest import mask_files
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES, measured
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected, number
from unveil.ingest.rows import has, rows

TRUTH, GROUPS = "ISIC*GroundTruth*.csv", "ISIC*LesionGroupings*.csv"
#: Tables of sex and age, and what the columns of image and age are called: of 2019, of 2017.
ABOUT, AGED = "ISIC*Metadata*.csv", {"image": "age_approx", "image_id": "age_approximate"}
_IMAGE = re.compile(r"(isic_\d{7})(_downsampled)?\.(jpg|jpeg|png)", re.IGNORECASE)
_MASK = re.compile(r"(isic_\d{7})_segmentation\.png", re.IGNORECASE)
#: What a lesion without a diagnosis is called, and what the columns of the challenges mean.
LESION = "skin lesion"
NAMES = {
    "MEL": "melanoma",
    "NV": "melanocytic nevus",
    "BCC": "basal cell carcinoma",
    "AK": "actinic keratosis",
    "AKIEC": "actinic keratosis or Bowen's disease",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular lesion",
    "SCC": "squamous cell carcinoma",
    "UNK": LESION,
    "melanoma": "melanoma",
    "seborrheic_keratosis": "seborrheic keratosis",
}


def found(folder: Folder) -> list[Path]:
    """The tables of diagnoses, and the masks."""
    return [*folder.named(TRUTH), *(path for path in folder.images if _MASK.fullmatch(path.name))]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has a mask or a diagnosis."""
    labels: dict[str, str] = {}
    broken: set[str] = set()
    for said, name in _diagnoses(folder):
        if isinstance(said, Rejected):
            broken.add(name)
            yield said
        elif said != LESION and labels.get(name, LESION) not in (LESION, said):
            broken.add(name)
            both = f"{quoted(labels[name])} and {quoted(said)}"
            yield Rejected(name, None, f"tables disagree on its diagnosis: {both}; the first counts")
        elif said != LESION or name not in labels:
            labels[name] = said
    lesions = {
        cells["image"].lower(): cells["lesion_id"]
        for path in folder.named(GROUPS)
        for _, cells in rows(folder, path, ("image", "lesion_id"))
    }
    about = _about(folder)
    masks: dict[str, list[Path]] = {}
    images: dict[Path, str] = {}
    for path in folder.images:
        if told := _MASK.fullmatch(path.name):
            if folder.asked(path):
                masks.setdefault(told[1].lower(), []).append(path)
        elif told := _IMAGE.fullmatch(path.name):
            images[path] = told[1].lower()
    known = {path: name for path, name in images.items() if name in masks or name in labels}
    splits = {_split(folder, path) for path in known}
    for path, name in images.items():
        if path not in known:
            folder.note("images without a mask or a diagnosis, left out", folder.relative(path))
            continue
        try:
            more: dict[str, str | None] = {**about.get(name, {}), "study": lesions.get(name)}
            record = _record(folder, path, masks.get(name, []), labels.get(name), name in broken, more)
            yield measured(record, splits)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
    for name in sorted((masks.keys() | labels.keys()) - set(images.values())):
        yield Rejected(name, None, f"no image {quoted(name)}")


def _diagnoses(folder: Folder) -> Iterator[tuple[str | Rejected, str]]:
    """The diagnosis of each image, or why there is none, and the image's name in small letters."""
    for path in filter(folder.asked, folder.named(TRUTH)):
        file = folder.relative(path)
        for line, cells in rows(folder, path, ()):
            image = cells.pop("image", cells.pop("image_id", ""))
            if strange := cells.keys() - NAMES.keys() - {"score_weight", "validation_weight"}:
                raise IngestError(f"{file}: the columns are image and {listed(NAMES)}, not {listed(sorted(strange))}")
            name = image.lower().removesuffix("_downsampled")
            try:
                there = [label for label, cell in cells.items() if label in NAMES and number(cell, label) > 0.5]
                if len(there) > 1:
                    raise AnnotationError(f"{quoted(image)} has several diagnoses, {listed(there)}")
                yield NAMES[there[0]] if there else LESION, name
            except AnnotationError as error:
                yield Rejected(file, line, str(error)), name


def _about(folder: Folder) -> dict[str, dict[str, str]]:
    """The sex and age of each image's patient."""
    return {
        cells[image].lower(): {"sex": cells.get("sex", ""), "age": cells.get(age, "")}
        for path in folder.named(ABOUT)
        for image, age in AGED.items()
        if has(folder, path, (image, age))
        for _, cells in rows(folder, path, (image,))
    }


def _record(
    folder: Folder, path: Path, masks: list[Path], label: str | None, broken: bool, more: Mapping[str, Any]
) -> Record:
    if len(masks) > 1:
        raise AnnotationError(f"several masks are called as it is ({listed(map(folder.relative, masks))})")
    image = folder.open(path)
    findings: list[Finding] = []
    if masks:
        findings = mask_files.findings(label or LESION, mask_files.foreground(masks[0], image))
    if not findings:  # a diagnosis without a place, or a mask that is empty: each image shows a lesion
        findings = [Finding(label or LESION)]
    placed = all(finding.box for finding in findings)
    return folder.record(
        image,
        findings,
        "exhaustive" if placed else "unknown",
        broken or (bool(masks) and not placed),
        split=_split(folder, path),
        **more,
    )


def _split(folder: Folder, path: Path) -> Split | None:
    """As the image's folder is called: ISIC2018_Task1-2_Training_Input."""
    words = re.findall("[a-z]+", folder.relative(path.parent).lower())
    told = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return told.pop() if len(told) == 1 else None


FORMAT = Format(
    "isic",
    read,
    "masks such as ISIC_0000000_segmentation.png, or ISIC…GroundTruth.csv",
    found,
    (".csv", ".png"),
    DataSet(
        "isic",
        "ISIC challenges (2017 to 2019)",
        "dermoscopy",
        ("labels", "boxes", "masks", "splits"),
        "exhaustive",
        "open",
        None,
        "https://challenge.isic-archive.com/data/",
        "Codella et al., Skin Lesion Analysis Toward Melanoma Detection 2018: A Challenge Hosted by the International "
        "Skin Imaging Collaboration (ISIC), 2019, arXiv 1902.03368",
        (
            Download("**/ISIC_*.jpg", "the images, such as ISIC2018_Task1-2_Training_Input"),
            Download("**/ISIC_*_segmentation.png", "a mask for each image, such as Task1_Training_GroundTruth", False),
            Download("**/ISIC*GroundTruth.csv", "the diagnoses, such as ISIC2018_Task3_Training_GroundTruth", False),
            Download("**/ISIC*LesionGroupings.csv", "which images show one lesion", needed=False),
            Download("**/ISIC*Metadata.csv", "sex and age", needed=False),
        ),
        benchmark=True,
        notes=(
            "No patient is known; images of one lesion are one study where a table of lesions is there.",
            "The same images are in several years' challenges, in other splits: `unveil check --against` tells which.",
        ),
    ),
)
