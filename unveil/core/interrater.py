"""How far readers agree beyond chance: Cohen's kappa of two, Fleiss' kappa of several, and the overlap of their boxes.

Each comes with its 95 % interval from resampled clusters (``bootstrap``): images of one patient are drawn together.

Shapes: C clusters, B resamples, K categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap
from unveil.core.decisions import Decision
from unveil.core.names import normal
from unveil.core.readings import SAME_PLACE, Readings, matched, places, preferred

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ReaderAgreement:
    """A figure of agreement between readers."""

    what: str
    """What they agree on: verdict, preferred side, name, place."""
    statistic: str
    """By which measure."""
    value: float | None
    """None where it is not defined, as a kappa is not where all readings are one category."""
    n: int
    """Items that at least two have read; of places and names, boxes."""
    readers: int
    """Who has read one of them."""
    low: float | None = None
    """Lower end of its 95 % interval."""
    high: float | None = None
    """Upper end of its 95 % interval."""
    why: str = ""
    """Why it has no value, or no interval."""
    alone: int = 0
    """Items that one reader alone has read, which count for nothing."""


def table(found: Sequence[ReaderAgreement]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for people."""

    def value(one: ReaderAgreement) -> str:
        if one.value is None:
            return one.why
        return f"{one.value:.2f} ({one.why or f'{one.low:.2f} to {one.high:.2f}'})"

    rows = [[one.what, one.statistic, value(one), str(one.n), str(one.readers), str(one.alone)] for one in found]
    return ["on", "by", "value (95 %)", "n", "readers", "read by one alone"], rows


def cohen(table_KK: Array) -> Array:
    """Cohen's kappa of two readers (Cohen 1960, equation 1): (p_o - p_e) / (1 - p_e), from how often the one said the
    row and the other the column, (..., K, K); nan where both say one category only."""
    table = table_KK / table_KK.sum((-2, -1), keepdims=True)
    observed = table.trace(axis1=-2, axis2=-1)
    expected = (table.sum(-1) * table.sum(-2)).sum(-1)
    return _beyond(observed, expected)


def fleiss(agreed: Array, items: Array, said_K: Array) -> Array:
    """Fleiss' kappa of several readers (Fleiss 1971, equations 2 to 7), from the sum of the items' agreement P_i, their
    number, and how often each category was said, (..., K); nan where all say one category.

    P_i = (sum_j n_ij^2 - n_i) / (n_i (n_i - 1)). Items may have different numbers n_i of readings; with equal ones this
    is the published formula.
    """
    shares = said_K / said_K.sum(-1, keepdims=True)
    return _beyond(agreed / items, (shares**2).sum(-1))


def _beyond(observed: Array, expected: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = np.where(1 - expected > bootstrap.ROUNDING, (observed - expected) / (1 - expected), np.nan)
    return found


def agreement(
    items: Mapping[str, Readings], cluster: Callable[[str], str] = lambda record: record, seed: int = 0
) -> list[ReaderAgreement]:
    """The figures of all items that two or more have read; who adjudicates is no reader. ``cluster`` tells of a
    record's id what is drawn together with it, such as its patient."""
    read = [one.readings for one in items.values() if len(one.readings) > 1]
    if not read:
        return []
    of = [cluster(readings[0].record) for readings in read]
    found = [_kappa("verdict", [{d.reviewer: d.verdict for d in readings} for readings in read], of, seed)]
    sides = [{d.reviewer: side for d in readings if (side := preferred(d))} for readings in read]
    found.append(_kappa("preferred side", sides, of, seed))
    alone = sum(len(one.readings) == 1 for one in items.values())
    return [replace(one, alone=alone) for one in [*found, *_of_boxes(read, of, seed)] if one.n]


def _kappa(what: str, said: Sequence[Mapping[str, str]], of: Sequence[str], seed: int) -> ReaderAgreement:
    """Of what each reader said of each item; an item with one reading counts for nothing."""
    kept = [(one, where) for one, where in zip(said, of, strict=True) if len(one) > 1]
    readers = sorted({name for one, _ in kept for name in one})
    kinds = sorted({kind for one, _ in kept for kind in one.values()})
    if not kept:
        return ReaderAgreement(what, "kappa", None, 0, 0)
    rows, name = list[list[Array]](), "Cohen's kappa" if len(readers) == 2 else "Fleiss' kappa"
    for one, _ in kept:
        if len(readers) == 2:
            table = np.zeros((len(kinds), len(kinds)))
            table[kinds.index(one[readers[0]]), kinds.index(one[readers[1]])] = 1
            rows.append([table])
        else:
            often = Counter(one.values())
            counts = np.array([float(often[kind]) for kind in kinds])
            n = len(one)
            rows.append([np.array((counts**2).sum() - n) / (n * (n - 1)), np.array(1.0), counts])
    figure = cohen if len(readers) == 2 else fleiss
    return _figure(what, name, rows, [where for _, where in kept], figure, (-1.0, 1.0), len(kept), len(readers), seed)


def _of_boxes(read: Sequence[Sequence[Decision]], of: Sequence[str], seed: int) -> list[ReaderAgreement]:
    """Overlap of the boxes of each two readers, matched one to one: a box that only one of them has drawn counts as 0,
    so that who marks less does not agree more. Of pairs of boxes at one place, whether they have one name."""
    rows, names, where = list[list[Array]](), list[list[Array]](), list[str]()
    for readings, cluster in zip(read, of, strict=True):
        for one, other in combinations(readings, 2):
            mine, theirs = places(one), places(other)
            most = max(sum(mark.box is not None for mark in marks) for marks in (mine, theirs))
            pairs = matched(mine, theirs)
            if not most:
                continue
            here = [(a, b) for a, b, value in pairs if value >= SAME_PLACE]
            overlap = sum(value for _, _, value in pairs)
            rows.append([np.array(float(v)) for v in (overlap, len(here), most)])
            same = sum(normal(a.label) == normal(b.label) for a, b in here)
            names.append([np.array(float(v)) for v in (same, len(here))])
            where.append(cluster)
    if not rows:
        return []
    readers = len({d.reviewer for readings in read for d in readings})
    boxes, placed = (int(sum(float(row[-1]) for row in of_all)) for of_all in (rows, names))

    def figure(what: str, statistic: str, some: list[list[Array]], n: int) -> ReaderAgreement:
        return _figure(what, statistic, some, where, lambda over, under: over / under, (0.0, 1.0), n, readers, seed)

    found = [
        figure("place", "mean IoU", [[overlap, most] for overlap, _, most in rows], boxes),
        figure("place", f"share of IoU >= {SAME_PLACE:g}", [[hits, most] for _, hits, most in rows], boxes),
    ]
    return [*found, figure("name", "share alike at one place", names, placed)] if placed else found


def _figure(
    what: str,
    statistic: str,
    rows: Sequence[Sequence[Array]],
    of: Sequence[str],
    figure: Callable[..., Any],
    bounds: tuple[float, float],
    n: int,
    readers: int,
    seed: int,
) -> ReaderAgreement:
    """A figure of sums over clusters, with its interval."""
    clusters = sorted(set(of))
    number = {cluster: n for n, cluster in enumerate(clusters)}
    at = np.array([number[one] for one in of])
    sums = []
    for column in zip(*rows, strict=True):
        every = np.stack(column)
        total = np.zeros((len(clusters), *every.shape[1:]))
        np.add.at(total, at, every)
        sums.append(total)
    value = float(figure(*(one.sum(0) for one in sums)))
    if not np.isfinite(value):
        return ReaderAgreement(what, statistic, None, n, readers, why="all readings are of one category")
    flat = bootstrap.resampled([one.reshape(len(clusters), -1) for one in sums], seed=seed)
    drawn = [part.reshape(len(part), *one.shape[1:]) for part, one in zip(flat, sums, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.asarray(figure(*drawn), np.float64)
    found = bootstrap.interval(value, values[np.isfinite(values)], len(clusters), *bounds)
    if isinstance(found, str):
        return ReaderAgreement(what, statistic, value, n, readers, why=found)
    return ReaderAgreement(what, statistic, value, n, readers, *found)
