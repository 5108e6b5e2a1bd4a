"""LabelMe: a JSON file for each image, with rectangles, polygons, circles and masks in pixels.

The image is the one that ``imagePath`` names; where it is not there, the copy that the file itself holds
(``imageData``) is written beside the records. Flags of an image that are set are labels without a place. Points and
lines are not read: an image that has some is not complete.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest import outlines
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import ABSENT
from unveil.ingest.outlines import Shape
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, number

LOOKED_FOR = "LabelMe's JSON with shapes and imagePath"
#: Kinds of shapes that mark no area.
UNREAD = ("point", "points", "line", "linestrip", "rotation_line")
#: Bytes at either end of a file, between which the image itself may stand.
LOOKED_AT = 2**14

_KEY = re.compile(rb'"(\w+)"\s*:')


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_has_shapes, ".json")


def _has_shapes(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
        file.seek(max(0, path.stat().st_size - LOOKED_AT))
        keys = {key.decode() for key in _KEY.findall(start + b" " + file.read())}
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and {"shapes", "imagePath"} <= keys


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has a file; an image beside them that has none is rejected."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        about = folder.index.candidates(path.name)
        try:
            content = folder.json(path)
            if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
                raise AnnotationError("an object with imagePath and a list of shapes is needed")
            place, called = _image(folder, path, content)
            seen.add(place)
            about = [place] if called is None else []
            yield from _record(folder, path, content, place, called)
        except (AnnotationError, IngestError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
            seen.update(about)
            yield from (Incomplete(folder.relative(image)) for image in about)
    yield from folder.unlisted(seen)


def _image(folder: Folder, path: Path, content: dict[str, Any]) -> tuple[Path, str | None]:
    """The image, and what it is called where only the file itself holds it."""
    name = content.get("imagePath")
    try:
        return folder.find(name if isinstance(name, str) else path.stem, path.parent), None
    except AnnotationError as error:
        if not content.get("imageData") or not str(error).startswith(ABSENT):
            raise
    called = f"{folder.relative(path)}#imageData"
    return folder.make(called, outlines.from_base64(content["imageData"])), called


def _record(
    folder: Folder, path: Path, content: dict[str, Any], place: Path, called: str | None
) -> Iterator[Record | Rejected]:
    width, height = (number(content.get(name) or 0, name) for name in ("imageWidth", "imageHeight"))
    image = folder.open(place, (width, height) if width and height else None, "imageWidth", called)
    file, shapes, bad, lost = folder.relative(path), [], [], False
    flags = content.get("flags")
    for name in [name for name, on in flags.items() if on is True] if isinstance(flags, dict) else ():
        shapes.append((0, Shape(name)))
    for row, entry in enumerate(content["shapes"], 1):
        if isinstance(entry, dict) and entry.get("shape_type") in UNREAD:
            folder.note("points and lines are not read: their images are not complete", file)
            lost = True
            continue
        try:
            shapes.append((row, _shape(entry)))
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
    yield from bad
    split = folder.split(place if called is None else path, path)
    yield from outlines.record(folder, file, image, shapes, lost or bool(bad), split=split)


def _shape(entry: Any) -> Shape:
    if not isinstance(entry, dict):
        raise AnnotationError(f"a shape is an object, not {quoted(entry)}")
    flags = entry.get("flags")
    words = {name: "yes" for name, on in flags.items() if on is True} if isinstance(flags, dict) else {}
    return Shape(str(entry.get("label") or "").strip(), _drawn(entry), words)


def _drawn(entry: dict[str, Any]) -> Callable[[Image], Finding]:
    kind, corners = entry.get("shape_type") or "polygon", outlines.points(entry.get("points"))
    if kind == "rectangle" and len(corners) == 4:
        return outlines.box(corners)
    if kind == "circle" and len(corners) == 4:  # the centre, and a point on the rim
        radius = math.hypot(corners[2] - corners[0], corners[3] - corners[1])
        return outlines.ellipse(corners[0], corners[1], radius, radius)
    if kind == "mask" and len(corners) == 4:
        content = outlines.from_base64(entry.get("mask"))
        left, top = int(corners[0]), int(corners[1])
        return lambda image: outlines.placed(outlines.png_mask(content, image), left, top)(image)
    if kind in ("polygon", "rectangle", "oriented_rectangle", "rotation") and len(corners) >= 6:
        return outlines.polygons([corners])
    raise AnnotationError(f"a shape of the type {quoted(kind)} with {len(corners) // 2} points is not known")
