"""Names of findings: when two are one, and where they stand in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_HYPHENS = "\\-\u2010-\u2015\u2212"
_AROUND = " .,;:\"'`*\t\r\n_-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_GAP = re.compile(rf"[\s_{_HYPHENS}]+")


def bare(text: str) -> str:
    """A name without what stands around it: space, stops, quotes, and brackets that are not its own."""
    text = unicodedata.normalize("NFC", text)
    while True:
        before, text = text, text.strip(_AROUND)
        for opening, closing in ("()", "[]"):
            if text.startswith(opening) and closing not in text[:-1]:
                text = text[1:].removesuffix(closing)
            if text.endswith(closing) and opening not in text:
                text = text[:-1]
        if text == before:
            return text


@lru_cache(maxsize=1 << 14)  # names come again
def normal(text: str) -> str:
    """A name for comparison: lower case, single spaces, also for underscore and hyphen, no punctuation at the ends."""
    return bare(_GAP.sub(" ", text)).lower()


# English and the Latin and Greek of medicine: an ending, and those that it takes in the other number
_NUMBERS = (
    ("y", "ies"),
    ("is", "es"),
    ("us", "i"),
    ("um", "a"),
    ("on", "a"),
    ("a", "ae"),
    ("a", "ata"),
    ("x", "ces"),
    ("ex", "ices"),
    ("ix", "ices"),
    ("ax", "aces"),
    ("en", "ina"),
    ("ooth", "eeth"),
    ("foot", "feet"),
    ("f", "ves"),
)


# British and American
_SPELLINGS = (
    ("oedem", "edem"),
    ("haem", "hem"),
    ("aemi", "emi"),
    ("oesoph", "esoph"),
    ("naev", "nev"),
    ("caec", "cec"),
    ("tumour", "tumor"),
    ("rrhoea", "rrhea"),
    ("fibre", "fiber"),
)


def _respelled(word: str) -> set[str]:
    """A word in British and American spelling: "haemorrhage", "hemorrhage"."""
    forms = {word}
    for british, american in _SPELLINGS:
        forms |= {word.replace(british, american)}
        forms |= {word.replace(american, british)} if british not in word else set()
    return forms


def _numbered(word: str) -> set[str]:
    """A word in singular and plural. Some of these are no words, which does no harm: no text has them."""
    forms = {word, f"{word}s", f"{word}es"}
    for one, many in _NUMBERS:
        forms |= {word.removesuffix(one) + many} if word.endswith(one) else set()
        forms |= {word.removesuffix(many) + one} if word.endswith(many) else set()
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        forms |= {word[:-1], word.removesuffix("es")}
    return {form for form in forms if len(form) > 2}


_PIECE = re.compile(
    rf"(?P<space>[\s_]+)|(?P<hyphen>[{_HYPHENS}]+)|(?P<word>[^\W\d_]+)|(?P<number>\d+)|(?P<sign>[^\w\s])"
)
_MAY_JOIN, _APART = rf"[\s_{_HYPHENS}]*+", rf"[\s_{_HYPHENS}]++"


@lru_cache(maxsize=1 << 16)
def spelled(name: str) -> re.Pattern[str]:
    """A name as texts spell it: in either number, with any gap between its words, never within a word.

    "COVID-19" stands in "covid 19" and "Covid19", "nodule/mass" in "nodule / masses"; "nodule" does not stand in
    "non-nodule", nor "3" in "1.3".
    """
    made, gap, before = "", "", None
    for piece in _PIECE.finditer(bare(name)):
        kind = piece.lastgroup
        if kind in ("space", "hyphen"):
            gap = gap or (_APART if kind == "space" else _MAY_JOIN)
            continue
        if before:
            made += _MAY_JOIN if "sign" in (kind, before) else gap or _MAY_JOIN
        made += "|".join(map(re.escape, _forms(piece[0]))).join(("(?:", ")"))
        before, gap = kind, ""
    start = r"(?<!\d[.,])" if made.startswith(tuple(f"(?:{d}" for d in range(10))) else ""
    end = r"(?![.,]\d)" if before == "number" else ""
    apart = rf"(?<![^\W_])(?<!\bnon[\s{_HYPHENS}])(?<!\bpseudo[\s{_HYPHENS}])"
    return re.compile(rf"{apart}{start}{made}{end}(?![^\W_])", re.I)


def _forms(piece: str) -> list[str]:
    """How one piece of a name may be written, the longest first."""
    if piece in ("'", "\u2019"):
        return ["'", "\u2019"]
    word = piece.lower()
    forms = {word, piece}  # a few letters are not found by their own small form
    if word.isascii() and word.isalpha() and len(word) > 2:
        forms = {form for spelling in _respelled(word) for form in _numbered(spelling)}
    return sorted(forms, key=lambda form: (-len(form), form))


def _beginnings(name: str) -> set[str]:
    """The pieces with which a name may begin: its first one, or several where no hyphen is written between them."""
    pieces = list(_PIECE.finditer(bare(name)))
    found, first = set(_forms(pieces[0][0])), pieces[0][0]
    for hyphen, piece in zip(pieces[1::2], pieces[2::2], strict=False):
        if hyphen.lastgroup != "hyphen" or piece.lastgroup != "word":
            break
        first += piece[0]
        found |= {*_forms(first)}
    return found


class Names:
    """A vocabulary that finds its names in texts."""

    def __init__(self, vocabulary: Sequence[str]):
        self.known = {normal(name): name for name in reversed(vocabulary) if normal(name)}
        self.with_colon = any(":" in name for name in self.known)
        self._by_first: dict[str, list[str]] = {}
        for name in sorted(self.known, key=lambda name: (-len(name), name)):
            for form in _beginnings(self.known[name]):
                self._by_first.setdefault(form, []).append(name)

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """Where names stand, from left to right: from, to, and which, in normal form; the longest in one place."""
        found: list[tuple[int, int, str]] = []
        for piece in _PIECE.finditer(text):
            if found and piece.start() < found[-1][1]:
                continue
            for name in self._by_first.get(piece[0].lower(), ()):
                if there := spelled(self.known[name]).match(text, piece.start()):
                    said = normal(there[0])  # spelled just so, a name goes before one in the other number
                    found.append((*there.span(), said if said in self.known else name))
                    break
        return found
