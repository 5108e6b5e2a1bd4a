"""What is written in an image as it would be sent, and painting it over.

Rows of letters are looked for first (`letters`, `regions`), which is cheap and knows no language. Only where there are
any does tesseract read them, and only to excuse them: a region whose words all name nobody (`harmless`) may stay. One
that looks written and cannot be read is taken for somebody's data.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unveil.gate import ocr
from unveil.gate.codes import codes
from unveil.gate.harmless import name_nobody
from unveil.gate.ocr import Clock, OcrOptions, Read
from unveil.gate.regions import Box, Piece, Region, planes, upright, written

_SURE = 15  # sure cells of a region, some three letters, from which it is written, whatever OCR says
_LIKELY = 3  # likely cells below which OCR is not asked
_READ = 70  # per cent, as tesseract says it: a word so sure makes a weak region a written one
_EXCUSED = 55  # per cent: harmless words must be read so surely on average
_EACH = 25  # per cent: and each of them so surely
_COVERED = 0.85  # share of a region's cells that the words read there must explain
_SIGN = 20  # cells above which a single shape is more than one letter: a word in joined ones
_PIECES = 40  # regions that are read; what else there is stays unread
_MARGIN = 3  # pixels painted around a box
_BLACK = np.uint8(0)
_TOO_MUCH = 0.2  # share of an image above which it is not repaired


@dataclass(frozen=True)
class Word:
    """What stands in one place of an image. ``text`` is empty where letters were found and could not be read."""

    text: str
    box: Box
    sureness: float
    """Of the reading, 0 to 1."""
    turned: float
    """Degrees, anticlockwise, by which the letters are turned."""
    harmless: bool


@dataclass(frozen=True)
class BurnedIn:
    """What is written in an image as it would be sent."""

    words: tuple[Word, ...]
    codes: tuple[Box, ...] = ()

    @property
    def identifying(self) -> tuple[Box, ...]:
        """The boxes of all that may name somebody."""
        return tuple(word.box for word in self.words if not word.harmless) + self.codes

    @property
    def reason(self) -> str:
        """In words, without repeating what was read; empty where nothing may name anybody."""
        kinds = {
            "words": any(word.text and not word.harmless for word in self.words),
            "strokes like letters that OCR cannot read": any(not word.text for word in self.words if not word.harmless),
            "a code": bool(self.codes),
        }
        return " and ".join(kind for kind, there in kinds.items() if there)


def read_image(png: bytes, how: OcrOptions = OcrOptions(), strict: bool = False) -> BurnedIn:
    """Reads an image. Raises ``ocr.TimeLimit`` where that takes too long, ``GateError`` where OCR is not installed.

    ``strict``: what is only likely to be written counts as written, as it also does beside what may name somebody.
    """
    ocr.check(how)
    clock = Clock(how.seconds)
    picture = _array(png)
    found = [region for region in written(picture, clock.left) if region.likely >= _LIKELY]
    shades = planes(picture)
    squares = tuple(codes(shades[0]))
    judged = list(zip(_words(shades, found, how, clock), found, strict=True))
    clear = tuple(word for word, region in judged if word.text or region.sure >= _SURE)
    if strict or BurnedIn(clear, squares).identifying:
        return BurnedIn(tuple(word for word, _ in judged), squares)
    return BurnedIn(clear, squares)


def redacted(png: bytes, reading: BurnedIn, how: OcrOptions = OcrOptions()) -> bytes | None:
    """The image without what may name somebody; None where that cannot be had: where letters seem to be left after
    three searches, or so much is written on the image, as by a watermark, that some of it was missed.

    Whoever lets it leave should look at it: faint letters over anatomy are missed more often than others.
    """
    boxes = list(reading.identifying)
    for _ in range(3):
        picture = _array(png)
        if _places(picture, boxes).mean() > _TOO_MUCH:
            return None
        clean = painted(png, boxes)
        left = read_image(clean, how, strict=True).identifying
        if not left:
            return clean
        boxes += left
    return None


def painted(png: bytes, boxes: Iterable[Box]) -> bytes:
    """The image with these boxes, and some pixels around them, painted black; all else keeps its values."""
    picture = _array(png)
    out = io.BytesIO()
    Image.fromarray(np.where(_places(picture, boxes), _BLACK, picture)).save(out, "PNG", compress_level=3)
    return out.getvalue()


def _places(picture: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """Where these boxes, and some pixels around them, are: (H, W) or (H, W, 1)."""
    places = np.zeros(picture.shape[:2] + (1,) * (picture.ndim - 2), bool)
    for x1, y1, x2, y2 in boxes:
        left, top = (max(0, int(v) - _MARGIN) for v in (x1, y1))
        right, bottom = (max(0, int(np.ceil(v)) + _MARGIN) for v in (x2, y2))
        places[top:bottom, left:right] = True
    return places


def cost(sizes: Sequence[tuple[int, int]]) -> str:
    """What reading images of these widths and heights will take, in words, to be said before it begins."""
    million = sum(width * height for width, height in sizes) / 1e6
    low, high = (million * each + fixed * len(sizes) for each, fixed in _SECONDS)
    return (
        f"looking for letters in {len(sizes)} images ({million:.0f} megapixels) takes about {_span(low)} of one core "
        f"where none has any, up to {_span(high)} where all have"
    )


_SECONDS = ((1.0, 0.05), (1.4, 1.5))  # of one core, for each megapixel and each image; without and with letters


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _array(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


@dataclass(frozen=True)
class _Look:
    """One way of reading a region: turned by quarters, larger, light taken for dark, as a block or as single words."""

    turned: int = 0
    larger: float = 1
    inverted: bool = False
    layout: int = ocr.BLOCK
    always: bool = False
    """Also for a region that is only likely to be written."""


_LOOKS = (
    _Look(always=True), _Look(larger=1.5, layout=ocr.SPARSE), _Look(inverted=True, always=True), _Look(2, always=True),
    _Look(1), _Look(3),
)  # fmt: skip


def _words(shades: list[np.ndarray], found: list[Region], how: OcrOptions, clock: Clock) -> list[Word]:
    """Each region as it is best read, until it is excused or surely names somebody."""
    left = dict(enumerate(found[:_PIECES]))
    best: dict[int, Word] = {}
    for look in _LOOKS:
        now = [(k, region) for k, region in left.items() if look.always or region.sure >= _SURE]
        if not now:
            continue
        pieces = [upright(shades[r.plane], r, look.turned, look.larger, look.inverted) for _, r in now]
        read = ocr.read([piece.pixels for piece in pieces], how, clock, look.layout)
        for (k, region), piece, words in zip(now, pieces, read, strict=True):
            word = _judged(region, piece, words, look.turned)
            if k not in best or _better(word, best[k]):
                best[k] = word
            if word.harmless or word.text:
                del left[k]
    rest = [Word("", region.around, 0, float(np.degrees(region.angle)), False) for region in found[_PIECES:]]
    return [best[k] for k in sorted(best)] + rest


def _better(new: Word, old: Word) -> bool:
    return (new.harmless, new.sureness) > (old.harmless, old.sureness)


def _judged(region: Region, piece: Piece, words: list[Read], turned: int) -> Word:
    """What the words that were read in a region make of it."""
    angle = (float(np.degrees(region.angle)) + 90 * turned + 180) % 360 - 180
    texts = [word for word in words if any(c.isalnum() for c in word.text) and piece.holds(word.box)]
    text = " ".join(word.text for word in texts)
    if region.size <= _SIGN and piece.one_sign():
        return Word(text[:1] or "?", region.around, 1, angle, True)
    if texts and name_nobody(word.text for word in texts):
        sureness = float(np.mean([word.sureness for word in texts]))
        each = min(word.sureness for word in texts)
        if sureness >= _EXCUSED and each >= _EACH and piece.covered(word.box for word in texts) >= _COVERED:
            return Word(text, region.around, sureness / 100, angle, True)
    named = [word for word in texts if word.sureness >= _READ and _tells(word.text) and not name_nobody([word.text])]
    if named:
        return Word(text, region.around, max(word.sureness for word in named) / 100, angle, False)
    return Word("", region.around, 0, angle, False)


def _tells(word: str) -> bool:
    """Whether a word is long enough that another look need not be taken: three letters or four digits."""
    return sum(map(str.isalpha, word)) >= 3 or sum(map(str.isdigit, word)) >= 4
