"""The gate: whether an item may leave this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from unveil.gate import sources
from unveil.gate.burned_in import read_image
from unveil.gate.identifiers import identifying
from unveil.gate.ocr import TimeLimit
from unveil.records import Record


@dataclass(frozen=True)
class Item:
    """What is about to leave: its id, for messages; texts as they are sent; the picture as it is sent, and its file."""

    id: str
    record: Record | None
    texts: tuple[str, ...]
    png: bytes | None = None
    image: Path | None = None


@dataclass(frozen=True)
class Gate:
    """Decides for each item whether it may leave. ``pixels_reviewed``: a person has looked at all images."""

    pixels_reviewed: bool = False
    _read: dict[str, str] = field(default_factory=dict)

    def why_not(self, item: Item) -> str | None:
        """The reason for which this one item must not leave, None if it may.

        Raises ``GateError`` where a whole data set must not, or where nobody can tell.
        """
        sources.check(item.id, item.record)
        for text in item.texts:
            if name := identifying(text, item.record):
                return f"not sent: its text holds what looks like a person's data ({name})"
        if item.png and not self.pixels_reviewed and (what := self._written_on(item.png)):
            return f"not sent: {what}"
        return None

    def _written_on(self, png: bytes) -> str:
        """What in an image may name somebody, in words that do not repeat it; empty if nothing."""
        key = hashlib.sha256(png).hexdigest()
        if key not in self._read:  # several questions are asked about one image
            try:
                reason = read_image(png).reason
                self._read[key] = reason and f"its image has {reason} burned in"
            except TimeLimit as late:
                self._read[key] = str(late)
        return self._read[key]
