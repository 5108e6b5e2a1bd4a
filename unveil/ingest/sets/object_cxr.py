"""object-CXR: foreign objects in radiographs of the chest, all marks of an image in one cell.

An empty cell says that there is none. Labels of ``test`` were not distributed with the images: without them figures are
measured on ``dev``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Record
from unveil.core.untrusted import quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.cell_boxes import marked, shapes
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES, measured
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected
from unveil.ingest.rows import has, rows

NAMES = ("train.csv", "dev.csv", "test.csv")
COLUMNS = ("image_name", "annotation")
LABEL = "foreign object"


def found(folder: Folder) -> list[Path]:
    """The tables of the marks."""
    return [path for path in folder.named(*NAMES) if has(folder, path, COLUMNS)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a table names."""
    tables = found(folder)
    if not tables:
        raise IngestError(f"no {', '.join(NAMES)} with the columns {', '.join(COLUMNS)}")
    beside = {path.parent for path in tables}
    tables = [path for path in folder.named(*NAMES) if path.parent in beside]  # a spoilt one tells what it misses
    tables = list(filter(folder.asked, tables))
    splits = {SPLIT_NAMES[path.stem.lower()] for path in tables}
    seen: set[Path] = set()
    for path in tables:
        for item in _table(folder, path, seen):
            yield measured(item, splits) if isinstance(item, Record) else item
    yield from folder.unlisted(seen)


def _table(folder: Folder, path: Path, seen: set[Path]) -> Iterator[Record | Rejected]:
    file, split = folder.relative(path), SPLIT_NAMES[path.stem.lower()]
    for line, cells in rows(folder, path, COLUMNS):
        name, cell = (cells[column] for column in COLUMNS)
        try:
            place = folder.find(name, path.parent / path.stem, path.parent)
            seen.add(place)
            image = folder.open(place)
            findings, bad = marked(shapes(cell), LABEL, image, file, line)
            yield from bad
            yield folder.record(image, findings, "exhaustive", bool(bad), split=split)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(file, line, f"image {quoted(name)}: {error}", max(1, len(shapes(cell))))


FORMAT = Format(
    "object-cxr",
    read,
    "train.csv and dev.csv with image_name and annotation",
    found,
    (".csv",),
    DataSet(
        "object-cxr",
        "object-CXR",
        "X-ray",
        ("labels", "boxes", "masks", "splits"),
        "exhaustive",
        "open",
        None,
        "https://jfhealthcare.github.io/object-CXR/",
        "JF Healthcare, object-CXR: Automatic detection of foreign objects on chest X-rays, MIDL 2020",
        (
            Download("**/train.csv", "the marks of training"),
            Download("**/dev.csv", "the marks of validation"),
            Download("**/{train,dev}/*.jpg", "the images"),
        ),
        notes=(
            "Labels of the test images are withheld, so that those of dev are the test split.",
            "Foreign objects are all that is marked: an image without one may show any disease.",
        ),
    ),
)
