"""Towns, counties, invented streets and invented hospitals, from ``open/sites.txt`` and ``held/sites.txt``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

LISTS = ("town", "county", "street", "hospital")


@cache
def sites(half: str) -> dict[tuple[str, str], list[str]]:
    """Places by list and language; no place is in both halves."""
    lines = (Path(__file__).parent / half / "sites.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if not line.startswith("//")]
    return {(name, language): places.split(", ") for name, language, places in rows}


def some(name: str, language: str, half: str) -> list[str]:
    """The places of a list that a half has; no language is English."""
    return sites(half)[name, language]
