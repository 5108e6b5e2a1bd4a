"""Square codes and bar codes, which hold a patient's number as well as letters do."""

from __future__ import annotations

import numpy as np

from unveil.gate.regions import Box

_FEWEST = 20  # changes between light and dark; Codabar, Code 128, Code 39 and EAN-8 have more for a single sign
_APART = 0.2  # of a profile's spread: how far beyond the middle a change must go
_SMALLEST = 8  # pixels


def codes(grey: np.ndarray) -> list[Box]:
    """The boxes of codes in an image, (H, W), by OpenCV's detectors, light on dark or dark on light.

    Rows of teeth and ribs look like bar codes to the detector; they have fewer bars than any code.
    """
    import cv2

    corners: list[np.ndarray] = []
    for shade in (grey, 255 - grey):
        found, points = cv2.QRCodeDetector().detectMulti(shade)
        corners += list(points) if found and points is not None else []
    found, points = cv2.barcode.BarcodeDetector().detectMulti(grey)
    corners += [four for four in points if _changes(grey, four) >= _FEWEST] if found and points is not None else []
    boxes = (np.concatenate([four.reshape(-1, 2).min(0), four.reshape(-1, 2).max(0)]) for four in corners)
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in boxes if min(c - a, d - b) >= _SMALLEST]


def _changes(grey: np.ndarray, four: np.ndarray) -> int:
    """How often light and dark change along a quadrangle, on the mean of its rows, in the direction with more."""
    import cv2

    four = four.reshape(4, 2).astype(np.float32)
    width, height = (max(_SMALLEST, round(float(np.hypot(*(four[i + 1] - four[i]))))) for i in (0, 1))
    level = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    piece = cv2.warpPerspective(grey, cv2.getPerspectiveTransform(four, level), (width, height)).astype(np.float32)
    inside = (slice(height // 5, height - height // 5), slice(width // 5, width - width // 5))
    return max(_alternations(piece[inside[0]].mean(0)), _alternations(piece[:, inside[1]].mean(1)))


def _alternations(profile: np.ndarray) -> int:
    low, high = np.percentile(profile, (10, 90))
    sides = (profile - (low + high) / 2) / max(float(high - low), 1.0)
    clear = np.sign(sides[np.abs(sides) > _APART])
    return int((np.diff(clear) != 0).sum())
