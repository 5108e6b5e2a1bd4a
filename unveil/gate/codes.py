"""Square codes and bar codes, which hold a patient's number as well as letters do."""

from __future__ import annotations

import numpy as np

from unveil.gate.regions import Box


def codes(grey: np.ndarray) -> list[Box]:
    """The boxes of codes in an image, (H, W), by OpenCV's detectors, light on dark or dark on light."""
    import cv2

    corners: list[np.ndarray] = []
    for shade in (grey, 255 - grey):
        found, points = cv2.QRCodeDetector().detectMulti(shade)
        corners += list(points) if found and points is not None else []
    found, points = cv2.barcode.BarcodeDetector().detectMulti(grey)
    corners += list(points) if found and points is not None else []
    boxes = (np.concatenate([four.reshape(-1, 2).min(0), four.reshape(-1, 2).max(0)]) for four in corners)
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in boxes if min(c - a, d - b) >= 8]
