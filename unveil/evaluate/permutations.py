"""Whether two models differ by more than the dealing of answers to them explains: the paired permutation test.

If the models were alike, which of a patient's two answers is whose would be chance. So the two models' answers are
swapped, whole clusters at once, and the difference is computed again: p is the share of such swaps that make it at
least as large as it is, on either side (approximate randomisation: Noreen 1989; Chinchor 1992, MUC-4). Of few clusters
all swaps are tried; else some are drawn, and p = (k + 1) / (B + 1) for k of B (Phipson and Smyth 2010,
doi 10.2202/1544-6115.1585).

Shapes: B swaps, C clusters, D of them that differ, R ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from unveil.core.bootstrap import ROUNDING
from unveil.evaluate.estimates import divided
from unveil.evaluate.sums import PARTS, Array, Sums

#: With so many differing clusters and fewer all swaps are tried, 4,096 at the most.
EXACT = 12
_BLOCK = 4_000_000  # swaps of clusters held at once: 32 MB


def p_values(first: Sums, second: Sums, swaps: int, seed: int) -> dict[str, float]:
    """Two-sided p of each metric that both models have a value in; their clusters stand in the same order.

    A swap that leaves a ratio with nothing to count is counted as one that makes the difference as large.
    """
    held = {m: parts for m, parts in PARTS.items() if not np.isnan((second.values_R + first.values_R)[parts]).any()}
    apart_CR = np.maximum(
        np.abs(second.numerators_CR - first.numerators_CR), np.abs(second.denominators_CR - first.denominators_CR)
    )
    differ_CR = apart_CR > ROUNDING
    rows: dict[str, NDArray[np.bool_]] = {m: np.any(differ_CR[:, parts], axis=1) for m, parts in held.items()}
    few = {m: _exact(first, second, held[m], rows[m]) for m in held if rows[m].sum() <= EXACT}
    many = [m for m in held if m not in few]
    some = np.logical_or.reduce([rows[m] for m in many]) if many else np.zeros(0, bool)
    drawn = _drawn(first, second, {m: held[m] for m in many}, some, swaps, seed) if many else {}
    return {m: few[m] if m in few else drawn[m] for m in held}


def p_of_figures(
    figures: Mapping[str, Callable[[Array], Array]], first_CK: Array, second_CK: Array, swaps: int, seed: int
) -> dict[str, float]:
    """Two-sided p of each figure that both models have; it is a function of sums (..., K), here by cluster."""
    change_CK = second_CK - first_CK
    differ_C = np.any(np.abs(change_CK) > ROUNDING, axis=1)

    def apart(swaps_BD: Array) -> dict[str, Array]:
        moved_BK = swaps_BD @ change_CK[differ_C]
        first_BK, second_BK = first_CK.sum(0) + moved_BK, second_CK.sum(0) - moved_BK
        return {name: of(second_BK) - of(first_BK) for name, of in figures.items()}

    return p_of_swaps(apart, int(differ_C.sum()), swaps, seed)


def p_of_swaps(
    apart: Callable[[Array], Mapping[str, Array]], clusters: int, swaps: int, seed: int, most: int = 2**EXACT
) -> dict[str, float]:
    """Two-sided p of differences that ``apart`` computes, (B,) each, from which of the ``clusters`` that differ are
    swapped, (B, D) of 0 and 1.

    Of no more than ``most`` swaps all are tried.
    """
    exact = 2**clusters <= most
    found = {name: abs(float(apart_1[0])) for name, apart_1 in apart(np.zeros((1, clusters))).items()}
    k = {name: 0 if exact else 1 for name, value in found.items() if not np.isnan(value)}
    for swaps_BD in [_every(clusters)] if exact else _coins(clusters, swaps, seed):
        moved = apart(swaps_BD)
        for name in k:
            k[name] += int((~(np.abs(moved[name]) < found[name] - ROUNDING)).sum())
    return {name: extreme / (2**clusters if exact else swaps + 1) for name, extreme in k.items()}


def _every(clusters: int) -> Array:
    """All swaps of so many clusters, the one that is none among them, (2^C, C)."""
    return (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(np.float64)


def _exact(first: Sums, second: Sums, parts: list[int], rows_C: NDArray[np.bool_]) -> float:
    """The share of all swaps of the clusters that differ, the one that is no swap among them."""
    apart_BR = _apart(first, second, _every(int(rows_C.sum())), rows_C)
    return float(_extreme(first, second, parts, apart_BR).mean())


def _drawn(
    first: Sums, second: Sums, held: Mapping[str, list[int]], rows_C: NDArray[np.bool_], swaps: int, seed: int
) -> dict[str, float]:
    k = dict.fromkeys(held, 0)
    for swaps_BC in _coins(int(rows_C.sum()), swaps, seed):
        apart_BR = _apart(first, second, swaps_BC, rows_C)
        for metric, parts in held.items():
            k[metric] += int(_extreme(first, second, parts, apart_BR).sum())
    return {metric: (extreme + 1) / (swaps + 1) for metric, extreme in k.items()}


def _coins(clusters: int, swaps: int, seed: int) -> Iterator[Array]:
    """Whether each cluster is swapped, 0 or 1, in blocks of swaps (B, C)."""
    rng, block = np.random.default_rng(seed), max(1, _BLOCK // clusters)
    for start in range(0, swaps, block):
        size = min(block, swaps - start)
        bits = np.frombuffer(rng.bytes(-(-size * clusters // 8)), np.uint8)
        yield np.unpackbits(bits, count=size * clusters).reshape(size, clusters).astype(np.float64)


def _apart(first: Sums, second: Sums, swaps_BC: Array, rows_C: NDArray[np.bool_]) -> Array:
    """The second model's ratios less the first's after swaps of the clusters ``rows_C`` that may differ, (B, R)."""
    moved = []
    for a_CR, b_CR in (
        (first.numerators_CR, second.numerators_CR),
        (first.denominators_CR, second.denominators_CR),
    ):
        change_BR = swaps_BC @ (b_CR - a_CR)[rows_C]
        moved.append((a_CR.sum(0) + change_BR, b_CR.sum(0) - change_BR))
    (numerators_a, numerators_b), (denominators_a, denominators_b) = moved
    return divided(numerators_b, denominators_b) - divided(numerators_a, denominators_a)


def _extreme(first: Sums, second: Sums, parts: list[int], apart_BR: Array) -> NDArray[np.bool_]:
    """Which swaps make the metric's difference at least as large as it is, or leave none."""
    found = abs(float((second.values_R - first.values_R)[parts].mean()))
    apart_B = np.abs(apart_BR[:, parts].mean(1))
    extreme_B: NDArray[np.bool_] = ~(apart_B < found - ROUNDING)
    return extreme_B


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p-values of one family of tests after the step-down procedure of Holm (1979).

    The i-th smallest of m, counted from 0, is multiplied by m - i; none is smaller than one before it or larger than 1.
    Whoever calls a test significant where this is at most 0.05 is wrong about any test of the family with a probability
    of at most 0.05.
    """
    found, largest = dict[str, float](), 0.0
    for i, name in enumerate(sorted(p, key=lambda name: p[name])):
        largest = max(largest, min(1.0, (len(p) - i) * p[name]))
        found[name] = largest
    return {name: found[name] for name in p}
