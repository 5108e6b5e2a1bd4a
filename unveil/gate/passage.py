"""The gate: whether an item may leave this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from unveil.gate import sources
from unveil.gate.burned_in import needs_reading, read_pixels
from unveil.gate.identifiers import identifying
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
    _read: dict[str, bool] = field(default_factory=dict)

    def why_not(self, item: Item) -> str | None:
        """The reason for which this one item must not leave, None if it may.

        Raises ``GateError`` where a whole data set must not, or where nobody can tell.
        """
        sources.check(item.id, item.record)
        for text in item.texts:
            if name := identifying(text, item.record):
                return f"not sent: its text holds what looks like a person's data ({name})"
        if item.png and not self.pixels_reviewed and self._written_on(item, item.png):
            return "not sent: OCR finds text burned into its image"
        return None

    def _written_on(self, item: Item, png: bytes) -> bool:
        assert item.image and item.record
        if not needs_reading(item.image, item.record.modality):
            return False
        key = hashlib.sha256(png).hexdigest()
        if key not in self._read:  # several questions are asked about one image
            self._read[key] = read_pixels(png)
        return self._read[key]
