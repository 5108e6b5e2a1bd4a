"""Common first and last names of many origins, from ``open/people.txt`` and ``held/people.txt``: no name is in both.

People are combined from them at random.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PARTS = ("first", "man", "woman", "last", "middle")
MIXED = ("en",) * 8 + (
    "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "in", "in", "ar", "ar", "zh", "zh", "ru", "ja", "ko", "vi", "ng",
)  # fmt: skip
"""Origins of a person of whom a template says nothing."""


@cache
def origins(half: str) -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Men's and women's first names and last names by origin."""
    lines = (Path(__file__).parent / half / "people.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if not line.startswith("//"):
            origin, men, women, last = line.split(" | ")
            found[origin] = (men.split(), women.split(), last.split())
    return found


def some(part: str, origin: str, half: str) -> list[str]:
    """First or last names of an origin that a half has."""
    men, women, last = origins(half)[origin]
    return {"man": men, "woman": women, "last": last}.get(part, men + women)
