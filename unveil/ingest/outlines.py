"""What the readers of other annotation programs share: outlines, masks in PNG, and the record of an image's marks."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from unveil.core import geometry, pixels
from unveil.core.geometry import Box
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest.consensus import KEEP, agreed
from unveil.ingest.folder import Folder
from unveil.ingest.labels import findings_among, no_place
from unveil.ingest.reading import AnnotationError, Image, Rejected, Traced, boxed, number, outlined, parse_all


@dataclass(frozen=True)
class Shape:
    """What one annotation of another program marks."""

    label: str
    """Its name, "" where the program gave none."""
    drawn: Callable[[Image], Finding] | None = None
    """Makes the finding on the image, without name or words; None for a label of the whole image. Raises what
    ``reading.parse_all`` takes for a wrong annotation."""
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    """What else is said about it."""
    reader: str | None = None
    """Who drew it."""


def record(
    folder: Folder,
    file: str,
    image: Image,
    shapes: Sequence[tuple[int, Shape]],
    lost: bool = False,
    readers: Collection[str] = (),
    rule: str = KEEP,
    **known: Any,
) -> Iterator[Record | Rejected]:
    """The record of an image with all that is marked on it, each with its row; ``lost`` says that not all is told.

    Of several ``readers``, who are all that looked at the image, ``rule`` says which findings count.
    """
    kept, bad = findings_among(
        folder, file, list(shapes), lambda shape: shape.label, lambda shape: _placeless(shape, image)
    )
    findings, wrong = parse_all(kept, lambda shape: _finding(folder, shape, image), file)
    findings, left = agreed(findings, readers, rule)
    yield from (*bad, *wrong)
    yield folder.record(
        *(image, findings, "exhaustive", lost or left or bool(bad or wrong)), readers=tuple(readers), **known
    )


def _placeless(shape: Shape, image: Image) -> bool:
    if shape.drawn is None:
        return True
    try:
        box = shape.drawn(image).box
    except (AnnotationError, geometry.BoxError, geometry.MaskError):
        return False
    return box is None or no_place(box, image, "xyxy", "pixels")


def _finding(folder: Folder, shape: Shape, image: Image) -> Finding:
    label = shape.label or folder.options.default_label
    if not label:
        raise AnnotationError("the annotation has no name; --default-label gives those without one a name")
    finding = shape.drawn(image) if shape.drawn else Finding(label)
    readers = (shape.reader,) if shape.reader else ()
    return dataclasses.replace(finding, label=label, attributes={**finding.attributes, **shape.words}, readers=readers)


def box(corners: Sequence[float]) -> Callable[[Image], Finding]:
    """A rectangle by two corners in pixels, in whatever order."""
    x1, y1, x2, y2 = corners
    ordered = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    return lambda image: boxed("", ordered, image)


def turned(corners: Box, degrees: float, about: tuple[float, float]) -> Callable[[Image], Finding]:
    """A rectangle that was turned clockwise about a point: the box around it, and itself as a mask."""
    return box(corners) if degrees % 360 == 0 else polygons([geometry.turned(corners, degrees, about)])


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Callable[[Image], Finding]:
    """An ellipse, or a circle, as its outline."""
    if rx <= 0 or ry <= 0:
        raise AnnotationError(f"an ellipse needs radii above 0, not {rx:g} and {ry:g}")
    return polygons([geometry.ellipse(cx, cy, rx, ry, degrees)])


def polygons(outlines: Sequence[Sequence[float]], holes: Sequence[Sequence[float]] = ()) -> Callable[[Image], Finding]:
    """Outlines (x, y, x, y, … in pixels) without the holes in them."""

    def drawn(image: Image) -> Finding:
        finding = outlined("", outlines, image)
        if not holes:
            return finding
        inside = geometry.decode_mask(finding.mask or {}) & ~geometry.decode_mask(outlined("", holes, image).mask or {})
        if not inside.any():
            raise AnnotationError("the holes leave nothing of the polygon")
        return Finding("", finding.box, geometry.encode_mask(inside))

    return drawn


def placed(mask_HW: NDArray[np.bool_], left: int, top: int) -> Callable[[Image], Finding]:
    """A mask of a part of the image, whose first pixel is at (``left``, ``top``)."""

    def drawn(image: Image) -> Finding:
        height, width = mask_HW.shape
        if left < 0 or top < 0 or left + width > image.width or top + height > image.height:
            raise AnnotationError(f"a mask of {width} x {height} at ({left}, {top}) leads outside the image")
        whole = np.zeros((image.height, image.width), bool)
        whole[top : top + height, left : left + width] = mask_HW
        return Traced("", geometry.box_of_mask(whole), geometry.encode_mask(whole))

    return drawn


def points(values: Any, least: int = 1) -> list[float]:
    """The x, y, x, y, … of a list of pairs."""
    if not isinstance(values, list) or len(values) < least:
        raise AnnotationError(f"a list of {least} or more points is needed, not {quoted(values)}")
    pairs = [pair for pair in values if isinstance(pair, list) and len(pair) == 2]
    if len(pairs) < len(values):
        raise AnnotationError(f"a point is a list of x and y, not {quoted(next(v for v in values if v not in pairs))}")
    return [number(value, "a coordinate") for pair in pairs for value in pair]


def from_base64(text: Any) -> bytes:
    """The bytes that a text holds."""
    try:
        return base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnnotationError(f"text in base64 is needed, not {quoted(text)}") from error


def png_mask(content: bytes, image: Image) -> NDArray[np.bool_]:
    """A mask that a PNG holds, no larger than the image: what is not 0 or, where it has an alpha channel, is not clear.

    Its size is looked at before a pixel is decoded. Raises ``AnnotationError``.
    """
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise AnnotationError("its mask is no PNG")
    width, height = struct.unpack(">II", content[16:24])
    if width > image.width or height > image.height:
        raise AnnotationError(f"its mask of {width} x {height} pixels is larger than the image")
    try:
        with pixels.reported("the mask", "decoding"), Pillow.open(io.BytesIO(content), formats=("PNG",)) as picture:
            values = np.asarray(picture.getchannel("A") if "A" in picture.getbands() else picture)
    except pixels.ImageError as error:
        raise AnnotationError(str(error)) from error
    return np.asarray(values.any(axis=2) if values.ndim == 3 else values, bool)
