"""Figures of what images are worth to models, with intervals: sums and differences of shares on the same resamples.

Shapes: B resamples, C clusters, K columns (``sensitivity.COLUMNS``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.evaluate.sensitivity import PARTS, Counts

Array = NDArray[np.float64]


class Figures:
    """Figures from counts of the same clusters, by key; all from the same resamples."""

    def __init__(self, counts: Mapping[Hashable, Counts], resamples: int, seed: int):
        self.counts = dict(counts)
        tables = [t for one in counts.values() for t in (one.numerators_CK, one.denominators_CK)]
        drawn = bootstrap.resampled(tables, resamples, seed) if tables else []
        self._drawn = {key: _ratios(*drawn[2 * i : 2 * i + 2]) for i, key in enumerate(counts)}

    def value(self, metric: str, key: Hashable) -> float | None:
        """A metric of one table; None where there is nothing to compute it from."""
        one, parts = self.counts[key], PARTS[metric]
        values_1K = _ratios(one.numerators_CK.sum(0, keepdims=True), one.denominators_CK.sum(0, keepdims=True))
        value = float(values_1K[0, parts].mean())
        return None if np.isnan(value) else value

    def figure(self, metric: str, terms: Mapping[Hashable, int]) -> dict[str, Any]:
        """The sum of a metric of some tables, each times its sign, as JSON values with its 95 % interval.

        ``value`` is None where a table has nothing to compute it from, ``low`` and ``high`` where there is no interval;
        ``reason`` says why. Of a difference ``excludes_zero`` tells whether its interval lies on one side of zero and
        enough clusters differ for a verdict (``bootstrap.TELLING``).
        """
        parts = PARTS[metric]
        chosen = [self.counts[key] for key in terms]
        items_CK = chosen[0].items_CK[:, parts]
        n, clusters = int(items_CK.sum()), int(items_CK.any(1).sum())
        counting = min(int((one.denominators_CK[:, parts] > 0).sum(0).min()) for one in chosen)
        values = [self.value(metric, key) for key in terms]
        about: dict[str, Any] = {"value": None, "low": None, "high": None, "n": n, "clusters": clusters}
        if any(value is None for value in values):
            return about | {"reason": "nothing to count" if n else "no items"}
        value = sum(sign * v for sign, v in zip(terms.values(), values, strict=True) if v is not None)
        about["value"] = value
        if counting < 2:
            about["reason"] = "one cluster only"
        elif (low_high := self._interval(metric, terms, value, counting)) is None:
            about["reason"] = "no resample holds an item"
        else:
            about["low"], about["high"] = low_high
        if len(terms) > 1:
            telling = _differing(chosen, list(terms.values()), parts) >= bootstrap.TELLING
            about["excludes_zero"] = telling and bootstrap.beyond_zero(about["low"], about["high"])
        return about

    def _interval(
        self, metric: str, terms: Mapping[Hashable, int], value: float, counting: int
    ) -> tuple[float, float] | None:
        """Percentiles; where no resample moves, the exact interval of what all clusters agree on."""
        drawn_B = sum(sign * self._drawn[key][:, PARTS[metric]].mean(1) for key, sign in terms.items())
        drawn_B = np.asarray(drawn_B)[~np.isnan(drawn_B)]
        if not len(drawn_B):
            return None
        if not bootstrap.unmoved(value, drawn_B):
            return bootstrap.percentiles(drawn_B)
        lowest, highest = (float(sum(f(sign, 0) for sign in terms.values())) for f in (min, max))
        return bootstrap.exact(value, counting, lowest, highest)


def _ratios(numerators_BK: Array, denominators_BK: Array) -> Array:
    nothing = np.full_like(numerators_BK, np.nan)
    return np.divide(numerators_BK, denominators_BK, out=nothing, where=denominators_BK > 0)


def _differing(chosen: list[Counts], signs: list[int], parts: list[int]) -> int:
    """In how many clusters the signed sums are not nothing."""
    apart_CK = sum(sign * one.numerators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    below_CK = sum(sign * one.denominators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    return int((np.maximum(np.abs(apart_CK), np.abs(below_CK)) > bootstrap.ROUNDING).any(1).sum())
