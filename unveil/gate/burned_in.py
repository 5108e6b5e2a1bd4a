"""Text that is burned into pixels."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unveil import pixels
from unveil.gate import GateError

#: Kinds of images into which names are burned as a rule, as DICOM and as people write them.
_WRITTEN_ON = {"us", "ivus", "xa", "rf", "sc", "es", "xc", "gm", "photo", "photograph", "ultrasound", "endoscopy"}
_SURE = 70  # per cent, as tesseract says it: words read into noise stay below
_SIDE = 1000  # pixels to which a smaller image is enlarged: burned-in letters are small


def needs_reading(path: Path, modality: str | None) -> bool:
    """Whether text may be burned in: always but where a DICOM file of a kind that is not written on denies it."""
    header = pixels.probe(path)
    kinds = {(name or "").lower() for name in (header.modality, modality)}
    return header.burned_in != "NO" or bool(kinds & _WRITTEN_ON)


def read_pixels(png: bytes) -> bool:
    """Whether OCR finds a word of three or more letters and digits in an image as it would be sent.

    Shorter ones are marks such as L, R and AP.
    """
    try:
        import pytesseract

        grey = Image.open(io.BytesIO(png)).convert("L")
        return any(_words(pytesseract, look) for look in _looks(grey))
    except (ImportError, OSError, RuntimeError) as error:  # pytesseract's own errors are of the latter two
        raise GateError(
            f"OCR is not installed, so names burned into images would not be found ({error}): pip install unveil[ocr] "
            "and the program tesseract, or look at all images and say so with --pixels-reviewed"
        ) from error


def _looks(grey: Image.Image) -> Iterator[Image.Image]:
    """An image in which letters are looked for: as it is, and only thin strokes that are lighter or darker than what
    lies around them (top-hat transform), dark on white."""
    scale = max(1, round(_SIDE / max(grey.size)))
    size = (grey.width * scale, grey.height * scale)
    yield grey.resize(size, Image.Resampling.BICUBIC)
    widest = max(15, max(grey.size) // 35)
    from scipy import ndimage  # late: a third of a second, which no start of a command should wait for

    for strokes in (ndimage.white_tophat, ndimage.black_tophat):
        alone = 255 - pixels.stretch(strokes(np.asarray(grey), size=(widest, widest)))
        yield Image.fromarray(alone).resize(size, Image.Resampling.BICUBIC)


def _words(ocr: Any, image: Image.Image) -> bool:
    found = ocr.image_to_data(image, config="--psm 11", output_type=ocr.Output.DICT)
    pairs = zip(found["text"], found["conf"], strict=True)
    return any(float(sure) >= _SURE and re.search(r"\w{3}", word.replace("_", "")) for word, sure in pairs)
