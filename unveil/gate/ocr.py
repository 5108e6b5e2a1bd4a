"""Reading with tesseract: several pieces of an image in one call, one thread, a time limit, languages by option."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from unveil.gate import GateError

_INSTALL = "pip install 'unveil[ocr]' and the program tesseract"
_REVIEW = "or look at all images and say so with --pixels-reviewed"
BLOCK, SPARSE = 6, 11  # how tesseract takes a page: lines below one another, or words anywhere
_GAP = 24  # white pixels around each piece


class TimeLimit(GateError):
    """Reading one image took too long; nobody can tell what is in it, so that image must not leave."""


@dataclass(frozen=True)
class OcrOptions:
    """How images are searched for letters."""

    languages: tuple[str, ...] = ("eng",)
    """Languages that words are read in, as tesseract calls them; letters of others are found, but not read."""
    seconds: float = 60
    """Time limit for one image. One that takes longer is refused."""


@dataclass
class Clock:
    """What is left of an image's time."""

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Raises ``TimeLimit`` where nothing is."""
        left = self.seconds - (time.monotonic() - self._start)
        if left <= 0:
            raise TimeLimit(f"searching it for letters took more than {self.seconds:g} s")
        return left


@dataclass(frozen=True)
class Read:
    """A word as read in a piece: its box in pixels of that piece, and how sure tesseract is, in per cent."""

    text: str
    box: tuple[int, int, int, int]
    sureness: float


def check(how: OcrOptions) -> None:
    """Raises ``GateError`` unless all that reading needs is installed."""
    try:
        import cv2  # noqa: F401
        import pytesseract  # noqa: F401
    except ImportError as error:
        raise missing(error) from error
    if shutil.which("tesseract") is None:
        raise missing("there is no program tesseract on PATH")
    if not how.languages:
        raise GateError("no language to read in: name one, such as eng")
    if absent := sorted(set(how.languages) - _languages(os.environ.get("TESSDATA_PREFIX", ""))):
        packages = " ".join("tesseract-ocr-" + name.replace("_", "-") for name in absent)
        raise GateError(
            f"tesseract cannot read the languages asked for ({', '.join(absent)}): install their files, for instance "
            f"apt-get install {packages}"
        )


def missing(why: object) -> GateError:
    return GateError(
        f"OCR is not installed, so names burned into images would not be found ({why}): {_INSTALL}, {_REVIEW}"
    )


@cache
def _languages(folder: str) -> frozenset[str]:
    import pytesseract

    try:
        return frozenset(pytesseract.get_languages())
    except (OSError, RuntimeError) as error:
        raise missing(error) from error


def read(pieces: Sequence[np.ndarray], how: OcrOptions, clock: Clock, layout: int = BLOCK) -> list[list[Read]]:
    """The words of each piece, dark on white, (H, W) uint8; all are read in one call, one below the other."""
    import pytesseract

    width = max(piece.shape[1] for piece in pieces) + 2 * _GAP
    tops, top = [], _GAP
    for piece in pieces:
        tops.append(top)
        top += piece.shape[0] + _GAP
    sheet = np.full((top, width), 255, np.uint8)
    for piece, at in zip(pieces, tops, strict=True):
        sheet[at : at + piece.shape[0], _GAP : _GAP + piece.shape[1]] = piece
    rows = _data(pytesseract, sheet, how, clock, layout)
    words: list[list[Read]] = [[] for _ in pieces]
    for text, sureness, x, y, w, h in rows:
        k = max(i for i, at in enumerate(tops) if i == 0 or at <= y + h / 2)
        box = (x - _GAP, y - tops[k], x - _GAP + w, y - tops[k] + h)
        words[k].append(Read(text, box, sureness))
    return words


def _data(
    ocr: Any, sheet: np.ndarray, how: OcrOptions, clock: Clock, layout: int
) -> list[tuple[str, float, int, int, int, int]]:
    from PIL import Image

    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"  # tesseract's threads wait for one another more than they work
    try:
        found = ocr.image_to_data(
            Image.fromarray(sheet),
            lang="+".join(how.languages),
            config=f"--psm {layout} -c tessedit_do_invert=0",
            output_type=ocr.Output.DICT,
            timeout=clock.left(),
        )
    except RuntimeError as error:  # pytesseract's word for a process that was stopped, and for one that failed
        clock.left()
        if "timeout" in str(error).lower():
            raise TimeLimit(f"searching it for letters took more than {clock.seconds:g} s") from error
        raise missing(error) from error
    except OSError as error:
        raise missing(error) from error
    finally:
        if before is None:
            os.environ.pop("OMP_THREAD_LIMIT")
        else:
            os.environ["OMP_THREAD_LIMIT"] = before
    columns = (found[name] for name in ("text", "conf", "left", "top", "width", "height"))
    return [(t.strip(), float(c), x, y, w, h) for t, c, x, y, w, h in zip(*columns, strict=True) if t.strip()]
