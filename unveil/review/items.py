"""What is reviewed: rows of one file, each with its image, and what else is known of it from other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core import image_files, pairs
from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, MARKUP, View, unmark
from unveil.core.decisions import Annotation, Subject, hash_of
from unveil.core.jsonl import each_line, from_json
from unveil.core.pixels import ImageError
from unveil.core.records import Dialogue, Pair, Prediction, Record, RecordError, Split
from unveil.core.untrusted import shortened
from unveil.review.rows import Rows, unknown

Reviewed = Record | Dialogue | Pair | Prediction
MADE: Mapping[Subject, type[Reviewed]] = {
    "record": Record, "dialogue": Dialogue, "pair": Pair, "prediction": Prediction,
}  # fmt: skip


@dataclass(frozen=True)
class ReviewItem:
    """One thing to decide about."""

    number: int
    """Its place in the file, from 0 on."""
    subject: Subject
    row: Reviewed
    sha256: str
    """Hash of its line (``Decision.sha256``)."""
    image: Path
    """The image file."""
    record: Record | None = None
    """What is known of the image."""
    dialogue: Dialogue | None = None
    """Of a prediction, the question that it answers."""

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def of_record(self) -> str:
        """The id of the image's record."""
        return self.row.id if isinstance(self.row, Record) else self.row.record

    @property
    def marks(self) -> tuple[Annotation, ...]:
        """The places that are decided about: a record's findings, those in a dialogue's answer."""
        if isinstance(self.row, Record):
            return tuple(Annotation(f.label, f.box, finding=n) for n, f in enumerate(self.row.findings))
        if isinstance(self.row, Dialogue):
            boxes = enumerate(unmark(self.row.answer))
            return tuple(Annotation(_named(self.row, n), box, finding=n) for n, box in boxes)
        return ()

    @property
    def said(self) -> tuple[Annotation, ...]:
        """The places in a model's answer, in pixels of the image, with the names that it gives them."""
        if not isinstance(self.row, Prediction) or self.dialogue is None or self.row.box_format not in BOX_FORMATS:
            return ()
        size = self.record.size if self.record else _size(self.image)
        if size is None:
            return ()
        view, asked = View(BOX_FORMATS[self.row.box_format], size, self.row.frame), self.dialogue
        found = parse(asked.kind, self.row.answer, view, (), asked.target, asked.choices).findings
        named = [Annotation(name or asked.target or "", box) for name, box in found if box]
        return tuple(named) or tuple(Annotation("", box) for box in view.read(self.row.answer)[0])

    @property
    def truth(self) -> tuple[Annotation, ...]:
        """What a model's answer is held against: the places in the true answer, else the findings of the record."""
        if not isinstance(self.row, Prediction) or self.dialogue is None:
            return ()
        told = tuple(Annotation(_named(self.dialogue, n), box) for n, box in enumerate(unmark(self.dialogue.answer)))
        found = self.record.findings if self.record else ()
        return told or tuple(Annotation(f.label, f.box) for f in found)


def _size(image: Path) -> tuple[int, int] | None:
    """Width and height of an image; None of one that cannot be read, of which the page is told where it would be."""
    try:
        header = image_files.probe(image)
    except ImageError:
        return None
    return header.width, header.height


def _named(dialogue: Dialogue, number: int) -> str:
    """What a dialogue's answer calls its box of a number, as far as that can be read."""
    markup = View(MARKUP, (1, 1), (1, 1))
    found = parse(dialogue.kind, dialogue.answer, markup, (), dialogue.target).findings
    return (found[number][0] if number < len(found) else None) or dialogue.target or ""


class Items:
    """The rows to review. ``images`` of records and dialogues are relative to the folder of their file."""

    def __init__(self, path: Path, records: Path | None = None, dialogues: Path | None = None) -> None:
        self.path, self.subject = path, subject_of(path)
        with ExitStack() as files:
            self._read(records, dialogues, files)
            self._open = files.pop_all()

    def _read(self, records: Path | None, dialogues: Path | None, files: ExitStack) -> None:
        splits: list[Split | None] = []
        maker = _maker(self.subject, self.path)
        self.rows: Rows[Any] = Rows(self.path, maker, lambda _, row: splits.append(_split(row)))
        files.callback(self.rows.close)
        self.records = _rows_of(Record, records) if self.subject != "record" else self.rows
        if self.records:
            files.callback(self.records.close)
        self._dialogues: Rows[Dialogue] | None = None
        if self.subject == "prediction" and dialogues:
            asked: list[Split | None] = []
            self._dialogues = Rows(dialogues, _maker("dialogue", dialogues), lambda _, row: asked.append(row.split))
            files.callback(self._dialogues.close)
            self._refuse_strangers()
            splits = [asked[self._dialogues.number[name]] for name in self.rows.ids]
        elif self.subject == "prediction":
            raise RecordError(f"{self.path}: answers are shown with their questions: give --dialogues")
        self._splits = splits

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def of_images(self) -> Path:
        """The folder from which the records' paths lead."""
        return (self.records or self.rows).path.parent

    def split(self, number: int) -> Split | None:
        """The split of an item's image, None where it is not known."""
        return self._splits[number]

    def hash(self, number: int) -> str:
        """Of an item's row as it is now (``Decision.sha256``)."""
        return hash_of(self.rows.line(number))

    def item(self, number: int) -> ReviewItem:
        """The item of a number from 0 on, with all that is known of it."""
        row: Reviewed = self.rows.row(number)
        sha256, record, dialogue = self.hash(number), None, None
        if isinstance(row, Record):
            record, image = row, self.path.parent / row.image
        else:
            record = self.records.find(row.record) if self.records else None
            if isinstance(row, Prediction):
                assert self._dialogues
                dialogue = self._dialogues.row(self._dialogues.number[row.id])
                image = self._dialogues.path.parent / dialogue.image
            else:
                image = self.path.parent / row.image
        return ReviewItem(number, self.subject, row, sha256, image, record, dialogue)

    def of_all(self) -> Iterator[Record | None]:
        """The record of each image, once; None of one without a record."""
        rows = map(self.rows.row, range(len(self)))
        if self.subject == "record":
            yield from rows
        else:
            for name in dict.fromkeys(row.record for row in rows):
                yield self.records.find(name) if self.records else None

    def _refuse_strangers(self) -> None:
        """Raises ``RecordError`` where a prediction answers none of the dialogues."""
        assert self._dialogues
        if lost := [name for name in self.rows.ids if name not in self._dialogues.number]:
            raise RecordError(
                f"{self.path}: {len(lost)} of {len(self)} answers are to no question of {self._dialogues.path} "
                f"({shortened(lost[0])} …): give the dialogues that were asked"
            )

    def close(self) -> None:
        self._open.close()


def _rows_of(kind: type[Any], path: Path | None) -> Rows[Any] | None:
    return Rows(path, lambda value, _: from_json(kind, value)) if path else None


def _split(row: Reviewed) -> Split | None:
    """The split that a row tells; a prediction tells none."""
    return None if isinstance(row, Prediction) else row.split


def _maker(subject: Subject, path: Path) -> Any:
    if subject == "pair":
        return lambda value, number: pairs.parsed(value, f"{path.stem}-{number}")
    kind = MADE[subject]
    return lambda value, _: from_json(kind, value)


def subject_of(path: Path) -> Subject:
    """What the rows of a file are, as the first one shows; raises ``RecordError`` where they are nothing of ours."""
    for _, row in each_line(path, lambda value, _: value):
        keys = set(row) if isinstance(row, dict) else set()
        if {"chosen", "rejected"} <= keys:
            return "pair"
        if {"box_format", "frame", "answer"} <= keys:
            return "prediction"
        if {"question", "answer", "image"} <= keys:
            return "dialogue"
        if {"image", "width", "height"} <= keys:
            return "record"
        raise RecordError(f"{path}:1: {unknown(row)}")
    raise RecordError(f"{path}: there is not one row")
