"""Records, dialogues and predictions joined by their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import Case, ScoreError, grade
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.untrusted import quoted

Row = TypeVar("Row", Record, Dialogue, Prediction)


def unique(rows: Iterable[Row], what: str) -> dict[str, Row]:
    """Rows by id; raises ``ScoreError`` for an id that occurs twice and where there are no rows."""
    rows = list(rows)
    if not rows:
        raise ScoreError(f"{what}: there is not one row")
    if twice := {i for i, n in Counter(row.id for row in rows).items() if n > 1}:
        raise ScoreError(f"{what}: {some(twice)} occur more than once; ids must be unique")
    return {row.id: row for row in rows}


def asked(dialogues: Mapping[str, Dialogue], predictions: Mapping[str, Prediction]) -> None:
    """Raises ``ScoreError`` where a prediction answers none of the dialogues."""
    if strangers := predictions.keys() - dialogues.keys():
        raise ScoreError(f"predictions without a dialogue: {some(strangers)}; give the dialogues that were asked")


def only_own(rows: Iterable[Prediction], path: object) -> None:
    """Raises ``ScoreError`` where answers to other images than the questions' own would pass for a model's."""
    if strange := Counter(row.shown for row in rows if row.shown != "own"):
        told = ", ".join(f"{n} {shown}" for shown, n in strange.items())
        raise ScoreError(f"{path}: answers to images that were taken away ({told}): they go to --sensitivity")


def vocabulary(records: Iterable[Record]) -> list[str]:
    """The names of all findings of a data set, sorted."""
    return sorted({f.label for r in records for f in r.findings})


def case(dialogue: Dialogue, records: Mapping[str, Record], p: Prediction, names: Sequence[str]) -> Case:
    """A prediction beside the truth; raises ``ScoreError`` where it is none to this dialogue about these records."""
    if (record := records.get(dialogue.record)) is None:
        raise ScoreError(f"{dialogue.id}: its record {quoted(dialogue.record)} is not among the records")
    if (p.record, p.kind) != (dialogue.record, dialogue.kind):
        about = f"the dialogue is a {dialogue.kind} question about {quoted(dialogue.record)}"
        raise ScoreError(f"{p.id}: the prediction is a {p.kind} answer about {quoted(p.record)}, {about}")
    if p.box_format not in BOX_FORMATS:
        raise ScoreError(f"{p.id}: unknown box format {quoted(p.box_format)}; known are {', '.join(BOX_FORMATS)}")
    return grade(dialogue, record, p.answer, View(BOX_FORMATS[p.box_format], record.size, p.frame), names, p.cut)


def some(ids: Iterable[str], most: int = 5) -> str:
    """The first of many ids, as a message names them."""
    ids = sorted(ids)
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
