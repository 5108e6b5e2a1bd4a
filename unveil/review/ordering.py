"""What speaks for showing each item of a file: the signals of the queue, read from what lies beside the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unveil.core import joined
from unveil.core.answers import name_of
from unveil.core.grading import Case
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Prediction, RecordError
from unveil.core.untrusted import read_json
from unveil.review import queue
from unveil.review.items import Items
from unveil.review.options import ReviewOptions
from unveil.review.suggestions import Opinion, opinion, read_opinions


@dataclass(frozen=True)
class Beside:
    """What is known of the items beside their file."""

    opinions: Mapping[str, Sequence[Opinion]] = field(default_factory=dict)
    """What models say, by record."""
    labels: Sequence[str] = ()
    """The names of findings in the records."""
    signals: Mapping[int, Mapping[queue.Signal, float]] = field(default_factory=dict)
    """By the numbers of the items that are shown."""


def known(items: Items, config: ReviewOptions) -> Beside:
    """All that lies beside the items; raises ``RecordError`` and ``ScoreError`` for files of other ones."""
    faulty = {name for file in config.faults for name in faults(file)}
    shown = [n for n in range(len(items)) if not config.split or items.split(n) in config.split]
    if not shown:
        raise RecordError(f"{items.path}: no item of split {', '.join(config.split)}")
    labels, opinions = _labels(items), dict[str, list[Opinion]]()
    signals: dict[int, dict[queue.Signal, float]] = {}
    if config.order == "use" and items.subject == "record":
        rows = {row.id: row for row in map(items.rows.row, shown)}
        asked = _dialogues(config)
        opinions = read_opinions(config.predictions, asked, rows) if config.predictions else {}
        rarity = queue.rarity(rows.values())
        name = _namer(labels)
        for number in shown:
            row = rows[items.rows.ids[number]]
            signals[number] = {**queue.signals_of(row, opinions.get(row.id, ()), name), "rare finding": rarity(row)}
    elif config.order == "use" and items.subject == "prediction":
        signals = _of_answers(items, shown)
    for number in shown:
        of = signals.setdefault(number, {})
        if items.rows.ids[number] in faulty:
            of["check"] = 1.0
    return Beside(opinions, labels, signals)


def ordered(beside: Beside, config: ReviewOptions) -> list[queue.Queued]:
    """The queue in the order that is asked for."""
    numbers = list(beside.signals)
    if config.order == "file":
        return queue.as_in_file(numbers)[: config.limit]
    if config.order == "random":
        return queue.at_random(numbers, config.seed)[: config.limit]
    return queue.by_use(beside.signals, config.random_share, config.seed)[: config.limit]


def faults(file: Path) -> set[str]:
    """The ids of what `unveil check --json` or `unveil audit` has found wrong; raises ``RecordError``."""
    told = read_json(file)
    if not isinstance(told, dict) or not isinstance(told.get("issues", told.get("checks")), list):
        raise RecordError(f"{file}: neither what `unveil check --json` nor what `unveil audit` writes")
    wrong = [one for one in told.get("issues", []) if one.get("severity") in ("error", "warning")]
    wrong += [one for one in told.get("checks", []) if one.get("verdict") in ("error", "warning")]
    return {str(name) for one in wrong for name in one.get("ids", ())}


def _labels(items: Items) -> Sequence[str]:
    """The names of all findings in the records that are there."""
    rows = items.records
    return () if rows is None else joined.vocabulary(rows.row(number) for number in range(len(rows)))


def _dialogues(config: ReviewOptions) -> dict[str, Dialogue]:
    if not config.predictions:
        return {}
    if config.dialogues is None:
        raise RecordError("--predictions: answers are read with their questions: give --dialogues")
    return joined.unique(read_jsonl(config.dialogues, Dialogue), str(config.dialogues))


def _namer(labels: Sequence[str]) -> Callable[[str], str]:
    """What gives a label the form in which answers name it."""
    known = {label: name_of(label, labels) for label in labels}
    return lambda label: known.get(label) or name_of(label, labels)


def _of_answers(items: Items, shown: Sequence[int]) -> dict[int, dict[queue.Signal, float]]:
    """Of answers: whether they are wrong by the truth, and how unsure the model is."""
    signals: dict[int, dict[queue.Signal, float]] = {n: {} for n in shown}
    if items.records is None:
        return signals
    truths = joined.truths({row.id: row for row in map(items.records.row, range(len(items.records)))})
    for number in shown:
        item = items.item(number)
        assert isinstance(item.row, Prediction) and item.dialogue
        case = joined.case(item.dialogue, truths, item.row)
        signals[number] = _of_answer(case, item.row)
    return signals


def _of_answer(case: Case, row: Prediction) -> dict[queue.Signal, float]:
    said = opinion(row.model, [(case, row)])
    sure = [s.confidence for s in said.suggestions if s.confidence is not None]
    return {
        "wrong answer": _wrong(case),
        "low confidence": 1 - min(sure) if sure else 0.0,
        "near the decision": 0.0 if said.abnormal is None else 1 - abs(2 * said.abnormal - 1),
    }


def _wrong(case: Case) -> float:
    """How far an answer is from the truth: 1 where it is wrong, else 1 - IoU."""
    if case.outcome.right is False:
        return 1.0
    return 0.0 if case.outcome.iou is None else 1 - case.outcome.iou
