"""What models say about an image that is reviewed: places with names as pre-annotations, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unveil.core import joined
from unveil.core.confidence import ConfidenceError, confidences
from unveil.core.geometry import Box
from unveil.core.grading import Case, ScoreError
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Kind, Prediction, Record

#: The questions whose answers tell places, the one that tells most first; of an image the first that was asked counts.
TELLING: tuple[Kind, ...] = ("diagnosis", "localisation")


@dataclass(frozen=True)
class Suggestion:
    """A place that a model names."""

    model: str
    label: str
    box: Box
    confidence: float | None = None
    """How sure it is, from 0 to 1 (``core.confidence``); None where that is not known."""


@dataclass(frozen=True)
class Opinion:
    """What one model says about one image."""

    model: str
    suggestions: tuple[Suggestion, ...] = ()
    placed: bool = False
    """Whether it was asked for all places and its answer could be read: only then it says that there are no others."""
    abnormal: float | None = None
    """The probability of yes against no to whether anything is abnormal; None where that is not known."""


def read_opinions(
    predictions: Sequence[Path], dialogues: Mapping[str, Dialogue], records: Mapping[str, Record]
) -> dict[str, list[Opinion]]:
    """Opinions by record, one for each model; raises ``ScoreError`` where answers are not to these questions."""
    truths = joined.truths(dict(records))
    found: dict[str, dict[str, Opinion]] = {}
    for path in predictions:
        rows = joined.unique(read_jsonl(path, Prediction), str(path))
        joined.asked(dialogues, rows, str(path))
        joined.only_own(rows.values(), path)
        asked: dict[tuple[str, str], list[tuple[Case, Prediction]]] = {}
        for row in rows.values():
            if row.record in records:
                case = joined.case(dialogues[row.id], truths, row)
                asked.setdefault((row.record, row.model), []).append((case, row))
        for (record, model), cases in asked.items():
            if model in found.setdefault(record, {}):
                raise ScoreError(f"{path}: {model} is in two files; answers of two models need two names (--name)")
            found[record][model] = opinion(model, cases)
    return {record: list(of.values()) for record, of in found.items()}


def opinion(model: str, cases: Iterable[tuple[Case, Prediction]]) -> Opinion:
    """What a model's answers about one image say together."""
    of_kind: dict[Kind, list[tuple[Case, Prediction]]] = {}
    for case, row in cases:
        of_kind.setdefault(case.dialogue.kind, []).append((case, row))
    said = Opinion(model)
    for kind in TELLING:
        if rows := of_kind.get(kind):
            suggested = tuple(suggestion for case, row in rows for suggestion in places(case, row))
            placed = kind == "diagnosis" and all(case.readable for case, _ in rows)
            said = replace(said, suggestions=suggested, placed=placed)
            break
    for _, row in of_kind.get("detection", []):
        if len(row.options) == 2:
            said = replace(said, abnormal=1 / (1 + math.exp(row.options[1] - row.options[0])))
    return said


def places(case: Case, row: Prediction) -> Iterable[Suggestion]:
    """The places of an answer with their names and how sure it is of them; none of an answer that cannot be read.

    Raises ``ScoreError`` where its tokens are not those of its text.
    """
    if not case.readable:
        return
    try:
        sure = iter(confidences(row.answer, case.parsed, row.tokens))
    except ConfidenceError as error:
        raise ScoreError(f"{row.id}: {error}; predict again") from error
    asked = case.dialogue.target if case.dialogue.kind == "localisation" else None
    for name, box in case.parsed.findings:
        if box is not None:
            told = next(sure)
            yield Suggestion(row.model, asked or name or "", box, told.score if told else None)
