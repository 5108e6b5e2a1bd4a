"""Figures of what images are worth to models, with intervals: sums and differences of shares on the same resamples.

Shapes: B resamples, C clusters, K columns (``sensitivity.COLUMNS``), T tables of a side.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from unveil.core import bootstrap
from unveil.evaluate.estimates import Array, Estimate, difference, divided, of_mean, plain
from unveil.evaluate.permutations import holm, p_of_figures
from unveil.evaluate.sensitivity import COLUMNS, PARTS, Counts


class Figures:
    """Figures from counts of the same clusters, by key; all from the same resamples."""

    def __init__(self, counts: Mapping[Hashable, Counts], resamples: int, seed: int):
        self.counts = dict(counts)
        self.resamples, self.seed = resamples, seed
        tables = [t for one in counts.values() for t in (one.numerators_CK, one.denominators_CK)]
        drawn = bootstrap.resampled(tables, resamples, seed) if tables else []
        self._drawn = {key: divided(*drawn[2 * i : 2 * i + 2]) for i, key in enumerate(counts)}

    def value(self, metric: str, key: Hashable) -> float | None:
        """A metric of one table; None where there is nothing to compute it from."""
        value = float(self._values(key)[PARTS[metric]].mean())
        return None if np.isnan(value) else value

    def share(self, metric: str, key: Hashable) -> dict[str, Any]:
        """A metric of one table with its 95 % interval, as JSON values."""
        return plain(self._figure(metric, {key: 1}))

    def differences(
        self, metrics: Iterable[str], second: Mapping[Hashable, int], first: Mapping[Hashable, int]
    ) -> dict[str, dict[str, Any]]:
        """Of each metric the ``second`` side less the ``first``, as JSON values; these are one family of tests.

        A side is a sum of tables, each times its sign, and both have as many: what a swap makes of one table it makes
        of the one that stands in its place (``permutations``). ``n`` counts the answers of the second side's first.
        """
        terms = {**second, **{key: -sign for key, sign in first.items()}}
        found = {m: self._figure(m, terms) for m in metrics}
        of = {
            m: partial(_side, parts=PARTS[m], signs=tuple(second.values()))
            for m, one in found.items()
            if one.value is not None
        }
        p = p_of_figures(of, self._sums(first), self._sums(second), self.resamples, self.seed) if of else {}
        among, told = holm(p), {}
        for m, one in found.items():
            apart = _differing([self.counts[key] for key in terms], list(terms.values()), PARTS[m])
            told[m] = plain(replace(difference(one, apart), p=p.get(m), p_holm=among.get(m)))
        return told

    def _sums(self, side: Mapping[Hashable, int]) -> Array:
        """Numerators and denominators of the tables of a side by cluster, (C, tables x 2 x K)."""
        tables = [self.counts[key] for key in side]
        return np.hstack([part for one in tables for part in (one.numerators_CK, one.denominators_CK)])

    def _figure(self, metric: str, terms: Mapping[Hashable, int]) -> Estimate:
        """The sum of a metric of some tables, each times its sign, with its 95 % interval."""
        parts, signs = PARTS[metric], list(terms.values())
        chosen = [self.counts[key] for key in terms]
        items_CK = chosen[0].items_CK[:, parts]
        values_K = sum(sign * self._values(key)[parts] for key, sign in terms.items())
        drawn_BK = sum(sign * self._drawn[key][:, parts] for key, sign in terms.items())
        counting_K = np.min([(one.denominators_CK[:, parts] > 0).sum(0) for one in chosen], axis=0)
        lowest, highest = (float(sum(f(sign, 0) for sign in signs)) for f in (min, max))
        size = int(items_CK.sum()), int(items_CK.any(1).sum())
        return of_mean(np.asarray(values_K), np.asarray(drawn_BK), *size, counting_K, lowest, highest)

    def _values(self, key: Hashable) -> Array:
        """All columns of one table, (K,)."""
        return divided(self.counts[key].numerators_CK.sum(0), self.counts[key].denominators_CK.sum(0))


def _side(sums_K: Array, parts: Sequence[int], signs: Sequence[int]) -> Array:
    """A metric of one side's tables (``Figures._sums``), added up with their signs."""
    tables_T2K = sums_K.reshape(*sums_K.shape[:-1], len(signs), 2, len(COLUMNS))
    means_T = divided(tables_T2K[..., 0, list(parts)], tables_T2K[..., 1, list(parts)]).mean(-1)
    added: Array = (means_T * np.array(signs)).sum(-1)
    return added


def _differing(chosen: list[Counts], signs: list[int], parts: list[int]) -> int:
    """In how many clusters the signed sums are not nothing."""
    apart_CK = sum(sign * one.numerators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    below_CK = sum(sign * one.denominators_CK[:, parts] for sign, one in zip(signs, chosen, strict=True))
    return int((np.maximum(np.abs(apart_CK), np.abs(below_CK)) > bootstrap.ROUNDING).any(1).sum())
