"""Masks that are image files: what of them is foreground, and findings of it, by components or by classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unveil.core import geometry, image_files
from unveil.core.records import Finding
from unveil.core.untrusted import listed, quoted
from unveil.ingest.reading import AnnotationError, Image

#: Half the range of 8 bits: what is above it is foreground in a JPEG, whose outlines ring.
HALF = 127
#: Of what a smoothed mask marks, the largest share of pixels below the top that have no other value around them: these
#: are the inside of another class, while a rim has a slope.
FLAT = 0.1
#: A grey value, a palette's number, or a colour.
Value = int | tuple[int, int, int]
#: Most parts, and most values, of one mask: more are noise, or an image.
MOST = 1000


def size(path: Path) -> tuple[int, int]:
    """Width and height of a mask, which its image must have."""
    header = image_files.probe(path)
    return header.width, header.height


def foreground(path: Path, image: Image) -> NDArray[np.bool_]:
    """Where a mask of one class marks something, (H, W).

    A JPEG is cut at half the range. Any other holds 0 and one further value, as 255 or 1, and perhaps a smooth rim
    between them, which is cut at half. Raises ``AnnotationError`` for one of another size than the image, and for one
    whose values may be several classes.
    """
    grey, lossy = _grey(path), image_files.probe(path).format == "JPEG"
    _check_size(grey, image)
    top = int(grey.max(initial=0))
    if lossy:
        if HALF // 4 < top <= HALF:
            raise AnnotationError(f"its mask is a JPEG whose brightest value is {top}, below half of 255: save it anew")
        inside: NDArray[np.bool_] = grey > HALF
        return inside
    if _of_classes(grey, top):
        held = listed(map(str, np.unique(grey)), 60)
        raise AnnotationError(f"its mask holds several values ({held}): are they classes?")
    return 2 * grey.astype(np.int64) > top


def values(path: Path, image: Image, colours: bool = False) -> np.ndarray:
    """The values of a mask of several classes: (H, W) of grey or of a palette's numbers, (H, W, 3) of colours, which a
    palette has too if ``colours`` are asked for.

    Raises ``AnnotationError`` for a JPEG, which keeps no exact values, and for one of another size than the image.
    """
    if image_files.probe(path).format == "JPEG":
        raise AnnotationError("its mask is a JPEG, which keeps no exact values: classes cannot be told from it")
    array = image_files.read(path, windowed=colours).array
    if array.ndim == 3:
        array = array[..., 0] if array.shape[2] == 2 else array[..., :3]  # without alpha
    if array.ndim == 3 and not colours and (array == array[..., :1]).all():
        array = array[..., 0]
    _check_size(array, image)
    array = _whole(array) if array.dtype.kind == "f" else array
    return np.repeat(array[..., None], 3, axis=2) if colours and array.ndim == 2 else array


def findings(
    label: str,
    inside_HW: NDArray[np.bool_],
    components: bool = False,
    attributes: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What a mask marks, with the smallest box around it: one finding, or one for each part whose pixels touch, at
    corners too; none for an empty mask."""
    found = []
    for part in parts(inside_HW) if components else [inside_HW]:
        if part.any():
            box, mask = geometry.box_of_mask(part), geometry.encode_mask(part)
            found.append(Finding(label, box, mask, dict(attributes or {})))
    return found


def within(finding: Finding, inside_HW: NDArray[np.bool_]) -> Finding:
    """A finding with that part of a mask which lies within its box; without one where none does."""
    assert finding.box
    x1, y1, x2, y2 = (round(edge) for edge in finding.box)
    own = np.zeros_like(inside_HW)
    own[y1:y2, x1:x2] = inside_HW[y1:y2, x1:x2]
    return replace(finding, mask=geometry.encode_mask(own) if own.any() else None)


def by_class(
    values: np.ndarray,
    names: Mapping[Value, str],
    components: bool = False,
) -> list[Finding]:
    """The findings of a mask whose values, grey (H, W) or colours (H, W, 3), are classes. 0 and black are background,
    and so is what is named "".

    Raises ``AnnotationError`` where a value has no name, and where there are more than a mask has.
    """
    whole = values
    if values.ndim == 3:  # each colour as one number
        red, green, blue = (values[..., k].astype(np.int64) for k in range(3))
        whole = (red << 32) + (green << 16) + blue
    held = np.unique(whole)
    if len(held) > MOST:
        raise AnnotationError(f"its mask holds {len(held)} values: is it an image?")
    found: list[Finding] = []
    unnamed = []
    for value in map(int, held):
        key = (value >> 32, value >> 16 & 0xFFFF, value & 0xFFFF) if values.ndim == 3 else value
        name = names.get(key)
        if name:
            found += findings(name, whole == value, components)
        elif name is None and value:
            unnamed.append(str(key))
    if unnamed:
        raise AnnotationError(f"its mask holds values that have no name: {listed(unnamed, 60)}")
    return found


def names_of(text: str) -> dict[Value, str]:
    """Names of values, a line each: ``150:Kidney Cancer``, or of colours ``255,0,0:vessel``; empty lines and those that
    begin with # say nothing. Raises ``AnnotationError`` for any other line, and for a value that stands twice."""
    found: dict[Value, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        told = re.fullmatch(r"(\d{1,5})(?:[,\s]+(\d{1,3})[,\s]+(\d{1,3}))?\s*[:=\t]\s*(.+)", line)
        if told is None:
            raise AnnotationError(f"{quoted(line)} is no value and name, such as 150:Kidney Cancer")
        key = int(told[1]) if told[2] is None else (int(told[1]), int(told[2]), int(told[3]))
        if key in found:
            raise AnnotationError(f"the value {key} is named twice")
        found[key] = told[4].strip()
    return found


def _grey(path: Path) -> np.ndarray:
    """Values of a mask of one class, (H, W): of colours, those of a palette too, the brightest channel."""
    deep = image_files.probe(path).stored.startswith(("I", "F"))
    array = image_files.read(path, windowed=not deep).array
    if array.dtype.kind == "f":  # 0 to 1, or as integers are; stretched to its range, a full mask would be an empty one
        return _whole(np.rint(array * 255 if array.max(initial=0) <= 1 else array))
    return array.max(axis=2) if array.ndim == 3 else array


def _whole(values: np.ndarray) -> np.ndarray:
    """Floats that are whole numbers from 0 on, as such."""
    if not (np.isfinite(values).all() and (values >= 0).all() and (values < 2**31).all()):
        raise AnnotationError("its mask holds numbers that are no grey values")
    if (values != np.rint(values)).any():
        raise AnnotationError("its mask holds fractions, not classes: save it with whole numbers")
    return values.astype(np.int64)


def _of_classes(grey_HW: np.ndarray, top: int) -> bool:
    """Whether values between 0 and the top are classes, not the rim of one: the top is low, or they fill places."""
    between = (grey_HW > 0) & (grey_HW < top)
    if not between.any() or top <= HALF:
        return bool(between.any())
    inner = grey_HW[1:-1, 1:-1]
    others = (grey_HW[:-2, 1:-1], grey_HW[2:, 1:-1], grey_HW[1:-1, :-2], grey_HW[1:-1, 2:])
    flat = between[1:-1, 1:-1] & np.all([other == inner for other in others], axis=0)
    return bool(flat.sum() > FLAT * np.count_nonzero(grey_HW))


def _check_size(values: np.ndarray, image: Image) -> None:
    height, width = values.shape[:2]
    if (width, height) != (image.width, image.height):
        raise AnnotationError(f"its mask has {width} x {height} pixels, the image {image.width} x {image.height}")


def parts(inside_HW: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Each part whose pixels touch, from top to bottom."""
    from scipy import ndimage  # late: half a second, which no start of a command should wait for

    numbers, count = ndimage.label(inside_HW, np.ones((3, 3)))
    if count > MOST:
        raise AnnotationError(f"its mask has {count} parts: noise?")
    for number in range(1, count + 1):
        yield numbers == number
