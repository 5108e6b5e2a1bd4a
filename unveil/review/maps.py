"""Attention maps to lay over images, as `unveil attention` writes them: found by record, read when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core.jsonl import from_json
from unveil.core.records import RecordError
from unveil.review.rows import Rows


@dataclass(frozen=True)
class MapRow:
    """A row of attention.jsonl."""

    id: str
    record: str
    cluster: str
    model: str
    share: float
    """Of the attention to the image, what lies in the true boxes."""
    even: float
    """The same of attention that is even: the boxes' share of the area."""
    map: tuple[tuple[float, ...], ...]
    """Rows of the picture from top to bottom, each from left to right."""


class Maps:
    """The maps of a file, the first of each record. Raises ``RecordError`` for a file that is none of such maps."""

    def __init__(self, path: Path) -> None:
        self._first: dict[str, int] = {}
        self._rows: Rows[MapRow] = Rows(path, lambda value, _: _checked(value), self._learn)

    def _learn(self, number: int, row: MapRow) -> None:
        self._first.setdefault(row.record, number)

    def has(self, record: str) -> bool:
        return record in self._first

    def of(self, record: str) -> dict[str, Any] | None:
        """What a page is told of a record's map: values from 0 to 1, its largest; None where there is none."""
        if record not in self._first:
            return None
        row = self._rows.row(self._first[record])
        most = max(map(max, row.map)) or 1.0
        return {
            "title": f"Attention of {row.model}",
            "width": len(row.map[0]),
            "height": len(row.map),
            "values": [round(value / most, 4) for line in row.map for value in line],
            "mass": row.share,
            "ratio": row.share / row.even if row.even > 0 else None,
        }

    def close(self) -> None:
        self._rows.close()


def _checked(value: Any) -> MapRow:
    row = from_json(MapRow, value)
    if not row.map or not row.map[0] or len({len(line) for line in row.map}) > 1:
        raise RecordError(f"{row.id}: its map is no table of numbers")
    return row
