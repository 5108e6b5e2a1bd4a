"""In which order items are shown, and to whom: what is most likely wrong or tells most comes first.

Each signal ranks all items that it says something of; the queue takes from the signals in turn, in fixed shares, so
that no scale of one has to be weighed against that of another: first from those that speak of a contradiction, then
from those by which little is known of an item. Beside them a random sample of all items is spread through the queue: by
it alone the share of errors in the whole file can be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from unveil.core.geometry import Box, match
from unveil.core.records import Record
from unveil.review.suggestions import Opinion, Suggestion

#: What puts an item into the queue: what a check has found wrong; whether model and annotation agree that something is
#: abnormal, about a place that is not annotated, where a finding is, what it is, whether it is there; an answer that
#: the truth makes wrong; what the model is unsure of; answers near the decision between yes and no; rare findings.
Signal = Literal[
    "check", "presence differs", "not annotated", "place differs", "name differs", "not seen", "wrong answer",
    "low confidence", "near the decision", "rare finding",
]  # fmt: skip
#: Shares of turns: of what contradicts an annotation or an answer, and after all of that, of what is merely not known
#: well, which finds fewer errors (docs/explanation/log.md, "Pages for people").
TURNS: Mapping[Signal, int] = {
    "check": 2,
    "presence differs": 2,
    "not annotated": 2,
    "place differs": 2,
    "name differs": 1,
    "not seen": 1,
    "wrong answer": 4,
}
AFTERWARDS: Mapping[Signal, int] = {"low confidence": 1, "near the decision": 1, "rare finding": 1}
RANDOM = "random"
#: Two boxes of a smaller IoU are not of one place, and of one of at least this they are so beyond doubt.
SAME_PLACE, SURELY_THERE = 0.1, 0.5
#: How sure a model is taken to be that does not say it.
UNKNOWN = 0.5


@dataclass(frozen=True)
class Queued:
    """An item in the queue and what has put it there."""

    number: int
    """The item's."""
    why: str
    """A signal, or "random"."""
    value: float | None = None
    """How much of it there is, from 0 to 1; None of a random one."""


class Queue:
    """What one reviewer is shown, in order."""

    def __init__(self, entries: Iterable[Queued]) -> None:
        self._entries = list(entries)
        self._of = {queued.number: queued for queued in self._entries}

    @property
    def entries(self) -> Sequence[Queued]:
        """All of it, as it is now."""
        return self._entries

    @cached_property
    def _whys(self) -> list[str]:
        return sorted({queued.why for queued in self._entries})

    @property
    def whys(self) -> list[str]:
        """What puts items into it, sorted."""
        return self._whys

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, number: int) -> Queued | None:
        """The entry of an item; None of one that this reviewer is not shown."""
        return self._of.get(number)


def as_in_file(numbers: Iterable[int]) -> list[Queued]:
    """The items as the file has them."""
    return [Queued(number, "in the file's order") for number in numbers]


def at_random(numbers: Sequence[int], seed: int) -> list[Queued]:
    """The items in random order: by them the share of errors in the whole file can be told."""
    order = np.random.default_rng(seed).permutation(len(numbers))
    return [Queued(numbers[place], RANDOM) for place in order]


def by_use(signals: Mapping[int, Mapping[Signal, float]], random_share: float, seed: int) -> list[Queued]:
    """All items, by their numbers, in the order of their use.

    ``signals`` are values from 0 to 1; 0 and none say nothing. A share of the queue is a random sample, in random
    order; the rest is dealt from the signals in turn (``TURNS``, then ``AFTERWARDS``), each from its highest value
    down, ties at random, and what no signal tells of comes last, at random.
    """
    mixed = at_random(list(signals), seed)
    controls = mixed[: round(random_share * len(mixed))]
    others = [queued.number for queued in mixed[len(controls) :]]
    chosen, told = list[Queued](), set[int]()
    for turns in (TURNS, AFTERWARDS):
        chosen += _in_turn({n: signals[n] for n in others if n not in told}, turns)
        told = {queued.number for queued in chosen}
    chosen += [Queued(number, RANDOM) for number in others if number not in told]
    return _spread(chosen, controls)


def _in_turn(signals: Mapping[int, Mapping[Signal, float]], turns: Mapping[Signal, int]) -> Iterable[Queued]:
    """The items that a signal tells of, each once: signals take turns, none several in a row (smooth weighted round
    robin)."""
    ranked = {
        name: iter(sorted((n for n, of in signals.items() if of.get(name, 0.0) > 0), key=lambda n: -signals[n][name]))
        for name in turns
    }
    credit, taken = dict.fromkeys(turns, 0), set[int]()
    while ranked:
        for name in ranked:
            credit[name] += turns[name]
        name = max(ranked, key=lambda one: credit[one])
        number = next((number for number in ranked[name] if number not in taken), None)
        if number is None:
            del ranked[name]
            continue
        credit[name] -= sum(turns[one] for one in ranked)
        taken.add(number)
        yield Queued(number, name, signals[number][name])


def _spread(chosen: Sequence[Queued], controls: Sequence[Queued]) -> list[Queued]:
    """Two rows as one, evenly mixed."""
    both = [((place + 0.5) / len(row), queued) for row in (chosen, controls) for place, queued in enumerate(row)]
    return [queued for _, queued in sorted(both, key=lambda one: one[0])]


def dealt(queue: Sequence[Queued], reviewers: Sequence[str], readings: int) -> Mapping[str, Queue]:
    """What each reviewer is shown: every item goes to ``readings`` of them in turn."""
    of: dict[str, list[Queued]] = {reviewer: [] for reviewer in reviewers}
    for place, queued in enumerate(queue):
        for turn in range(min(readings, len(reviewers))):
            of[reviewers[(place * readings + turn) % len(reviewers)]].append(queued)
    return {reviewer: Queue(entries) for reviewer, entries in of.items()}


# ----------------------------------------------------------------------------------------------------------- signals


def rarity(records: Iterable[Record]) -> Callable[[Record], float]:
    """How rare a record's rarest finding is: 1 over the number of records that have it."""
    counts = Counter(label for record in records for label in {f.label for f in record.findings})
    return lambda record: max((1 / counts[f.label] for f in record.findings), default=0.0)


def signals_of(record: Record, opinions: Sequence[Opinion], name: Callable[[str], str]) -> dict[Signal, float]:
    """What models' opinions tell of a record; ``name`` gives labels the form in which answers name them.

    Of several models the one counts that tells most.
    """
    found: dict[Signal, float] = {}

    def tell(signal: Signal, value: float) -> None:
        found[signal] = max(found.get(signal, 0.0), value)

    for opinion in opinions:
        if opinion.placed:
            for signal, value in differences(record, opinion.suggestions, name):
                tell(signal, value)
        sure = [s.confidence for s in opinion.suggestions if s.confidence is not None]
        if sure:
            tell("low confidence", 1 - min(sure))
        if opinion.abnormal is not None:
            tell("near the decision", 1 - abs(2 * opinion.abnormal - 1))
            against = 1 - opinion.abnormal if record.findings else opinion.abnormal
            known = record.findings or record.completeness == "exhaustive"
            tell("presence differs", against if known and against > 0.5 else 0.0)
    return found


def differences(
    record: Record, suggestions: Sequence[Suggestion], name: Callable[[str], str]
) -> Iterator[tuple[Signal, float]]:
    """What a model says of places that their annotation does not.

    Places are one another's by the matching that maximises the summed IoU, from ``SAME_PLACE`` on; of what is left, a
    suggestion and a finding of one name are one thing in two places. Where names differ, and where nothing is
    annotated, the value is the model's confidence; where places differ it is 1 - IoU; a finding that the model does not
    see has 1, since of it the model says nothing more.
    """
    true = [(name(f.label), f.box) for f in record.boxed if f.box]
    sure = [UNKNOWN if s.confidence is None else s.confidence for s in suggestions]
    boxes: list[Box] = [box for _, box in true]
    agree = [[s.label == label for label, _ in true] for s in suggestions]
    pairs = [p for p in match([s.box for s in suggestions], boxes, agree) if p[2] >= SAME_PLACE]
    extra = [i for i in range(len(suggestions)) if i not in {i for i, _, _ in pairs}]
    unseen = [j for j in range(len(true)) if j not in {j for _, j, _ in pairs}]
    for i in list(extra):
        if (j := next((j for j in unseen if agree[i][j]), None)) is not None:
            extra.remove(i)
            unseen.remove(j)
            pairs.append((i, j, 0.0))
    for i, j, iou in pairs:
        if not agree[i][j]:
            yield "name differs", sure[i]
        elif iou < SURELY_THERE:
            yield "place differs", 1 - iou
    for i in extra:
        yield "not annotated", sure[i]
    for _ in unseen:
        yield "not seen", 1.0
