"""Rows in one Parquet file, a column for each field: plain values as they are, all others as JSON text.

What a file announces is compared with its size before a row is read: a few bytes may announce a billion rows.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from unveil.core.files import whole
from unveil.core.records import RecordError
from unveil.core.untrusted import parse_json, shortened

#: How many times its own size a file may unpack to, and bytes that any may.
MOST_TIMES = 100
ALLOWED = 2**28
#: Rows that any file may hold; a larger one has a byte for each at the least.
ALLOWED_ROWS = 2**20
#: Rows that are written and read at a time.
AT_ONCE = 1000
#: Under this name the file keeps which columns hold JSON text.
NESTED = b"unveil.json"


def write(path: str | Path, rows: Iterable[Any]) -> int:
    """Writes rows, dataclasses of one kind, all or nothing; returns their number."""
    from unveil.core.jsonl import to_json

    arrow, parquet = _library(path)
    given = iter(rows)
    first = next(given, None)
    if not dataclasses.is_dataclass(first):
        raise RecordError(f"{path}: Parquet holds records, and there is none" if first is None else f"{path}: no rows")
    hints, fields = typing.get_type_hints(type(first)), dataclasses.fields(first)
    kinds = {field.name: _plain(hints[field.name]) for field in fields}
    of = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    nested = [name for name, kind in kinds.items() if kind is None]
    schema = arrow.schema([(name, of[kind or str]) for name, kind in kinds.items()], {NESTED: json.dumps(nested)})

    def row(value: Any) -> dict[str, Any]:
        told = to_json(value)
        texts = {name: json.dumps(told[name], ensure_ascii=False) for name in nested if name in told}
        return {name: texts.get(name) if kind is None else getattr(value, name) for name, kind in kinds.items()}

    count, waiting = 0, itertools.chain([first], given)
    with whole(path) as partial, parquet.ParquetWriter(partial, schema) as out:
        while some := [row(value) for value in itertools.islice(waiting, 10 * AT_ONCE)]:
            out.write_table(arrow.Table.from_pylist(some, schema=schema))
            count += len(some)
    return count


def _plain(hint: Any) -> type | None:
    """The type of a column of plain values; None for what is written as JSON."""
    kinds = {arg for arg in typing.get_args(hint) if arg is not type(None)}
    if typing.get_origin(hint) is Literal:
        return str
    if len(kinds) == 1 and type(None) in typing.get_args(hint):
        return _plain(kinds.pop())
    return hint if hint in (str, int, float, bool) else None


def read(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows, without what they leave empty. Raises ``RecordError`` as ``opened``, and for a row that cannot be
    read."""
    arrow, _ = _library(path)
    with opened(path) as file:
        nested = set(parse_json((file.schema_arrow.metadata or {}).get(NESTED, b"[]")))
        number = 0
        try:
            for batch in file.iter_batches(AT_ONCE):
                for row in batch.to_pylist():
                    number += 1
                    known = ((name, value) for name, value in row.items() if value is not None)
                    yield {name: parse_json(value) if name in nested else value for name, value in known}
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise RecordError(f"{path}, row {number}: {shortened(str(error), 200)}") from error


def opened(path: str | Path) -> Any:
    """A ``pyarrow.parquet.ParquetFile``, to be closed; raises ``RecordError`` for a damaged file, and for one that
    announces more than its size justifies."""
    arrow, parquet = _library(path)
    size = Path(path).stat().st_size
    try:
        file = parquet.ParquetFile(path, thrift_string_size_limit=2**24, thrift_container_size_limit=2**20)
    except (arrow.ArrowException, OSError) as error:
        raise RecordError(f"{path}: no Parquet, or a damaged one ({shortened(str(error), 200)})") from error
    about = file.metadata
    groups = [about.row_group(n) for n in range(about.num_row_groups)]
    unpacked = sum(group.column(n).total_uncompressed_size for group in groups for n in range(group.num_columns))
    wrong = ""
    if about.num_rows > max(ALLOWED_ROWS, size):
        wrong = f"announces {about.num_rows} rows in {size} bytes"
    elif unpacked > max(ALLOWED, MOST_TIMES * size):
        wrong = f"would grow to {unpacked / 1e9:.3g} GB, more than {MOST_TIMES} times its size"
    elif sum(group.num_rows for group in groups) != about.num_rows or min((g.num_rows for g in groups), default=0) < 0:
        wrong = "announces another number of rows than its groups hold"
    if wrong:
        file.close()
        raise RecordError(f"{path} is not read: it {wrong}")
    return file


def _library(path: str | Path) -> tuple[Any, Any]:
    """pyarrow, which takes half a second to import and is not always there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RecordError(f"{path}: Parquet needs pyarrow: pip install 'unveil[parquet]'") from error
    return pyarrow, pyarrow.parquet
