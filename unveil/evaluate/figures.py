"""Figures with their intervals as JSON values: of models, and of two models apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unveil.core.grading import Outcome
from unveil.evaluate.estimates import Estimate, plain
from unveil.evaluate.intervals import check_pairs, compared
from unveil.evaluate.sums import Added, Sums, sums

Figures = dict[str, Any]


@dataclass(frozen=True)
class Sure:
    """Numbers with their intervals, as JSON values."""

    resamples: int
    seed: int

    def metrics(self, rows: Sequence[Outcome]) -> Figures:
        """Every metric of one model."""
        return self.compared({"": sums(rows)}, ())[0][""]

    def models(
        self, found: Mapping[str, Sequence[Outcome]], tables: Mapping[str, Added], pairs: Sequence[tuple[str, str]]
    ) -> tuple[dict[str, Figures], dict[tuple[str, str], Figures]]:
        """Every metric of models that were asked the same, and the first of each of the pairs less the second;
        ``tables`` are what their answers add."""
        for b, a in pairs:
            check_pairs(found[a], found[b])
        return self.compared({name: table.sums() for name, table in tables.items()}, pairs)

    def compared(
        self, tables: Mapping[str, Sums], pairs: Iterable[tuple[str, str]], empty: bool = True, tested: bool = True
    ) -> tuple[dict[str, Figures], dict[tuple[str, str], Figures]]:
        """The same from sums over the same clusters; metrics without a value are left out unless ``empty``."""
        found = compared(tables, pairs, self.resamples, self.seed, tested)
        return (
            {name: _told(of, empty) for name, of in found.models.items()},
            {pair: _told(of, empty) for pair, of in found.differences.items()},
        )


def _told(found: Mapping[str, Estimate], empty: bool) -> Figures:
    return {metric: plain(one) for metric, one in found.items() if empty or one.value is not None}
