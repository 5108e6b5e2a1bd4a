"""The options of the gate, which all commands have that may ask another machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from unveil.core.options import part_of
from unveil.core.path_types import InputFile


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What may leave this machine, and after whose look."""

    seldom: ClassVar[tuple[str, ...]] = ("ocr_languages", "ocr_seconds")

    names: str | None = None
    """Finder of names in free text, without which, or a review, none leaves: FILE.py:FUNCTION (text to places (start,
    end)), or presidio, or presidio:MODEL with a model of spaCy's that is installed."""
    identifiers: Literal["refuse", "redact"] = "refuse"
    """What becomes of what identifies somebody in free text or in pixels: the item is not sent, or it is replaced by a
    stable surrogate, or painted over."""
    texts_reviewed: InputFile | None = None
    """Review of free texts by a person, as `unveil gate` writes it and the person completes it: what it lets pass
    leaves without a search, what it keeps does not leave."""
    pixels_reviewed: InputFile | None = None
    """The same for images: those that it lets pass are not searched for burned-in letters."""
    ocr_languages: tuple[str, ...] = ("eng",)
    """Languages, as tesseract calls them, in which words in images are read, so that those that name nobody may stay;
    letters of others are found too, and never excused."""
    ocr_seconds: float = 60.0
    """Time limit for the letters of one image; one that takes longer is not sent."""


def gate_options(options: GateOptions) -> GateOptions:
    """The gate's own options out of a command's."""
    return GateOptions(**part_of(GateOptions, options))
