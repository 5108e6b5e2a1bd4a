"""Where rows of letters are in an image: a small network that knows what all writing has in common, and reads none.

It looks for rows of strokes of any script, at any angle, light or dark, and for square and bar codes.
`scripts.letter_finder` makes its weights from drawings alone.

Shapes: H, W of the picture that is looked at; a cell is STRIDE x STRIDE of its pixels.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

STRIDE = 4
#: Kernel, stride, dilation and output channels of each convolution; ReLU follows all but the last.
LAYERS = (
    (5, 2, 1, 12),
    (3, 1, 1, 16),
    (3, 2, 1, 32),
    (3, 1, 1, 32),
    (3, 1, 2, 32),
    (3, 1, 4, 32),
    (3, 1, 2, 32),
    (1, 1, 1, 3),
)
WEIGHTS = Path(__file__).with_name("letters.npz")
_AROUND = 8.0  # pixels: how far the surroundings reach that a pixel is compared with
_FLOOR = 2.0  # grey levels: what moves less is nothing, however flat its surroundings


def normalised(grey: np.ndarray) -> np.ndarray:
    """(H, W) -> (H, W) float32: how much a pixel differs from its surroundings, by how much these differ themselves."""
    import cv2

    grey = grey.astype(np.float32)
    apart = grey - cv2.GaussianBlur(grey, (0, 0), _AROUND)
    spread = cv2.GaussianBlur(apart * apart, (0, 0), _AROUND)
    normal: np.ndarray = apart / np.sqrt(spread + _FLOOR**2)
    return normal


def seen(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) grey levels -> how likely each cell is of a row of letters, (H/4, W/4), and the row's angle there.

    The angle is in radians, anticlockwise as seen, from -pi/2 to pi/2: a row has no up and down here.
    """
    x = normalised(grey)[None]
    weights = _weights()
    for i, (_, stride, dilation, _) in enumerate(LAYERS):
        x = _convolved(x, weights[f"w{i}"], weights[f"b{i}"], stride, dilation)
        if i < len(LAYERS) - 1:
            np.maximum(x, 0, out=x)
    return 1 / (1 + np.exp(-x[0].clip(-30, 30))), -np.arctan2(x[2], x[1]) / 2


@cache
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _convolved(x_CHW: np.ndarray, w_OCKK: np.ndarray, b_O: np.ndarray, stride: int, dilation: int) -> np.ndarray:
    """A convolution whose output is smaller by the stride, rounded up; what lies outside is 0."""
    outputs, channels, kernel, _ = w_OCKK.shape
    reach = dilation * (kernel // 2)
    padded = np.pad(x_CHW, ((0, 0), (reach, reach), (reach, reach)))
    height, width = (-(-n // stride) for n in x_CHW.shape[1:])
    total = np.empty((outputs, height * width), np.float32)
    total[:] = b_O[:, None]
    for i in range(kernel):
        for j in range(kernel):
            top, left = i * dilation, j * dilation
            part = padded[:, top : top + stride * height : stride, left : left + stride * width : stride]
            total += w_OCKK[:, :, i, j] @ part[:, :height, :width].reshape(channels, -1)
    return total.reshape(outputs, height, width)
