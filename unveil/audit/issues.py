"""What a check of records finds: one kind of thing, how grave, how often, and the first few places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from unveil.core.records import Record

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
EXAMPLES = 5
NO_SPLIT = "no split"


@dataclass(frozen=True)
class Issue:
    """One kind of thing that was found: how often, and the first few places."""

    name: str
    severity: Severity
    message: str
    count: int
    examples: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    """All records that somebody should look at for it, where it is of single ones: `unveil review --faults` does."""


def issue(
    name: str, severity: Severity, message: str, places: Sequence[str], ids: Sequence[str] = ()
) -> Iterator[Issue]:
    """An issue if there is any place for it; {} in the message is their number."""
    if places:
        found = message.replace("{}", str(len(places)))
        yield Issue(name, severity, found, len(places), tuple(places[:EXAMPLES]), tuple(dict.fromkeys(ids)))


def in_split(record: Record) -> str:
    """An image with its split, as examples name it."""
    return f"{record.id} ({record.split or NO_SPLIT})"
