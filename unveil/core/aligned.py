"""Texts that are cut and rewritten before they are read, and still know where each of their letters stood at first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

Span = tuple[int, int]
"""From where to where something stands in a text, half-open."""


class Aligned(NamedTuple):
    """A text made from another one. Its i-th letter comes from ``starts[i]`` to ``ends[i]`` of that one."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Aligned:
        """A text as it is."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def span(self, start: int, end: int) -> Span:
        """Where a part of this text, of one letter or more, stands in the first one."""
        return self.starts[start], self.ends[end - 1]

    def part(self, start: int, end: int) -> Aligned:
        """A part of the text."""
        return Aligned(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def rewritten(self, start: int, end: int, new: str) -> Aligned:
        """A part in other letters, each of which comes from all of the part unless nothing changes."""
        if self.text[start:end] == new:
            return self.part(start, end)
        first, last = self.span(start, end)
        return Aligned(new, [first] * len(new), [last] * len(new))

    def sub(self, pattern: re.Pattern[str], say: Callable[[re.Match[str]], str]) -> Aligned:
        """The text with each match as ``say`` gives it, as ``re.sub``; a match has one letter or more."""
        parts, at = [], 0
        for found in pattern.finditer(self.text):
            parts += [self.part(at, found.start()), self.rewritten(*found.span(), say(found))]
            at = found.end()
        return joined("", [*parts, self.part(at, len(self.text))]) if parts else self


def joined(sign: str, parts: Iterable[Aligned]) -> Aligned:
    """Parts of one text, in its order, with a sign between them that comes from no letter of it."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    texts, starts, ends = list[str](), list[int](), list[int]()
    for part in parts:
        between = sign if texts else ""
        at = [ends[-1] if ends else 0] * len(between)
        texts += [between, part.text]
        starts += [*at, *part.starts]
        ends += [*at, *part.ends]
    return Aligned("".join(texts), starts, ends)


def composed(text: str) -> Aligned:
    """A text in Unicode's composed form (NFC)."""
    whole = Aligned.of(text)
    if unicodedata.is_normalized("NFC", text):
        return whole
    begins = [i for i, letter in enumerate(text) if not (i and _joins(letter))]
    pieces = pairwise([*begins, len(text)])
    return joined("", [whole.rewritten(a, b, unicodedata.normalize("NFC", text[a:b])) for a, b in pieces])


def _joins(letter: str) -> bool:
    """Whether a letter may become one with those before it: a mark, or a vowel or final consonant of Hangul."""
    return unicodedata.category(letter).startswith("M") or "\u1160" <= letter <= "\u11ff"
