"""What a rule is: a named form in which something that identifies a person is written, and where a text is tried for
it. A text of 40 kB is read once into an index of its words; a rule is then tried beside its own words alone, so that
a hundred rules cost little more than one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

Span = tuple[int, int]

_NUMBERS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS = re.compile(r"[a-z]+")


def whole(found: re.Match[str]) -> Span | None:
    """The place of a match: that of its group ``it`` where it took part, else all of it."""
    return found.span("it") if "it" in found.re.groupindex and found["it"] else found.span()


@dataclass(frozen=True)
class Searched:
    """A plain text with what rules ask of it."""

    text: str

    @cached_property
    def small(self) -> str:
        """The text in small letters, letter by letter."""
        small = self.text.lower()
        return small if len(small) == len(self.text) else "".join(c.lower()[:1] for c in self.text)

    @cached_property
    def words(self) -> dict[str, list[int]]:
        """Where each run of letters begins."""
        index: defaultdict[str, list[int]] = defaultdict(list)
        for word in _LETTERS.finditer(self.small):
            index[word[0]].append(word.start())
        return dict(index)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Its words: two sets are compared by the smaller of them."""
        return frozenset(self.words)

    @cached_property
    def numbers(self) -> list[int]:
        """Where each run of digits begins."""
        return [number.start() for number in _NUMBERS.finditer(self.text)]


@dataclass(frozen=True)
class Rule:
    """``pattern`` is tried where one of ``cues`` (words) or ``signs`` (any characters) or, with ``numbers``, a number
    stands: from ``reach`` characters before it on, or in the whole text if ``reach`` is None. It is tried everywhere
    if there is nothing of these, but for a text without any letter of ``script``. ``place`` tells of each match where
    its secret stands, None if it is none after all.
    """

    kind: str
    name: str
    pattern: re.Pattern[str]
    cues: frozenset[str] = frozenset()
    signs: tuple[str, ...] = ()
    numbers: bool = False
    reach: int | None = 0
    script: re.Pattern[str] | None = None
    place: Callable[[re.Match[str]], Span | None] = field(default=whole)

    def may_find(self, searched: Searched) -> bool:
        """Whether the rule is to be tried at all, told at less cost than ``find``."""
        if not (self.cues or self.signs or self.numbers) or (self.numbers and searched.numbers):
            return True
        signs = self._plain_signs if searched.text.isascii() else self.signs
        return not searched.vocabulary.isdisjoint(self.cues) or any(sign in searched.small for sign in signs)

    def find(self, searched: Searched) -> Iterator[Span]:
        """The places in a plain text that the rule finds."""
        for found in self._matches(searched):
            if (there := self.place(found)) and there[0] < there[1]:
                yield there

    def _matches(self, searched: Searched) -> Iterator[re.Match[str]]:
        text = searched.text
        if self.script and (text.isascii() or not self.script.search(text)):
            return
        places = self._places(searched)
        if places is None or (places and self.reach is None):
            yield from self.pattern.finditer(text)
            return
        done = 0
        for at in places:
            for start in range(max(done, at - (self.reach or 0)), at + 1):
                if found := self.pattern.match(text, start):
                    yield found
                    done = max(done, found.end())
                    break

    @cached_property
    def _plain_signs(self) -> tuple[str, ...]:
        return tuple(sign for sign in self.signs if sign.isascii())

    def _places(self, searched: Searched) -> list[int] | None:
        """Beside which places the pattern is tried, from left to right; None if everywhere."""
        if not (self.cues or self.signs or self.numbers):
            return None
        places = [at for word in searched.vocabulary & self.cues for at in searched.words[word]]
        places += [
            at
            for sign in (self._plain_signs if searched.text.isascii() else self.signs)
            for at in _all(sign, searched.small)
        ]
        return sorted([*places, *searched.numbers] if self.numbers else places)


def _all(sign: str, text: str) -> Iterator[int]:
    at = text.find(sign)
    while at >= 0:
        yield at
        at = text.find(sign, at + 1)


#: Nothing stands before that a word in Latin letters goes on with; Chinese, Japanese and Korean have no spaces.
APART = r"(?<![^\W_\u3040-\u9fff\uac00-\ud7a3])"


def compiled(pattern: str, *, cased: bool = False) -> re.Pattern[str]:
    """A pattern without its blanks and comments; ``\\ `` is a blank."""
    return re.compile(pattern, re.X if cased else re.X | re.I)


def alternatives(words: str) -> str:
    """Words (``_`` between two of one name, which are written apart or as one) as a pattern, the longest first."""
    ordered = sorted(set(words.split()), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word).replace("_", r"[\s_-]{0,3}") for word in ordered) + ")"


def cues_of(*lists: str) -> frozenset[str]:
    """The words with which these begin, for ``Rule.cues``: their first run of letters, if it is of ASCII, with the next
    ones and without, since "patient_id" is also written "PatientID"."""
    written = (form for word in " ".join(lists).lower().split() for form in (word, word.replace("_", "")))
    first = map(_LETTERS.search, written)
    return frozenset(word[0] for word in first if word and word[0].isascii())


def signs_of(*lists: str) -> tuple[str, ...]:
    """The other beginnings of these, for ``Rule.signs``: scripts that write no spaces, or words with marks within."""
    words = (word.split("_")[0].lower() for word in " ".join(lists).split())
    return tuple(sorted({word for word in words if not _ASCII_LETTERS.match(word)}))


def before(found: re.Match[str], most: int) -> str:
    """What stands before a match, in small letters."""
    return found.string[max(0, found.start() - most) : found.start()].lower()


def after(found: re.Match[str], most: int) -> str:
    """What stands behind a match, in small letters."""
    return found.string[found.end() : found.end() + most].lower()
