"""Words that name nobody, so that a text of them alone is no free text."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from unveil.core.answers import NOTHING
from unveil.core.dialects import told
from unveil.core.wordings import QUESTIONS
from unveil.gate.words import listed

#: What stands in the answers that are written from annotations, besides the names of findings.
_WRITTEN = f"Yes. No. There is no; in the right left both. Detection: abnormal, normal. {NOTHING} Recognition. None."
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
#: Words of the list that are also names of persons: with a capital they are no words of ours.
_NAMES_TOO = listed(
    "black bone bones brain bright core crown deep field fields foot free gray grey head heart iris large long marrow "
    "neck pole pool rim root round sharp short small soft stone stones wall white wide"
)
#: Besides words, a text of ours holds these signs only; numbers stand in boxes, which are parts of their own.
_SIGNS = re.compile(r"[\s.,;:?!()/-]*")


def closed(text: str) -> bool:
    """Whether a text consists of words that stand in our own wordings or in the list of findings, organs and places.

    Any other sign or word makes it free text, and so does a digit, but for a count below 90 that stands alone: a number
    from 90 on may be an age. A word that is also a person's name has to begin small.
    """
    if re.fullmatch(r"\s*[1-8]?[0-9]\.?\s*", text):  # a count, as an answer
        return True
    if not _SIGNS.fullmatch(_WORD.sub("", text)):
        return False
    said = _WORD.findall(text)
    return words() >= {word.lower() for word in said} and not any(
        word[0].isupper() and word.lower() in _NAMES_TOO for word in said
    )


@cache
def words() -> frozenset[str]:
    """All words of the closed vocabulary, in small letters."""
    lines = (files("unveil.gate") / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    listed = " ".join(line for line in lines if not line.startswith("#"))
    wordings = " ".join([*(form for forms in QUESTIONS.values() for form in forms), *told(), _WRITTEN])
    return frozenset(word.lower() for word in _WORD.findall(f"{listed} {wordings.replace('{box}', '')}"))
