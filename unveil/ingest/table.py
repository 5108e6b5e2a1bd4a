"""CSV: a row per finding, with columns that the options name; the rows of one image are joined.

A row with neither label nor box (or with a label such as "no finding") says that its image was looked at and has no
finding, if the table has a column for either. Patient, study, modality and report belong to the image: rows that
disagree about them reject it. A row with a question and its answer adds them to the image, and says nothing about
findings unless it has a label or a box. An image whose rows stand in several splits becomes one record in each, so that
``check`` finds the leak instead of nobody.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil import pixels
from unveil.ingest.conventions import declared, in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, IngestError, Options, Rejected, boxed, number, parse_all
from unveil.records import Finding, Question, Record
from unveil.wording import yes_no

LOOKED_FOR = "a csv file with a column for the image"

#: What belongs to the image, by the name of its field in a record; the option is called <name>_column.
OF_IMAGE = ("patient", "study", "modality", "report")

Row = dict[str, str]


def fits(folder: Folder) -> bool:
    """Whether the folder holds such a file."""
    options = folder.options
    for path in folder.files(".csv", ".tsv"):
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            if options.image_column in next(csv.reader([lines.readline()], delimiter=options.delimiter or ","), []):
                return True
    return False


def read(folder: Folder) -> Iterator[Record | Rejected]:
    """Every image that a row names."""
    options = folder.options
    if len(options.box_columns) not in (1, 4):
        raise IngestError(f"box_columns must name one column or four, not {len(options.box_columns)}")
    found = False
    for path in folder.annotations(".csv", ".tsv"):
        table = _Table(folder, path)
        # A folder may hold other tables; one that was asked for must have the column.
        if options.image_column in table.columns or options.annotations:
            found = True
            yield from table.items()
    if not found:
        hint = f"column {options.image_column!r}, delimiter {options.delimiter!r}: see these options"
        raise IngestError(f"{folder.root}: looked for {LOOKED_FOR} and found none ({hint})")


class _Table:
    """One CSV file, read as text."""

    def __init__(self, folder: Folder, path: Path) -> None:
        self.folder, self.options, self.file = folder, folder.options, folder.relative(path)
        self.near = path.parent
        try:
            lines = io.StringIO(folder.text(path), newline="")
        except AnnotationError as error:
            raise IngestError(f"{path}: {error}") from error
        self.reader = csv.DictReader(lines, delimiter=self.options.delimiter or ",")
        self.header = list(self.reader.fieldnames or ())
        self.columns = set(self.header)

    def items(self) -> Iterator[Record | Rejected]:
        self._check_columns()
        images: dict[Path, dict[str, list[tuple[int, Row]]]] = {}
        broken: set[Path] = set()
        for line, row in self._rows():
            try:
                path = self.folder.find(row.get(self.options.image_column) or "", self.near)
                if None in row or None in row.values():  # what csv makes of fields too many and too few
                    broken.add(path)
                    raise AnnotationError(f"the row does not have the header's {len(self.header)} fields")
                cells = {k: v.strip() for k, v in row.items()}
                split = cells.get(self.options.split_column, "")
                images.setdefault(path, {}).setdefault(split, []).append((line, cells))
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(self.file, line, str(error))
        for path, by_split in images.items():
            for split, rows in by_split.items() if self.options.splits == "published" else _joined(by_split):
                try:
                    yield from self._record(path, rows, path in broken, split, len(by_split) > 1)
                except (AnnotationError, pixels.ImageError) as error:
                    yield Rejected(self.file, rows[0][0], f"image {self.folder.relative(path)!r}: {error}")

    def _rows(self) -> Iterator[tuple[int, dict[Any, Any]]]:
        try:
            for row in self.reader:
                yield self.reader.line_num, row
        except csv.Error as error:
            raise IngestError(f"{self.file}, line {self.reader.line_num}: not usable as csv: {error}") from error

    def _check_columns(self) -> None:
        """A column that the user named must exist; a misspelt patient column would make a leaking split."""
        usual = Options()
        names = [f.name for f in dataclasses.fields(Options) if f.name.endswith("_column")]
        asked = [getattr(self.options, n) for n in names if getattr(self.options, n) != getattr(usual, n)]
        if self.options.box_columns != usual.box_columns:
            asked += self.options.box_columns
        if missing := [name for name in [self.options.image_column, *asked] if name not in self.columns]:
            raise IngestError(f"{self.file} has no column {missing[0]!r}; it has {', '.join(sorted(self.columns))}")
        if doubled := [name for name in [self.options.image_column, *asked] if self.header.count(name) > 1]:
            raise IngestError(f"{self.file} has several columns {doubled[0]!r}")
        if 0 < len(self.columns & set(self.options.box_columns)) < len(self.options.box_columns):
            raise IngestError(f"{self.file} has only some of the box columns {', '.join(self.options.box_columns)}")

    def _record(
        self, path: Path, rows: list[tuple[int, Row]], broken: bool, split: str, several: bool
    ) -> Iterator[Record | Rejected]:
        known: dict[str, Any] = {name: self._agreed(name, rows) for name in OF_IMAGE}
        known["split"] = self._split(split) or self.folder.split(path, self.near)
        image = self.folder.open(path)
        questions, unanswered = self._questions(rows)
        if questions:
            known["questions"] = tuple(questions)
        about = [(line, row) for line, row in rows if not self._only_asks(row)]
        stated = [(line, row) for line, row in about if not self._negative(row)]
        findings, bad = parse_all(stated, lambda row: self._finding(row, image), self.file)
        if stated and len(stated) < len(about):
            line = next(line for line, row in about if self._negative(row))
            bad.append(Rejected(self.file, line, "says that there is no finding, which other rows of the image deny"))
        yield from (*bad, *unanswered)
        lost = bool(bad) or broken
        # Without any finding an image is only here because a row says so, which is a statement about all of it.
        asked = {self.options.label_column, *self.options.box_columns} & self.columns
        known["completeness"] = None if stated or lost or not asked or not about else "exhaustive"
        record = self.folder.record(image, findings, "unknown", lost, **known)
        yield dataclasses.replace(record, id=f"{record.id}@{split}") if several and split else record

    def _only_asks(self, row: Row) -> bool:
        return bool(row.get(self.options.question_column)) and not self._label(row) and not self._numbers(row)

    def _questions(self, rows: list[tuple[int, Row]]) -> tuple[list[Question], list[Rejected]]:
        """The questions of an image's rows; one without an answer is rejected."""
        good, bad = [], []
        for line, row in rows:
            question, answer = row.get(self.options.question_column), row.get(self.options.answer_column)
            if question and answer:
                said = row.get(self.options.answer_type_column) or ("closed" if yes_no(answer) is not None else "")
                good.append(Question(question, answer, "closed" if said.lower() == "closed" else "open"))
            elif question:
                bad.append(Rejected(self.file, line, "a question without an answer"))
        return good, bad

    def _agreed(self, name: str, rows: list[tuple[int, Row]]) -> str | None:
        column = getattr(self.options, f"{name}_column")
        values = sorted({row[column] for _, row in rows if row.get(column)})
        if len(values) > 1:
            raise AnnotationError(f"rows disagree on its {name}: {', '.join(values)}")
        return values[0] if values else None

    def _split(self, text: str) -> str | None:
        if not text:
            return None
        if text.lower() not in SPLIT_NAMES:
            raise AnnotationError(f"split {text!r} is none of {', '.join(SPLIT_NAMES)}")
        return SPLIT_NAMES[text.lower()]

    def _label(self, row: Row) -> str:
        return row.get(self.options.label_column, "")

    def _numbers(self, row: Row) -> list[str]:
        """The box's numbers as text: of four cells, or of one cell such as "[1, 2, 3, 4]"; empty if there is no box."""
        cells = [row.get(column, "") for column in self.options.box_columns]
        return re.findall(r"[^\s,;\[\]()]+", cells[0]) if len(cells) == 1 else cells if any(cells) else []

    def _negative(self, row: Row) -> bool:
        label = self._label(row).lower()
        return not self._numbers(row) and (not label or label in {n.lower() for n in self.options.negative_labels})

    def _finding(self, row: Row, image: Image) -> Finding:
        label = self._label(row) or self.options.default_label
        if not label:
            raise AnnotationError("a box without a label (see default_label)")
        words = {"body_part": row.get(self.options.body_part_column), "side": row.get(self.options.side_column)}
        texts = self._numbers(row)
        if not texts:
            return Finding(label, attributes={name: text for name, text in words.items() if text})
        if len(texts) != 4:
            raise AnnotationError(f"a box needs four numbers, not {len(texts)}")
        return boxed(
            label,
            in_pixels([number(t, "the box") for t in texts], image, *declared("csv", self.options)),
            image,
            **words,
        )


def _joined(by_split: dict[str, list[tuple[int, Row]]]) -> list[tuple[str, list[tuple[int, Row]]]]:
    """All rows of an image together, without a split."""
    return [("", sorted((line for rows in by_split.values() for line in rows), key=lambda row: row[0]))]
