"""Pictures to learn from where letters are: rows of letters of any script over grounds, and what marks them.

Scripts that no font at hand has are stood in for by invented ones: signs of a few random strokes, in rows. What is
learnt is what all writing has in common, and no word of any language.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from scripts.letter_grounds import Rng, clutter

CROP, STRIDE = 128, 4
_FONTS = (
    "DejaVuSans", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
    "DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10", "",
)  # fmt: skip
_OTHERS = [  # first and last sign of scripts that DejaVu Sans has
    (0x391, 0x3A1), (0x3B1, 0x3C9), (0x410, 0x44F), (0x410, 0x42F), (0x5D0, 0x5EA), (0xFE80, 0xFEFC), (0x627, 0x64A),
    (0x531, 0x556), (0x10D0, 0x10F0),
]  # fmt: skip


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(Path(get_data_path()) / "fonts/ttf" / f"{name}.ttf", size) if name else (
        ImageFont.load_default(size)
    )  # fmt: skip


@dataclass(frozen=True)
class Sample:
    picture: np.ndarray  # (H, W) float32 grey levels
    letters: np.ndarray  # (H/4, W/4): 1 where a row of letters is
    weight: np.ndarray  # (H/4, W/4): 0 where nothing is to be learnt
    way: np.ndarray  # (2, H/4, W/4): cosine and sine of twice the angle of the row


def _word(rng: Rng) -> str:
    n = int(rng.choice([2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]))
    kind = rng.random()
    if kind < 0.35:
        return "".join(rng.choice(list(string.ascii_uppercase), n))
    if kind < 0.5:
        return "".join(rng.choice(list(string.ascii_lowercase), n)).capitalize()
    if kind < 0.75:
        digits = "".join(rng.choice(list(string.digits), n))
        mark = str(rng.choice(["", "", "/", "-", ".", ":"]))
        return mark.join(digits[i : i + 2] for i in range(0, n, 2))
    return "".join(rng.choice(list(string.ascii_letters + string.digits + "-./:^,"), n))


def _line(rng: Rng) -> str:
    words = [_word(rng) for _ in range(int(rng.choice([1, 1, 1, 2, 2, 3])))]
    return str(rng.choice([" ", " ", "^", ", ", ": ", "  "])).join(words)


def _typed(rng: Rng, size: int) -> np.ndarray:
    """One line of letters, 0 to 1."""
    name, line = str(rng.choice(_FONTS)), _line(rng)
    if rng.random() < 0.2:
        first, last = _OTHERS[int(rng.integers(len(_OTHERS)))]
        name = str(rng.choice(["DejaVuSans", "DejaVuSans-Bold"]))
        line = "".join(c if c == " " else chr(int(rng.integers(first, last + 1))) for c in line)
    font, spread = _font(name, size), 0.0
    if rng.random() < 0.15:
        spread = rng.uniform(0.1, 1.0) * size
    if spread:
        widths = [font.getlength(c) + spread for c in line]
        mask = Image.new("L", (int(sum(widths)) + 8, 2 * size + 8))
        for c, at in zip(line, np.cumsum([0, *widths]), strict=False):
            ImageDraw.Draw(mask).text((int(at) + 4, size // 3), c, fill=255, font=font)
    else:
        mask = Image.new("L", (int(font.getlength(line)) + 8 + size, 2 * size + 8))
        ImageDraw.Draw(mask).text((4, size // 3), line, fill=255, font=font)
    return np.asarray(mask, np.float32) / 255


def _invented(rng: Rng, size: int) -> np.ndarray:
    """A line of invented signs, each of a few strokes in a square; with a line above that joins them, or without."""
    n, pitch, width = (
        int(rng.integers(2, 9)),
        size * rng.uniform(0.6, 1.15),
        max(1, round(size * rng.uniform(0.05, 0.12))),
    )
    mask = np.zeros((2 * size, int(n * pitch) + size), np.float32)
    grid = rng.random() < 0.7  # strokes along a grid, as in Han signs; else free ones
    kinds = [rng.integers(0, 4, (int(rng.integers(3, 9)), 2, 2)) for _ in range(n)]
    for i, strokes in enumerate(kinds):
        for a, b in strokes:
            if grid and rng.random() < 0.8:
                b = np.where(rng.permutation([True, False]), a, b)
            corner = size / 2 + np.array([i * pitch, 0])
            start, end = (tuple(int(v) for v in corner + p * size * 0.28) for p in (a, b))
            if grid or rng.random() < 0.6:
                cv2.line(mask, start, end, 1.0, width, cv2.LINE_AA)
            else:
                middle = tuple((np.array(start) + end) // 2)
                axes = tuple(int(v) for v in rng.uniform(0.1, 0.4, 2) * size)
                cv2.ellipse(mask, middle, axes, rng.uniform(0, 360), 0, rng.uniform(120, 360), 1.0, width, cv2.LINE_AA)
    if rng.random() < 0.15:
        cv2.line(mask, (size // 2, size // 2), (int(size / 2 + (n - 0.2) * pitch), size // 2), 1.0, width)
    return mask


def _square_code(rng: Rng) -> np.ndarray:
    n, module = int(rng.choice([14, 18, 21, 25, 29])), rng.uniform(1.5, 4)
    cells = (rng.random((n, n)) < 0.5).astype(np.float32)
    if n > 20:
        eye = np.pad(np.pad(np.ones((3, 3)), 1), 1, constant_values=1)
        for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
            cells[y : y + 7, x : x + 7] = eye
    else:
        cells[:, 0] = cells[-1] = 1
        cells[0], cells[:, -1] = np.arange(n) % 2 == 0, np.arange(n) % 2
    side = int(n * module)
    return np.pad(cv2.resize(cells, (side, side), interpolation=cv2.INTER_AREA), 4)


def _bar_code(rng: Rng) -> np.ndarray:
    unit = rng.uniform(1, 2.5)
    widths = rng.choice([1, 1, 1, 2, 2, 3, 4], int(rng.integers(20, 70)))
    row = np.repeat(np.arange(len(widths)) % 2 == 0, widths).astype(np.float32)
    row = cv2.resize(row[None], (max(20, int(len(row) * unit)), 1), interpolation=cv2.INTER_AREA)
    return np.pad(np.repeat(row, int(rng.integers(14, 60)), 0), 4)


def _changed(rng: Rng, mask: np.ndarray, size: int) -> np.ndarray:
    """Letters as consoles, printers and hands make them."""
    if rng.random() < 0.2:  # a hand's: bent in waves
        reach, waves = size * rng.uniform(0.03, 0.13), size * rng.uniform(0.3, 1)
        field = [cv2.GaussianBlur(rng.normal(size=mask.shape).astype(np.float32), (0, 0), waves) for _ in range(2)]
        y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float32)
        moved = [reach * f / max(f.std(), 1e-6) for f in field]
        mask = cv2.remap(mask, x + moved[0], y + moved[1], cv2.INTER_LINEAR)
    kind = rng.random()
    if kind < 0.07 and size >= 12:  # dots of a matrix
        y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]]
        step = max(2, size // 8)
        mask = mask * ((y % step < max(1, step - 1)) & (x % step < max(1, step - 1)))
    elif kind < 0.14 and size >= 12:  # hollow
        mask = (cv2.dilate(mask, np.ones((3, 3))) - mask).clip(0)
    elif kind < 0.2:
        mask = cv2.dilate(mask, np.ones((2, 2)))
    elif kind < 0.24:
        mask = mask * (np.arange(len(mask)) % 2 == 0)[:, None]  # interlaced
    if rng.random() < 0.2:
        mask = (mask > 0.5).astype(np.float32)
    if rng.random() < 0.04:
        mask = mask[:, ::-1]
    return mask


def _angle(rng: Rng) -> float:
    kind = rng.random()
    if kind < 0.4:
        return 0
    if kind < 0.6:
        return float(rng.choice([90, 180, 270]))
    return rng.uniform(-20, 20) + float(rng.choice([0, 0, 90, 180])) if kind < 0.82 else rng.uniform(0, 360)


def _stroke_noise(picture: np.ndarray, place: np.ndarray) -> float:
    """How much the ground moves at the width of a stroke, where something is to be written."""
    fine = picture - cv2.GaussianBlur(picture, (0, 0), 2.5)
    return float(fine[place].std()) if place.any() else 0.0


def _write(rng: Rng, picture: np.ndarray, letters: np.ndarray, ignored: np.ndarray, way: np.ndarray) -> None:
    """Draws one thing to be found into the picture, and where it is into the others, all of the picture's size."""
    side, kind, coded = len(picture), rng.random(), False
    size = int(8 * 2 ** rng.uniform(0, 1.45)) if rng.random() < 0.9 else int(rng.choice([6, 7, 26, 32, 44, 60]))
    if kind < 0.09:
        mask, coded = (_square_code if rng.random() < 0.6 else _bar_code)(rng), True
    else:
        mask = _changed(rng, (_invented if kind < 0.24 else _typed)(rng, size), size)
        for _ in range(int(rng.choice([0, 0, 0, 0, 1, 2, 3]))):  # further lines below
            below = _changed(rng, _typed(rng, size), size)
            width = max(mask.shape[1], below.shape[1])
            mask, below = (
                np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (mask[:-6] if len(mask) > 6 else mask, below)
            )
            mask = np.vstack([mask, below[size // 4 :]])
    place = np.zeros_like(mask, np.uint8)
    rows = np.flatnonzero(mask.max(1) > 0.3)
    if not len(rows):
        return
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1 + size // 6) + 1):
        columns = np.flatnonzero(mask[run].max(0) > 0.3)
        place[max(0, run[0] - 1) : run[-1] + 2, max(0, columns[0] - 1) : columns[-1] + 2] = 1
    angle, height, width = _angle(rng), *mask.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    turn[0, 2] += rng.uniform(-0.1, 1.1) * side - width / 2
    turn[1, 2] += rng.uniform(-0.05, 1.05) * side - height / 2
    if rng.random() < 0.15:
        turn[0, :2] += turn[1, :2] * rng.uniform(-0.25, 0.25)
    mask = cv2.warpAffine(mask.astype(np.float32), turn, (side, side), flags=cv2.INTER_LINEAR)
    place = cv2.warpAffine(place, turn, (side, side), flags=cv2.INTER_NEAREST).astype(bool)
    if rng.random() < 0.25:
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.1))
    if letters[place].any() or place.sum() < 20:
        return
    if rng.random() < 0.1:  # a label of its own
        frame = cv2.dilate(place.astype(np.uint8), np.ones((7, 7))).astype(bool)
        picture[frame] = rng.choice([0, 255, rng.uniform(0, 255)])
    noise = _stroke_noise(picture, place)
    contrast = max(3.0, 2.2 * noise) * 2 ** rng.uniform(0, 6)
    under = float(picture[place].mean())
    ink = under + contrast * (1 if rng.random() < (0.3 if under > 150 else 0.8) else -1)
    if rng.random() < 0.35:
        ink = 255.0 if under < 150 else 0.0
    ink = float(np.clip(ink, 0, 255))
    if rng.random() < 0.1:  # a dark rim around light letters
        rim = cv2.dilate(mask, np.ones((3, 3)))
        picture[:] = picture * (1 - rim) + (255 - ink) * rim
    picture[:] = picture * (1 - mask) + ink * mask
    seen = abs(ink - under) >= max(2.0, 1.8 * noise) and 8 <= size <= 24
    (letters if seen or coded else ignored)[place] = 1
    way[:, place] = np.array([np.cos(np.radians(-2 * angle)), np.sin(np.radians(-2 * angle))])[:, None]


def sample(rng: Rng, ground: np.ndarray, lettered: bool = True) -> Sample:
    """A part of the ground, with what looks like letters, and with letters in half of all, or in none."""
    y, x = (int(rng.integers(0, n - CROP + 1)) for n in ground.shape)
    picture = ground[y : y + CROP, x : x + CROP].copy()
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if rng.random() < 0.15:
        picture = 255 - picture
    clutter(rng, picture)
    letters, ignored = (np.zeros((CROP, CROP), np.float32) for _ in range(2))
    way = np.zeros((2, CROP, CROP), np.float32)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1])) if lettered else 0):
        _write(rng, picture, letters, ignored, way)
    if rng.random() < 0.25:  # noise over all, as of a picture that was stored with losses
        if rng.random() < 0.5:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))]
            stored = cv2.imencode(".jpg", picture.astype(np.uint8), quality)[1]
            picture = np.asarray(cv2.imdecode(stored, 0), np.float32)
        else:
            picture = picture + rng.normal(0, rng.uniform(0.5, 3), picture.shape).astype(np.float32)
    shares = [
        cv2.resize(m, None, fx=1 / STRIDE, fy=1 / STRIDE, interpolation=cv2.INTER_AREA) for m in (letters, ignored)
    ]
    weight = ((shares[0] < 0.1) | (shares[0] > 0.6)) & (shares[1] < 0.05)
    return Sample(
        np.rint(picture.clip(0, 255)), (shares[0] > 0.5).astype(np.float32), weight.astype(np.float32),
        way[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE],
    )  # fmt: skip
