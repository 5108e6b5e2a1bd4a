"""Questions about images, row by row, as records: what the readers of such sets have in common.

A row names an image and asks one question of it. The rows of an image make one record; where they stand in several
published splits one record for each (``id@split``), so that ``check`` tells that the image is in both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from unveil.core import pixels
from unveil.core.records import Completeness, Finding, Question, Record, Split
from unveil.core.untrusted import JsonError, listed, parse_json, quoted
from unveil.ingest.columns import key
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, IngestError, Rejected
from unveil.ingest.streamed import members

#: An option's letter before its text: "A: Diffuse", " (b) Diffuse", "C. Diffuse".
_LETTER = re.compile(r"\s*\(?([A-Za-z])\s*[:.)]\s*")


@dataclass(frozen=True)
class AskedRow:
    """What one row says of an image."""

    file: str
    """The file of the row, relative to the data folder."""
    row: int
    """Where in it, from 1."""
    question: Question | None = None
    """What it asks; None if it only describes the image."""
    split: Split | None = None
    """The published split of the question; None if it belongs to all splits that the image is in."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What it says of the image, by the names of a record's fields: modality, report, language, …"""
    marks: Any = None
    """What it marks on the image, in a form that its reader knows."""


@dataclass
class Marked:
    """What the rows of an image come to once it is open: boxes need its size."""

    asked: list[AskedRow]
    findings: list[Finding] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    """Marks that cannot be used: the image's annotation is then not complete."""
    lost: bool = False
    """Whether marks were left out without being wrong: it is not complete either."""
    complete: bool = False
    """Whether the rows say that nothing else is there, whatever is usual in their form."""


def unmarked(image: Image, asked: Sequence[AskedRow]) -> Marked:
    """Rows that only ask."""
    return Marked(list(asked))


class Album:
    """The rows of a set by their images. All questions are in memory, some kilobytes an image."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.rows: dict[Path, list[AskedRow]] = {}
        self._lost: set[Path] = set()
        self._names: set[tuple[Path, str]] = set()
        self._made: dict[Path, str] = {}
        self._found: dict[tuple[str, Path], Path] = {}

    def find(self, name: str, near: Path) -> Path:
        """As ``folder.find``, which is asked once for each name: rows repeat them. Raises ``AnnotationError``."""
        if (name, near) not in self._found:
            self._found[name, near] = self.folder.find(name, near)
        return self._found[name, near]

    def add(self, image: Path, asked: AskedRow, made: str | None = None) -> None:
        """Takes a row of an image; ``made`` is what an image is called that was written by ``folder.make``."""
        self.rows.setdefault(image, []).append(asked)
        if made is not None:
            self._made[image] = made

    def distinct(self, image: Path, name: str, otherwise: str) -> str:
        """The name of a row of an image; ``otherwise`` where another row of the image has it."""
        chosen = otherwise if (image, name) in self._names else name
        self._names.add((image, chosen))
        return chosen

    @contextmanager
    def about(self, image: Path) -> Iterator[None]:
        """A row of an image: where it turns out to be wrong, what others say of the image is not all there is."""
        try:
            yield
        except AnnotationError:
            self._lost.add(image)
            raise

    def records(
        self,
        completeness: Completeness = "unknown",
        marked: Callable[[Image, Sequence[AskedRow]], Marked] = unmarked,
    ) -> Iterator[Record | Rejected]:
        """The records of all images, and what cannot be used."""
        for path, rows in self.rows.items():
            try:
                yield from self._records(path, rows, completeness, marked)
            except (AnnotationError, pixels.ImageError) as error:
                name = self._made.get(path) or self.folder.relative(path)
                yield Rejected(rows[0].file, rows[0].row, f"image {quoted(name)}: {error}", len(rows))

    def _records(
        self,
        path: Path,
        rows: Sequence[AskedRow],
        completeness: Completeness,
        marked: Callable[[Image, Sequence[AskedRow]], Marked],
    ) -> Iterator[Record | Rejected]:
        known = _agreed(rows)
        image = self.folder.open(path, file=self._made.get(path))
        told = marked(image, rows)
        yield from told.rejected
        splits = list(dict.fromkeys(row.split for row in rows if row.split))
        by_split: dict[Split | None, list[AskedRow]] = {
            split: [row for row in told.asked if row.split in (split, None)] for split in splits
        }
        if self.folder.options.splits == "none" or not splits:  # of several published ones, what must not be learnt
            by_split = {"test" if "test" in splits else splits[0] if splits else None: told.asked}
        records = []
        for split, some in by_split.items():
            record = self.folder.record(
                image,
                told.findings,
                "exhaustive" if told.complete else completeness,
                bool(told.rejected) or told.lost or path in self._lost,
                split=split or (None if path in self._made else self.folder.split(path)),
                questions=self._distinct(some, image.file),
                **known,
            )
            records.append(replace(record, id=f"{record.id}@{split}") if len(by_split) > 1 else record)
        # what is in a benchmark's test split is so whatever else is asked of it
        benchmark = next((record.source.benchmark for record in records if record.source.benchmark), None)
        yield from (replace(record, source=replace(record.source, benchmark=benchmark)) for record in records)

    def _distinct(self, rows: Sequence[AskedRow], file: str) -> tuple[Question, ...]:
        """The questions of the rows; one that repeats another with its answer is noted and counts once."""
        questions: dict[tuple[str, str], Question] = {}
        for question in (row.question for row in rows if row.question):
            if questions.setdefault((question.text, question.answer), question) is not question:
                self.folder.note("questions that repeat another of their image, with its answer: counted once", file)
        return tuple(questions.values())


def _agreed(rows: Sequence[AskedRow]) -> dict[str, Any]:
    """What the rows say of their image; raises ``AnnotationError`` where they disagree."""
    known: dict[str, Any] = {}
    for row in rows:
        for name, value in row.known.items():
            if value and known.setdefault(name, value) != value:
                raise AnnotationError(f"rows disagree on its {name}: {listed(map(quoted, (known[name], value)))}")
    return known


def text(value: Any) -> str:
    """A cell of JSON or of a table as text without spaces around it: whole numbers without a point, yes for true."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):  # one that is no number is how pandas writes an empty cell
        return "" if not math.isfinite(value) else str(int(value)) if value.is_integer() else str(value)
    return str(value).strip() if isinstance(value, (str, int)) else ""


def question(
    folder: Folder,
    file: str,
    asked: Any,
    answer: Any,
    kind: Any = None,
    id: Any = None,
    choices: Sequence[str] = (),
    language: str | None = None,
) -> Question:
    """A question from the cells of a row. ``kind`` is the answer's type, as CLOSED or OPEN; where no file tells it,
    closed is what is answered by yes or no, or chosen, and it is noted that this was inferred.

    Raises ``AnnotationError`` where there is no question or no answer, or where the answer is no choice.
    """
    words, said = text(asked), text(answer)
    if not words:
        raise AnnotationError(f"a row without a question: {quoted(asked)}")
    if not said:
        raise AnnotationError("a question without an answer")
    choices = unlettered(choices)
    said = chosen(said, choices) if choices else said
    stated = text(kind).lower()
    closed: Literal["closed", "open"] = "closed" if said.lower().rstrip(".") in ("yes", "no") or choices else "open"
    if stated in ("closed", "open"):
        closed = "closed" if stated == "closed" else "open"
    elif not choices:
        folder.note("answer types that no file states: closed is what is answered by yes or no", file)
    return Question(words, said, closed, text(id) or None, tuple(choices), language)


def unlettered(choices: Sequence[str]) -> tuple[str, ...]:
    """Options without the letters before them, if all have the letter of their place: ("A: x", " B:y") are (x, y)."""
    found = [_LETTER.match(choice) for choice in choices]
    letters = [match[1].upper() if match else "" for match in found]
    if letters != [chr(ord("A") + place) for place in range(len(choices))]:
        return tuple(choice.strip() for choice in choices)
    return tuple(choice[match.end() :].strip() for choice, match in zip(choices, found, strict=True) if match)


def chosen(answer: str, choices: Sequence[str]) -> str:
    """The option that an answer names: by its text, in any case of letters, or by its letter, with its text or alone.

    Raises ``AnnotationError`` where it names none.
    """
    by_text = {choice.casefold(): choice for choice in choices}
    match = _LETTER.match(f"{answer}:" if len(answer) == 1 else answer)
    place = ord(match[1].upper()) - ord("A") if match else len(choices)
    inside = answer[match.end() :] if match else ""
    if answer.casefold() in by_text:
        return by_text[answer.casefold()]
    if place < len(choices) and (not inside or inside.strip().casefold() == choices[place].casefold()):
        return choices[place]
    raise AnnotationError(f"the answer {quoted(answer)} is none of its choices: {listed(choices)}")


def entries(folder: Folder, path: Path) -> Iterator[tuple[int, dict[str, Any] | Rejected]]:
    """The objects of a JSON list, or of JSONL, each with its place from 1; what is no object is rejected.

    Raises ``IngestError`` where the file is neither.
    """
    file = folder.relative(path)
    values = _lines(folder, path) if path.suffix.lower() == ".jsonl" else _items(folder, path)
    for row, value in values:
        if isinstance(value, Rejected | dict):
            yield row, value
        else:
            yield row, Rejected(file, row, f"an object is needed, not {quoted(value)}")


def taken(folder: Folder, path: Path, take: Callable[[int, dict[str, Any]], None]) -> Iterator[Rejected]:
    """Hands each object of a file over, with its place, and gives those that are none or of which ``take`` raises an
    ``AnnotationError``."""
    for row, item in entries(folder, path):
        if isinstance(item, Rejected):
            yield item
            continue
        try:
            take(row, item)
        except AnnotationError as error:
            yield Rejected(folder.relative(path), row, str(error))


def _items(folder: Folder, path: Path) -> Iterator[tuple[int, Any]]:
    """Those of a JSON list, one at a time."""
    for name, items, value in members(folder, path):
        if name is not None or items is None:
            held = f"an object with {quoted(name)}" if name is not None else quoted(value)
            raise IngestError(f"{folder.relative(path)}: a list of objects is needed, it holds {held}")
        yield from ((row, item.value) for row, item in enumerate(items, 1))


def _lines(folder: Folder, path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with folder.opening(path)() as file:
            for row, line in enumerate(file, 1):
                try:
                    if line.strip():
                        yield row, parse_json(line, lenient=True)
                except JsonError as error:
                    yield row, Rejected(folder.relative(path), row, str(error))
    except AnnotationError as error:
        raise IngestError(f"{folder.relative(path)}: {error}") from error


def spelled(item: Mapping[str, Any], *names: str) -> Any:
    """The value of the first of the names that an object has, in any case, with or without underscores; else None."""
    return next((item[own] for own in called(tuple(item), names) if item[own] is not None), None)


@lru_cache(2**10)
def called(keys: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the keys of an object that are one of the names, in the order of the names."""
    own = {key(name): name for name in reversed(keys)}
    return tuple(own[meant] for meant in dict.fromkeys(map(key, names)) if meant in own)


def check_first(file: str, row: int, item: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Raises ``IngestError`` where the first question of a file lacks a key: then all do, and it is another layout."""
    if row == 1 and (missing := set(keys) - item.keys()):
        raise IngestError(f"{file}: a question has no {listed(sorted(missing))}; it has {listed(item)}")


def begins(path: Path, *keys: str) -> bool:
    """Whether the beginning of a JSON file has all of these keys."""
    with path.open("rb") as file:
        start = file.read(2**14)
    return all(re.search(rb'"%b"\s*:' % re.escape(name.encode()), start) for name in keys)
