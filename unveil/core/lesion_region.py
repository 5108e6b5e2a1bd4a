"""Where a record's lesions are, an equal area beside them, and how a region of an image is filled from around it.

Shapes: H, W pixels, 3 channels; G cells along each side of a coarse grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unveil.core.geometry import Box, box_of_mask, clip, coverage, decode_mask
from unveil.core.records import Finding, Record

GRID = 64
"""Cells along each side of the grid on which room beside a lesion is looked for."""
MARGIN = 0.1
"""A finding's region reaches this share of its longer side beyond its box or mask: boxes are drawn tightly."""
GRAINS = 128
"""What is finer than this part of the longer side counts as grain."""
Mask = NDArray[np.bool_]


def place(finding: Finding) -> Box | None:
    """The box of a finding, or that around its mask; None for a finding of the image as a whole."""
    if finding.box is None and finding.mask is not None:
        return box_of_mask(decode_mask(finding.mask))
    return finding.box


NOTHING, PLACELESS, NO_ROOM = (
    "nothing is annotated",
    "a finding has neither box nor mask",
    "its findings leave no room for an equal area beside them",
)


def lacks(record: Record) -> str | None:
    """Why the lesion of a record can be neither hidden nor left alone; None where both can be.

    Every finding must have a place, else something would be left, and an equal area must have room beside them.
    """
    if not record.findings:
        return NOTHING
    if not all(f.box or f.mask for f in record.findings):
        return PLACELESS
    return None if len(_free(record)) else NO_ROOM


def region(record: Record, width: int, height: int) -> Mask:
    """The union of all findings with their margins, (H, W)."""
    lesion_HW = np.zeros((height, width), bool)
    for finding in record.findings:
        lesion_HW |= _grown(finding, record, width, height)
    return lesion_HW


def _grown(finding: Finding, record: Record, width: int, height: int) -> Mask:
    """A finding's mask, else its box, and all pixels within the margin."""
    if finding.mask is None:
        assert finding.box
        return coverage(_wider(finding.box, record), height, width, record.width, record.height) > 0
    from scipy.ndimage import distance_transform_edt

    mask_HW = decode_mask(finding.mask).astype(bool)
    left, top, right, bottom = box_of_mask(mask_HW)
    grown_HW: Mask = distance_transform_edt(~mask_HW) <= MARGIN * max(right - left, bottom - top)
    return grown_HW


def _wider(box: Box, record: Record) -> Box:
    by = MARGIN * max(box[2] - box[0], box[3] - box[1])
    return clip((box[0] - by, box[1] - by, box[2] + by, box[3] + by), record.width, record.height)


def _coarse(record: Record) -> Mask:
    """The cells that the findings' boxes with their margins touch, (G, G): the same from boxes and from masks."""
    cells_GG = np.zeros((GRID, GRID), bool)
    for finding in record.findings:
        box = finding.box if finding.mask is None else box_of_mask(decode_mask(finding.mask).astype(bool))
        assert box
        cells_GG |= coverage(_wider(box, record), GRID, GRID, record.width, record.height) > 0
    return cells_GG


def _free(record: Record) -> NDArray[np.int_]:
    """By how many cells (down, right) the lesions can be moved without touching where they are, (N, 2).

    Without leaving the image if there are such moves, else over its edge and in again on the other side.
    """
    cells_GG = _coarse(record)
    spread = np.fft.rfft2(cells_GG)
    shared_GG = np.fft.irfft2(spread * spread.conj(), s=cells_GG.shape)  # cells that a lesion and its move share
    moves = np.argwhere(shared_GG < 0.5)
    signed = (moves + GRID // 2) % GRID - GRID // 2
    ways = np.concatenate([signed, signed + GRID * (signed < 0) - GRID * (signed > 0)])
    low, high = (np.array([f(np.flatnonzero(cells_GG.any(axis))) for axis in (1, 0)]) for f in (min, max))
    within = ((ways + low >= 0) & (ways + high < GRID)).all(1)
    return ways[within] if within.any() else signed


def elsewhere(record: Record, lesion_HW: Mask, hidden_HW3: NDArray[np.uint8], rng: np.random.Generator) -> Mask:
    """The lesions' region moved to where they are not, (H, W): a control of equal form and area.

    Of 64 drawn moves the one is taken to where the image is most like what the hidden lesion was filled with, so that
    it lies in like tissue, not on the black around it.
    """
    free = _free(record)
    drawn = free[rng.permutation(len(free))[:64]]
    height, width = lesion_HW.shape
    aim_3 = hidden_HW3[lesion_HW].mean(0)
    found = [np.roll(lesion_HW, (round(y * height / GRID), round(x * width / GRID)), (0, 1)) for y, x in drawn]
    apart = [float(np.abs(hidden_HW3[moved_HW].mean(0) - aim_3).sum()) for moved_HW in found]
    return found[int(np.argmin(apart))]


def filled(pixels_HW3: NDArray[np.uint8], hole_HW: Mask) -> NDArray[np.uint8]:
    """An image whose hole is filled from what surrounds it.

    Its shades come from the pull-push pyramid of Gortler et al. 1996 (The Lumigraph, section 3.4.2): each level is the
    mean of what is known of the finer one, and holes take the coarser level's value. Its grain is mirrored at the
    hole's edge, else a smooth spot in the speckle of ultrasound would look like a lesion.
    """
    known_HW1 = (~hole_HW)[..., None].astype(np.float64)
    shades_HW3 = _pulled(pixels_HW3 * known_HW1, known_HW1) + _mirrored(pixels_HW3, hole_HW, known_HW1)
    shown_HW3 = pixels_HW3.copy()
    shown_HW3[hole_HW] = np.clip(np.rint(shades_HW3[hole_HW]), 0, 255)
    return shown_HW3


def _mirrored(pixels_HW3: NDArray[np.uint8], hole_HW: Mask, known_HW1: NDArray[np.float64]) -> NDArray[np.float64]:
    """The grain of what is known, mirrored into the hole at its edge: 0 where the mirrored place is not known."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    spread = (max(hole_HW.shape) / GRAINS,) * 2 + (0,)
    around_HW1 = np.maximum(gaussian_filter(known_HW1, spread), 1e-6)
    grain_HW3 = (pixels_HW3 - gaussian_filter(pixels_HW3 * known_HW1, spread) / around_HW1) * known_HW1
    edge_2HW = distance_transform_edt(hole_HW, return_distances=False, return_indices=True)
    y, x = 2 * edge_2HW - np.indices(hole_HW.shape)
    inside_HW = (y >= 0) & (y < hole_HW.shape[0]) & (x >= 0) & (x < hole_HW.shape[1])
    mirrored_HW3: NDArray[np.float64] = grain_HW3[np.where(inside_HW, y, 0), np.where(inside_HW, x, 0)]
    mirrored_HW3[~inside_HW] = 0
    return mirrored_HW3


def _pulled(sums_HW3: NDArray[np.float64], known_HW1: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values everywhere from weighted values (H, W, 3) and their weights (H, W, 1), from 0 to 1."""
    height, width = known_HW1.shape[:2]
    if height == width == 1 or (known_HW1 >= 1).all():
        return sums_HW3 / np.maximum(known_HW1, 1e-9)
    coarse_HW3, coarse_HW1 = _halved(sums_HW3), _halved(known_HW1)
    more = np.maximum(coarse_HW1, 1.0)  # what is known four times over is known once
    below_HW3 = _doubled(_pulled(coarse_HW3 / more, coarse_HW1 / more), height, width)
    return sums_HW3 + (1 - known_HW1) * below_HW3


def _halved(values_HWC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of two by two pixels; an odd edge stands alone."""
    rows = np.add.reduceat(values_HWC, np.arange(0, values_HWC.shape[0], 2), axis=0)
    sums: NDArray[np.float64] = np.add.reduceat(rows, np.arange(0, values_HWC.shape[1], 2), axis=1)
    return sums


def _doubled(values_HW3: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Linear interpolation to twice the size, by axis."""
    for axis, size in ((0, height), (1, width)):
        at = ((np.arange(size) + 0.5) / 2 - 0.5).clip(0, values_HW3.shape[axis] - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, values_HW3.shape[axis] - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        values_HW3 = np.take(values_HW3, low, axis) * (1 - share) + np.take(values_HW3, high, axis) * share
    return values_HW3
