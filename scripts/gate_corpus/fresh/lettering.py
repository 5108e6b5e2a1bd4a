"""Text as masks of 0 to 1: printed faces, a printer's dots, lead stencils, bar codes; and laying them down."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from scripts.gate_corpus.fresh.drawing import Field, Picture, blur

_FOLDER = Path("/usr/share/fonts/truetype")
SANS: tuple[str, ...] = (
    "dejavu/DejaVuSans",
    "dejavu/DejaVuSans-Bold",
    "dejavu/DejaVuSansCondensed",
    "liberation/LiberationSans-Regular",
)
SANS += (
    "liberation/LiberationSans-Bold",
    "liberation/LiberationSansNarrow-Regular",
    "liberation/LiberationSansNarrow-Bold",
)
MONO: tuple[str, ...] = ("dejavu/DejaVuSansMono", "dejavu/DejaVuSansMono-Bold", "liberation/LiberationMono-Regular")
SERIF: tuple[str, ...] = (
    "dejavu/DejaVuSerif",
    "liberation/LiberationSerif-Regular",
    "liberation/LiberationSerif-BoldItalic",
)
FACES = SANS + MONO + SERIF + ("rubik",)

_CODE39 = {
    "0": "nnnwwnwnn", "1": "wnnwnnnnw", "2": "nnwwnnnnw", "3": "wnwwnnnnn", "4": "nnnwwnnnw", "5": "wnnwwnnnn",
    "6": "nnwwwnnnn", "7": "nnnwnnwnw", "8": "wnnwnnwnn", "9": "nnwwnnwnn", "A": "wnnnnwnnw", "B": "nnwnnwnnw",
    "C": "wnwnnwnnn", "D": "nnnnwwnnw", "E": "wnnnwwnnn", "F": "nnwnwwnnn", "G": "nnnnnwwnw", "H": "wnnnnwwnn",
    "I": "nnwnnwwnn", "J": "nnnnwwwnn", "K": "wnnnnnnww", "L": "nnwnnnnww", "M": "wnwnnnnwn", "N": "nnnnwnnww",
    "O": "wnnnwnnwn", "P": "nnwnwnnwn", "Q": "nnnnnnwww", "R": "wnnnnnwwn", "S": "nnwnnnwwn", "T": "nnnnwnwwn",
    "U": "wwnnnnnnw", "V": "nwwnnnnnw", "W": "wwwnnnnnn", "X": "nwnnwnnnw", "Y": "wwnnwnnnn", "Z": "nwwnwnnnn",
    "-": "nwnnnnwnw", ".": "wwnnnnwnn", " ": "nwwnnnwnn", "*": "nwnnwnwnn",
}  # fmt: skip


@cache
def _font(face: str, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FOLDER / f"{face}.ttf"), points)


def _capital(face: str, points: int) -> int:
    box = _font(face, points).getbbox("H")
    return int(box[3] - box[1])


def _points_for(face: str, height: float) -> int:
    """The size at which the face's capitals are that many pixels high."""
    return max(6, round(height * 100 / _capital(face, 100)))


def trimmed(mask: Field) -> Field:
    """The mask without its empty margins."""
    rows, columns = np.nonzero(mask > 0.03)
    return np.ascontiguousarray(mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], np.float32)


def _rubik(text: Sequence[str], height: float, thick: int) -> Field:
    """OpenCV's own face."""
    scale = height / 22
    step = int(height * 1.7)
    wide = int(max(len(line) for line in text) * height * 1.3) + 40
    mask = np.zeros((step * len(text) + step, wide), np.uint8)
    for index, line in enumerate(text):
        cv2.putText(mask, line, (10, step * (index + 1)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    return trimmed(mask.astype(np.float32) / 255)


def printed(text: Sequence[str], face: str, height: float, right: bool = False, hard: bool = False) -> Field:
    """The lines in a face, capitals of a height in pixels, against the left or the right; hard: without grey edges."""
    if face == "rubik":
        return _rubik(text, height, 1 if height < 14 else 2)
    font = _font(face, _points_for(face, height))
    step = round(height * 1.62)
    wide = int(max(font.getlength(line) for line in text)) + 8
    picture = Image.new("L", (wide, step * (len(text) + 1)))
    pen = ImageDraw.Draw(picture)
    pen.fontmode = "1" if hard else "L"
    for index, line in enumerate(text):
        left = wide - 4 - int(font.getlength(line)) if right else 4
        pen.text((left, step * (index + 1)), line, 255, font=font, anchor="ls")
    return trimmed(np.asarray(picture, np.float32) / 255)


def dotted(text: Sequence[str], pitch: int, round_dot: float = 0.42) -> Field:
    """The lines as a matrix printer's dots, `pitch` pixels apart."""
    font = ImageFont.load_default_imagefont()
    wide = max(int(font.getbbox(line)[2]) for line in text) + 2
    picture = Image.new("1", (wide, 12 * len(text) + 2))
    for index, line in enumerate(text):
        ImageDraw.Draw(picture).text((0, 12 * index), line, 1, font=font)
    grid = np.asarray(picture)
    fine = 4
    mask = np.zeros((grid.shape[0] * pitch * fine, grid.shape[1] * pitch * fine), np.uint8)
    for row, column in zip(*np.nonzero(grid), strict=True):
        centre = (int((column + 0.5) * pitch * fine), int((row + 0.5) * pitch * fine))
        cv2.circle(mask, centre, max(2, int(round_dot * pitch * fine)), 255, -1)
    small = cv2.resize(mask, (grid.shape[1] * pitch, grid.shape[0] * pitch), interpolation=cv2.INTER_AREA)
    return trimmed(small.astype(np.float32) / 255)


def stencilled(text: Sequence[str], height: float) -> Field:
    """Capitals of lead: each set on its own, with the bridges of a stencil, and soft as a film shows them."""
    face = "liberation/LiberationSans-Bold"
    rows = []
    for line in text:
        glyphs: list[Field] = []
        for letter in line.upper():
            if letter == " ":
                glyphs.append(np.zeros((1, int(height * 0.45)), np.float32))
                continue
            font = _font(face, _points_for(face, height))
            picture = Image.new("L", (int(font.getlength(letter)) + int(height * 0.22) + 2, int(height * 1.5)))
            ImageDraw.Draw(picture).text((int(height * 0.08), height * 1.15), letter, 255, font=font, anchor="ls")
            glyph = np.asarray(picture, np.float32) / 255
            if letter in "ABDOPQR04689":
                columns = np.nonzero(glyph.max(0) > 0.1)[0]
                middle, gap = int(columns.mean()), max(1, round(height * 0.07))
                glyph[:, middle - gap // 2 : middle - gap // 2 + gap] = 0
            glyphs.append(glyph)
        tall = max(glyph.shape[0] for glyph in glyphs)
        rows.append(np.concatenate([np.pad(glyph, ((0, tall - glyph.shape[0]), (0, 0))) for glyph in glyphs], 1))
    wide = max(row.shape[1] for row in rows)
    mask = np.concatenate([np.pad(row, ((0, 0), (0, wide - row.shape[1]))) for row in rows])
    return blur(trimmed(mask), 0.02 * height + 0.3)


def code39(text: str, narrow: int, tall: int) -> Field:
    """A bar code: 1 where a bar is. Wide elements are three narrow ones."""
    columns: list[int] = []
    for letter in f"*{text.upper()}*":
        for index, width in enumerate(_CODE39[letter]):
            columns += [1 - index % 2] * (narrow * (3 if width == "w" else 1))
        columns += [0] * narrow
    return np.tile(np.array(columns[:-narrow], np.float32), (tall, 1))


def qr_code(text: str, module: int) -> Field:
    """A QR code without its quiet zone: 1 where a module is dark."""
    code = cv2.QRCodeEncoder.create().encode(text)
    dark = trimmed((code < 128).astype(np.float32))
    return np.kron(dark, np.ones((module, module), np.float32))


def rotated(mask: Field, degrees: float) -> Field:
    """The mask turned anticlockwise, in a box that holds all of it."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(mask, round(degrees / 90)))
    height, width = mask.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    wide, tall = int(height * sine + width * cosine) + 2, int(height * cosine + width * sine) + 2
    turn[:, 2] += ((wide - width) / 2, (tall - height) / 2)
    turned: Field = cv2.warpAffine(mask, turn, (wide, tall), flags=cv2.INTER_CUBIC)
    return turned.clip(0, 1)


def lay(picture: Picture, mask: Field, left: int, top: int, colour: ArrayLike, share: float = 1.0) -> Picture:
    """The picture with the mask in a colour at a place, cut off nowhere: it is moved inside first."""
    height, width = picture.shape[:2]
    if mask.shape[0] > height or mask.shape[1] > width:
        raise ValueError(f"the text {mask.shape} is larger than the picture {picture.shape}")
    left, top = int(np.clip(left, 0, width - mask.shape[1])), int(np.clip(top, 0, height - mask.shape[0]))
    part = picture[top : top + mask.shape[0], left : left + mask.shape[1]].astype(np.float32)
    ink = np.asarray(colour, np.float32)
    weight = mask * share
    if picture.ndim == 3:
        weight = weight[..., None]
    else:
        ink = ink.mean() if ink.ndim else ink
    done = picture.copy()
    done[top : top + mask.shape[0], left : left + mask.shape[1]] = np.clip(
        np.rint(part * (1 - weight) + ink * weight), 0, 255
    )
    return done


def halo(mask: Field, reach: int) -> tuple[Field, Field]:
    """The mask with a margin, and the same grown by some pixels, to lie under it as an outline."""
    padded = np.pad(mask, reach + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return padded, cv2.dilate(padded, kernel)
