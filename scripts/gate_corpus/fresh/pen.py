"""A hand's letters: each a few strokes of a pen, rounded, slanted and uneven."""

import cv2
import numpy as np

from scripts.gate_corpus.fresh.drawing import Field, Picture, Points, blur, curve

# A glyph's strokes; two characters are a point: x of 0-6, y of 0 (top) over 3 (small letters), 8 (line) to b (below).
_STROKES = {
    "A": "0830 3068 1555",
    "B": "0008 00415204 0445564808",
    "C": "613003063867",
    "D": "0008 0041644708",
    "E": "5000 0008 0858 0444",
    "F": "6000 0008 0444",
    "G": "613003063867 6764 6434",
    "H": "0008 6068 0464",
    "I": "3038",
    "J": "50563807",
    "K": "0008 6005 2468",
    "L": "0008 0858",
    "M": "0800 0036 3660 6068",
    "N": "0800 0068 6860",
    "O": "30030538656330",
    "P": "0008 0040624404",
    "Q": "30030538656330 4668",
    "R": "0008 0040624404 2468",
    "S": "61300234663807",
    "T": "0060 3038",
    "U": "0005386560",
    "V": "0038 3860",
    "W": "0018 1833 3358 5860",
    "X": "0068 6008",
    "Y": "0034 6034 3438",
    "Z": "0060 6008 0868",
    "a": "543305184755 5358",
    "b": "0008 0533554807",
    "c": "5433051857",
    "d": "5058 5533051856",
    "e": "0656 564313062858",
    "f": "51302228 0444",
    "g": "543305184755 53593b0a",
    "h": "0008 05335558",
    "i": "2328 2131",
    "j": "33391b 3141",
    "k": "0008 4306 1558",
    "l": "1018",
    "m": "0308 05233538 35536568",
    "n": "0308 05335558",
    "o": "3305285633",
    "p": "030b 0533554807",
    "q": "543305184755 535b",
    "r": "0308 052344",
    "s": "542314463807",
    "t": "2028 0343",
    "u": "03072856 5358",
    "v": "0328 2853",
    "w": "0318 1834 3458 5863",
    "x": "0358 5308",
    "y": "0328 531b",
    "z": "0353 5308 0858",
    "0": "30030538656330",
    "1": "1230 3038",
    "2": "0230524408 0868",
    "3": "01305224 24563807",
    "4": "4006 0666 4048",
    "5": "6010 1014 1443663807",
    "6": "50140638563406",
    "7": "0060 6028",
    "8": "3412305234 3406386634",
    "9": "523402305248",
    ".": "2728",
    ",": "3729",
    "-": "1555",
    "/": "5008",
    ":": "2425 2728",
    "*": "3236 1355 5315",
}
_FINE = 3


def _points(stroke: str) -> Points:
    return np.array([(int(stroke[i]), int(stroke[i + 1], 12)) for i in range(0, len(stroke), 2)], np.float64)


def _line(rng: np.random.Generator, text: str, unit: float, rough: float) -> tuple[list[Points], float]:
    """The strokes of a line of text in pixels, and where it ends."""
    strokes, place = [], 0.0
    climb, slant = rng.normal(0, 0.012), rng.uniform(-0.05, 0.35)
    for letter in text:
        if letter not in _STROKES:
            place += 4.2
            continue
        grow, turn = 1 + rough * rng.normal(0, 0.06), rough * rng.normal(0, 0.04)
        drop = rough * rng.normal(0, 0.25)
        reach = [int(stroke[i]) for stroke in _STROKES[letter].split() for i in range(0, len(stroke), 2)]
        left = place - min(reach)
        for stroke in _STROKES[letter].split():
            points = _points(stroke) + rough * rng.normal(0, 0.17, (len(stroke) // 2, 2))
            points = points * grow
            x, y = points[:, 0] - points[:, 1] * turn, points[:, 1] + drop
            x = left + x + (8 - y) * slant
            strokes.append(curve(np.stack([x, y + x * climb], 1), count=24) * unit)
        place += max(reach) - min(reach) + 2.6 + rough * rng.normal(0, 0.2)
    return strokes, place * unit


def handwritten(rng: np.random.Generator, text: list[str], height: float, rough: float = 1.0) -> Field:
    """The lines as a mask of 0 to 1; `height` is that of capitals in pixels."""
    unit = height / 8 * _FINE
    rows = [_line(rng, line, unit, rough) for line in text]
    margin = 4 * unit
    wide = int(max(end for _, end in rows) + 2 * margin + 3 * unit)
    tall = int(len(rows) * 13 * unit + 2 * margin)
    mask: Picture = np.zeros((tall, wide), np.uint8)
    pen = max(_FINE, round(height * _FINE * rng.uniform(0.1, 0.14)))
    for index, (strokes, _) in enumerate(rows):
        start = np.array([margin + rough * rng.normal(0, unit), margin + index * 13 * unit])
        for stroke in strokes:
            pressed = max(_FINE, round(pen * (1 + 0.12 * rough * rng.normal())))
            points = np.rint((stroke + start) * 16).astype(np.int32)
            cv2.polylines(mask, [points], False, 255, pressed, cv2.LINE_AA, 4)
    mask = cv2.resize(mask, (wide // _FINE, tall // _FINE), interpolation=cv2.INTER_AREA)
    field = blur(mask.astype(np.float32) / 255, 0.35)
    rows_used, columns_used = np.nonzero(field > 0.05)
    return field[rows_used.min() : rows_used.max() + 1, columns_used.min() : columns_used.max() + 1]
