"""DOTA's oriented boxes: a text file for each image, ``x1 y1 x2 y2 x3 y3 x4 y4 name difficult`` in pixels a line.

The finding is the box around the four corners, with the turned box itself as its mask. Lines before the first box
(``imagesource:``, ``gsd:``) say nothing about findings. The files lie in ``labelTxt`` beside ``images``, or beside the
images themselves; one without a box says that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest import outlines
from unveil.ingest.folder import Folder
from unveil.ingest.outlines import Shape
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, number

LOOKED_FOR = "DOTA's label files (eight numbers and a name a line)"

_HEADER = re.compile(r"(imagesource|gsd)\s*:", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_ROW = re.compile(rf"(?:{_NUMBER}\s+){{8}}(?!{_NUMBER}(?:\s|$))\S", re.IGNORECASE)


def found(folder: Folder) -> list[Path]:
    """The text files whose first line, but for a header, is such a box."""
    return folder.showing(_holds_boxes, ".txt")


def _holds_boxes(path: Path) -> bool:
    with path.open("rb") as file:
        lines = file.read(2**10).decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    return any(_ROW.match(line.strip()) for line in _boxes(lines)[:1])


def _boxes(lines: list[str]) -> list[str]:
    """The lines that are neither empty nor of the header."""
    return [line for line in lines if line.strip() and not _HEADER.match(line.strip())]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image with a label file in the folders of those that hold boxes; one beside them without is rejected."""
    such = {path.parent for path in found(folder)}
    chosen = [path for path in folder.annotations(".txt") if path.parent in such]
    if not chosen:
        raise IngestError(f"{folder.root}: looked for {LOOKED_FOR} and found none")
    seen: set[Path] = set()
    for path in chosen:
        place = None
        try:
            place = folder.find(path.stem, path.parent.parent / "images", path.parent)
            seen.add(place)
            image = folder.open(place)
            file, lines = folder.relative(path), folder.text(path).splitlines()
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
            yield from [Incomplete(folder.relative(place))] if place else ()
            continue
        kept = set(_boxes(lines))
        shapes, bad = [], []
        for row, line in ((row, line) for row, line in enumerate(lines, 1) if line in kept):
            try:
                shapes.append((row, _shape(line)))
            except AnnotationError as error:
                bad.append(Rejected(file, row, str(error)))
        yield from bad
        yield from _record(folder, path, image, place, shapes, bool(bad))
    yield from folder.unlisted(seen)


def _record(
    folder: Folder, path: Path, image: Image, place: Path, shapes: list[tuple[int, Shape]], lost: bool
) -> Iterator[Record | Rejected]:
    yield from outlines.record(folder, folder.relative(path), image, shapes, lost, split=folder.split(place, path))


def _shape(line: str) -> Shape:
    words = line.split()
    if len(words) not in (9, 10):
        raise AnnotationError(f"eight numbers, a name and perhaps 0, 1 or 2 are needed, not {quoted(line)}")
    corners = [number(word, "a corner") for word in words[:8]]
    drawn: Callable[[Image], Finding] = outlines.polygons([corners])
    return Shape(words[8], drawn, {"difficult": "yes"} if words[9:] in (["1"], ["2"]) else {})
