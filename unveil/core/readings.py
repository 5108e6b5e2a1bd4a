"""Several readers' decisions about one item: whether they differ, who decides between them, and which one stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from unveil.core import geometry
from unveil.core.decisions import Annotation, Decision, Preferred, standing
from unveil.core.names import normal

#: IoU from which two readers' boxes are one place.
SAME_PLACE = 0.5


@dataclass(frozen=True)
class Readings:
    """What is decided about one item. A skipped item was not read."""

    item: str
    readings: tuple[Decision, ...]
    """Each reader's last word, the earliest first."""
    adjudication: Decision | None = None
    """The last word of who decides between readers."""

    @property
    def dispute(self) -> str:
        """In what readers differ, whether anybody has decided between them or not; "" where they agree."""
        found = (difference(one, other) for one, other in combinations(self.readings, 2))
        return next(filter(None, found), "")

    @property
    def open_dispute(self) -> str:
        """In what readers differ where nobody has decided between them."""
        return "" if self.adjudication else self.dispute

    @property
    def decision(self) -> Decision | None:
        """The one that stands: the adjudicator's, else of readers who agree the last; None where they differ."""
        if self.adjudication or self.open_dispute or not self.readings:
            return self.adjudication
        return self.readings[-1]

    @property
    def share(self) -> float:
        """Of all who have decided, the adjudicator too, the share that says what stands."""
        stands = self.decision
        everybody = [*self.readings, *([self.adjudication] if self.adjudication else [])]
        return sum(not difference(one, stands) for one in everybody) / len(everybody) if stands else 0.0


def by_item(decisions: Iterable[Decision]) -> dict[str, Readings]:
    """What is decided about each item, in the order in which items come up; skipped ones are not there."""
    found: dict[str, list[Decision]] = {}
    for decision in standing(decisions).values():
        if decision.verdict != "skip":
            found.setdefault(decision.item, []).append(decision)
    return {item: _readings(item, said) for item, said in found.items()}


def _readings(item: str, said: list[Decision]) -> Readings:
    ordered = sorted(said, key=lambda decision: decision.time)
    between = [decision for decision in ordered if decision.adjudicates]
    return Readings(item, tuple(d for d in ordered if not d.adjudicates), between[-1] if between else None)


def places(decision: Decision) -> tuple[Annotation, ...]:
    """The places as a reader leaves them."""
    return decision.before if decision.after is None else decision.after


def preferred(decision: Decision) -> Preferred | None:
    """Of a pair, the better side in a reader's eyes: who accepts a pair prefers the chosen one."""
    if decision.preferred is None and decision.subject == "pair" and decision.verdict == "accept":
        return "chosen"
    return decision.preferred


def difference(one: Decision, other: Decision) -> str:
    """In what two decisions about an item differ; "" where they agree: one verdict, one preferred side, the same texts
    but for white space, the same names, and boxes that overlap by half, one to one."""
    if one.verdict != other.verdict:
        return "verdict"
    if preferred(one) != preferred(other):
        return "preferred side"
    if _texts(one) != _texts(other):
        return "text"
    mine, theirs = places(one), places(other)
    if Counter(normal(mark.label) for mark in mine) != Counter(normal(mark.label) for mark in theirs):
        return "names"
    pairs = matched(mine, theirs)
    placed = [sum(mark.box is not None for mark in marks) for marks in (mine, theirs)]
    same = [value >= SAME_PLACE and normal(a.label) == normal(b.label) for a, b, value in pairs]
    return "" if all(same) and len(same) == max(placed) else "places"


def _texts(decision: Decision) -> Mapping[str, str]:
    return {name: " ".join(text.split()) for name, text in decision.texts.items()}


def matched(mine: Iterable[Annotation], theirs: Iterable[Annotation]) -> list[tuple[Annotation, Annotation, float]]:
    """Boxes of two readers, one to one, with their IoU (``geometry.match``); of equal overlaps those of one name."""
    ours = [(mark, mark.box) for mark in mine if mark.box]
    others = [(mark, mark.box) for mark in theirs if mark.box]
    agree = [[normal(a.label) == normal(b.label) for b, _ in others] for a, _ in ours]
    found = geometry.match([box for _, box in ours], [box for _, box in others], agree)
    return [(ours[i][0], others[j][0], value) for i, j, value in found]
