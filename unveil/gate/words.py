"""The room's lists of words: names that are cues for names, and words that name nobody."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


def listed(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


@lru_cache
def words(name: str) -> frozenset[str]:
    """The words of one of this room's lists (``NAME.txt``), without accents; lines with ``#`` are headings."""
    lines = (files("unveil.gate") / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    listed = " ".join(line for line in lines if not line.startswith("#")).split()
    return frozenset(word.replace("_", " ") for word in listed)


@lru_cache
def first_names() -> frozenset[str]:
    """The common first names of all continents."""
    return words("first_names") | words("first_names_far")


@lru_cache(maxsize=1 << 14)
def ordinary(word: str) -> bool:
    """Whether a word, in any case and with or without its genitive, is one of medicine or of every text."""
    return _listed(word, words("ordinary"))


@lru_cache(maxsize=1 << 14)
def harmless(word: str) -> bool:
    """Whether a word that stands alone names nobody: an ordinary one, or also a disease's or a score's name."""
    return _listed(word, words("ordinary") | words("eponyms"))


@lru_cache(maxsize=1 << 14)
def first_name(word: str) -> bool:
    """Whether a word, in any case, is a common first name; of a double one its first part counts."""
    return bool({_base(word), _base(word).split("-")[0]} & first_names())


@lru_cache(maxsize=1 << 14)
def surname(word: str) -> bool:
    """Whether a word, in any case, is a common surname; of a double one its first part counts."""
    return bool({_base(word), _base(word).split("-")[0]} & words("surnames"))


@lru_cache(maxsize=1 << 14)
def may_be_first(word: str) -> bool:
    """Whether a word, in any case, is a first name, be it another word as well."""
    return first_name(word) or _base(word) in words("word_first_names")


@lru_cache(maxsize=1 << 14)
def may_be_last(word: str) -> bool:
    """Whether a word, in any case, is a surname, be it another word as well."""
    return surname(word) or _base(word) in words("word_surnames")


@lru_cache(maxsize=1 << 14)
def known(word: str) -> bool:
    """Whether a word is on any list of words that name nobody; what is not may be a name."""
    lists = ("ordinary", "eponyms", "not_places", "vocabulary", "common")
    return _listed(word, frozenset().union(*map(words, lists)))


def _base(word: str) -> str:
    return word.casefold().strip(".,;:'\"()-").removesuffix("'s")


def _listed(word: str, known: frozenset[str]) -> bool:
    small = _base(word)
    parts = [part for part in small.replace("/", "-").split("-") if part]
    return small in known or f"{small}'s" in known or (len(parts) > 1 and all(part in known for part in parts))
