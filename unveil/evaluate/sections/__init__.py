"""The sections of scores and page, one module each, in the order in which the page has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unveil.core.grading import Case
from unveil.core.records import KINDS, Prediction
from unveil.evaluate.sections.as_published import AS_PUBLISHED
from unveil.evaluate.sections.boxes import BOXES
from unveil.evaluate.sections.calibration import CALIBRATION
from unveil.evaluate.sections.hallucination import HALLUCINATION
from unveil.evaluate.sections.looking import LOOKING
from unveil.evaluate.sections.reports import REPORTS
from unveil.evaluate.sections.section import Answers, Scoring, Section
from unveil.evaluate.sections.subgroups import SUBGROUPS

SECTIONS: tuple[Section[Any], ...] = (
    BOXES,
    REPORTS,
    HALLUCINATION,
    CALIBRATION,
    SUBGROUPS,
    LOOKING,
    AS_PUBLISHED,
)

Keep = Callable[[Case, Prediction], None]


class Collected:
    """What all sections keep of all models' answers."""

    def __init__(self) -> None:
        self._asked: dict[str, dict[str, list[Any]]] = {one.name: {} for one in SECTIONS}
        self._validation: dict[str, dict[str, list[Any]]] = {one.name: {} for one in SECTIONS}

    def of(self, model: str, validation: bool = False) -> Keep:
        """What is shown each of a model's answers, or those of the validation split."""
        rows = self._validation if validation else self._asked
        own = [
            (one, rows[one.name].setdefault(model, []))
            for one in SECTIONS
            if not one.truth_alone or rows[one.name].keys() <= {model}
        ]
        by_kind = {kind: [(one.keep, of) for one, of in own if kind in one.kinds] for kind in KINDS}

        def keep(case: Case, prediction: Prediction) -> None:
            for keep_of, of in by_kind[case.dialogue.kind]:
                if (kept := keep_of(case, prediction)) is not None:
                    of.append(kept)

        return keep

    def summaries(self, scoring: Scoring) -> dict[str, Any]:
        """The figures of the sections that have some."""
        found = {}
        for one in SECTIONS:
            answers = Answers(self._asked[one.name], self._validation[one.name])
            if (figures := one.summarise(answers, scoring)) is not None:
                found[one.name] = figures
        return found
