"""Supervisely: ``ann/IMAGE.json`` beside ``img/IMAGE``, with rectangles, polygons and bitmaps in pixels.

The corners of a rectangle are its first and its last pixel, so that one of the corners (2, 3) and (2, 3) is one pixel.
Polygons may have holes. A bitmap is a PNG that is packed with zlib and written in base64, with the place of its first
pixel. Points, lines and cuboids are not read: an image that has some is not complete. Tags are left out, but for train,
val and test; one without a value says what an image shows, so it is not complete then.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unveil.core import pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import quoted
from unveil.ingest import outlines
from unveil.ingest.folder import Folder
from unveil.ingest.outlines import Shape
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, list_of, number

LOOKED_FOR = "Supervisely's JSON (ann/*.json beside img/)"
READ = ("rectangle", "polygon", "bitmap")
#: Bytes of a bitmap's PNG: one of the largest image that is read, without any packing.
LARGEST = 2**26
LOOKED_AT = 2**16

_KEY = re.compile(rb'"(\w+)"\s*:')


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_is_annotation, ".json")


def _is_annotation(path: Path) -> bool:
    with path.open("rb") as file:
        keys = {key.decode() for key in _KEY.findall(file.read(LOOKED_AT))}
    return {"size", "objects", "height", "width"} <= keys and ("classTitle" in keys or path.parent.name == "ann")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has a file; an image beside them that has none is rejected."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        try:
            content = folder.json(path)
            if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
                raise AnnotationError("an object with size and a list of objects is needed")
            place = folder.find(path.stem, path.parent.parent / "img", path.parent)
            seen.add(place)
            yield from _record(folder, path, content, place)
        except (AnnotationError, IngestError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
            about = folder.index.candidates(path.stem)
            seen.update(about)
            yield from (Incomplete(folder.relative(image)) for image in about)
    yield from folder.unlisted(seen)


def _record(folder: Folder, path: Path, content: dict[str, Any], place: Path) -> Iterator[Record | Rejected]:
    size = content.get("size")
    sides = [number(size.get(name), name) for name in ("width", "height")] if isinstance(size, dict) else None
    image = folder.open(place, (sides[0], sides[1]) if sides else None, "size")
    file, shapes, bad, lost = folder.relative(path), [], [], False
    for row, entry in enumerate(content["objects"], 1):
        kind = entry.get("geometryType") if isinstance(entry, dict) else None
        if kind is not None and kind not in READ:
            folder.note("points, lines and cuboids are not read: their images are not complete", f"{file}: {kind}")
            lost = True
            continue
        try:
            shapes.append((row, _shape(entry)))
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
    yield from bad
    if names := [name for name, value in _tags(content) if value is None and name.lower() not in SPLIT_NAMES]:
        folder.note("tags of whole images are not read: their images are not complete", f"{file}: {names[0]}")
        lost = True
    split = _split(folder, content) or folder.split(place, path)
    yield from outlines.record(folder, file, image, shapes, lost or bool(bad), split=split)


def _tags(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """The tags of an image, each with its value."""
    tags = content.get("tags")
    named = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return [(str(tag.get("name")), tag.get("value")) for tag in named]


def _split(folder: Folder, content: dict[str, Any]) -> Split | None:
    """The split that a tag tells, if one does."""
    told = {SPLIT_NAMES[name.lower()] for name, _ in _tags(content) if name.lower() in SPLIT_NAMES}
    return told.pop() if len(told) == 1 and folder.options.splits != "none" else None


def _shape(entry: Any) -> Shape:
    if not isinstance(entry, dict):
        raise AnnotationError(f"an object with classTitle is needed, not {quoted(entry)}")
    return Shape(str(entry.get("classTitle") or "").strip(), _drawn(entry))


def _drawn(entry: dict[str, Any]) -> Callable[[Image], Finding]:
    bitmap = entry.get("bitmap")
    if isinstance(bitmap, dict):
        content = _unpacked(outlines.from_base64(bitmap.get("data")))
        left, top = (int(value) for value in outlines.points([bitmap.get("origin")]))
        return lambda image: outlines.placed(outlines.png_mask(content, image), left, top)(image)
    where = entry.get("points")
    if not isinstance(where, dict):
        raise AnnotationError(f"an object has points or a bitmap, not {quoted(entry)}")
    outside = outlines.points(where.get("exterior"), 2)
    if entry.get("geometryType") == "rectangle" or (len(outside) == 4):
        (x1, x2), (y1, y2) = sorted(outside[0:4:2]), sorted(outside[1:4:2])
        return outlines.box((x1, y1, x2 + 1, y2 + 1))
    return outlines.polygons(
        [outside], [outlines.points(hole, 3) for hole in list_of(where.get("interior"), "interior")]
    )


def _unpacked(packed: bytes) -> bytes:
    """What zlib has packed, up to a limit."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, LARGEST)
    except zlib.error as error:
        raise AnnotationError(f"a bitmap that cannot be unpacked: {error}") from error
    if unpacking.unconsumed_tail:
        raise AnnotationError(f"a bitmap of more than {LARGEST} bytes")
    return content
