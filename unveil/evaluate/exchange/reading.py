"""Files of predictions as predictions of ours: the form is told by what they hold, boxes are read as it is declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unveil.core import pseudonyms
from unveil.core.box_formats import BOX_FORMATS
from unveil.core.grading import ScoreError
from unveil.core.jsonl import PARQUET, read_jsonl
from unveil.core.records import WITH_BOXES, Dialogue, Prediction, Record, RecordError
from unveil.evaluate.exchange import tables
from unveil.evaluate.exchange.forms import FORMS, Form, Given, described, told
from unveil.evaluate.exchange.matching import KnownQuestions, Matched

#: What stands for a box format where none is named.
NO_BOXES = "json-pixels"
#: How many of the rows that could not be matched are named.
NAMED = 10


@dataclass(frozen=True)
class Elsewhere:
    """What must be said of predictions that others made."""

    format: Literal["auto", Form] = "auto"
    """Their form; auto tells it by what they hold."""
    box_format: str | None = None
    """How boxes are written in them: a key of ``BOX_FORMATS``."""
    frame: str | None = None
    """What boxes in pixels refer to: "image", or the WIDTHxHEIGHT that every image was resized to."""
    part: bool = False
    """Whether only a part of the questions need be answered."""


@dataclass(frozen=True)
class ReadPredictions:
    """Predictions, and what is to be told of how they were read; nothing of ours."""

    predictions: list[Prediction]
    about: dict[str, Any] | None = None


def read(
    path: Path,
    model: str,
    dialogues: Mapping[str, Dialogue],
    records: Mapping[str, Record],
    folder: Path,
    how: Elsewhere,
) -> ReadPredictions:
    """The predictions of a file of any form. ``folder`` is that of the records, where the key of pseudonyms may lie.

    Raises ``RecordError`` or ``ScoreError`` where the form is not known, no answer can be matched, two answers are to
    one question, or boxes are in a format that nobody has declared.
    """
    rows = tables.rows(path)
    ours = path.suffix == PARQUET or not path.is_file()  # which may lie in parts
    first = None if ours else next(rows, None)
    if not ours and first is None:
        raise ScoreError(f"{path}: there is not one row")
    if first is None or _form(path, first[1], how) == "unveil":
        return ReadPredictions(list(read_jsonl(path, Prediction)))
    form = _form(path, first[1], how)
    given = [_given(path, form, place, row) for place, row in (first, *rows)]
    key = pseudonyms.key(folder) if (folder / pseudonyms.KEY_FILE).is_file() else None
    matched = KnownQuestions(dialogues, records, key).match(given, str(path))
    if not matched.answers:
        raise ScoreError(
            f"{path}: none of {len(given)} answers is to a question of these dialogues, such as {_some(matched)}"
        )
    predictions = [_prediction(dialogues[name], records, row, model, how) for name, row in matched.answers.items()]
    _check_boxes(path, predictions, how)
    return ReadPredictions(predictions, _about(form, given, matched))


def _form(path: Path, row: Mapping[str, Any], how: Elsewhere) -> Form:
    if how.format != "auto":
        return how.format
    if (form := told(row)) is None:
        names = ", ".join(list(row)[:8])
        raise RecordError(f"{path}: no known form of predictions; a row has {names}. Known are: {described()}")
    return form


def _given(path: Path, form: Form, place: str, row: Mapping[str, Any]) -> Given:
    try:
        given = FORMS[form].read(row, place)
        given.answer.encode("utf-8")
        return given
    except UnicodeEncodeError as error:
        raise RecordError(f"{path}: {place} holds half of a character ({error.object[error.start]!a})") from error
    except KeyError as error:
        raise RecordError(f"{path}: {place} has no {error}, so it is no answer of {form}") from error
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def _prediction(
    dialogue: Dialogue, records: Mapping[str, Record], row: Given, model: str, how: Elsewhere
) -> Prediction:
    if (record := records.get(dialogue.record)) is None:
        raise ScoreError(f"{dialogue.id}: its record {dialogue.record!r} is not among the records")
    spoken = how.box_format if how.box_format and how.box_format in BOX_FORMATS else NO_BOXES
    frame = record.size if how.frame in (None, "image") else _size(how.frame)
    return Prediction(dialogue.id, record.id, dialogue.kind, row.answer, spoken, frame, model)


def _size(frame: str) -> tuple[int, int]:
    if (found := re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", frame)) is None:
        raise ScoreError(f"--frame {frame}: image, or WIDTHxHEIGHT such as 448x448")
    return int(found[1]), int(found[2])


def _check_boxes(path: Path, predictions: Iterable[Prediction], how: Elsewhere) -> None:
    """That boxes, where there are any, have a declared format and, in pixels, a declared frame."""
    n = sum(p.kind in WITH_BOXES for p in predictions)
    if not n:
        return
    if how.box_format is None or how.box_format not in BOX_FORMATS:
        known = f"one of {', '.join(BOX_FORMATS)}"
        raise ScoreError(f"{path}: {n} answers may hold boxes: --box-format says how these are written, {known}")
    if BOX_FORMATS[how.box_format].grid is None and how.frame is None:
        raise ScoreError(
            f"{path}: {how.box_format} counts pixels: --frame image says that these are the image's own, "
            "--frame WIDTHxHEIGHT that every image was resized to that"
        )


def _about(form: Form, given: list[Given], matched: Matched) -> dict[str, Any]:
    return {
        "format": form,
        "answers": len(given),
        "matched": len(matched.answers),
        "unknown": len(matched.unknown),
        "ambiguous": len(matched.ambiguous),
        "repeated": matched.repeated,
        "named": [*matched.unknown[:NAMED], *matched.ambiguous[:NAMED]],
    }


def _some(matched: Matched) -> str:
    return ", ".join([*matched.unknown, *matched.ambiguous][:3])


def words(path: Path, about: Mapping[str, Any]) -> str:
    """How a file was read, for the person at the screen."""
    left = [
        f"{about[name]} {text}"
        for name, text in (
            ("unknown", "to no question of these dialogues"),
            ("ambiguous", "to one of several like questions"),
            ("repeated", "repeated"),
        )
        if about[name]
    ]
    named = f" ({', '.join(about['named'])})" if about["named"] else ""
    tail = f"; {', '.join(left)}{named}" if left else ""
    return f"{path}: {about['format']}, {about['matched']} of {about['answers']} answers matched{tail}"
