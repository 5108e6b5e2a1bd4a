"""Label Studio's run lengths of brush strokes: bits, the first of each byte the highest.

First 32 bits: how many values there are, four for each pixel (red, green, blue, alpha), row by row. Then 5 bits: the
bits of a value less one; and four times 4 bits: the bits of a length less one, by the four kinds of lengths. Then one
block after the other: 1 bit that tells whether one value is repeated, 2 bits for the kind of its length, the length
less one, and that one value, or as many values as the length says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core.untrusted import quoted
from unveil.ingest.reading import AnnotationError


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, number: int) -> int:
        """The next bits as a whole number."""
        end = self.at + number
        if end > 8 * len(self.data):
            raise AnnotationError("its run lengths end too early")
        last = -(-end // 8)
        value = int.from_bytes(self.data[self.at // 8 : last], "big") >> (8 * last - end)
        self.at = end
        return value & ((1 << number) - 1)


def decoded(rle: Any, width: int, height: int) -> NDArray[np.bool_]:
    """Where a brush has been, (H, W): where the fourth value of a pixel, its alpha, is not 0.

    Raises ``AnnotationError`` for what is no such code, or one of another size; no more is allocated than that.
    """
    bits = _Bits(_bytes(rle))
    total, word = bits.take(32), bits.take(5) + 1
    if total != 4 * width * height:
        raise AnnotationError(f"its run lengths are of {total} values, not of four for each of {width} x {height}")
    if word != 8:
        raise AnnotationError(f"its run lengths are of values of {word} bits, not of 8")
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values, at = np.zeros(total, np.uint8), 0
    while at < total:
        repeated, kind = bits.take(1), bits.take(2)
        length = bits.take(sizes[kind]) + 1
        if at + length > total:
            raise AnnotationError("its run lengths lead outside the image")
        if repeated:
            values[at : at + length] = bits.take(8)
        else:
            values[at : at + length] = np.frombuffer(bits.take(8 * length).to_bytes(length, "big"), np.uint8)
        at += length
    inside: NDArray[np.bool_] = values.reshape(height, width, 4)[..., 3] > 0
    return inside


def _bytes(rle: Any) -> bytes:
    if not isinstance(rle, Sequence) or isinstance(rle, str):
        raise AnnotationError(f"a list of bytes is needed, not {quoted(rle)}")
    try:
        return bytes(rle)
    except (TypeError, ValueError) as error:
        raise AnnotationError("its run lengths are no list of bytes (0 to 255)") from error
