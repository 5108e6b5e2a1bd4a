"""MS-CXR: phrases of reports, each with the boxes on the radiograph where it is seen.

Its images are those of MIMIC-CXR-JPG, which lie below the data folder or in that of ``--images``. Boxes are xywh in
pixels of the original image; of a copy that was made smaller they are scaled. An image has the boxes of several
phrases, and a phrase several boxes: all findings of one phrase on one image are its places.

MS-CXR's own split calls some images training that MIMIC calls test: where MIMIC's table is here it counts. Not
verified: which keys of the JSON state an image's size, so all that may are tried.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number, parse_all
from unveil.ingest.rows import rows
from unveil.ingest.sets import mimic

#: Of the name of an image, which may be here as another kind of file.
_ENDING = re.compile(r"\.(jpe?g|png|dcm)$", re.IGNORECASE)
COLUMNS = ("dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h")


@dataclass(frozen=True)
class _Place:
    """One box of one phrase, as it is written."""

    image: str
    label: str
    phrase: str
    xywh: Sequence[Any]
    size: tuple[Any, Any]
    split: str


def found(folder: Folder) -> list[Path]:
    """The tables and JSON files, the newest version first, and of one version the table, which says more."""
    files = folder.named("ms_cxr_local_alignment_v*.csv", "ms_cxr_local_alignment_v*.json")
    return sorted(files, key=lambda path: (_version(path), path.suffix.lower() == ".csv"), reverse=True)


def _version(path: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", path.stem)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a phrase is grounded in."""
    files = list(filter(folder.asked, found(folder)))
    if not files:
        raise IngestError("no MS_CXR_Local_Alignment_v*.csv or .json")
    path, *others = files
    for other in others:
        folder.note(f"not read, since {folder.relative(path)} says as much or more", folder.relative(other))
    file, official = folder.relative(path), mimic.splits(folder)
    if not official:
        folder.note("MIMIC's table of splits is not here: the split is MS-CXR's own, which differs from it")
    of_image: dict[str, list[tuple[int, _Place]]] = defaultdict(list)
    for row, place in _table(folder, path) if path.suffix.lower() == ".csv" else _json(folder, path):
        if isinstance(place, _Place):
            of_image[place.image].append((row, place))
        else:
            yield Rejected(file, row, place)
    for name, places in of_image.items():
        try:
            image = folder.open(folder.find(_ENDING.sub("", name), path.parent))
            yield from _record(folder, file, image, places, official)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(file, places[0][0], str(error), len(places))


def _record(
    folder: Folder, file: str, image: Image, places: Sequence[tuple[int, _Place]], official: Mapping[str, Split]
) -> Iterator[Record | Rejected]:
    findings, bad = parse_all(places, lambda place: _finding(folder, place, image), file)
    yield from bad
    first = places[0][1]
    patient, study = mimic.whose(first.image)
    split = _split(folder, first, official)
    known = {"patient": patient, "study": study, "split": split, "language": "en"}
    yield folder.record(image, findings, "partial", bool(bad), **known)


def _table(folder: Folder, path: Path) -> Iterator[tuple[int, _Place]]:
    for row, cells in rows(folder, path, COLUMNS):
        size = cells.get("image_width"), cells.get("image_height")
        name = cells["path"] or cells["dicom_id"]
        xywh = [cells[side] for side in "xywh"]
        yield row, _Place(name, cells["category_name"], cells["label_text"], xywh, size, cells.get("split", ""))


def _json(folder: Folder, path: Path) -> Iterator[tuple[int, _Place | str]]:
    """The boxes, or why one cannot be used. Raises ``IngestError`` where a list of the three is missing."""
    content = folder.json(path)
    content = content if isinstance(content, dict) else {}
    lists = ("images", "annotations", "categories")
    if missing := [name for name in lists if not isinstance(content.get(name), list)]:
        raise IngestError(f"{folder.relative(path)}: lists of {listed(missing)} are needed; it has {listed(content)}")
    images = {str(entry.get("id")): entry for entry in content["images"] if isinstance(entry, dict)}
    names = {str(entry.get("id")): entry.get("name") for entry in content["categories"] if isinstance(entry, dict)}
    for row, entry in enumerate(content["annotations"], 1):
        try:
            yield row, _annotation(entry, images, names)
        except AnnotationError as error:
            yield row, str(error)


def _annotation(entry: Any, images: Mapping[str, Any], names: Mapping[str, Any]) -> _Place:
    if not isinstance(entry, dict) or not isinstance(entry.get("bbox"), list) or len(entry["bbox"]) != 4:
        raise AnnotationError(f"an annotation with a bbox of four numbers is needed, not {quoted(entry)}")
    image = images.get(str(entry.get("image_id")))
    name = (image.get("path") or image.get("file_name")) if image else None
    if image is None or not isinstance(name, str):
        raise AnnotationError(f"image_id {quoted(entry.get('image_id'))} is no image with a path")
    sizes = [(where.get(f"{of}width"), where.get(f"{of}height")) for of in ("image_", "") for where in (image, entry)]
    known = [size for size in sizes if all(size) and list(size) != entry["bbox"][2:]]  # else it is that of the box
    label, split = names.get(str(entry.get("category_id"))), entry.get("split") or image.get("split") or ""
    phrase, size = entry.get("label_text"), known[0] if known else (None, None)
    return _Place(name, str(label or ""), str(phrase or ""), entry["bbox"], size, str(split))


def _finding(folder: Folder, place: _Place, image: Image) -> Finding:
    if not place.label or not place.phrase:
        raise AnnotationError(
            f"a category and a phrase are needed, not {quoted(place.label)} and {quoted(place.phrase)}"
        )
    x, y, w, h = (number(value, side) for value, side in zip(place.xywh, "xywh", strict=True))
    width, height = place.size
    stated = (number(width, "image_width"), number(height, "image_height")) if width and height else None
    box = mimic.scaled(folder, geometry.from_xywh(x, y, w, h), stated, image)
    return replace(boxed(place.label, box, image), phrase=place.phrase)


def _split(folder: Folder, place: _Place, official: Mapping[str, Split]) -> Split | None:
    """MIMIC's, else its own."""
    own, mimics = SPLIT_NAMES.get(place.split.lower()), official.get(PurePosixPath(place.image).stem)
    if own and mimics and own != mimics:
        folder.note("images that MS-CXR puts into another split than MIMIC, which counts", place.image)
    return mimics or own


FORMAT = Format(
    "ms-cxr",
    read,
    "MS_CXR_Local_Alignment_v*.csv or .json",
    found,
    (".csv", ".json"),
    DataSet(
        "ms-cxr",
        "MS-CXR",
        "X-ray",
        ("labels", "boxes", "phrases", "patients", "splits"),
        "partial",
        "credentialed",
        None,
        "https://physionet.org/content/ms-cxr/",
        "Boecking et al., Making the Most of Text Semantics to Improve Biomedical Vision-Language Processing, 2022, "
        "arXiv 2204.09817",
        (
            Download("**/MS_CXR_Local_Alignment_v*.{csv,json}", "phrases and boxes"),
            Download("**/files/p1*/p*/s*/*.jpg", "the images, from MIMIC-CXR-JPG (or --images)"),
            Download("**/mimic-cxr-*-split.csv{,.gz}", "MIMIC's split, which goes before its own", needed=False),
        ),
        benchmark=True,
        notes=(
            "Images are those of MIMIC-CXR: train on no patient of its test split.",
            "A phrase may have several boxes on an image: they are scored together.",
            "Only what a phrase was chosen for is marked, so that no image counts as normal.",
        ),
    ),
)
