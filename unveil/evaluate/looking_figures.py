"""Figures of what images are worth to models, with intervals: sums and differences of shares on the same resamples.

Shapes: B resamples, C clusters, K columns (``sensitivity.COLUMNS``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from unveil.core import bootstrap
from unveil.evaluate.estimates import Array, difference, divided, of_mean, plain
from unveil.evaluate.sensitivity import PARTS, Counts


class Figures:
    """Figures from counts of the same clusters, by key; all from the same resamples."""

    def __init__(self, counts: Mapping[Hashable, Counts], resamples: int, seed: int):
        self.counts = dict(counts)
        tables = [t for one in counts.values() for t in (one.numerators_CK, one.denominators_CK)]
        drawn = bootstrap.resampled(tables, resamples, seed) if tables else []
        self._drawn = {key: divided(*drawn[2 * i : 2 * i + 2]) for i, key in enumerate(counts)}

    def value(self, metric: str, key: Hashable) -> float | None:
        """A metric of one table; None where there is nothing to compute it from."""
        value = float(self._values(key)[PARTS[metric]].mean())
        return None if np.isnan(value) else value

    def figure(self, metric: str, terms: Mapping[Hashable, int]) -> dict[str, Any]:
        """The sum of a metric of some tables, each times its sign, as JSON values with its 95 % interval.

        A sum of several is a difference (``estimates.Difference``) on the answers of the first.
        """
        parts, signs = PARTS[metric], list(terms.values())
        chosen = [self.counts[key] for key in terms]
        items_CK = chosen[0].items_CK[:, parts]
        values_K = sum(sign * self._values(key)[parts] for key, sign in terms.items())
        drawn_BK = sum(sign * self._drawn[key][:, parts] for key, sign in terms.items())
        counting_K = np.min([(one.denominators_CK[:, parts] > 0).sum(0) for one in chosen], axis=0)
        lowest, highest = (float(sum(f(sign, 0) for sign in signs)) for f in (min, max))
        size = int(items_CK.sum()), int(items_CK.any(1).sum())
        found = of_mean(np.asarray(values_K), np.asarray(drawn_BK), *size, counting_K, lowest, highest)
        return plain(difference(found, _differing(chosen, signs, parts)) if len(terms) > 1 else found)

    def _values(self, key: Hashable) -> Array:
        """All columns of one table, (K,)."""
        return divided(self.counts[key].numerators_CK.sum(0), self.counts[key].denominators_CK.sum(0))


def _differing(chosen: list[Counts], signs: list[int], parts: list[int]) -> int:
    """In how many clusters the signed sums are not nothing."""
    apart_CK = sum(sign * one.numerators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    below_CK = sum(sign * one.denominators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    return int((np.maximum(np.abs(apart_CK), np.abs(below_CK)) > bootstrap.ROUNDING).any(1).sum())
