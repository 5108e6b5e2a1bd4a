"""Records, dialogues and predictions joined by their ids."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.confidence import LARGEST
from unveil.core.grading import Case, ScoreError, graded
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.truths import Truth
from unveil.core.untrusted import quoted

Row = TypeVar("Row", Record, Dialogue, Prediction)


def unique(rows: Iterable[Row], what: str) -> dict[str, Row]:
    """Rows by id; raises ``ScoreError`` for an id that occurs twice and where there are no rows."""
    rows = list(rows)
    if not rows:
        raise ScoreError(f"{what}: there is not one row")
    found = {row.id: row for row in rows}
    if len(found) < len(rows):
        twice = {i for i, n in Counter(row.id for row in rows).items() if n > 1}
        raise ScoreError(f"{what}: {some(twice)} occur more than once; ids must be unique")
    return found


def asked(dialogues: Mapping[str, Dialogue], predictions: Mapping[str, Prediction], where: str = "") -> None:
    """Raises ``ScoreError`` where a prediction answers none of the dialogues; ``where`` is the predictions' file."""
    if strangers := predictions.keys() - dialogues.keys():
        lack = f"{len(strangers)} of {len(predictions)} predictions are without a dialogue ({some(strangers)})"
        raise ScoreError(f"{where}{': ' if where else ''}{lack}; give the dialogues that were asked")


def known(dialogues: Collection[Dialogue], records: Mapping[str, Record | Truth]) -> None:
    """Raises ``ScoreError`` where a dialogue is about none of the records."""
    if strangers := {d.record for d in dialogues} - records.keys():
        lack = sum(d.record in strangers for d in dialogues)
        told = f"{lack} of {len(dialogues)} dialogues are about records that are not there ({some(strangers)})"
        raise ScoreError(f"{told}; give the records that the dialogues were made from")


def complete(
    asked: Collection[str], answered: Collection[str], where: str = "", remedy: str = "finish predicting"
) -> None:
    """Raises ``ScoreError`` where questions have no answer, by their ids; ``where`` is the answers' file,
    ``remedy`` what to do."""
    if missing := set(asked).difference(answered):
        lack = f"{len(missing)} of {len(asked)} dialogues have none ({some(missing)})"
        raise ScoreError(f"{where}{': ' if where else ''}predictions are incomplete: {lack}; {remedy}")


def only_own(rows: Iterable[Prediction], path: object) -> None:
    """Raises ``ScoreError`` where answers to other images than the questions' own would pass for a model's."""
    if strange := Counter(row.shown for row in rows if row.shown != "own"):
        told = ", ".join(f"{n} {shown}" for shown, n in strange.items())
        raise ScoreError(f"{path}: answers to images that were taken away ({told}): they go to --sensitivity")


def vocabulary(records: Iterable[Record]) -> tuple[str, ...]:
    """The names of all findings of a data set, sorted."""
    return tuple(sorted({f.label for r in records for f in r.findings}))


def truths(records: Mapping[str, Record]) -> dict[str, Truth]:
    """What is true of each image of a data set, by id."""
    names = vocabulary(records.values())
    return {name: Truth(record, names) for name, record in records.items()}


def case(dialogue: Dialogue, truths: Mapping[str, Truth], p: Prediction) -> Case:
    """A prediction beside the truth; raises ``ScoreError`` where it is none to this dialogue about these images."""
    if (truth := truths.get(dialogue.record)) is None:
        raise ScoreError(f"{dialogue.id}: its record {quoted(dialogue.record)} is not among the records")
    if (p.record, p.kind) != (dialogue.record, dialogue.kind):
        about = f"the dialogue is of kind {dialogue.kind}, about {quoted(dialogue.record)}"
        raise ScoreError(f"{p.id}: the prediction is of kind {p.kind}, about {quoted(p.record)}; {about}")
    if p.box_format not in BOX_FORMATS:
        raise ScoreError(f"{p.id}: unknown box format {quoted(p.box_format)}; known are {', '.join(BOX_FORMATS)}")
    if min(p.frame) < 1:
        raise ScoreError(f"{p.id}: its boxes refer to {p.frame[0]} x {p.frame[1]} pixels; predict it again")
    _look_at_tokens(p)
    _look_at_options(dialogue, p)
    view = View(BOX_FORMATS[p.box_format], truth.record.size, p.frame)
    return graded(dialogue, truth, p.answer, view, p.cut, p.options)


def _look_at_tokens(p: Prediction) -> None:
    """Raises ``ScoreError`` where tokens are not those of the answer, or without a log-probability."""
    if not p.tokens:
        return
    if (end := p.tokens[-1][0]) > len(p.answer):
        raise ScoreError(f"{p.id}: its tokens end at {end}, its answer at {len(p.answer)}; predict it again")
    if wrong := [logp for _, logp in p.tokens if not -math.inf < logp <= LARGEST]:
        raise ScoreError(f"{p.id}: a token's log-probability is {wrong[0]:g}, not a number up to 0; predict again")


def _look_at_options(dialogue: Dialogue, p: Prediction) -> None:
    """Raises ``ScoreError`` where the log-probabilities of options are not those of this question's."""
    if not p.options:
        return
    wanted = (
        len(dialogue.choices) if dialogue.kind == "choice" else 2 if dialogue.kind in ("closed", "detection") else 0
    )
    if len(p.options) != wanted:
        raise ScoreError(f"{p.id}: {len(p.options)} log-probabilities of {wanted} options; predict it again")
    if not all(-math.inf < logp <= LARGEST for logp in p.options):
        raise ScoreError(f"{p.id}: an option has no log-probability; predict it again")


def way(pair: str) -> str:
    """How what is absent was chosen in a pair of questions (``Dialogue.pair``)."""
    return pair.partition("/")[0]


def some(ids: Iterable[str], most: int = 5) -> str:
    """The first of many ids, as a message names them."""
    ids = sorted(ids)
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
