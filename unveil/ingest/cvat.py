"""CVAT's own XML, "for images" and "for video" 1.1: boxes, polygons, ellipses and masks in pixels, and tags.

Boxes and ellipses may be turned clockwise about their centre. A track is one object through the frames of a video, with
a shape in each; where it is ``outside``, there is none. Its frames are ``frame_000000.png`` and so on, as CVAT exports
them. Key points, lines, skeletons and cuboids are not read: an image that has some is not complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from unveil.core import pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import quoted, shortened
from unveil.ingest import outlines
from unveil.ingest.folder import Folder
from unveil.ingest.outlines import Shape
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, Incomplete, Rejected, number
from unveil.ingest.xml_files import root_of

LOOKED_FOR = "CVAT's XML with <annotations>"
SHAPES = ("box", "polygon", "ellipse", "mask", "tag")

_ANNOTATIONS = re.compile(rb"<annotations[\s>]")


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_opens_annotations, ".xml")


def _opens_annotations(path: Path) -> bool:
    with path.open("rb") as file:
        return _ANNOTATIONS.search(file.read(2**14)) is not None


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that an XML file lists, and every frame that a track goes through."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        try:
            images = _images(root_of(path, folder.options))
        except AnnotationError as error:
            yield Rejected(folder.relative(path), None, str(error))
            yield from (Incomplete(folder.relative(image)) for image in folder.images)  # it may be about any
            continue
        for row, (image, elements) in enumerate(images, 1):
            place = None
            try:
                beside = path.parent / "images"
                place = folder.find(image.get("name", ""), beside / image.get("subset", ""), beside, path.parent)
                seen.add(place)
                yield from _record(folder, path, row, image, elements, place)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(folder.relative(path), row, str(error), max(1, len(elements)))
                yield from [Incomplete(folder.relative(place))] if place else ()
    yield from folder.unlisted(seen)


def _images(root: Element) -> list[tuple[Element, list[tuple[str, Element]]]]:
    """Each image with the labels and shapes on it. A frame that no <image> names is called as CVAT exports it.

    Frames are numbered within a task: of a project, two images may have one number.
    """
    images = [(image, _labelled(image)) for image in root.iter("image")]
    frames = {_frame(image, image.get("id", "")): elements for image, elements in images}
    for track in root.iter("track"):
        for shape in track:
            if (frame := shape.get("frame")) is None:
                continue
            if not re.fullmatch(r"\d{1,9}", frame):
                raise AnnotationError(f"a track is in the frame {quoted(frame)}, which is no number")
            if (which := _frame(track, frame)) not in frames:
                named = {"name": f"frame_{int(frame):06d}", "subset": track.get("subset", "")}
                images.append((Element("image", named), []))
                frames[which] = images[-1][1]
            if shape.get("outside") != "1":
                frames[which].append((track.get("label", ""), shape))
    return images


def _frame(element: Element, number: str) -> tuple[str, str]:
    """The frame of that number, by the task that an image or a track is of."""
    return element.get("task_id", ""), number


def _labelled(image: Element) -> list[tuple[str, Element]]:
    return [(shape.get("label", ""), shape) for shape in image]


def _record(
    folder: Folder, path: Path, row: int, image: Element, elements: list[tuple[str, Element]], place: Path
) -> Iterator[Record | Rejected]:
    stated = _size(image)
    opened = folder.open(place, stated, "<image>")
    file, shapes, bad = folder.relative(path), [], []
    for label, element in elements:
        if element.tag not in SHAPES:
            unread = "key points, lines, skeletons, cuboids and what else is no area are not read"
            folder.note(f"{unread}: their images are not complete", f"{file}: <{shortened(element.tag)}>")
            continue
        try:
            shapes.append((row, Shape(label, _drawn(element), _words(element))))
        except AnnotationError as error:
            bad.append(Rejected(file, row, str(error)))
    yield from bad
    lost = bool(bad) or any(element.tag not in SHAPES for _, element in elements)
    split: Split | None = None
    if folder.options.splits != "none":
        split = SPLIT_NAMES.get(image.get("subset", "").lower()) or folder.split(place, path)
    yield from outlines.record(folder, file, opened, shapes, lost, split=split)


def _size(image: Element) -> tuple[float, float] | None:
    width, height = (number(image.get(name) or 0, name) for name in ("width", "height"))
    return (width, height) if width and height else None


def _words(element: Element) -> dict[str, str]:
    words = {item.get("name", ""): (item.text or "").strip() for item in element.iter("attribute")}
    words |= {"occluded": "yes"} if element.get("occluded") == "1" else {}
    return {name: text for name, text in words.items() if name and text}


def _drawn(element: Element) -> Callable[[Image], Finding] | None:
    def numbers(*names: str) -> list[float]:
        return [number(element.get(name), name) for name in names]

    if element.tag == "tag":
        return None
    degrees = number(element.get("rotation") or 0, "rotation")
    if element.tag == "box":
        x1, y1, x2, y2 = numbers("xtl", "ytl", "xbr", "ybr")
        return outlines.turned((x1, y1, x2, y2), degrees, ((x1 + x2) / 2, (y1 + y2) / 2))
    if element.tag == "ellipse":
        cx, cy, rx, ry = numbers("cx", "cy", "rx", "ry")
        return outlines.ellipse(cx, cy, rx, ry, degrees)
    if element.tag == "polygon":
        pairs = [pair.split(",") for pair in (element.get("points") or "").split(";")]
        return outlines.polygons([outlines.points(pairs, 3)])
    left, top, width, height = map(int, numbers("left", "top", "width", "height"))
    return lambda image: _mask(element.get("rle") or "", (left, top, width, height), image)


def _mask(rle: str, place: tuple[int, int, int, int], image: Image) -> Finding:
    """A mask by run lengths, row by row within its rectangle, of pixels outside it first."""
    left, top, width, height = place
    if not (0 < width <= image.width and 0 < height <= image.height):
        raise AnnotationError(f"a mask of {width} x {height} does not fit the image")
    lengths = [number(text, "a run length") for text in rle.split(",")]
    if min(lengths) < 0 or sum(lengths) != width * height or any(length % 1 for length in lengths):
        raise AnnotationError(f"the mask's run lengths add up to {sum(lengths):g}, not {width} x {height}")
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, np.asarray(lengths, np.int64))
    return outlines.placed(inside.reshape(height, width), left, top)(image)
