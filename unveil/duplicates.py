"""Copies: the same image twice, also rescaled, recompressed, mirrored or turned, found without knowing where to look.

Two steps. A difference hash suggests pairs. The fine detail of their thumbnails, contrast evened out, confirms them:
two patients in the same position look alike at a glance, but only a copy has the same vessels and the same noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

from unveil.pixels import display

HASH_SIDE = 16
THUMBNAIL_SIDE = 64
_BLOCK = 1024  # rows compared at once: 10,000 images make tables of 40 MB

# The eight ways a copy may be turned; the first four are mirrors. A thumbnail is square, so that each fits it.
_TURNS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda images: images,
    lambda images: images[..., ::-1],
    lambda images: images[..., ::-1, :],
    lambda images: images[..., ::-1, ::-1],
    lambda images: np.swapaxes(images, -1, -2),
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1],
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1, :],
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1, ::-1],
)


def _shrunk(array: np.ndarray, width: int, height: int) -> np.ndarray:
    grey = Image.fromarray(display("array", array, None)).convert("L")
    return np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR))


def _difference_hash(small: np.ndarray) -> np.ndarray:
    """Is a pixel brighter than its left neighbour by 1.5 % of the range? Less is noise, which fills dark borders."""
    levels = small.astype(np.float32)
    return (np.diff(levels, axis=1) > 0.015 * np.ptp(levels)).ravel()


def fingerprint(array: np.ndarray) -> np.ndarray:
    """(256,) bool: 16 x 16 difference hash of the grey image; scaling, recompression and contrast barely change it."""
    return _difference_hash(_shrunk(array, HASH_SIDE + 1, HASH_SIDE))


def mirrored_fingerprints(array: np.ndarray) -> np.ndarray:
    """(8, 256) bool: as it is, mirrored, upside down, both, then these four of the transposed image (quarter turns)."""
    wide, tall = _shrunk(array, HASH_SIDE + 1, HASH_SIDE), _shrunk(array, HASH_SIDE, HASH_SIDE + 1)
    return np.stack([_difference_hash(turn(wide if k < 4 else tall)) for k, turn in enumerate(_TURNS)])


def thumbnail(array: np.ndarray) -> np.ndarray:
    """(64, 64) uint8 grey, by which `near_duplicates` confirms what the hashes suggest."""
    return _shrunk(array, THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def near_duplicates(
    fingerprints: np.ndarray,
    threshold: int = 20,
    *,
    thumbnails: np.ndarray | None = None,
    correlation: float = 0.85,
) -> list[tuple[int, int, int]]:
    """Pairs (i, j, bits that differ), i < j, of which one is a copy of the other, also mirrored or turned.

    `fingerprints` (N, V, bits) of `mirrored_fingerprints`; V = 1 or 4 looks at fewer turns. Give `thumbnails`
    (N, 64, 64) too: images of one kind, or dark and flat ones, have similar hashes without being copies, so a pair also
    needs this correlation between the `detail` of the thumbnails, turned the same way. Without thumbnails, images with
    fewer than 2 x `threshold` set bits are left out. Flat images are never joined, as nothing tells them apart:
    `sha256` finds those that are equal.

    Distances come from matrix products (bits as +-1: a . b = bits - 2 d), block by block: 10,000 images take seconds
    and a few 100 MB. The defaults were set on public sets whose copies are known (tests/test_pixels.py).
    """
    bits = fingerprints.shape[2]
    units = None if thumbnails is None else _unit(thumbnails)
    telling = fingerprints[:, 0].sum(axis=1) >= 2 * threshold if units is None else units.any(axis=(1, 2))
    indices = np.flatnonzero(telling)  # into the caller's order
    signs = np.where(fingerprints[indices, 0], np.float32(1), np.float32(-1))
    units = None if units is None else units[indices]
    best: dict[tuple[int, int], int] = {}
    for turn in range(fingerprints.shape[1]):
        turned = np.where(fingerprints[indices, turn], np.float32(1), np.float32(-1))
        for start in range(0, len(indices), _BLOCK):
            agreement = signs[start : start + _BLOCK] @ turned[start:].T
            left, right = np.nonzero(np.triu(agreement >= bits - 2 * threshold, 1))
            distances = (bits - agreement[left, right].astype(int)) // 2
            left, right = left + start, right + start
            if units is not None and len(left):
                confirmed = _correlation(units, left, right, start, turn) >= correlation
                left, right, distances = left[confirmed], right[confirmed], distances[confirmed]
            pairs = zip(indices[left].tolist(), indices[right].tolist(), distances.tolist(), strict=True)
            for i, j, distance in pairs:
                best[i, j] = min(distance, best.get((i, j), bits))
    return [(i, j, distance) for (i, j), distance in sorted(best.items())]


def detail(thumbnail: np.ndarray) -> np.ndarray:
    """What is finer than about 3 pixels, over its strength nearby, so that contrast and sharpening matter little."""
    grey = thumbnail.astype(np.float32)
    fine = grey - ndimage.gaussian_filter(grey, 1.5)
    return fine / (np.sqrt(ndimage.gaussian_filter(fine**2, 4)) + 2)  # below 2 grey levels it is noise


def _unit(thumbnails: np.ndarray) -> np.ndarray:
    """What is compared, of zero mean and unit length, so that a scalar product is a correlation: the detail, or the
    image itself where it has no detail above one grey level; all zero where there is no contrast at all."""
    fine = np.stack([_comparable(t) for t in thumbnails])
    centred = fine - fine.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-6)


def _comparable(thumbnail: np.ndarray) -> np.ndarray:
    grey = thumbnail.astype(np.float32)
    if grey.std() < 1:
        return np.zeros_like(grey)
    return detail(thumbnail) if (grey - ndimage.gaussian_filter(grey, 1.5)).std() >= 1 else grey


def _correlation(units: np.ndarray, left: np.ndarray, right: np.ndarray, start: int, turn: int) -> np.ndarray:
    """One product for the whole block: where a set is full of like hashes, pair by pair would take minutes."""
    columns, place = np.unique(right, return_inverse=True)
    images = units[start : start + _BLOCK].reshape(-1, THUMBNAIL_SIDE**2)
    table = images @ _TURNS[turn](units[columns]).reshape(len(columns), -1).T
    return np.asarray(table[left - start, place])
