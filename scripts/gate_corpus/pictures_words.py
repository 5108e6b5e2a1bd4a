"""What is written on the pictures. All names and numbers are invented, and the halves share no word of three letters.

A form is filled in from one invented person: `{FAMILY}`, `{family}`, `{GIVEN}`, `{given}`, `{f}` and `{g}` (initials),
`{date}` (of birth), `{day}` (of the examination), `{clock}`, `{number}`, `{year}`, `{age}`.
"""

from dataclasses import dataclass

import numpy as np

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The forms and names of one half."""

    family: Lines
    given: Lines
    months: Lines
    dates: Lines
    """Forms of a date, of `{d}`, `{m}`, `{mon}`, `{y}`."""
    names: Lines
    """Forms of a name alone."""
    lines: Lines
    """Lines that each identify somebody."""
    clocks: Lines
    short: Lines
    spaced: Lines
    headers: tuple[Lines, ...]
    """What an ultrasound machine writes at the top."""
    consoles: tuple[Lines, ...]
    """What a console writes into the corners; at least one line identifies."""
    stickers: tuple[Lines, ...]
    worklists: tuple[Lines, ...]
    capitals: Lines
    """Forms for handwriting: capitals, digits and . / - , alone."""
    codes: Lines
    """Contents of QR codes."""
    coded: Lines
    """Contents of bar codes of letters and digits."""
    cyrillic: Lines
    greek: Lines
    arabic: Lines
    marks: tuple[Lines, ...]
    """Marks of one or two letters and numbers."""
    nobody: tuple[Lines, ...]
    """Words that name nobody."""


class Person(dict[str, str]):
    """The fields of one invented person; a new one for each picture."""


def person(words: Vocabulary, rng: np.random.Generator) -> Person:
    family, given = pick(rng, words.family), pick(rng, words.given)

    def date(first: int, last: int) -> str:
        d, m, y = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(first, last))
        return pick(rng, words.dates).format(d=d, m=m, y=y, mon=pick(rng, words.months))

    h, m, s = rng.integers(7, 22), rng.integers(60), rng.integers(60)
    return Person(
        family=family,
        given=given,
        FAMILY=family.upper(),
        GIVEN=given.upper(),
        f=family[0],
        g=given[0],
        date=date(1928, 2004),
        day=date(2009, 2025),
        d56=f"{rng.integers(1, 29)}.{rng.integers(1, 13)}.{rng.integers(30, 99)}",
        clock=f"{h:02}:{m:02}" if rng.random() < 0.5 else f"{h:02}:{m:02}:{s:02}",
        number=str(rng.integers(10**6, 10**8)),
        year=str(rng.integers(1928, 2004)),
        age=str(rng.integers(18, 100)),
    )


def pick(rng: np.random.Generator, values: Lines) -> str:
    return values[int(rng.integers(len(values)))]


def filled(forms: Lines, words: Vocabulary, rng: np.random.Generator) -> Lines:
    """The forms with the data of one person."""
    fields = person(words, rng)
    return tuple(form.format(**fields) for form in forms)
