"""Image files that are hashed and decoded while the reader goes on, each once, also where an ingest was stopped.

A reader opens no more of an image than its header. What its records name is looked at here, in processes of their own
where there are many and they are decoded.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import image_files, pixels
from unveil.core.files import WriteError, sha256_of
from unveil.core.records import Record
from unveil.core.workers import in_order, pool

#: Below this many images, starting processes takes longer than decoding.
POOL_FROM = 200
#: Items of a reader that are looked at together, and such parts that are under way for each process.
PART = 32
UNDER_WAY = 3
#: Seconds after which what is known is kept on the disk.
EVERY = 0.2


@dataclass(frozen=True)
class Look:
    """What one reading of an image file gave: its hash, or why it cannot be used; size and time of the file then."""

    sha256: str = ""
    problem: str | None = None
    size: int = 0
    time: int = 0


def look(path: str, decode: bool) -> Look:
    """Hashes a file, and decodes it if it is to be."""
    try:
        with pixels.reported(path, "reading it"), Path(path).open("rb") as file:
            about = os.fstat(file.fileno())
            found = sha256_of(file)
        if decode:
            image_files.read(path)
    except pixels.ImageError as error:
        return Look(problem=str(error))
    return Look(found, None, about.st_size, about.st_mtime_ns)


def looked(items: Iterable[Any], images: int, decode: bool, workers: int, journal: Journal) -> Iterator[Any]:
    """The items of a reader in their order, each record that is ``pending`` as a pair with a ``Look`` at its image.

    ``images`` tells how many there may be. Raises what the reader raises, after what it gave before.
    """
    alone = workers == 1 or not decode or images < POOL_FROM
    with nullcontext() if alone else pool(workers) as processes:
        parts = (((part, known), todo) for part in _parts(items) for known, todo in [journal.among(part)])
        for (part, known), made in in_order(processes, partial(_look_at, decode=decode), parts, UNDER_WAY * workers):
            journal.keep(made)
            for item in part:
                if isinstance(item, Exception):
                    raise item
                yield (item, known.get(item.image) or made[item.image]) if pending(item) else item


def pending(item: Any) -> bool:
    """Whether nobody has looked at a record's image yet: a reader leaves its hash empty then, and not untold."""
    return isinstance(item, Record) and item.source.sha256 == ""


def _look_at(paths: list[str], decode: bool) -> dict[str, Look]:
    return {path: look(path, decode) for path in paths}


def _is_so(path: str, known: Look) -> bool:
    """Whether a file still is as it was when it was looked at."""
    try:
        about = Path(path).stat()
    except OSError:  # told when it is looked at
        return False
    return (known.size, known.time) == (about.st_size, about.st_mtime_ns)


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Items together; what the reader raises is the last of all."""
    part: list[Any] = []
    try:
        for item in items:
            part.append(item)
            if len(part) == PART:
                yield part
                part = []
    except Exception as error:
        part.append(error)
    yield part


class Journal:
    """Which images are sound, on the disk, so that an ingest that was stopped goes on. A file that has changed since in
    size or time is looked at again.

    ``decode`` tells whether they are decoded: those that were only hashed before are then looked at again. Raises
    ``WriteError`` where the disk refuses.
    """

    def __init__(self, path: Path, decode: bool) -> None:
        self.path, self._about = path, f"{__version__} {decode}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._refusals():
            try:
                self._file = self._opened()
            except sqlite3.DatabaseError:  # no such file, as a disk that failed leaves
                path.unlink(missing_ok=True)
                self._file = self._opened()
        self._empty = self._file.execute("SELECT 1 FROM sound LIMIT 1").fetchone() is None
        self._kept = time.monotonic()

    def _opened(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path)
        file.execute("PRAGMA synchronous=OFF")  # what a power cut takes is looked at again
        file.execute("CREATE TABLE IF NOT EXISTS about (version TEXT)")
        file.execute("CREATE TABLE IF NOT EXISTS sound (path BLOB PRIMARY KEY, size INT, time INT, sha256 TEXT)")
        if file.execute("SELECT version FROM about").fetchall() != [(self._about,)]:
            file.execute("DELETE FROM about")
            file.execute("DELETE FROM sound")
            file.execute("INSERT INTO about VALUES (?)", [self._about])
        file.commit()
        return file

    def among(self, items: Iterable[Any]) -> tuple[dict[str, Look], list[str]]:
        """Of the images of pending records: what is known, and those to be looked at."""
        paths = list(dict.fromkeys(item.image for item in items if pending(item)))
        known = self._known(paths)
        return known, [path for path in paths if path not in known]

    def _known(self, paths: list[str]) -> dict[str, Look]:
        asked = f"SELECT path, sha256, NULL, size, time FROM sound WHERE path IN ({','.join('?' * len(paths))})"
        with self._refusals():
            rows = self._file.execute(asked, list(map(os.fsencode, paths))).fetchall()
        return {path: look for name, *row in rows if _is_so(path := os.fsdecode(name), look := Look(*row))}

    def keep(self, looks: Mapping[str, Look]) -> None:
        rows = [(os.fsencode(path), at.size, at.time, at.sha256) for path, at in looks.items() if not at.problem]
        with self._refusals():
            self._file.executemany("INSERT OR REPLACE INTO sound VALUES (?, ?, ?, ?)", rows)
            if time.monotonic() - self._kept > EVERY:
                self._file.commit()
                self._kept = time.monotonic()

    def close(self, remove: bool) -> None:
        """Keeps what is known for the next time, or removes it."""
        with self._refusals():
            self._file.commit()
            self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise WriteError(f"{self.path}: {error}") from error
