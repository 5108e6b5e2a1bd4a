"""How sure a metric is, and whether one model is better than another: the bootstrap over patients (``bootstrap``).

Models are compared on the same resamples. Metrics are ratios of sums (``sums``), so a resample is a weighting of
per-cluster sums, and all resamples of all metrics of all models are one matrix product. Shapes: B resamples, C
clusters, R ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.core.bootstrap import LEVEL, RESAMPLES
from unveil.core.grading import Outcome, ScoreError
from unveil.evaluate.estimates import Difference, Estimate, difference, divided, of_mean
from unveil.evaluate.metrics import METRICS
from unveil.evaluate.permutations import holm, p_values
from unveil.evaluate.sums import PARTS, Array, Sums, added, sums

POWER = 0.8
#: Standard errors that a true difference must have for an interval to leave out 0 in ``POWER`` of all test sets.
DETECTABLE = NormalDist().inv_cdf(0.5 * (1 + LEVEL)) + NormalDist().inv_cdf(POWER)  # 1.96 + 0.84


class PairingError(ScoreError):
    """Two models that were not asked the same questions."""


@dataclass(frozen=True)
class MetricsCompared:
    """All metrics of some models, and their differences: ``differences[b, a]`` are b less a."""

    models: dict[str, dict[str, Estimate]]
    differences: dict[tuple[str, str], dict[str, Difference]]


def estimates(outcomes: Sequence[Outcome], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Estimate]:
    """Every metric of one model's outcomes with its interval."""
    return compared({"": sums(outcomes)}, (), resamples, seed).models[""]


def plain_mean(groups: Sequence[Sequence[Outcome]], metric: str, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The plain mean of a metric over groups of answers; clusters are drawn from all of them at once.

    Resamples that leave a group with nothing to count are left out. The groups hold one item at least.
    """
    table = added([outcome for of in groups for outcome in of])
    group_N = np.repeat(np.arange(len(groups)), [len(of) for of in groups])
    parts = [table.of_ratio(ratio, group_N == g) for g in range(len(groups)) for ratio in METRICS[metric]]
    numerators_CK, denominators_CK = (np.stack(part, 1) for part in zip(*parts, strict=True))
    drawn_BK = divided(*bootstrap.resampled([numerators_CK, denominators_CK], resamples, seed))
    counted_CK = denominators_CK > 0
    return of_mean(
        divided(numerators_CK.sum(0), denominators_CK.sum(0)),
        drawn_BK,
        n=sum(ratio in outcome.sums for of in groups for outcome in of for ratio in METRICS[metric]),
        clusters=int(counted_CK.any(1).sum()),
        counting_K=counted_CK.sum(0),
    )


def differences(
    first: Sequence[Outcome], second: Sequence[Outcome], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """The second model minus the first, every metric, on the same items and the same resamples."""
    check_pairs(first, second)
    return compared({"a": sums(first), "b": sums(second)}, [("b", "a")], resamples, seed).differences["b", "a"]


def compared(
    tables: Mapping[str, Sums], pairs: Iterable[tuple[str, str]], resamples: int, seed: int, tested: bool = True
) -> MetricsCompared:
    """Metrics of models from their sums over the same clusters, and the first less the second of each of the pairs.

    ``tested``: with p-values of as many swaps as there are resamples.
    """
    _check(resamples, tables)
    drawn = dict(zip(tables, _drawn(list(tables.values()), resamples, seed), strict=True))
    models = {
        name: {m: _estimate(one, m, one.counting_R, one.values_R, drawn[name], 0.0) for m in METRICS}
        for name, one in tables.items()
    }
    apart = {}
    for b, a in pairs:
        drawn_BR, values_R = drawn[b] - drawn[a], tables[b].values_R - tables[a].values_R
        plain = {m: _difference(tables[a], tables[b], m, values_R, drawn_BR) for m in METRICS}
        apart[b, a] = _tested(plain, p_values(tables[a], tables[b], resamples, seed)) if tested else plain
    return MetricsCompared(models, apart)


def _tested(found: Mapping[str, Difference], p: Mapping[str, float]) -> dict[str, Difference]:
    """The metrics of two models are one family."""
    among = holm(p)
    return {m: replace(d, p=p.get(m), p_holm=among.get(m)) for m, d in found.items()}


def _drawn(tables: Sequence[Sums], resamples: int, seed: int) -> list[Array]:
    """Each model's ratios in the same resamples, (B, R)."""
    used_R = np.logical_or.reduce([table.items_R > 0 for table in tables])
    held = [part[:, used_R] for table in tables for part in (table.numerators_CR, table.denominators_CR)]
    [drawn_BK] = bootstrap.resampled([np.hstack(held)], resamples, seed)
    found = []
    for parts_BR in np.split(drawn_BK, len(tables), axis=1):
        ratios_BR = np.full((resamples, len(used_R)), np.nan)
        ratios_BR[:, used_R] = divided(*np.split(parts_BR, 2, axis=1))
        found.append(ratios_BR)
    return found


def _check(resamples: int, tables: Mapping[str, Sums]) -> None:
    if resamples < 1:
        raise ScoreError(f"at least one resample is needed, not {resamples}")
    if not all(len(table.items_CR) for table in tables.values()):
        raise ScoreError("there are no outcomes to resample")


def check_pairs(first: Sequence[Outcome], second: Sequence[Outcome]) -> None:
    """Raises ``PairingError`` where two models were not asked the same questions about the same clusters."""
    a, b = ({o.id: o.cluster for o in rows} for rows in (first, second))
    if len(a) < len(first) or len(b) < len(second):
        raise PairingError("an id occurs more than once")
    for here, there, which in ((a, b, "second"), (b, a, "first")):
        if missing := sorted(here.keys() - there.keys()):
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise PairingError(f"the {which} model lacks {', '.join(missing[:5])}{more}: pairs need the same ids")
    if moved := sorted(i for i in a if a[i] != b[i]):
        raise PairingError(f"{moved[0]} belongs to cluster {a[moved[0]]} in one and {b[moved[0]]} in the other")


def _estimate(
    table: Sums, metric: str, counting_R: NDArray[np.int_], values_R: Array, drawn_BR: Array, lowest: float
) -> Estimate:
    """A metric from its ratios, none of which is below ``lowest`` or above 1."""
    parts, (n, clusters) = PARTS[metric], table.size(metric)
    found = of_mean(values_R[parts], drawn_BR[:, parts], n, clusters, counting_R[parts], lowest)
    return replace(found, reason=table.reason(metric)) if found.value is None else found


def _difference(a: Sums, b: Sums, metric: str, values_R: Array, drawn_BR: Array) -> Difference:
    worse = a if a.reason(metric) else b  # either may have nothing to count; items and clusters are the same
    counting_R = np.minimum(a.counting_R, b.counting_R)  # F1 counts a normal image only where a box is said
    found = _estimate(worse, metric, counting_R, values_R, drawn_BR, -1.0)
    apart_CR = np.maximum(np.abs(a.numerators_CR - b.numerators_CR), np.abs(a.denominators_CR - b.denominators_CR))
    differing = int((apart_CR[:, PARTS[metric]] > bootstrap.ROUNDING).any(1).sum())
    spread = np.nanstd(drawn_BR[:, PARTS[metric]].mean(1), ddof=1) if found.low is not None else 0.0
    return difference(found, differing, float(DETECTABLE * spread) if spread > bootstrap.ROUNDING else None)
