"""Tables in which one cell holds all that is marked on an image.

Shapes as object-CXR writes them, ``0 x1 y1 x2 y2;1 x1 y1 x2 y2;2 x y x y …``: rectangles, ellipses by the rectangle
around them, polygons. Or boxes as Kaggle's competitions do, ``label confidence x1 y1 x2 y2 label …``. An empty cell
says that its image was looked at and has no finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest.cells import named, negative, remarks
from unveil.ingest.columns import key, naming
from unveil.ingest.folder import Folder
from unveil.ingest.labels import NO_BOX
from unveil.ingest.reading import (
    AnnotationError,
    Image,
    Incomplete,
    IngestError,
    Rejected,
    boxed,
    misfit,
    number,
    outlined,
    parse_all,
)
from unveil.ingest.rows import cells

LOOKED_FOR = "a table with all marks of an image in one cell (annotation, PredictionString)"
#: Columns that hold predictions, and those that may hold shapes, which the cells then tell.
BOXES, SHAPES = frozenset({"predictionstring"}), frozenset({"annotation", "annotations"})
#: Rows that show whether cells hold shapes.
LOOKED_AT = 50
#: What a shape's first number means.
RECTANGLE, ELLIPSE, POLYGON = "0", "1", "2"

_SHAPES = re.compile(r"[012](\s+-?\d+(\.\d+)?){4,}\s*(;.*)?", re.DOTALL)


def found(folder: Folder) -> list[Path]:
    """The tables with such a column."""
    return [path for path in folder.files(".csv", ".tsv") if _columns(folder, path)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a row names."""
    for path in folder.annotations(".csv", ".tsv"):
        if not (columns := _columns(folder, path)):
            continue
        file, (image, held, as_shapes) = folder.relative(path), columns
        table = cells(folder, path, _delimiter(path))
        next(table)
        if as_shapes and folder.options.default_label is None:
            raise IngestError(f"{file}: nothing names what the shapes show: say --default-label NAME")
        if not as_shapes:
            _check_labels(folder, file, path, held)
        for line, row in table:
            try:
                name, cell = (row[i] if i < len(row) else "" for i in (image, held))
                place = folder.find(name, path.parent / path.stem, path.parent)
                yield from _record(folder, file, line, cell, as_shapes, place, path)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(file, line, f"image {quoted(row[image] if image < len(row) else '')}: {error}")


def _columns(folder: Folder, path: Path) -> tuple[int, int, bool] | None:
    """The columns of the image and of its marks, and whether these are shapes; None for another table."""
    try:
        table = cells(folder, path, _delimiter(path))
        _, header = next(table, (1, []))
        keys = [key(name) for name in header]
        images = naming(header, folder.options)
        held = next((i for i, name in enumerate(keys) if name in BOXES | SHAPES and i not in images), None)
        if held is None or not images:
            return None
        if keys[held] in BOXES:
            return images[0], held, False
        said = [row[held] for (_, row), _ in zip(table, range(LOOKED_AT), strict=False) if held < len(row)]
    except IngestError:
        return None
    return (images[0], held, True) if any(said) and all(map(_SHAPES.fullmatch, filter(None, said))) else None


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _check_labels(folder: Folder, file: str, path: Path, held: int) -> None:
    """Raises ``IngestError`` where labels are numbers that nobody names."""
    labels = set()
    for _, row in cells(folder, path, _delimiter(path)):
        labels.update((row[held] if held < len(row) else "").split()[::6])
    try:
        remarks(labels - {"PredictionString"}, folder.options)
    except IngestError as error:
        raise IngestError(f"{file}: {error}") from error


def _record(
    folder: Folder, file: str, line: int, cell: str, as_shapes: bool, place: Path, path: Path
) -> Iterator[Record | Rejected]:
    image = folder.open(place)
    if as_shapes:
        findings, bad = marked(shapes(cell), str(folder.options.default_label), image, file, line)
    else:
        findings, bad = _predictions(folder, cell, image, file, line)
    yield from bad
    free = not findings and not bad
    yield folder.record(
        image, findings, "exhaustive" if free else "unknown", bool(bad), split=folder.split(place, path)
    )


def shapes(cell: str) -> list[list[str]]:
    """The numbers of each shape; none in an empty cell."""
    return [parts for text in cell.split(";") if (parts := text.split())]


def marked(
    some: Sequence[Sequence[str]], label: str, image: Image, file: str, line: int
) -> tuple[list[Finding], list[Rejected]]:
    """The findings of shapes, and those that are none."""
    return parse_all([(line, numbers) for numbers in some], lambda numbers: shaped(label, numbers, image), file)


def shaped(label: str, numbers: Sequence[str], image: Image) -> Finding:
    """A finding of one shape: a box, and of ellipses and polygons the mask.

    Raises ``AnnotationError`` or ``BoxError`` for what is no shape within the image.
    """
    kind, *values = numbers
    at = [number(value, "a shape") for value in values]
    if kind == POLYGON:
        return outlined(label, [at], image)
    if kind not in (RECTANGLE, ELLIPSE) or len(at) != 4:
        raise AnnotationError(
            f"a shape is 0 or 1 with two corners, or 2 with a polygon, not {quoted(' '.join(numbers))}"
        )
    rectangle = boxed(label, at, image)
    if kind == RECTANGLE:
        return rectangle
    x1, y1, x2, y2 = at
    rim = geometry.ellipse((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
    return Finding(label, rectangle.box, outlined(label, [rim], image).mask)


def _predictions(folder: Folder, cell: str, image: Image, file: str, line: int) -> tuple[list[Finding], list[Rejected]]:
    """The boxes of a cell with their confidences; "no finding" with a box that is none is no finding."""
    parts = cell.split()
    if len(parts) % 6:
        raise AnnotationError(f"label, confidence and four numbers are needed for each box, not {quoted(cell)}")
    good, bad = [], []
    for label, confidence, *box in (parts[i : i + 6] for i in range(0, len(parts), 6)):
        try:
            at, name = [number(value, "the box") for value in box], named(folder.options).get(label, label)
            if not negative(name, folder.options):
                good.append(boxed(name, at, image, confidence=f"{number(confidence, 'the confidence'):g}"))
            elif tuple(at) not in NO_BOX:
                raise AnnotationError(f"says {quoted(name)} and has a box")
            elif len(parts) > 6:
                raise AnnotationError(f"says {quoted(name)}, which other boxes of the image deny")
        except (AnnotationError, geometry.BoxError) as error:
            bad.append(Rejected(file, line, str(error), misfit=misfit(error)))
    return good, bad
