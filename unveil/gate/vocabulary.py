"""Words that name nobody, so that a text of them alone is no free text."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from unveil.wording import HINTS, NOTHING, QUESTIONS

#: What stands in the answers that are written from annotations, besides the names of findings.
_WRITTEN = f"Yes. No. There is no; in the right left both. Detection: abnormal, normal. {NOTHING} Recognition. None."
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
#: Besides words, a text of ours holds these signs only; numbers stand in boxes, which are parts of their own.
_SIGNS = re.compile(r"[\s.,;:?!()/-]*")


def closed(text: str) -> bool:
    """Whether a text consists of words that stand in our own wordings or in the list of findings, organs and places.

    Any other sign or word makes it free text, and so does a digit, but for a number of two digits that stands alone.
    """
    if re.fullmatch(r"\s*\d{1,2}\.?\s*", text):  # a count, as an answer
        return True
    if not _SIGNS.fullmatch(_WORD.sub("", text)):
        return False
    return words() >= {word.lower() for word in _WORD.findall(text)}


@cache
def words() -> frozenset[str]:
    """All words of the closed vocabulary, in small letters."""
    lines = (files("unveil.gate") / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    listed = " ".join(line for line in lines if not line.startswith("#"))
    wordings = " ".join([*(form for forms in QUESTIONS.values() for form in forms), *HINTS.values(), _WRITTEN])
    return frozenset(word.lower() for word in _WORD.findall(f"{listed} {wordings.replace('{box}', '')}"))
