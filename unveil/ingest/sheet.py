"""One table: what stands between its fields, what its columns hold, its rows as far as they are used."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from unveil import geometry
from unveil.ingest import cells
from unveil.ingest.columns import ColumnsError, asked, closest, listed, recognise
from unveil.ingest.files import damaged
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import folded
from unveil.ingest.reading import AnnotationError, IngestError, Options, Rejected

#: Lines by which the delimiter is told, and rows by which it is told which of several columns names the images.
LOOKED_AT = 50
#: Columns whose cells are taken as they are: "none" may be an answer.
TEXTS = frozenset({"image", "question", "answer", "report"})


class Row(NamedTuple):
    """A row as far as it is used: the cells of the roles that its table has, and those of the box as they stand."""

    sheet: Sheet
    line: int
    cells: dict[str, str]
    box: list[str]

    def get(self, role: str) -> str:
        return self.cells.get(role, "")

    def rejected(self, error: Exception | str, rows: int = 1) -> Rejected:
        return Rejected(self.sheet.file, self.line, str(error), rows, isinstance(error, geometry.BoxError))


class Sheet:
    """A table and its columns, of its text or of the beginning of that. Raises as ``recognise`` does.

    ``separator`` stands between several labels in a cell.
    """

    def __init__(self, file: str, path: Path, text: str, options: Options) -> None:
        self.file, self.path, self.damaged = file, path, damaged(text)
        lines = io.StringIO(text, newline="")
        self.skipped = 0
        if said := re.match(r'"?sep=(.)"?\r?\n', text):  # Excel's own line
            lines.readline()
            self.skipped, self.delimiter = 1, said[1]
        else:
            first = [line for line in itertools.islice(lines, LOOKED_AT) if line.strip()]
            self.delimiter = cells.delimiter(first, options)
            lines.seek(0)
        self.reader = csv.reader(lines, delimiter=self.delimiter)
        header = next((row for _, row in self._lines()), [])
        self.header = [name.encode(errors="replace").decode().strip() for name in header]
        self.columns = recognise(self.header, options, file)
        self.separator = ""

    def rows(self, folder: Folder, broken: set[Path]) -> Iterator[tuple[Path, Row] | Rejected]:
        """The rows with their images. Images that may have lost a row are put among the ``broken``."""
        at = dict(self.columns.at)
        boxes, images = at.pop("box", ()), at.pop("image")
        lines = list(self._lines())
        image = self._image_column(folder, images, [row for _, row in lines[:LOOKED_AT]])
        places = folder.index.find_all((_cell(row, image) for _, row in lines), self.path.parent)
        for line, row in lines:
            name = _cell(row, image)
            place = _place(places, name)
            if isinstance(place, AnnotationError):
                broken.update(_same_name(folder, name))  # it may be about any of them
                yield Rejected(self.file, line, str(place))
                continue
            if problem := self._problem(row, [i for columns in self.columns.at.values() for i in columns]):
                broken.add(place)
                yield Rejected(self.file, line, problem)
                continue
            taken = {role: row[i].strip() if role in TEXTS else cells.value(row[i]) for role, (i, *_) in at.items()}
            yield place, Row(self, line, taken, [row[i] for i in boxes])

    def _problem(self, row: list[str], used: list[int]) -> str | None:
        """What makes a row unusable as a whole."""
        if len(row) < len(self.header) or any(cell.strip() for cell in row[len(self.header) :]):
            return f"the row does not have the header's {len(self.header)} fields"
        if self.damaged and any(damaged(row[i]) for i in used):
            return "the row is not UTF-8 text; --encoding says what it is, such as latin-1"
        return None

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and fields of the rows that are not empty."""
        try:
            for row in self.reader:
                if any(cell.strip() for cell in row):
                    yield self.reader.line_num + self.skipped, row
        except csv.Error as error:
            line = self.reader.line_num + self.skipped
            raise IngestError(f"{self.file}, line {line}: not usable as csv: {error}") from error

    def _image_column(self, folder: Folder, columns: Sequence[int], rows: Sequence[list[str]]) -> int:
        """Which of the columns that may name the image does: the one whose names lead to images in most rows."""
        if len(columns) == 1:
            return columns[0]
        found = {}
        for i in columns:
            places = folder.index.find_all((_cell(row, i) for row in rows), self.path.parent)
            found[i] = [_place(places, _cell(row, i)) for row in rows]
        hits = {i: sum(isinstance(place, Path) for place in places) for i, places in found.items()}
        best = [i for i in columns if hits[i] == max(hits.values())]
        if hits[best[0]] and all(found[i] == found[best[0]] for i in best):
            return best[0]
        several = " and ".join(repr(self.header[i]) for i in best)
        raise ColumnsError(
            f"{self.file}: {several} may be the image: say --columns image={self.header[best[0]]} or another"
        )


def _cell(row: list[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _place(places: Mapping[str, Path | AnnotationError], name: str) -> Path | AnnotationError:
    return places[name]


def _same_name(folder: Folder, name: str) -> list[Path]:
    """The images that are called as the last part of a path, whatever lies before it."""
    last = folded(name.replace("\\", "/").rsplit("/", 1)[-1])
    return [path for key in {last, last.rsplit(".", 1)[0]} for path in folder.index.named.get(key, ())]


def head(path: Path) -> str:
    """The beginning of a table, with signs in place of what is no UTF-8."""
    with path.open("rb") as file:
        return file.read(2**16).decode("utf-8-sig", errors="replace")


def sheets(folder: Folder) -> list[Sheet]:
    """The tables to read; a folder may hold others that nobody asked for, which are noted.

    Raises ``IngestError`` where nothing can be read, or where something would be lost that somebody asked for.
    """
    options = folder.options
    found: list[Sheet] = []
    others: list[str] = []
    for path in folder.annotations(".csv", ".tsv"):
        file = folder.relative(path)
        try:
            sheet = Sheet(file, path, folder.text(path, marked=True), options)
        except AnnotationError as error:
            if options.annotations or Sheet(file, path, head(path), options).columns.about:
                raise IngestError(f"{file}: {error}") from error
            others.append(f"{file}: {error}")
            continue
        if sheet.columns.has("image"):
            found.append(sheet)
        else:
            others.append(f"{file} has {listed(sheet.header)}")
    if not found or (others and options.annotations):
        raise IngestError(f"{folder.root}: no column names the images: {'; '.join(others)}. Say --columns image=COLUMN")
    _check_asked(found, options)
    about = [sheet for sheet in found if sheet.columns.about]
    for sheet in [] if about or "label" in asked(options) else found:
        if rest := sheet.columns.unused:
            raise ColumnsError(
                f"{sheet.file}: no column is known to hold labels, boxes or questions; it has {listed(sheet.header)}. "
                f"Say --columns label={closest('label', rest)}, or label= if it holds none"
            )
    bare = [sheet for sheet in found if about and sheet.columns.at.keys() == {"image"}]
    for text in [*others, *(f"{sheet.file} has {listed(sheet.header)}" for sheet in bare)]:
        folder.note("table passed over, since it names no images or says nothing about them", text)
    return [sheet for sheet in found if sheet not in bare]


def _check_asked(found: Sequence[Sheet], options: Options) -> None:
    """A column that the user named must be in some table; a misspelt patient column would make a leaking split."""
    for role, name in found[0].columns.absent:
        if all((role, name) in sheet.columns.absent for sheet in found):
            guess = closest(role, found[0].columns.unused)
            hint = "" if guess == "…" else f"; is it {guess!r}?"
            raise ColumnsError(f"{found[0].file} has no column {name!r}; it has {listed(found[0].header)}{hint}")
