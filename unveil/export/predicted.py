"""What a model has answered, as boxes with names.

Answers are read as ``score`` reads them. Several questions about one image may ask for the same thing: boxes are those
of its diagnosis, then those of localisation questions about labels that the diagnosis has not placed, then those of
phrases that were to be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unveil.core import joined
from unveil.core.answers import name_of
from unveil.core.geometry import Box
from unveil.core.jsonl import read_jsonl
from unveil.core.records import WITH_BOXES, Dialogue, Kind, Prediction, Record
from unveil.export.left_out import LeftOut

#: The label of a box that the model has not named.
UNNAMED = "unnamed finding"


@dataclass(frozen=True)
class Predicted:
    """A box that a model has pointed at, in pixels of the record's image."""

    label: str
    """What it is; of a phrase that was to be found, the phrase."""
    box: Box
    kind: Kind
    """What it was asked."""
    dialogue: str
    """The id of that question."""
    model: str


def read(
    records: Mapping[str, Record], dialogues: Path, predictions: Path, left_out: LeftOut
) -> dict[str, list[Predicted]]:
    """By the id of their record; an image of which all answers are readable and none has a box has an empty list.

    Raises ``ScoreError`` where the files do not belong together.
    """
    questions = joined.unique(read_jsonl(dialogues, Dialogue), str(dialogues))
    answers = joined.unique(read_jsonl(predictions, Prediction), str(predictions))
    joined.asked(questions, answers)
    joined.only_own(answers.values(), predictions)
    return boxes(records, questions, answers, left_out)


def boxes(
    records: Mapping[str, Record],
    dialogues: Mapping[str, Dialogue],
    predictions: Mapping[str, Prediction],
    left_out: LeftOut,
) -> dict[str, list[Predicted]]:
    """As ``read``, of rows that are read already; a label is written as the records write it."""
    names, truths = joined.vocabulary(records.values()), joined.truths(records)
    spelled = {name_of(name, names): name for name in reversed(names)}
    found: dict[str, list[Predicted]] = {}
    placed: set[tuple[str, str, str]] = set()
    ordered = sorted((p for p in predictions.values() if p.kind in WITH_BOXES), key=lambda p: WITH_BOXES.index(p.kind))
    for p in ordered:
        case = joined.case(dialogues[p.id], truths, p)
        if not case.readable:
            left_out.add("answers that cannot be read", p.id)
            continue
        mine = found.setdefault(p.record, [])
        target = dialogues[p.id].target or UNNAMED
        if p.kind == "localisation" and (p.record, p.model, target) in placed:
            continue
        for name, box in case.parsed.findings:
            label = target if p.kind != "diagnosis" else spelled.get(name, name) if name else UNNAMED
            if box is None:
                left_out.add("names to which a model gave no box", f"{label} in {p.id}")
                continue
            if not any((one.label, one.box, one.model) == (label, box, p.model) for one in mine):
                mine.append(Predicted(label, box, p.kind, p.id, p.model))
        if p.kind == "diagnosis":
            placed |= {(p.record, p.model, one.label) for one in mine}
    return found
