"""One table: what stands between its fields, what its columns hold, its rows as far as they are used."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, TextIO

from unveil.core.untrusted import listed, quoted, shortened
from unveil.ingest import cells
from unveil.ingest.columns import UNKNOWN, ColumnsError, asked, closest, either, recognise
from unveil.ingest.files import Opening, damaged
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import folded
from unveil.ingest.published import list_name
from unveil.ingest.reading import AnnotationError, IngestError, Options, Rejected, misfit

#: Lines by which the delimiter is told, and rows by which it is told which of several columns names the images.
LOOKED_AT = 50
#: Columns whose cells are taken as they are: "none" may be an answer.
TEXTS = frozenset({"image", "question", "answer", "choices", "report", "report_findings", "impression", "phrase"})


class Row(NamedTuple):
    """A row as far as it is used: the cells of the roles that its table has, and those of the box as they stand."""

    sheet: Sheet
    line: int
    cells: dict[str, str]
    box: list[str]

    def get(self, role: str) -> str:
        return self.cells.get(role, "")

    def rejected(self, error: Exception | str, rows: int = 1) -> Rejected:
        return Rejected(self.sheet.file, self.line, str(error), rows, misfit(error))


#: The number of its last line, its fields, and what is wrong with its quotation marks.
_Line = tuple[int, list[str], str | None]
#: Rows within cells by the names of their images: where the cell ends, the row, whether its own row is rejected.
_Inner = dict[str, list[tuple[int, str, bool]]]


class Sheet:
    """A table and its columns, of the whole of it or of its beginning, read a row at a time, as often as is needed.
    Raises as ``recognise`` does.

    ``separator`` stands between several labels in a cell, ``names`` are what labels stand for by the user's word,
    ``list_name`` the split that the file's own name tells, with its turn. ``orphans`` counts the rows read that mark
    something and name no image.
    """

    def __init__(self, file: str, path: Path, opened: Opening, options: Options) -> None:
        self.file, self.path, self._opened = file, path, opened
        self.list_name, self.names = list_name(path), cells.named(options)
        self.orphans = 0
        with opened() as lines:
            said = re.fullmatch(r'"?sep=(.)"?\r?\n', first := lines.readline())  # Excel's own line
            self.skipped = 1 if said else 0
            told = said[1] if said and options.delimiter is None else None
            begins = [*([] if said else [first]), *itertools.islice(lines, LOOKED_AT - (not said))]
        self.delimiter = told or cells.delimiter(begins, options)
        header = next((row for _, row, _ in self._all()), [])
        self.header = [name.encode(errors="replace").decode().strip() for name in header]
        self.columns = recognise(self.header, options, file, self.label_guess)
        self.separator = ""

    def rows(self, folder: Folder, broken: set[Path]) -> Iterator[tuple[Path, Row] | Rejected]:
        """The rows with their images. Images that may have lost a row are put among the ``broken``."""
        at = dict(self.columns.at)
        boxes, images = at.pop("box", ()), at.pop("image")
        image = self._image_column(folder, images, self._first)
        names, inner = self._looked_through(image)
        broken.update(self._swallowed(folder, inner))
        places = self._places(folder, names)
        for line, row, problem in self._lines():
            name = _cell(row, image)
            place = places[name]
            if isinstance(place, AnnotationError):
                broken.update(folder.index.candidates(name))
                self.orphans += not name and self._says_something(row)
                yield Rejected(self.file, line, str(place))
                continue
            if problem := problem or self._problem(row):
                broken.add(place)
                yield Rejected(self.file, line, problem, rows=1 + sum(cell.count("\n") for cell in row))
                continue
            taken = {role: row[i].strip() if role in TEXTS else cells.value(row[i]) for role, (i, *_) in at.items()}
            yield place, Row(self, line, taken, [row[i] for i in boxes])

    def _looked_through(self, image: int) -> tuple[Iterable[str], _Inner]:
        """What the rows call their images, each name once; and the rows that stand within cells, as behind a quotation
        mark that is not closed, by what these would call theirs."""
        names: dict[str, None] = {}
        inner: _Inner = {}
        for end, row, problem in self._lines():
            names.setdefault(_cell(row, image))
            if "".join(row).isprintable():  # without an end of a line
                continue
            for line in (line for cell in row for line in cell.splitlines()[1:] if self.delimiter in line):
                [fields] = csv.reader([line], delimiter=self.delimiter, skipinitialspace=True)
                inner.setdefault(_cell(fields, image), []).append((end, line, bool(problem or self._problem(row))))
        return names, inner

    def _swallowed(self, folder: Folder, inner: _Inner) -> Iterator[Path]:
        """The images of rows that stand within cells of rows that are rejected for it. Raises ``IngestError`` where
        such a row would be taken over."""
        for name, place in self._places(folder, filter(None, inner)).items():
            images = [place] if isinstance(place, Path) else folder.index.named.get(folded(Path(name).name), [])
            if taken := [(end, line) for end, line, rejected in inner[name] if images and not rejected]:
                end, line = taken[0]
                raise IngestError(
                    f"{self.file}, a cell that ends in line {end} holds a row of its own, {quoted(line)}: "
                    "is a quotation mark before it not closed?"
                )
            yield from images

    def _places(self, folder: Folder, names: Iterable[str]) -> dict[str, Path | AnnotationError]:
        """The images that are meant. Table programs take a name for a number and write 17 as 17.0."""
        places = folder.index.find_all(names, self.path.parent)
        for name, place in places.items():
            if isinstance(place, AnnotationError) and (number := re.fullmatch(r"(\d+)\.0", name)):
                [places[name]] = folder.index.find_all([number[1]], self.path.parent).values()
        return places

    def _says_something(self, row: list[str]) -> bool:
        """Whether a row may mark a finding."""
        places = (i for role in ("label", "box") for i in self.columns.at.get(role, ()))
        return any(cells.value(_cell(row, i)) for i in places)

    def _problem(self, row: list[str]) -> str | None:
        """What makes a row unusable as a whole."""
        if len(row) < len(self.header) or any(cell.strip() for cell in row[len(self.header) :]):
            return f"the row does not have the header's {len(self.header)} fields"
        used = "".join([row[i] for i in self._used])
        if not used.isascii() and damaged(used):
            return "the row is not UTF-8 text; --encoding says what it is, such as latin-1"
        short = (i for role, columns in self.columns.at.items() if role not in TEXTS for i in columns)
        if "\n" in used and any("\n" in row[i].strip() for i in short):
            return "a cell holds several lines: is a quotation mark not closed?"
        return None

    @cached_property
    def _used(self) -> list[int]:
        return [i for columns in self.columns.at.values() for i in columns]

    def _lines(self) -> Iterator[_Line]:
        """The rows below the header."""
        return itertools.islice(self._all(), 1, None)

    def _all(self) -> Iterator[_Line]:
        """Line numbers and fields of the rows that are not empty, and what is wrong with the quotation marks of a row.

        Raises ``IngestError`` where these run several lines together, for nobody knows which rows are lost then.
        """
        last = ""

        def noted(lines: TextIO) -> Iterator[str]:
            nonlocal last
            for line in lines:
                last = line
                yield line

        with self._opened() as lines:
            deque(itertools.islice(lines, self.skipped), maxlen=0)
            reader = csv.reader(noted(lines), delimiter=self.delimiter, skipinitialspace=True, strict=True)
            while True:
                before, problem = reader.line_num, None
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    problem = f"not usable as csv: {error}"
                    row = [cell.strip(' "') for cell in last.split(self.delimiter)]
                    if reader.line_num != before + 1:
                        which = f"lines {before + self.skipped + 1} to {reader.line_num + self.skipped}"
                        raise IngestError(
                            f"{self.file}, {which}: a quotation mark that is not closed: {error}"
                        ) from error
                if row is None:
                    return
                if any(cell.strip() for cell in row):
                    yield reader.line_num + self.skipped, row, problem

    @cached_property
    def _first(self) -> list[list[str]]:
        """The first rows."""
        return [row for _, row, _ in itertools.islice(self._lines(), LOOKED_AT)]

    def image_guess(self, folder: Folder) -> str:
        """The unused column that most likely names the images, for a message: by where it leads, else by its name."""
        led = {}
        for name in self.columns.unused:
            places = self._places(folder, (_cell(row, self.header.index(name)) for row in self._first))
            led[name] = sum(isinstance(place, Path) for place in places.values())
        best = max(led, key=led.__getitem__, default="")
        return shortened(best) if led.get(best) else closest("image", self.columns.unused)

    def label_guess(self, names: Sequence[str]) -> str:
        """The one of these columns that most likely holds labels, for a message. Numbers are none; of the others the
        name tells, else their words, of which labels are the fewest."""
        words = {
            name: {cells.value(_cell(row, self.header.index(name))) for row in self._first} - {""} for name in names
        }
        worded = [name for name in names if not any(word[-1].isdigit() for word in words[name])]
        if (best := closest("label", worded)) != UNKNOWN:
            return best
        few = [name for name in worded if 0 < 2 * len(words[name]) <= len(self._first)]
        return shortened(min(few, key=lambda name: len(words[name]))) if few else UNKNOWN

    def columns_of_marks(self) -> list[str]:
        """The unused columns of which each tells by 0 and 1 whether its name holds."""
        marks = {"", "0", "1", "-1", "0.0", "1.0", "-1.0"}
        found: dict[int, set[str]] = {i: set() for i, name in enumerate(self.header) if name in self.columns.unused}
        for _, row, _ in self._lines():
            for i in list(found):
                found[i].add(_cell(row, i))
                if not found[i] <= marks:
                    del found[i]
        return [self.header[i] for i, values in found.items() if values & {"1", "1.0"}]

    def _image_column(self, folder: Folder, columns: Sequence[int], rows: Sequence[list[str]]) -> int:
        """Which of the columns that may name the image does: the one whose names lead to images in most rows."""
        if len(columns) == 1:
            return columns[0]
        found = {}
        for i in columns:
            places = self._places(folder, (_cell(row, i) for row in rows))
            found[i] = [places[_cell(row, i)] for row in rows]
        hits = {i: sum(isinstance(place, Path) for place in places) for i, places in found.items()}
        best = [i for i in columns if hits[i] == max(hits.values())]
        if hits[best[0]] and all(found[i] == found[best[0]] for i in best):
            return best[0]
        several, first = either(self.header, best), shortened(self.header[best[0]])
        raise ColumnsError(f"{self.file}: {several} may be the image: say --columns image={first} or another")


def _cell(row: list[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def head(path: Path) -> Opening:
    """How to open the beginning of a table, with signs in place of what is no UTF-8."""
    with path.open("rb") as file:
        return partial(io.StringIO, file.read(2**16).decode("utf-8-sig", errors="replace"), "")


def sheets(folder: Folder) -> list[Sheet]:
    """The tables to read; a folder may hold others that nobody asked for, which are noted.

    Raises ``IngestError`` where nothing can be read, or where something would be lost that somebody asked for.
    """
    options = folder.options
    found: list[Sheet] = []
    others: list[str] = []
    nameless: list[Sheet] = []
    mute: list[Sheet] = []
    for path in folder.annotations(".csv", ".tsv"):
        file = folder.relative(path)
        try:
            sheet = Sheet(file, path, folder.opening(path), options)
        except AnnotationError as error:
            if options.annotations or Sheet(file, path, head(path), options).columns.about:
                raise IngestError(f"{file}: {error}") from error
            others.append(f"{file}: {error}")
            continue
        if sheet.columns.has("image"):
            found.append(sheet)
        else:
            others.append(_described(sheet, folder))
            nameless.append(sheet)
            mute += [sheet] if sheet.columns.about else []
    if not others and not found:
        raise IngestError("looked for a table, csv or tsv, and found none")
    if not found or (others and options.annotations):
        said = shortened("; ".join(others), 400)
        guesses = (s.image_guess(folder) for s in nameless if len(s.columns.unused) > 1)
        hint = f". Say --columns image={guess}" if (guess := next(guesses, "")) else ""
        raise IngestError(f"no column names the images: {said}{hint}")
    _check_asked(found, options)
    for sheet in mute:
        raise ColumnsError(
            f"{sheet.file} has labels, boxes or questions and no column that names the images; it has "
            f"{listed(sheet.header)}. Say --columns image={sheet.image_guess(folder)}, or "
            f"--annotations {found[0].path.name} if it is not to be read"
        )
    about = [sheet for sheet in found if sheet.columns.about]
    for sheet in [] if about or "label" in asked(options) else found:
        if rest := sheet.columns.unused:
            marks = sheet.columns_of_marks()
            hint = f"Say --columns label={sheet.label_guess(rest)}, or label= if it holds none"
            if len(marks) > 1:
                hint = f"Columns of 0 and 1 such as {listed(marks)} are not read: write their names into one, as A|B"
            raise ColumnsError(
                f"{sheet.file}: no column is known to hold labels, boxes or questions; it has {listed(sheet.header)}. "
                f"{hint}"
            )
    bare = [sheet for sheet in found if about and sheet.columns.at.keys() == {"image"}]
    for text in [*others, *(_described(sheet, folder) for sheet in bare if not sheet.list_name)]:
        folder.note("table passed over, since it names no images or says nothing about them", text)
    return [sheet for sheet in found if sheet not in bare]


def _described(sheet: Sheet, folder: Folder) -> str:
    """A table that is not read, for a message."""
    if not sheet.header:
        return f"{sheet.file} is empty"
    hint = ""
    for name in sheet.header:
        if isinstance(folder.index.find_all([name], sheet.path.parent)[name], Path):
            hint = "; its first line is no header: write one above it, such as image,label,x1,y1,x2,y2"
    if not hint and len(sheet.header) == 1:
        hint = " as its only column: is its first line no header, or does another --delimiter stand between the fields?"
    return f"{sheet.file} has {listed(sheet.header, 120)}{hint}"


def _check_asked(found: Sequence[Sheet], options: Options) -> None:
    """A column that the user named must be in some table; a misspelt patient column would make a leaking split."""
    for role, name in found[0].columns.absent:
        if all((role, name) in sheet.columns.absent for sheet in found):
            guess = closest(role, found[0].columns.unused)
            hint = "" if guess == "COLUMN" else f"; is it {quoted(guess)}?"
            raise ColumnsError(f"{found[0].file} has no column {quoted(name)}; it has {listed(found[0].header)}{hint}")
