"""What a rule is: a named form in which something that identifies a person is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]


def whole(found: re.Match[str]) -> Span | None:
    """The place of a match: that of its group ``it``, or all of it."""
    return found.span("it") if "it" in found.re.groupindex else found.span()


@dataclass(frozen=True)
class Rule:
    """``pattern`` is tried where one of ``cues`` stands in the text in small letters (always if there are none) and a letter
    of ``script``; ``place`` tells of each match where its secret stands, None if it is none after all."""

    kind: str
    name: str
    pattern: re.Pattern[str]
    cues: tuple[str, ...] = ()
    place: Callable[[re.Match[str]], Span | None] = whole
    script: re.Pattern[str] | None = None

    def find(self, text: str, small: str) -> Iterator[Span]:
        """The places in a plain text that the rule finds; ``small`` is the text in small letters."""
        if self.cues and not any(cue in small for cue in self.cues):
            return
        if self.script and not self.script.search(text):
            return
        for found in self.pattern.finditer(text):
            if (there := self.place(found)) and there[0] < there[1]:
                yield there


def compiled(pattern: str, *, cased: bool = False) -> re.Pattern[str]:
    """A pattern without its blanks and comments; ``\\ `` is a blank."""
    return re.compile(pattern, re.X if cased else re.X | re.I)


def alternatives(words: str) -> str:
    """Words (``_`` for a space between two) as a pattern of any of them, the longest first."""
    ordered = sorted(set(words.split()), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word).replace("_", r"\s+") for word in ordered) + ")"


def cues_of(words: str) -> tuple[str, ...]:
    """The same words for ``Rule.cues``, each by its first part."""
    return tuple(sorted({word.split("_")[0].lower() for word in words.split()}))


def before(found: re.Match[str], most: int) -> str:
    """What stands before a match, in small letters."""
    return found.string[max(0, found.start() - most) : found.start()].lower()


def after(found: re.Match[str], most: int) -> str:
    """What stands behind a match, in small letters."""
    return found.string[found.end() : found.end() + most].lower()
