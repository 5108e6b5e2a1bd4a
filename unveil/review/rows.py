"""Rows of a file found by number or id without holding them: where each begins is kept, and what it says is read anew.

Of a hundred thousand rows only ids and places are in memory.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from unveil.core import shards
from unveil.core.jsonl import PARQUET, each_line, to_line
from unveil.core.records import RecordError
from unveil.core.untrusted import parse_json, quoted, shortened

Row = TypeVar("Row")


class _Place(NamedTuple):
    file: int
    start: int
    length: int


class Rows(Generic[Row]):
    """The rows of a JSONL file, in parts or one, or of Parquet, which is written out once to a file without a name.

    ``make`` makes a row of a line's JSON value and its number from 1 on. ``learn`` is called with each row, its number
    from 0 on, and its id, in order, while the file is read through: by it what the rows tell can be kept.

    Raises ``RecordError`` with file and line for a row that is none, and for an id that occurs twice.
    """

    def __init__(
        self, path: Path, make: Callable[[Any, int], Row], learn: Callable[[int, Row], None] | None = None
    ) -> None:
        self.path, self._make = path, make
        self.ids: list[str] = []
        self.number: dict[str, int] = {}
        self._places: list[_Place] = []
        self._reading = threading.Lock()  # threads share the place at which a file stands
        with ExitStack() as files:
            of_rows = [_spilled(path)] if path.suffix == PARQUET else map(_opened, _parts(path))
            self._files = [files.enter_context(file) for file in of_rows]
            for number, file in enumerate(self._files):
                self._look_through(number, file, learn)
            if not self.ids:
                raise RecordError(f"{path}: there is not one row")
            self._open = files.pop_all()

    def _look_through(self, number: int, file: io.FileIO, learn: Callable[[int, Row], None] | None) -> None:
        start, lines = 0, io.BufferedReader(file)
        try:
            for line in lines:
                if line.strip():
                    self._learn(_Place(number, start, len(line)), line, learn)
                start += len(line)
        finally:
            lines.detach()

    def _learn(self, place: _Place, line: bytes, learn: Callable[[int, Row], None] | None) -> None:
        number = len(self.ids)
        row = self._made(line, number)
        name = str(getattr(row, "id", ""))
        if name in self.number:
            raise RecordError(f"{self.path}:{number + 1}: {shortened(name)} occurs more than once; ids must be unique")
        self.number[name] = number
        self.ids.append(name)
        self._places.append(place)
        if learn:
            learn(number, row)

    def _made(self, line: bytes, number: int) -> Row:
        try:
            return self._make(parse_json(line), number + 1)
        except ValueError as error:
            raise RecordError(f"{self.path}:{number + 1}: {error}") from error

    def __len__(self) -> int:
        return len(self.ids)

    def line(self, number: int) -> bytes:
        """The row as it is written."""
        place = self._places[number]
        with self._reading:
            self._files[place.file].seek(place.start)
            line = self._files[place.file].read(place.length)
        if len(line) < place.length:
            raise RecordError(f"{self.path}: it has become shorter; start anew")
        return line

    def row(self, number: int) -> Row:
        """The row of a number from 0 on; raises ``RecordError`` where the file was changed so that it is another."""
        row = self._made(self.line(number), number)
        if str(getattr(row, "id", "")) != self.ids[number]:
            raise RecordError(f"{self.path}: it was changed; start anew")
        return row

    def find(self, name: str) -> Row | None:
        """The row of an id."""
        return None if (number := self.number.get(name)) is None else self.row(number)

    def close(self) -> None:
        self._open.close()


def _parts(path: Path) -> list[Path]:
    try:
        parts = shards.parts(path)
    except shards.ShardError as error:
        raise RecordError(str(error)) from error
    if not parts:
        raise RecordError(f"{path}: no such file, or not a regular one")
    return parts


def _opened(path: Path) -> io.FileIO:
    """A file of which nothing is kept in memory, so that a change of it shows."""
    if not path.is_file():
        raise RecordError(f"{path}: no such file, or not a regular one")
    return io.FileIO(path)


def _spilled(path: Path) -> io.FileIO:
    """The rows of Parquet as lines in a file that ends with this process."""
    with tempfile.TemporaryFile() as file:
        for _, value in each_line(path, lambda value, _: value):
            file.write(to_line(value).encode())
        file.seek(0)
        return io.FileIO(os.dup(file.fileno()))


def unknown(value: Any) -> RecordError:
    """The fault of a first row that is nothing that can be reviewed."""
    return RecordError(f"neither a record, a dialogue, a pair nor a prediction: {quoted(value)}")
