"""What a person has looked at before it leaves: texts or images, each by its hash, with who looked and when.

A review file is JSONL, as ``unveil gate`` writes it: the first line says ``reviewed`` ("texts" or "images"),
``reviewer`` and ``date``, each further line one item with its ``sha256`` and a ``decision``, "send" or "keep". The
person fills in the two names of the first line and the decisions. What has none is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from unveil.core import digests
from unveil.core.answers import clean
from unveil.core.jsonl import each_line, write_jsonl
from unveil.core.records import RecordError
from unveil.gate import GateError

What = Literal["texts", "images"]
DECISIONS = ("send", "keep", "")


@dataclass(frozen=True)
class Review:
    """Who has looked at what, and when. ``sent`` are the hashes of what may leave, ``kept`` of what may not."""

    what: What
    reviewer: str
    date: str
    sent: frozenset[str]
    kept: frozenset[str]
    sha256: str
    """Hash of the review file."""

    def allows(self, sha256: str) -> bool:
        return sha256 in self.sent

    @property
    def about(self) -> dict[str, Any]:
        """What stands of it in a manifest."""
        counts = {"sent": len(self.sent), "kept": len(self.kept)}
        return {"reviewed": self.what, "reviewer": self.reviewer, "date": self.date, "sha256": self.sha256, **counts}


def read(path: Path, what: What) -> Review:
    """Reads a review file; raises ``GateError`` with file and line for one that is not, or of which nobody is known."""
    try:
        lines = [(row, line) for row, line in each_line(path, lambda value, _: value)]
    except (RecordError, OSError) as error:
        raise GateError(f"{path}: no review file: {error}") from error
    if not lines:
        raise GateError(f"{path}: an empty review file; `unveil gate` writes one")
    reviewer, on = _signed(path, lines[0][1], what)
    decided: dict[str, str] = {}
    for row, item in lines[1:]:
        name, decision = _item(f"{path}:{row}", item, what)
        if decided.setdefault(name, decision) != decision:
            raise GateError(f"{path}:{row}: this item is decided twice, and not alike")
    sent, kept = ({n for n, d in decided.items() if (d == "send") is wanted} for wanted in (True, False))
    return Review(what, reviewer, on, frozenset(sent), frozenset(kept), digests.sha256(path))


def _signed(path: Path, head: Any, what: What) -> tuple[str, str]:
    """Reviewer and date of the first line."""
    if not isinstance(head, dict) or head.get("reviewed") not in ("texts", "images"):
        raise GateError(f"{path}:1: its first line says what was reviewed; `unveil gate` writes such a file")
    if head["reviewed"] != what:
        raise GateError(f"{path}: a review of {head['reviewed']}, and one of {what} is needed here")
    reviewer, on = head.get("reviewer"), head.get("date")
    if not isinstance(reviewer, str) or not reviewer.strip():
        raise GateError(f'{path}:1: who has reviewed? fill in "reviewer"')
    try:
        day = date.fromisoformat(str(on))
    except ValueError as error:
        raise GateError(f'{path}:1: when was it reviewed? fill in "date" as 2026-01-31') from error
    if day > datetime.now(UTC).date():
        raise GateError(f"{path}:1: reviewed on {day}, which is yet to come")
    return reviewer.strip(), day.isoformat()


def _item(where: str, item: Any, what: What) -> tuple[str, str]:
    """Hash and decision of a line."""
    if not isinstance(item, dict) or not isinstance(item.get("sha256"), str):
        raise GateError(f"{where}: each line after the first needs the sha256 of an item")
    decision = item.get("decision", "")
    if decision not in DECISIONS:
        raise GateError(f'{where}: the decision is "send" or "keep", not {decision!r}')
    if what == "texts" and hash_of(item.get("text", "")) != item["sha256"]:
        raise GateError(f"{where}: the text is not the one of its sha256: what was reviewed must not be changed here")
    return item["sha256"], decision


def hash_of(text: str) -> str:
    """A text's name in a review: of what is left when control tokens and the width of its spaces are taken away."""
    return hashlib.sha256(" ".join(clean(text).split()).encode()).hexdigest()


def write(path: Path, what: What, items: Iterable[dict[str, Any]]) -> int:
    """Writes a review file to be filled in, its owner's alone; returns the number of its items.

    Raises ``GateError`` where a review that somebody has begun would be lost.
    """
    if begun(path):
        raise GateError(f"{path} holds a review that somebody has begun: move it, or name another output")

    def lines() -> Iterator[dict[str, Any]]:
        yield {"reviewed": what, "reviewer": "", "date": ""}
        for item in items:
            yield {**item, "decision": ""}

    count = write_jsonl(path, lines()) - 1
    path.chmod(0o600)  # it repeats what identifies somebody
    return count


def begun(path: Path) -> bool:
    """Whether a person has written into a review file; one that cannot be read may be one."""
    if not path.exists():
        return False
    try:
        lines = [line for _, line in each_line(path, lambda value, _: value)]
    except (RecordError, OSError):
        return True
    return any(
        isinstance(line, dict) and (line.get("reviewer") or line.get("date") or line.get("decision")) for line in lines
    )
