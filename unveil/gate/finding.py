"""Where a text identifies somebody: by rules, by what records are known by, by a name finder of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from unveil.core.records import Record
from unveil.gate.known import Known
from unveil.gate.plain import Plain, hidden, plain
from unveil.gate.rule import Searched

#: Characters from which on a text that is mostly numbers is not searched, but found as a whole: each number may be
#: one of dozens of things, and 40 kB of them would take seconds.
DENSE = 8192
#: A name finder: a text's names as from, to, and perhaps of which kind.
NameFinder = Callable[[str], Iterable[tuple[int, int] | tuple[int, int, str]]]


@dataclass(frozen=True, order=True)
class Found:
    """A place in the original text, what it is (HIPAA's kind) and which rule found it; the text is not repeated."""

    start: int
    end: int
    kind: str
    rule: str


def find(
    text: str, known: Known | None = None, record: Record | None = None, names: NameFinder | None = None
) -> list[Found]:
    """All places of a text that identify somebody, from left to right, those that overlap as one.

    ``record`` is whose text it is: it is looked for even if ``known`` has not heard of it. Raises what ``names``
    raises, and ``ValueError`` where that tells a place outside the text.
    """
    if len(text) > DENSE and sum(1 for _ in re.finditer(r"\d+", text)) > len(text) / 8:
        return [Found(0, len(text), "numbers without words", "more numbers than can be searched")]
    searched = plain(text)
    found = [
        Found(*searched.span(start, end), kind, rule) for start, end, kind, rule in _in_plain(searched, known, record)
    ]
    for start, end, inside in hidden(searched):
        if inner := next(_in_plain(plain(inside), known, record), None):
            found.append(Found(*searched.span(start, end), inner[2], f"{inner[3]}, encoded"))
    return _merged([*found, *_named(text, names)])


def _in_plain(searched: Plain, known: Known | None, record: Record | None) -> Iterator[tuple[int, int, str, str]]:
    from unveil.gate.rules.identifiers import RULES  # hundreds of expressions, which take a second to compile

    text = Searched(searched.text)
    for rule in RULES:
        for start, end in rule.find(text) if rule.may_find(text) else ():
            yield start, end, rule.kind, rule.name
    known = known or (Known.of([record]) if record else None)
    if known:
        yield from known.find(searched, record)


def _named(text: str, names: NameFinder | None) -> Iterator[Found]:
    """What the user's finder tells; nothing of it is left out."""
    for start, end, *kind in names(text) if names else ():
        if not 0 <= start <= end <= len(text):
            raise ValueError(f"the name finder tells a place from {start} to {end} in a text of {len(text)} characters")
        if start < end:
            yield Found(start, end, str(kind[0]) if kind else "name", "name finder")


def _merged(found: list[Found]) -> list[Found]:
    """Overlapping places as one, which is called what the first and longest of them is."""
    merged: list[Found] = []
    for place in sorted(found, key=lambda place: (place.start, -place.end)):
        if merged and place.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Found(last.start, max(last.end, place.end), last.kind, last.rule)
        else:
            merged.append(place)
    return merged
