"""Images as the page needs them: the values themselves, so that window and level are set in the browser.

An image goes as a line of JSON that tells what follows, then its samples row by row, little-endian.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from unveil.core import image_files
from unveil.core.pixels import Pixels
from unveil.review.items import ReviewItem


@dataclass(frozen=True)
class ImageHead:
    """What the page is told of an image's samples."""

    width: int
    height: int
    samples: int
    """1 of grey, 3 of colour."""
    kind: str
    """Of one sample: uint8, int16 or uint16."""
    low: float
    """Value that is shown black at first."""
    high: float
    """Value that is shown white at first."""
    inverted: bool = False
    """Whether high values are shown dark (MONOCHROME1)."""
    modality: str | None = None
    orientation: str | None = None
    """Where columns, rows and the normal lead: "LPS" is an axial slice."""
    spacing: tuple[float, float] | None = None
    """Millimetres from row to row and from column to column."""


def payload(item: ReviewItem) -> bytes:
    """An item's image as the page reads it; raises ``ImageError``."""
    pixels = image_files.read(item.image)
    height, width = pixels.array.shape[:2]
    picture = ImageHead(
        width=width,
        height=height,
        samples=3 if pixels.array.ndim == 3 else 1,
        kind="uint8",
        low=0.0,
        high=255.0,
        modality=pixels.modality,
        orientation=pixels.orientation,
        spacing=pixels.spacing,
    )
    return _bytes(pixels, picture)


def _bytes(pixels: Pixels, picture: ImageHead) -> bytes:
    samples = np.ascontiguousarray(pixels.array).astype(f"<{np.dtype(picture.kind).str[1:]}", copy=False)
    return json.dumps(asdict(picture)).encode() + b"\n" + samples.tobytes()
