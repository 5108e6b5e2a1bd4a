"""Lesion noise: an image whose lesion is hidden, rebuilt from a few numbers (MMedPO, arXiv 2412.06141, eq. 2).

    x* = sqrt(xi) x h + sqrt(1 - xi) eps h + x (1 - h)

x is the image in [-1, 1], h in [0, 1] the map of the lesion, eps Gaussian, xi the share of the signal's variance that
is left after so many steps of diffusion. Departures from the paper: its steps and schedule are not published, so those
of POVID (arXiv 2402.11411) are used; and since models look at images made smaller, in which noise of single pixels
averages out, eps has cells of ``cell`` pixels, by default such that the longer side has 336.

A noised image is never stored: what it was made with is, and a hash by which it is known again.

Shapes: H, W pixels, 3 channels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unveil.core.geometry import Box, coverage, decode_mask

GRAIN = 336
"""Cells of noise along the longer side: the side length that most towers look at."""


class NoiseError(ValueError):
    """Noise that cannot be drawn, or does not come out as it did."""


@dataclass(frozen=True)
class LesionMap:
    """Where the lesion is: boxes, masks, or a grid of values over the whole image. What there is of it is united."""

    boxes: tuple[Box, ...] = ()
    """In pixels of the image."""
    masks: tuple[dict[str, Any], ...] = ()
    """COCO run-length codes of the image's size."""
    grid: tuple[tuple[int, ...], ...] = ()
    """Rows of values 0 to 255, the top row first, as a model's attention or a detector gives them; interpolated."""
    whole: bool = False
    """All of the image."""

    def values(self, width: int, height: int) -> NDArray[np.float64]:
        """h, (H, W) in [0, 1]. Raises ``NoiseError`` for a mask or grid that does not fit the image."""
        h = np.full((height, width), float(self.whole))
        for box in self.boxes:
            h = np.maximum(h, coverage(box, height, width, width, height))
        for mask in self.masks:
            if tuple(mask["size"]) != (height, width):
                raise NoiseError(f"the map is of an image of {mask['size'][::-1]} pixels, not of {[width, height]}")
            h = np.maximum(h, decode_mask(mask))
        if self.grid:
            if len({len(row) for row in self.grid}) != 1 or not all(0 <= v <= 255 for row in self.grid for v in row):
                raise NoiseError("a map's grid needs rows of one length with values from 0 to 255")
            small = Image.fromarray(np.array(self.grid, np.uint8))
            h = np.maximum(h, np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)) / 255)
        return h


@dataclass(frozen=True)
class Noise:
    """All that a noised image is rebuilt from, and the SHA-256 of its pixels."""

    map: LesionMap
    """Where the noise lies."""
    seed: int
    """Of the noise."""
    step: int = 500
    """Steps of diffusion out of ``STEPS``: 500 leaves 74 % of the variance inside the map to the image."""
    cell: int = 1
    """Width and height of one cell of noise in pixels."""
    share: float = 0.0
    """Mean of the map: the share of the image that is noised."""
    sha256: str = ""
    """Of the noised image's pixels, by which it is known again."""
    confidence: float = 1.0
    """How sure the map's source is that this is the lesion: 1 for annotations."""


STEPS = 1000


def kept(step: int) -> float:
    """xi after ``step`` steps of POVID's schedule: the product of 1 - beta over steps 0 to ``step``."""
    if not 0 <= step < STEPS:
        raise NoiseError(f"step {step} is not one of 0 to {STEPS - 1}")
    beta = (5e-3 - 1e-5) / (1 + np.exp(-np.linspace(-6, 6, STEPS))) + 1e-5
    return round(float(np.prod(1 - beta[: step + 1])), 9)  # the same on every machine


def draw(pixels_HW3: NDArray[np.uint8], where: LesionMap, seed: int, step: int = 500, cell: int | None = None) -> Noise:
    """What the noise of this image is rebuilt from, its hash included; ``cell`` by default as the head says."""
    height, width = pixels_HW3.shape[:2]
    drawn = Noise(where, seed, step, cell or max(1, round(max(width, height) / GRAIN)))
    h_HW = where.values(width, height)
    made = _noised(pixels_HW3, drawn, h_HW)
    return replace(drawn, share=round(float(h_HW.mean()), 6), sha256=hash_of(made))


def apply(pixels_HW3: NDArray[np.uint8], noise: Noise) -> NDArray[np.uint8]:
    """The noised image, bit for bit as it was drawn; raises ``NoiseError`` if it comes out otherwise."""
    height, width = pixels_HW3.shape[:2]
    out = _noised(pixels_HW3, noise, noise.map.values(width, height))
    if hash_of(out) != noise.sha256:
        raise NoiseError(
            "the noised image is not the one that was drawn: the image has changed, or numpy draws otherwise"
        )
    return out


def _noised(pixels_HW3: NDArray[np.uint8], noise: Noise, h_HW: NDArray[np.float64]) -> NDArray[np.uint8]:
    height, width = pixels_HW3.shape[:2]
    h = h_HW[..., None]
    xi, cell = kept(noise.step), noise.cell
    cells = -(-height // cell), -(-width // cell), 3
    eps = np.random.Generator(np.random.PCG64(noise.seed)).standard_normal(cells)
    eps = eps.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    x = pixels_HW3 / 127.5 - 1
    x = np.sqrt(xi) * x * h + np.sqrt(1 - xi) * eps * h + x * (1 - h)
    noised: NDArray[np.uint8] = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)
    return noised


def hash_of(pixels_HW3: NDArray[np.uint8]) -> str:
    """SHA-256 of an image's shape and pixels, by which it is known again."""
    return hashlib.sha256(repr(pixels_HW3.shape).encode() + np.ascontiguousarray(pixels_HW3).tobytes()).hexdigest()
