"""Images as the page needs them: the values themselves, so that window and level are set in the browser.

An image goes as a line of JSON that tells what follows, then its samples row by row, little-endian. At first the page
shows the grey levels that ``image_files`` would show: where the way from values to grey cannot be told by a window,
those levels are sent in place of the values, and that is said.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from unveil.core import image_files
from unveil.core.pixels import Pixels, Window, stretch
from unveil.core.records import Record

#: Bytes of encoded images that are kept for who comes back to one.
MOST_BYTES = 2**28
KINDS = ("uint8", "int16", "uint16", "float32", "float64")


@dataclass(frozen=True)
class ImageHead:
    """What the page is told of an image's samples."""

    width: int
    height: int
    samples: int
    """1 of grey, 3 of colour."""
    kind: str
    """Of one sample: one of ``KINDS``."""
    low: float
    """Value that is shown black at first."""
    high: float
    """Value that is shown white at first."""
    single: bool = True
    """Whether grey levels are counted in 32 bits."""
    inverted: bool = False
    """Whether high values are shown dark (MONOCHROME1)."""
    padding: Window | None = None
    """The values of pixels outside of what was scanned, which are black."""
    modality: str | None = None
    orientation: str | None = None
    """Where columns, rows and the normal lead: "LPS" is an axial slice."""
    spacing: tuple[float, float] | None = None
    """Millimetres from row to row and from column to column."""
    spacing_source: str | None = None
    """Where it comes from (``Pixels``): that of ``AT_DETECTOR`` is larger than it is in the body, by how much is not
    known."""
    note: str = ""
    """What is not as it would be expected."""


def payload(image: Path, record: Record | None = None, beside: Path | None = None) -> bytes:
    """An image as the page reads it; raises ``ImageError``. ``record`` and ``beside`` as ``looked_at`` has them."""
    return looked_at(image, record, beside)[0]


def looked_at(image: Path, record: Record | None = None, beside: Path | None = None) -> tuple[bytes, Pixels]:
    """An image as the page reads it, and as a model is shown it; raises ``ImageError``.

    ``record`` tells of a slice which volume it was cut from, by a path from the folder ``beside``: where that is there
    and gives the same picture, its values are sent.
    """
    shown = image_files.read(image)
    volume = _of_volume(record, beside, shown.array) if record and beside else None
    head, array = volume or _of_file(image, shown)
    return json.dumps(asdict(head)).encode() + b"\n" + _samples(array), shown


def encoded(shown: np.ndarray, note: str = "") -> bytes:
    """Grey levels or colours, uint8, that are shown as they are, as the page reads them."""
    height, width = shown.shape[:2]
    head = ImageHead(width, height, 3 if shown.ndim == 3 else 1, "uint8", 0.0, 255.0, note=note)
    return json.dumps(asdict(head)).encode() + b"\n" + _samples(shown)


def _of_volume(record: Record, beside: Path, shown: np.ndarray) -> tuple[ImageHead, np.ndarray] | None:
    """The values of a slice in the volume that it was cut from; None where that does not give the picture."""
    plane = record.plane
    if plane is None or plane.file is None or plane.frame is None or not (beside / plane.file).is_file():
        return None
    values = image_files.read(beside / plane.file, frame=plane.frame, plane=plane.plane, windowed=False)
    if values.array.shape != shown.shape:
        return None
    window = plane.window or _range(values.array)
    if not np.array_equal(stretch(values.array, window), shown):
        return None
    return _head(values, window, record.modality, plane.spacing), values.array


def _of_file(image: Path, shown: Pixels) -> tuple[ImageHead, np.ndarray]:
    if shown.array.ndim == 3:
        return _head(shown, (0.0, 255.0)), shown.array
    values = image_files.read(image, windowed=False)
    window, inverted, padding = None, False, None
    if values.format == "DICOM":
        from unveil.core.dicom import shown_by  # late: it takes long to import

        window, inverted, padding = shown_by(image, values.frame)
    plain = values.array.dtype == np.uint8 and window is None
    first = (0.0, 255.0) if plain else window or _range(values.array, padding)
    for turned in (inverted, not inverted):  # the latter of a TIFF whose white is zero
        grey = values.array if plain else stretch(values.array, first)
        grey = 255 - grey if turned else grey
        if padding:
            grey = np.where((values.array >= padding[0]) & (values.array <= padding[1]), 0, grey)
        if np.array_equal(grey, shown.array):
            return _head(values, first, inverted=turned, padding=padding), values.array
    note = "The file has a table of its own for how values are shown: these are its grey levels, not the values."
    return _head(shown, (0.0, 255.0), note=note), shown.array


def _range(values: np.ndarray, padding: Window | None = None) -> Window:
    """The lowest and the highest of the values that are numbers and none of padding."""
    seen = np.isfinite(values)
    if padding:
        seen &= (values < padding[0]) | (values > padding[1])
    return (float(values[seen].min()), float(values[seen].max())) if seen.any() else (0.0, 0.0)


def _head(
    pixels: Pixels,
    window: Window,
    modality: str | None = None,
    spacing: tuple[float, float] | None = None,
    inverted: bool = False,
    padding: Window | None = None,
    note: str = "",
) -> ImageHead:
    height, width = pixels.array.shape[:2]
    return ImageHead(
        width=width,
        height=height,
        samples=3 if pixels.array.ndim == 3 else 1,
        kind=_kind(pixels.array),
        low=window[0],
        high=window[1],
        single=np.result_type(pixels.array, np.float32) == np.float32,
        inverted=inverted,
        padding=padding,
        modality=pixels.modality or modality,
        orientation=pixels.orientation,
        spacing=pixels.spacing or spacing,
        spacing_source=pixels.spacing_source if pixels.spacing else None,
        note=note,
    )


def _kind(array: np.ndarray) -> str:
    """The smallest kind of sample that holds each value as it is."""
    if array.dtype.kind == "f":
        return "float32" if array.dtype.itemsize <= 4 else "float64"
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for kind in KINDS[:3]:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return kind
    return "float64"


def _samples(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).astype(np.dtype(_kind(array)).newbyteorder("<"), copy=False).tobytes()


class Encoded:
    """Encoded images by their keys, the last ones kept."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def get(self, key: int, image: Path, record: Record | None, beside: Path | None) -> bytes:
        """As ``payload``."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = payload(image, record, beside)
        with self._lock:
            self._kept[key] = made
            for old in list(self._surplus()):
                del self._kept[old]
        return made

    def _surplus(self) -> Iterator[int]:
        """The images used longest ago, until the others fit; the last one stays."""
        held = sum(map(len, self._kept.values()))
        for key, made in list(self._kept.items())[:-1]:
            if held <= self._most:
                return
            held -= len(made)
            yield key
