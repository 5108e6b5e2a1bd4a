"""The rows of a file of predictions: JSON lines, a JSON list or object, a table of tabs or commas, a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core import files
from unveil.core.jsonl import PARQUET, each_line
from unveil.core.records import RecordError
from unveil.core.untrusted import JsonError, parse_json, quoted, read_json
from unveil.evaluate.exchange import spreadsheet
from unveil.evaluate.exchange.forms import told

Rows = Iterator[tuple[str, Mapping[str, Any]]]


def rows(path: Path) -> Rows:
    """Each row with where it stands. Raises ``RecordError`` for a file that holds no rows of names and values."""
    head = b"" if path.suffix == PARQUET else _head(path)
    if head.startswith(b"PK"):
        yield from _table(path, iter(spreadsheet.rows(path)))
    elif path.suffix == PARQUET or _is_lines(head):
        yield from ((f"line {number}", _object(path, number, row)) for number, row in each_line(path, lambda v, _: v))
    elif head[:1] in (b"[", b"{"):
        yield from _json(path)
    else:
        yield from _delimited(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(2**16).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise RecordError(files.said(error, path)) from error


def _is_lines(head: bytes) -> bool:
    """Whether the first line is a JSON object and another one begins below; one that is alone is a row where it has a
    row's keys, and else maps ids to answers."""
    first, _, rest = head.partition(b"\n")
    if not first.startswith(b"{"):
        return False
    try:
        value = parse_json(first)
    except JsonError:
        return len(head) == 2**16 and b"\n" not in head  # a line longer than what was looked at
    return rest.lstrip().startswith(b"{") if rest.strip() else told(value) is not None


def _object(path: Path, number: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{path}:{number}: expected an object of names and values, not {quoted(value)}")
    return value


def _json(path: Path) -> Rows:
    """A list of objects, or one object that maps ids to answers."""
    try:
        value = read_json(path, lenient=True)
    except JsonError as error:
        raise RecordError(str(error)) from error
    if isinstance(value, dict):
        value = [{"uid": name, "prediction": answer} for name, answer in value.items()]
    if not isinstance(value, list):
        raise RecordError(f"{path}: expected a list of answers, not {quoted(value)}")
    for number, row in enumerate(value, 1):
        yield f"row {number}", _object(path, number, row)


def _delimited(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sign = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            yield from _table(path, csv.reader(file, delimiter=sign, strict=True))
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 ({error}); save the file as UTF-8") from error
    except csv.Error as error:
        raise RecordError(f"{path}: not a table ({error}); columns with images are to be left out") from error


def _table(path: Path, lines: Iterator[list[str]]) -> Rows:
    names = next(lines, [])
    if len(set(names)) < len(names):
        raise RecordError(f"{path}: two columns have one name: {quoted(names)}")
    for number, cells in enumerate(lines, 2):
        if len(cells) > len(names):
            raise RecordError(f"{path}: row {number} has {len(cells)} cells, the first row {len(names)}")
        if any(cells):
            yield f"row {number}", dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))


# ------------------------------------------------------------------------------------------------------------- writing


def write(path: Path, layout: str, made: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as JSON lines, as a JSON list, or as a table between tabs, all or nothing."""
    with files.whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        if layout == "lines":
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        elif layout == "list":
            json.dump(list(made), out, ensure_ascii=False, indent=1)
            out.write("\n")
        else:
            given = list(made)
            table = csv.DictWriter(out, list(given[0]), delimiter="\t", lineterminator="\n")
            table.writeheader()
            table.writerows(given)
