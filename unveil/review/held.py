"""Images of the page on which a model is tried: in memory alone, the last ones, each under a number."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unveil.core import lesion_noise, pixels
from unveil.core.geometry import Box
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.records import Record
from unveil.review import images
from unveil.review.server import Unknown
from unveil.review.uploads import NAME, HandedIn

#: Bytes of images that are held.
MOST_BYTES = 2**30
HIDDEN = "Noise hides a place of this image: it is shown as the model sees it."


@dataclass(frozen=True)
class HeldImage:
    """An image as the page and a model are shown it."""

    encoded: bytes
    """As the page reads it (``images.payload``)."""
    rgb: NDArray[np.uint8]
    """As a model is shown it, (height, width, 3)."""
    record: Record | None = None
    """What is known of it, where it is one of the records."""
    file: Path | None = None
    """Of a record, its file."""
    noise: Noise | None = None
    """What hides its lesion."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def sha256(self) -> str:
        """Of the pixels as a model is shown them."""
        return lesion_noise.hash_of(self.rgb)

    @property
    def bytes(self) -> int:
        return len(self.encoded) + self.rgb.nbytes

    def hidden(self, boxes: tuple[Box, ...], seed: int) -> HeldImage:
        """The same image with noise in some boxes (``lesion_noise``: MMedPO, equation 2)."""
        noise = lesion_noise.draw(self.rgb, LesionMap(boxes), seed)
        rgb = lesion_noise.apply(self.rgb, noise)
        return replace(self, encoded=images.encoded(rgb, HIDDEN), rgb=rgb, noise=noise)


def handed_in(image: HandedIn) -> HeldImage:
    """An image out of a page."""
    return HeldImage(image.encoded, pixels.to_rgb(image.shown))


def of_record(record: Record, file: Path, beside: Path) -> HeldImage:
    """The image of a record; raises ``ImageError``."""
    encoded, shown = images.looked_at(file, record, beside)
    return HeldImage(encoded, pixels.to_rgb(shown), record=record, file=file)


class Held:
    """Images by number, those used longest ago forgotten when there are more than ``most`` bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._lock, self._numbers = most, threading.Lock(), count(1)
        self._images: OrderedDict[int, HeldImage] = OrderedDict()

    def put(self, image: HeldImage) -> int:
        """Holds an image; returns its number."""
        with self._lock:
            number = next(self._numbers)
            self._images[number] = image
            while len(self._images) > 1 and sum(one.bytes for one in self._images.values()) > self._most:
                self._images.popitem(last=False)
            return number

    def get(self, number: int) -> HeldImage:
        """The image of a number; raises ``Unknown`` where it is held no longer."""
        with self._lock:
            if number not in self._images:
                raise Unknown(f"{NAME} is held no longer: hand it in again, or choose it again")
            self._images.move_to_end(number)
            return self._images[number]
