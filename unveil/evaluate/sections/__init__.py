"""The sections of scores and page, one module each, in the order in which the page has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unveil.core.grading import Case
from unveil.core.records import Prediction
from unveil.evaluate.sections.section import Scoring, Section

SECTIONS: tuple[Section[Any], ...] = ()

Keep = Callable[[Case, Prediction], None]


class Collected:
    """What all sections keep of all models' answers."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, list[Any]]] = {one.name: {} for one in SECTIONS}

    def of(self, model: str) -> Keep:
        """What is shown each of a model's answers."""
        own = [(one, self._rows[one.name].setdefault(model, [])) for one in SECTIONS]

        def keep(case: Case, prediction: Prediction) -> None:
            for section, rows in own:
                if (kept := section.keep(case, prediction)) is not None:
                    rows.append(kept)

        return keep

    def summaries(self, about: Scoring) -> dict[str, Any]:
        """The figures of the sections that have some."""
        found = {one.name: one.summarise(self._rows[one.name], about) for one in SECTIONS if self._rows[one.name]}
        return {name: figures for name, figures in found.items() if figures is not None}
