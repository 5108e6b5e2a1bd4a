"""The VGG Image Annotator (versions 1 and 2): a project or its annotations in JSON, or its table.

A region has a shape in pixels and attributes, whose names each project chooses: the one that is called label, class,
name or the like names the finding, or the only one there is; the others are words about it. A box of ticks gives a
finding for each tick. Points and lines are not read, nor is what names a whole image: an image that has some is not
complete.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import JsonError, listed, parse_json, quoted
from unveil.ingest import outlines
from unveil.ingest.columns import key
from unveil.ingest.folder import Folder
from unveil.ingest.outlines import Shape
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, number
from unveil.ingest.rows import rows

LOOKED_FOR = "the VGG Image Annotator's JSON or table"
UNREAD = ("point", "polyline", "line")
#: Attributes of a region that name it, those first that do so most surely.
NAMES = ("label", "class", "classname", "category", "name", "type", "finding", "lesion", "object")
LOOKED_AT = 2**16

_KEY = re.compile(r'"(\w+)"\s*:')
COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
#: What is said of a whole image; not every table has it.
WHOLE = "file_attributes"


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_is_via, ".json", ".csv")


def _is_via(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(LOOKED_AT).replace(b"\0", b"").decode("utf-8", "replace")
    if path.suffix.lower() == ".csv":
        return "region_shape_attributes" in start.partition("\n")[0]
    keys = set(_KEY.findall(start))
    return "_via_img_metadata" in keys or "_via_settings" in keys or {"filename", "regions"} <= keys


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of the list; an image beside them that is in none is rejected."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        entries = _table(folder, path) if path.suffix.lower() == ".csv" else _json(folder, path)
        for row, (name, regions, words) in enumerate(entries, 1):
            try:
                place = folder.find(name, path.parent / "images", path.parent)
                seen.add(place)
                yield from _record(folder, path, row, place, regions, words)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(folder.relative(path), row, str(error), max(1, len(regions)))
    yield from folder.unlisted(seen)


def _json(folder: Folder, path: Path) -> Iterator[tuple[str, list[Any], Any]]:
    """The images by their names, each with its regions, which version 1 numbers, and what is said of it as a whole."""
    content = folder.json(path)
    images = content.get("_via_img_metadata", content) if isinstance(content, dict) else content
    if not isinstance(images, dict):
        raise IngestError(f"{folder.relative(path)}: an object of images is needed, not {quoted(images)}")
    for entry in images.values():
        regions = entry.get("regions") if isinstance(entry, dict) else None
        if isinstance(regions, dict):
            regions = list(regions.values())
        if not isinstance(entry, dict) or not isinstance(regions, list):
            yield "", [entry], None
        else:
            yield str(entry.get("filename") or ""), regions, entry.get("file_attributes")


def _table(folder: Folder, path: Path) -> Iterator[tuple[str, list[Any], Any]]:
    """The rows of each image together; one of an image without regions has an empty shape."""
    of_image: dict[str, list[Any]] = {}
    of_whole: dict[str, dict[str, Any]] = {}
    for _, cells in rows(folder, path, COLUMNS):
        regions = of_image.setdefault(cells["filename"], [])
        try:
            shape, words, whole = (parse_json(cells.get(name) or "{}") for name in (*COLUMNS[1:], WHOLE))
        except JsonError as error:
            regions.append(str(error))
            continue
        if isinstance(whole, dict):
            of_whole.setdefault(cells["filename"], {}).update(whole)
        if shape:
            regions.append({"shape_attributes": shape, "region_attributes": words})
    yield from ((name, regions, of_whole.get(name)) for name, regions in of_image.items())


def _record(
    folder: Folder, path: Path, row: int, place: Path, regions: list[Any], words: Any
) -> Iterator[Record | Rejected]:
    image = folder.open(place)
    file, shapes, bad = folder.relative(path), [], []
    naming = [name for name in words if key(name) in NAMES and _texts(words[name])] if isinstance(words, dict) else []
    lost = bool(naming)
    if naming:
        told = "attributes that name a whole image are not read: their images are not complete"
        folder.note(told, f"{file}: {naming[0]} of {image.file}")
    for region in regions:
        try:
            shape, words = _parts(region)
            if shape.get("name") in UNREAD:
                folder.note("points and lines are not read: their images are not complete", file)
                lost = True
                continue
            labels, rest = _names(words)
            drawn = _drawn(shape)
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
            continue
        shapes += [(row, Shape(label, drawn, rest)) for label in labels]
    yield from bad
    yield from outlines.record(folder, file, image, shapes, lost or bool(bad), split=folder.split(place, path))


def _parts(region: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    words = region.get("region_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict) or not isinstance(words or {}, dict):
        raise AnnotationError(f"a region has shape_attributes and region_attributes, not {quoted(region)}")
    return shape, words or {}


def _names(words: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """What a region is called, and what else is said about it."""
    told = {name: texts for name, value in words.items() if (texts := _texts(value))}
    known = {key(name): name for name in told}
    naming = next((known[name] for name in NAMES if name in known), next(iter(told)) if len(told) == 1 else None)
    if told and naming is None:
        raise AnnotationError(f"which of its attributes names the region is not known: {listed(told)}")
    rest = {name: ", ".join(texts) for name, texts in told.items() if name != naming}
    return (told[naming] if naming else [""]), rest


def _texts(value: Any) -> list[str]:
    """The value of an attribute; of ticks, those that are set."""
    if isinstance(value, dict):
        return [str(name) for name, on in value.items() if on]
    return [str(value).strip()] if value not in (None, "") else []


def _drawn(shape: Mapping[str, Any]) -> Callable[[Image], Finding]:
    def numbers(*names: str) -> list[float]:
        return [number(shape.get(name), name) for name in names]

    kind = shape.get("name")
    if kind == "rect":
        x, y, w, h = numbers("x", "y", "width", "height")
        return outlines.box(geometry.from_xywh(x, y, w, h))
    if kind == "circle":
        cx, cy, r = numbers("cx", "cy", "r")
        return outlines.ellipse(cx, cy, r, r)
    if kind == "ellipse":
        cx, cy, rx, ry = numbers("cx", "cy", "rx", "ry")
        return outlines.ellipse(cx, cy, rx, ry, _degrees(shape.get("theta")))
    if kind == "polygon":
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise AnnotationError("a polygon has as many all_points_x as all_points_y")
        return outlines.polygons([outlines.points([list(pair) for pair in zip(xs, ys, strict=True)], 3)])
    raise AnnotationError(f"a region of the shape {quoted(kind)} is not known")


def _degrees(radians: Any) -> float:
    return number(math.degrees(number(radians or 0, "theta")), "theta")
