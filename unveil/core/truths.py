"""What is true of an image, as answers are set beside it: told once, however many questions and models there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from unveil.core import phrases
from unveil.core.answers import name_of
from unveil.core.geometry import Box, iou
from unveil.core.records import Finding, Record

Named = tuple[str | None, Box | None]


@dataclass(frozen=True)
class Truth:
    """A record's findings by the names that answers give them. ``names`` is the vocabulary of the data set."""

    record: Record
    names: Sequence[str]
    _places: dict[str, list[Finding]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def exhaustive(self) -> bool:
        return self.record.completeness == "exhaustive"

    def name(self, label: str) -> str:
        """A label in the form in which the parser gives names."""
        return name_of(label, self.names)

    @cached_property
    def findings(self) -> list[Named]:
        """The record's findings, each place under one name once, by name and box."""
        return [(self.name(f.label), f.box) for f in self.record.named]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of all findings, sorted."""
        return tuple(sorted({name for name, _ in self.findings if name}))

    def places(self, phrase: str) -> list[Finding]:
        """The findings of a phrase."""
        if phrase not in self._places:
            self._places[phrase] = phrases.of_phrase(self.record.findings, phrase)
        return self._places[phrase]

    def at(self, region: Box, least: float) -> list[Finding]:
        """The findings whose box is a region, or those closest to it where rounding or padding moved it, if their IoU
        is at least so large."""
        boxed = [(f, iou(f.box, region)) for f in self.record.boxed if f.box]
        best = max((value for _, value in boxed), default=0.0)
        return [f for f, value in boxed if best >= least and value > best - 1e-6]
