"""Figures with their intervals as JSON values: of one model, by group, and of two models apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unveil.core.grading import Outcome
from unveil.evaluate.intervals import Estimate, differences, estimates
from unveil.evaluate.metrics import counts, groups


@dataclass(frozen=True)
class Sure:
    """Numbers with their intervals, as JSON values."""

    resamples: int
    seed: int

    def model(self, rows: Sequence[Outcome]) -> dict[str, Any]:
        by = {
            "modality": {key: self.metrics(part, empty=False) for key, part in groups(rows, "modality").items()},
            "label": {key: self.metrics(part, empty=False) for key, part in groups(rows, "label").items()},
        }
        if len({row.language for row in rows if row.language}) > 1:
            of = groups(rows, "language")
            by["language"] = {key: self.metrics(part, empty=False) for key, part in of.items()}
        return {"metrics": self.metrics(rows), "counts": counts(rows), "by": by}

    def metrics(self, rows: Sequence[Outcome], empty: bool = True) -> dict[str, Any]:
        """Every metric; those without a value are left out unless ``empty``."""
        found = estimates(rows, self.resamples, self.seed)
        return {m: plain(e) for m, e in found.items() if empty or e.value is not None}

    def differences(self, first: Sequence[Outcome], second: Sequence[Outcome]) -> dict[str, Any]:
        return {m: plain(d) for m, d in differences(first, second, self.resamples, self.seed).items()}


def plain(estimate: Estimate) -> dict[str, Any]:
    """An estimate without the fields that say nothing (no reason, all resamples valid, no part with fewer clusters)."""
    values = dataclasses.asdict(estimate)
    if estimate.reason is None:
        del values["reason"]
    if estimate.valid == 1 or estimate.value is None:
        del values["valid"]
    if estimate.fewest == estimate.clusters:
        del values["fewest"]
    return values
