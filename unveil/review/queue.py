"""In which order items are shown, and to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Queued:
    """An item in the queue and what has put it there."""

    number: int
    """The item's."""
    why: str
    """In a few words, such as "disagreement"."""
    value: float | None = None
    """How much of it there is; the higher, the earlier."""


class Queue:
    """What one reviewer is shown, in order."""

    def __init__(self, entries: Iterable[Queued]) -> None:
        self.entries = list(entries)
        self._of = {queued.number: queued for queued in self.entries}

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
    return [Queued(numbers[place], "random") for place in order]


def dealt(queue: Sequence[Queued], reviewers: Sequence[str], readings: int) -> Mapping[str, Queue]:
    """What each reviewer is shown: every item goes to ``readings`` of them in turn."""
    of: dict[str, list[Queued]] = {reviewer: [] for reviewer in reviewers}
    for place, queued in enumerate(queue):
        for turn in range(min(readings, len(reviewers))):
            of[reviewers[(place * readings + turn) % len(reviewers)]].append(queued)
    return {reviewer: Queue(entries) for reviewer, entries in of.items()}
