"""What a file holds that may be about to leave: its free texts and its images, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unveil.core.answers import clean_answer, place, reason
from unveil.core.jsonl import each_line, from_json
from unveil.core.records import Dialogue, Finding, Pair, Prediction, Record, image_path
from unveil.gate import GateError
from unveil.gate.reviews import hash_of
from unveil.gate.said import said
from unveil.gate.vocabulary import closed


@dataclass
class FreeText:
    """A free text, the first place where it stands, and how often."""

    text: str
    where: str
    record: Record | None = None
    count: int = 1


@dataclass
class Material:
    """Free texts by their hash, images by path with their record, and how many texts are ours."""

    texts: dict[str, FreeText] = field(default_factory=dict)
    images: dict[Path, Record | None] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    ours: int = 0

    def add(self, text: str, where: str, record: Record | None = None) -> None:
        """Takes notice of a text: its free parts, as the gate sees them."""
        for part in said(clean_answer(text)).parts:
            if not part.free or not part.text.strip() or closed(part.text):
                self.ours += 1
                continue
            kept = self.texts.setdefault(hash_of(part.text), FreeText(part.text, where, record, 0))
            kept.count += 1


#: How a line of a file is told for what it is: by a field that only such lines have.
KINDS = {"chosen": Pair, "box_format": Prediction, "question": Dialogue, "width": Record}
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".ima")


def read(file: Path, records: Iterable[Record] = ()) -> Material:
    """The free texts and images of records, dialogues, pairs or predictions, of a text file (a text a line), of an
    image, or of a folder of images. Raises ``GateError`` for anything else."""
    found = Material(records=list(records))
    if file.is_dir():
        paths = (path for path in sorted(file.rglob("*")) if path.suffix.lower() in PICTURES and path.is_file())
        found.images.update(dict.fromkeys(paths))
    elif file.suffix.lower() in PICTURES:
        found.images[file] = None
    elif file.suffix.lower() in (".jsonl", ".json"):
        _rows(file, found)
    elif file.is_file():
        for row, line in enumerate(_text(file).splitlines(), 1):
            found.add(line, f"line {row}")
    else:
        raise GateError(f"{file}: no such file")
    if not (found.texts or found.images or found.ours):
        raise GateError(f"{file}: it holds no text and no image")
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise GateError(f"{file}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def _rows(file: Path, found: Material) -> None:
    by_id = {record.id: record for record in found.records}
    for row, value in each_line(file, _row):
        where = f"row {row}"
        if isinstance(value, Record):
            found.records.append(value)
            by_id[value.id] = value
        record = value if isinstance(value, Record) else by_id.get(value.record)
        for name, text in _texts(value):
            found.add(text, f"{where}, {name}", record)
        if not isinstance(value, Prediction):
            found.images.setdefault(image_path(value, file), record)


def _row(value: Any, row: int) -> Any:
    kind = next((kind for name, kind in KINDS.items() if isinstance(value, dict) and name in value), None)
    if kind is None:
        raise GateError("neither a record nor a dialogue, a pair or a prediction")
    return from_json(kind, value)


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """What of a row may be sent, with the name of the field. Ids, paths, readers and reports with their sections
    never are."""
    return TEXTS[type(value)](value)


def _of_record(record: Record) -> Iterator[tuple[str, str]]:
    for finding in record.findings:
        yield from _of_finding(finding)
    for question in record.questions:
        yield from (("question", question.text), ("answer", question.answer))
        yield from (("choice", choice) for choice in question.choices)


def _of_finding(finding: Finding) -> Iterator[tuple[str, str]]:
    yield "label", finding.label
    yield from (("attribute", text) for text in (place(finding), reason(finding)) if text)
    yield from (("phrase", text) for text in (finding.phrase, *finding.translations.values()) if text)


def _before(row: Dialogue | Pair) -> Iterator[tuple[str, str]]:
    for question, answer in row.history:
        yield from (("question", question), ("answer", answer))


def _of_dialogue(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    yield from _before(dialogue)
    yield from (("question", dialogue.question), ("answer", dialogue.answer))


def _of_pair(pair: Pair) -> Iterator[tuple[str, str]]:
    yield from _before(pair)
    yield from (("question", pair.question), ("chosen", pair.chosen), ("rejected", pair.rejected))


TEXTS: dict[type, Callable[[Any], Iterator[tuple[str, str]]]] = {
    Record: _of_record,
    Dialogue: _of_dialogue,
    Pair: _of_pair,
    Prediction: lambda prediction: iter([("answer", prediction.answer)]),
}
