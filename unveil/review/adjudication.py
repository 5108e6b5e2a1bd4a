"""Who decides where readers differ: which items those are, as they come up, and what the readers said of each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unveil.core.decisions import Decision
from unveil.core.interrater import ReaderAgreement, agreement
from unveil.core.jsonl import to_json
from unveil.core.readings import Readings, by_item, places, preferred
from unveil.review.items import Items
from unveil.review.queue import Queue, Queued


class Disputed(Queue):
    """The queue of who adjudicates: items about which readers differ, in the order in which they came to.

    It grows while they read. One that this adjudicator has decided stays; one that readers come to agree about goes.

    ``decisions`` grows elsewhere. Of an item in the file, ``current`` tells the hash of its row: what was said of
    another row is no reading of it.
    """

    def __init__(
        self,
        adjudicator: str,
        decisions: Sequence[Decision],
        numbers: Mapping[str, int],
        current: Callable[[int], str],
    ) -> None:
        super().__init__(())
        self.adjudicator, self._decisions, self._numbers, self._current = adjudicator, decisions, numbers, current
        self._of_item: dict[str, list[Decision]] = {}
        self._disputes: dict[str, Queued | None] = {}
        self._seen, self._lock = 0, threading.Lock()

    @property
    def entries(self) -> Sequence[Queued]:
        return [queued for queued in self._now().values() if queued]

    @property
    def whys(self) -> list[str]:
        return sorted({queued.why for queued in self.entries})

    def find(self, number: int) -> Queued | None:
        return next((queued for queued in self.entries if queued.number == number), None)

    def readings(self, item: str) -> Readings | None:
        """What is decided about an item."""
        self._now()
        return by_item(self._of_item.get(item, ())).get(item)

    def _now(self) -> dict[str, Queued | None]:
        """The disputes by their items, with what was decided since."""
        with self._lock:
            new = self._decisions[self._seen :]
            self._seen += len(new)
            for decision in new:
                number = self._numbers.get(decision.item)
                if number is not None and decision.sha256 == self._current(number):
                    self._of_item.setdefault(decision.item, []).append(decision)
            for item in dict.fromkeys(decision.item for decision in new if decision.item in self._of_item):
                self._look_at(item)
            return dict(self._disputes)

    def _look_at(self, item: str) -> None:
        found = by_item(self._of_item[item]).get(item)
        between = found.adjudication if found else None
        if found and found.dispute and (between is None or between.reviewer == self.adjudicator):
            self._disputes[item] = Queued(self._numbers[item], f"readers differ: {found.dispute}")
        elif item in self._disputes:  # keeps its place, should they differ again
            self._disputes[item] = None


def between(queue: Queue, item: str) -> tuple[str, ...]:
    """The readers between whom a decision of this queue is made; none where it is a reading."""
    found = queue.readings(item) if isinstance(queue, Disputed) else None
    return tuple(one.reviewer for one in found.readings) if found else ()


def told(queue: Queue, item: str, sides: Sequence[str], blind: bool, seed: int) -> list[dict[str, Any]]:
    """What each reader said of an item, for who decides between them and nobody else; ``sides`` are those of a pair
    from left to right. With ``blind``, readers have numbers, at random for each item, in place of names."""
    found = queue.readings(item) if isinstance(queue, Disputed) else None
    if found is None:
        return []
    readings = sorted(found.readings, key=lambda one: _drawn(seed, one)) if blind else found.readings
    left_or_right = dict(zip(sides, ("left", "right"), strict=False))
    return [
        {
            "reader": f"reader {number}" if blind else one.reviewer,
            "verdict": one.verdict,
            "preferred": left_or_right.get(side, side) if (side := preferred(one)) else None,
            "reasons": list(one.reasons),
            "severity": one.severity,
            "comment": one.comment,
            "marks": to_json(places(one)),
            "texts": {left_or_right.get(name, name): text for name, text in one.texts.items()},
        }
        for number, one in enumerate(readings, 1)
    ]


def _drawn(seed: int, one: Decision) -> bytes:
    return hashlib.sha256(f"{seed}:{one.item}:{one.reviewer}".encode()).digest()


def agreed(decisions: Sequence[Decision], items: Items) -> list[ReaderAgreement]:
    """How far the readers agree so far about the items of a file; images of one patient are drawn together."""
    read = by_item(one for one in decisions if one.item in items.rows.number)
    item_of = {one.readings[0].record: item for item, one in read.items() if len(one.readings) > 1}

    def cluster(record: str) -> str:
        shown = items.item(items.rows.number[item_of[record]])
        return shown.record.cluster if shown.record else record

    return agreement(read, cluster)
