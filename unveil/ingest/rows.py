"""Rows of tables whose columns are known beforehand, one after the other, packed with gzip or not."""

from __future__ import annotations

import csv
import difflib
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, cast

from unveil.core.untrusted import listed, quoted
from unveil.ingest.archive import MOST_TIMES
from unveil.ingest.files import opening, undecodable
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, IngestError

#: Bytes of a line; a report or a caption stays below a tenth of it.
LONGEST = 2**20
#: Characters that any packed table may unpack to; a large one to as many times its size as a zip may.
UNPACKED = 2**24


def rows(
    folder: Folder, path: Path, needed: Sequence[str], delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """The line number and the cells by column of each row, without spaces around them; a missing cell is "".

    Raises ``IngestError`` where one of the ``needed`` columns is not there, and tells which may be meant.
    """
    lines = cells(folder, path, delimiter)
    _, header = next(lines, (1, []))
    if missing := [name for name in needed if name not in header]:
        near = {name: difflib.get_close_matches(name, header, 1) for name in missing}
        meant = listed(f"{found[0]} instead of {name}" for name, found in near.items() if found)
        raise IngestError(
            f"{folder.relative(path)}: the columns {listed(missing)} are missing; it has {listed(header) or 'none'}"
            + (f" ({meant}?)" if meant else "")
        )
    for number, values in lines:
        yield number, dict(zip(header, values + [""] * (len(header) - len(values)), strict=False))


def has(folder: Folder, path: Path, needed: Sequence[str], delimiter: str = ",") -> bool:
    """Whether a file is a table with these columns; only its first row is read."""
    try:
        _, header = next(cells(folder, path, delimiter), (1, []))
    except IngestError:
        return False
    return set(needed) <= set(header)


def cells(folder: Folder, path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The line number and the cells of each row, the header's too; empty lines are none.

    Raises ``IngestError`` for what is no such table, as where a quotation mark may have swallowed rows.
    """
    try:
        with _text(path, folder.options.encoding) as (file, most):
            table = csv.reader(_lines(file, most), delimiter=delimiter, strict=True)
            try:
                for values in table:
                    if values:
                        yield table.line_num, [value.strip() for value in values]
            except csv.Error as error:
                raise AnnotationError(f"line {table.line_num}: {error}; is a quotation mark not closed?") from error
    except (UnicodeError, EOFError, gzip.BadGzipFile, zlib.error, AnnotationError) as error:
        raise IngestError(f"{folder.relative(path)}: no table that can be read ({error})") from error


@contextmanager
def _text(path: Path, encoding: str | None) -> Iterator[tuple[TextIO, float]]:
    """The text of a file, in an encoding as ``files.opening`` tells it, and how many characters it may have."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    if not packed:
        with opening(path, encoding)() as text:
            yield text, math.inf
        return
    chosen = "utf-8-sig"
    if encoding:
        with gzip.open(path) as unpacked:
            chosen = encoding if undecodable(cast(IO[bytes], unpacked), "utf-8") else chosen
    with gzip.open(path, "rt", encoding=chosen, newline="") as text:
        yield cast(TextIO, text), max(UNPACKED, MOST_TIMES * path.stat().st_size)


def _lines(file: TextIO, most: float) -> Iterator[str]:
    left = most
    while line := file.readline(LONGEST):
        if (left := left - len(line)) < 0:
            raise AnnotationError(f"it unpacks to more than {most:g} characters; if you trust it, unpack it")
        if len(line) == LONGEST:
            raise AnnotationError(f"a line of more than {LONGEST} characters, which begins with {quoted(line)}")
        yield line
