"""An answer beside the truth: what rewards, validation and watching look at.

Shapes: P patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unveil.core import phrases
from unveil.core.geometry import Box
from unveil.core.grading import Case, Outcome
from unveil.core.records import WITH_BOXES, Dialogue, Finding, Record


@dataclass(frozen=True)
class Attention:
    """Where the words that name one category looked: shares of the patches (P,), and where these lie, (P, 4)."""

    shares_P: NDArray[np.float64]
    places_P4: NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """An answer beside the truth: what a reward may look at.

    ``attention`` maps each category that the answer names to where its words looked, None where that was not read;
    ``relevance`` is a judge's score from 0 to 1, None where it could not tell; ``judged`` is whether one was asked.
    """

    case: Case
    attention: Mapping[str, Attention] | None = None
    relevance: float | None = None
    judged: bool = False

    @property
    def text(self) -> str:
        return self.case.text

    @property
    def dialogue(self) -> Dialogue:
        return self.case.dialogue

    @property
    def record(self) -> Record:
        return self.case.record

    @property
    def outcome(self) -> Outcome:
        """What is right and wrong about it."""
        return self.case.outcome

    @property
    def usable(self) -> bool:
        """Whether something was said that can be read, to its end."""
        return self.outcome.status == "ok" and not self.outcome.empty and not self.case.cut

    @cached_property
    def findings(self) -> list[Finding] | None:
        """What the question is about: all findings, or those of its label or phrase; None where that is not known.

        An image without findings proves their absence only where the annotation is exhaustive.
        """
        if self.dialogue.kind == "grounding":
            return phrases.of_phrase(self.record.findings, self.dialogue.target or "") or None
        found = list(self.record.named)
        if self.dialogue.kind == "localisation":
            found = [f for f in found if self.case.name(f.label) == self.case.name(self.dialogue.target or "")]
        return found if found or self.case.exhaustive else None

    @cached_property
    def true_boxes(self) -> list[Box] | None:
        """Where they are; None for a question about no place, and where a finding has no box."""
        if self.dialogue.kind not in WITH_BOXES or self.findings is None:
            return None
        if self.dialogue.kind == "grounding":
            return phrases.boxes(self.findings)
        boxes = [f.box for f in self.findings if f.box]
        return boxes if len(boxes) == len(self.findings) else None
