"""JSONL files of records, dialogues, pairs and predictions: one JSON object a line, checked when it is read.

A file may lie in parts (``shards``), and be Parquet where its name ends so (``parquet``): whoever reads and writes rows
by the functions here need not know.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from unveil.core import shards
from unveil.core.files import whole
from unveil.core.records import RecordError
from unveil.core.schema import Unfit, maker
from unveil.core.untrusted import JsonError, parse_json, readable

Row = TypeVar("Row")
Made = TypeVar("Made")


def to_json(value: Any) -> Any:
    """A record as plain JSON values; fields that hold their default are left out, so that files stay readable."""
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name: to_json(item) for name, item in fields_of(value).items()}
    return value


def to_line(value: Any) -> str:
    """A row of a JSONL file: ``to_json`` as text, made at one go."""
    return _LINES.encode(value) + "\n"


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that do not hold their default."""
    return {name: item for name, default in _defaults(value.__class__) if (item := getattr(value, name)) != default}


_LINES = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=fields_of)


@lru_cache
def _defaults(kind: Any) -> list[tuple[str, Any]]:
    """The fields of a dataclass, each with its default, ``MISSING`` where it has none."""
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return [(f.name, f.default if f.default_factory is missing else f.default_factory()) for f in fields]


def from_json(kind: type[Row], value: Any) -> Row:
    """The inverse of ``to_json``; unknown, missing and ill-typed fields raise ``RecordError``."""
    return typing.cast(Row, build(kind, value, kind.__name__))


def build(hint: Any, value: Any, where: str) -> Any:
    """``value`` (parsed JSON) as an instance of the type ``hint``; raises ``RecordError``."""
    try:
        return maker(hint)(value)
    except Unfit as error:
        raise RecordError(f"{where}{error.where}: {error}") from error


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> int:
    """Writes rows (records or plain values) to ``path``, all or nothing; returns their number."""
    if Path(path).suffix == PARQUET:
        from unveil.core import parquet

        return parquet.write(path, rows)
    count = 0
    with whole(path) as partial, partial.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(to_line(row))
            count += 1
    return count


def read_jsonl(path: str | Path, kind: type[Row]) -> Iterator[Row]:
    """Rows of a JSONL file; a line that is not a ``kind`` raises ``RecordError`` with the file and the line."""
    for _, row in each_line(path, lambda value, number: from_json(kind, value)):
        yield row


def each_written(path: str | Path, make: Callable[[Any, int], Made]) -> Iterator[tuple[bytes, Made]]:
    """As ``each_line``, each row with the line that it is written as, in place of its number; of Parquet the line that
    `to_line` makes of it."""
    path = Path(path)
    if path.suffix == PARQUET:
        for number, value in each_line(path, lambda value, _: value):
            yield to_line(value).encode(), make(value, number)
        return
    lines = (line for part in _files(path) for line in _read(part) if line.strip())
    for (_, made), line in zip(each_line(path, make), lines, strict=True):
        yield line, made


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


#: The ending of a file that holds rows in another form than lines.
PARQUET = ".parquet"
#: Bytes of a line: a record with outlines of thousands of cells stays below a tenth of it.
MAX_LINE = 2**24


def each_line(
    path: str | Path, make: Callable[[Any, int], Made], *, lenient: bool = False
) -> Iterator[tuple[int, Made]]:
    """Line numbers from 1 on, and what ``make`` makes of each line's JSON value and its number; empty lines are none.

    A line that is no JSON (``lenient``: see ``untrusted``), or for which ``make`` raises a ``ValueError``, raises
    ``RecordError`` with file and line.
    """
    path = Path(path)
    before = 0
    for file in _files(path):
        number = 0
        for number, made in (_rows if path.suffix == PARQUET else _lines)(file, make, before, lenient):
            yield before + number, made
        before += number


def _files(path: Path) -> list[Path]:
    """The files that hold the rows; raises ``RecordError`` where there is none, or one is missing."""
    try:
        files = shards.parts(path)
    except shards.ShardError as error:
        raise RecordError(str(error)) from error
    if not files:
        raise RecordError(f"{path}: no such file, or not a regular one")
    return files


def _rows(path: Path, make: Callable[[Any, int], Made], before: int, lenient: bool) -> Iterator[tuple[int, Made]]:
    """What is made of each row of a Parquet file, with its number."""
    from unveil.core import parquet

    for number, value in enumerate(parquet.read(path), 1):
        try:
            made = make(value, before + number)
        except ValueError as error:
            raise RecordError(f"{path}:{number}: {readable(str(error))}") from error
        yield number, made


def _lines(path: Path, make: Callable[[Any, int], Made], before: int, lenient: bool) -> Iterator[tuple[int, Made]]:
    """What is made of each line of a file, with its number there; ``before`` it are so many lines in other parts."""
    with path.open("rb") as file:
        first = True
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
            if not line.strip():
                continue
            try:
                if len(line) > MAX_LINE:
                    raise JsonError(f"a line of more than {MAX_LINE} bytes")
                made = make(parse_json(line, lenient=lenient), before + number)
            except ValueError as error:
                other = _other_form(line) if first else None
                said = f"expected one JSON object a line; this is {other}" if other else error
                raise RecordError(f"{path}:{number}: {readable(str(said))}") from error
            first = False
            yield number, made


#: How files begin that are given for JSONL by mistake, and what they are.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (rb"\s*\[", "a JSON list (LLaVA form?): write each of its objects on a line of its own"),
    (rb"\s*\{\s*$", "one JSON value over several lines: write each object on a line of its own"),
    (rb"PAR1", "Parquet"),
    (rb"\x1f\x8b", "compressed with gzip: unpack it"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (rb"\s*<", "XML or HTML"),
    (rb"\x89PNG|\xff\xd8\xff|%PDF|II\*\x00|MM\x00\*", "an image or a document"),
    (rb"[^\n]*\x00", "a binary file"),
    (rb"\s*[A-Za-z_#]", "text of another form, such as a table: `unveil ingest --format csv` reads those"),
)


def _other_form(line: bytes) -> str | None:
    """What a file is whose first row is none; None where it may be JSONL with a fault there."""
    return next((form for begins, form in _BEGINNINGS if re.match(begins, line)), None)
