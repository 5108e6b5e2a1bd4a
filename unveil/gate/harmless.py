"""Words burned into images that name nobody: PORTABLE, SUPINE, L, 120 kV, TR 4500; the list is `harmless.txt`.

Whatever is not on the list, and is no number beside a unit or a setting, may name somebody.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("harmless.txt")
_ALIKE = str.maketrans("01|!L58", "OIIIISB")  # what OCR takes for one another
_LONG = 8  # letters from which one wrong letter is forgiven: no first or last name lies so near
_NUMBER = r"[+-]?\d{1,6}(?:[.,]\d{1,3})?"
#: Numbers that a unit, a setting or nothing beside them makes harmless: up to two digits, or with a fraction.
_SMALL = re.compile(r"[+-]?(?:\d{1,2}(?:[.,]\d{1,3})?|\d{3}[.,]\d{1,2})")
_WITH_UNIT = re.compile(rf"({_NUMBER})([a-zA-Zµ%°][a-zA-Zµ/²³0-9]{{0,6}})")
_WITH_NAME = re.compile(rf"([a-zA-Z]{{1,8}})[:=]?({_NUMBER})")
_SIZE = re.compile(r"\d{1,4}(?:[.,]\d{1,2})?(?:[x×*]\d{1,4}(?:[.,]\d{1,2})?){1,2}[a-z]{0,2}", re.IGNORECASE)
_AGED = {"Y", "YO", "YR", "YRS", "YEARS", "M", "F", "AGE"}  # folded, beside a number: somebody's age and sex
_RATIO = re.compile(r"\d{1,4}/\d{1,4}")
#: Vertebrae and what lies between them (L4, C5/6), and probes by their frequencies (C5-1, L12-3).
_VERTEBRA = re.compile(r"[CTLSVXP]\d{1,2}(?:[-/][CTLS]?\d{1,2})?[a-z]?", re.IGNORECASE)
_MARKS = frozenset("LRAPHFSIX")  # single letters that stand beside one another: directions


@cache
def words() -> frozenset[str]:
    """The list, folded."""
    lines = (line for line in _LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return frozenset(_folded(word) for line in lines for word in line.split()) - _also_names()


@cache
def _also_names() -> frozenset[str]:
    return frozenset(_folded(word) for word in _under("also names"))


@cache
def _units() -> frozenset[str]:
    return frozenset(_folded(word) for word in _under("units"))


@cache
def _settings() -> frozenset[str]:
    return frozenset(_folded(word) for word in (*_under("settings"), *_under("units")))


def _under(title: str) -> list[str]:
    """The words of the list below the comment that begins so."""
    found, inside = [], False
    for line in _LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            inside = line.startswith(f"# {title}")
        elif inside:
            found += line.split()
    return found


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).upper().strip(".,:;'\"()[]{}<>*_-=~").translate(_ALIKE)


def name_nobody(read: Iterable[str]) -> bool:
    """Whether none of these words, in the order in which they stand in one place, may name somebody.

    >>> name_nobody(["PORTABLE", "120", "kV"]), name_nobody(["PORTABLE", "SMITH"]), name_nobody(["120", "4411"])
    (True, False, False)
    """
    tokens = [token for word in read if (token := word.strip(".,:;'\"()[]{}<>*_=~|—–-?!¢°²³^ "))]
    tokens = _joined(tokens)
    letters = [token for token in tokens if len(token) == 1 and token.isalpha()]
    if len(letters) == len(tokens) > 1 and not _MARKS.issuperset(map(str.upper, letters)):
        return False  # initials
    return all(_harmless(tokens, i) for i in range(len(tokens)))


def _joined(tokens: list[str]) -> list[str]:
    """Letters and digits that stand apart, three or more, as one word: ``1 9 5 8`` is a year."""
    found: list[str] = []
    for single, run in itertools.groupby(tokens, key=lambda token: len(token) == 1 and token.isalnum()):
        signs = list(run)
        apart = single and len(signs) > 2 and not _MARKS.issuperset(map(str.upper, signs))
        found += ["".join(signs)] if apart else signs
    return found


def _harmless(tokens: list[str], i: int) -> bool:
    token = tokens[i]
    if not any(c.isalnum() for c in token) or (len(token) == 1 and token.isascii()):
        return True
    if _folded(token) in _also_names():
        return any(len(other) > 1 and _known(other) for other in tokens)
    if _known(token) or _VERTEBRA.fullmatch(token) or _SIZE.fullmatch(token):
        return True
    before = _folded(tokens[i - 1]) if i else ""
    after = _folded(tokens[i + 1]) if i + 1 < len(tokens) else ""
    if _SMALL.fullmatch(token):
        return not {before, after} & _AGED
    if re.fullmatch(_NUMBER, token):
        return after in _units() or (len(token) <= 5 and (before in _settings() or _number_of_setting(tokens, i)))
    if _RATIO.fullmatch(token):
        return before in _settings()
    if (joined := _WITH_UNIT.fullmatch(token)) and joined[2].upper() not in _AGED:
        return _folded(joined[2]) in _units()
    if joined := _WITH_NAME.fullmatch(token):
        return _folded(joined[1]) in _settings() and len(joined[2]) <= 5
    if re.fullmatch(r"\d{1,3}[1Il]M", token):  # SE 3 IM 45, with too little space for OCR
        return before == "SE".translate(_ALIKE) and after.isalnum()
    parts = re.split(r"[-/+&,:=()]", token)
    return any(map(_known, parts)) and all(_known(p) or _SMALL.fullmatch(p) or len(p) <= 1 for p in parts)


def _number_of_setting(tokens: list[str], i: int) -> bool:
    """Whether the numbers before this one lead to a setting: ``Matrix 256 256``, ``W 400 L 40``."""
    while i and re.fullmatch(_NUMBER, tokens[i - 1]):
        i -= 1
    return i > 0 and _folded(tokens[i - 1]) in _settings()


def _known(token: str) -> bool:
    word = _folded(token)
    if word in words():
        return True
    return len(word) >= _LONG and any(_one_apart(word, other) for other in words() if len(other) >= _LONG)


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter was replaced, left out or put in."""
    if abs(len(one) - len(other)) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[same:], other[same:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:]
