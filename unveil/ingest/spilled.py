"""Rows of a million and more, by whom they belong to, on the disk and not in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from unveil.core.files import WriteError

#: Rows that are handed over to the disk at a time.
AT_ONCE = 1000


class Spilled:
    """Texts, each with an owner and its row's number, in a temporary file, gone with this object or the process.

    All are put before any is asked for. Raises ``WriteError`` where the disk of temporary files is full.
    """

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # a temporary file, once it is too large for SQLite's own small cache
        self._waiting: list[tuple[int | None, int, bytes]] = []
        self._whole = False
        self.count = 0
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("CREATE TABLE rows (owner, row INTEGER, text BLOB)")

    def __len__(self) -> int:
        return self.count

    def put(self, owner: int | None, row: int, text: str) -> None:
        """One more; None owns what belongs to nobody."""
        self._waiting.append((owner, row, text.encode("utf-8", "surrogatepass")))
        self.count += 1
        if len(self._waiting) == AT_ONCE:
            self._flush()

    def owners(self) -> Iterator[int]:
        """Each owner once, in the order of their first rows."""
        asked = "SELECT owner FROM rows WHERE owner IS NOT NULL GROUP BY owner ORDER BY MIN(rowid)"
        with _refusals():
            yield from (owner for (owner,) in self._ready().execute(asked))

    def of(self, owner: int | None) -> Iterator[tuple[int, str]]:
        """The rows of an owner, in the order in which they were put."""
        with _refusals():
            found = self._ready().execute("SELECT row, text FROM rows WHERE owner IS ? ORDER BY rowid", [owner])
            yield from ((row, text.decode("utf-8", "surrogatepass")) for row, text in found)

    def number(self, owner: int | None) -> int:
        """How many rows an owner has."""
        with _refusals():
            [(number,)] = self._ready().execute("SELECT COUNT(*) FROM rows WHERE owner IS ?", [owner])
        return int(number)

    def move(self, owner: int, other: int | None) -> None:
        """Gives all rows of an owner to another one."""
        with _refusals():
            self._ready().execute("UPDATE rows SET owner = ? WHERE owner IS ?", [other, owner])

    def _flush(self) -> None:
        with _refusals():
            self._file.executemany("INSERT INTO rows VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()

    def _ready(self) -> sqlite3.Connection:
        if not self._whole:
            self._flush()
            self._file.execute("CREATE INDEX of_owner ON rows (owner)")
            self._whole = True
        return self._file


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise WriteError(f"the disk of temporary files is full ({error}): set TMPDIR to a folder with room") from error
