"""Figures by group: of images, of what is asked about, of questions; and the groups that a model serves worst.

Groups are made by the truth alone, so that all models have the same answers in each. A way to group that gives one
group only is left out. Shapes: N answers, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap, console, subjects
from unveil.core.geometry import area
from unveil.core.grading import Case, Outcome
from unveil.core.measures import MEASURES
from unveil.core.records import Prediction
from unveil.evaluate.box_figures import SIZES
from unveil.evaluate.estimates import Array, Estimate, divided, estimate, plain
from unveil.evaluate.figures import Figures, Sure
from unveil.evaluate.report_tables import change, figure
from unveil.evaluate.sections.section import Answers, Scoring, Section
from unveil.evaluate.sums import Added

#: Measures whose worst groups are named: each is one ratio, and more of it is better.
MAIN = ("f1_50_named", "iou", "accuracy", "grounding_iou", "recognition", "question_accuracy", "closed", "choice")
#: Kinds of questions that are about findings with a place.
PLACED = ("detection", "localisation", "recognition", "diagnosis", "grounding")


class GroupedAnswer(NamedTuple):
    """An answer's outcome, the sizes of the findings that it is about, the data set of its image, and of its patient
    the sex and the band of age. These two stand in no file by answer."""

    outcome: Outcome
    sizes: tuple[str, ...]
    source: str
    sex: str
    band: str


#: The group of what nobody has told: it has figures, but is neither the worst nor the best one.
UNKNOWN = "unknown"
#: Ways to group in which it may be.
TOLD = ("modality", "sex", "age", "language")
#: Ways to group, each with the groups of an answer.
GROUPED: dict[str, Callable[[GroupedAnswer], Iterable[str]]] = {
    "modality": lambda kept: (kept.outcome.modality or UNKNOWN,),
    "label": lambda kept: kept.outcome.labels,
    "size": lambda kept: kept.sizes,
    "sex": lambda kept: (kept.sex,),
    "age": lambda kept: (kept.band,),
    "source": lambda kept: (kept.source,),
    "language": lambda kept: (kept.outcome.language or UNKNOWN,),
}
Groups = dict[str, dict[str, NDArray[np.bool_]]]


def keep(case: Case, prediction: Prediction) -> GroupedAnswer:
    """What groups need of an answer."""
    record = case.record
    band = UNKNOWN if record.age is None else subjects.band(record.age)
    return GroupedAnswer(case.outcome, _sizes(case), record.source.dataset, record.sex or UNKNOWN, band)


def _sizes(case: Case) -> tuple[str, ...]:
    """The sizes of the findings that a question is about, as of average precision: those of its names, each once."""
    if case.dialogue.kind not in PLACED:
        return ()
    whole, names = case.record.width * case.record.height, case.outcome.labels
    shares = [area(box) / whole for name, box in case.truth.findings if box and name in names]
    return tuple(sorted({next(size for size, (_, most) in SIZES.items() if share <= most) for share in shares}))


def summarise(answers: Answers[GroupedAnswer], scoring: Scoring) -> dict[str, Any] | None:
    """All metrics by group, of models and of their differences, and the worst group of each main measure.

    Only groups of ``least`` clusters and more may be the worst or the best.
    """
    rows = next(iter(answers.asked.values()), ())
    groups = _groups(rows)
    if not groups:
        return None
    tables = scoring.tables
    sure = Sure(scoring.resamples, scoring.seed)
    by = {
        way: {name: _figures(tables, chosen_N, scoring.pairs, sure) for name, chosen_N in of.items()}
        for way, of in groups.items()
    }
    return {"least": bootstrap.MANY, "by": by, "worst": _worst(tables, groups, by, scoring)}


def _groups(rows: Sequence[GroupedAnswer]) -> Groups:
    """Which answers are in which group, by the way of grouping; ways with several groups only."""
    found: Groups = {}
    for way, of in GROUPED.items():
        members: dict[str, list[int]] = {}
        for i, kept in enumerate(rows):
            for name in of(kept):
                members.setdefault(name, []).append(i)
        if len(members) > 1:
            found[way] = {name: np.isin(np.arange(len(rows)), at) for name, at in sorted(members.items())}
    return found


def _figures(
    tables: Mapping[str, Added], chosen_N: NDArray[np.bool_], pairs: Sequence[tuple[str, str]], sure: Sure
) -> dict[str, Figures]:
    """A group's figures of each model, and of the differences by both names."""
    sums = {model: table.sums(chosen_N) for model, table in tables.items()}
    models, apart = sure.compared(sums, pairs, empty=False, tested=False)
    differences: dict[str, Figures] = {b: {} for b, _ in pairs}
    for (b, a), figures in apart.items():
        differences[b][a] = figures
    return {"models": models, "differences": differences}


# ------------------------------------------------------------------------------------------------------ worst and best


@dataclass(frozen=True)
class Extremes:
    """A model's worst and best group by a measure and a way of grouping."""

    model: str
    metric: str
    way: str
    worst: str
    best: str
    n: int
    """Items in both."""


def _worst(tables: Mapping[str, Added], groups: Groups, by: Mapping[str, Any], scoring: Scoring) -> dict[str, Any]:
    """By model, measure and way of grouping: the worst group, the best one, and the gap between them."""
    found: dict[str, Any] = {model: {} for model in tables}
    extremes = list(_extremes(list(tables), by))
    for one, gap in zip(extremes, _gaps(tables, groups, extremes, scoring), strict=True):
        of = found[one.model].setdefault(one.metric, {})
        of[one.way] = {"worst": one.worst, "best": one.best, "gap": plain(gap)}
    return found


def _extremes(models: Sequence[str], by: Mapping[str, Any]) -> Iterator[Extremes]:
    for way, groups in by.items():
        for model in models:
            for metric in MAIN:
                known = {name: held for name, held in groups.items() if way not in TOLD or name != UNKNOWN}
                cells = dict(_able(known, model, metric))
                values = {name: cell["value"] for name, cell in cells.items()}
                if len(set(values.values())) > 1:
                    worst, best = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
                    n = cells[worst]["n"] + cells[best]["n"]
                    yield Extremes(model, metric, way, worst, best, n)


def _able(groups: Mapping[str, Any], model: str, metric: str) -> Iterator[tuple[str, Figures]]:
    """The groups with enough clusters behind a measure."""
    for name, held in groups.items():
        cell = held["models"][model].get(metric)
        if cell and cell.get("fewest", cell["clusters"]) >= bootstrap.MANY:
            yield name, cell


def _gaps(
    tables: Mapping[str, Added], groups: Groups, extremes: Sequence[Extremes], scoring: Scoring
) -> Iterator[Estimate]:
    """The best group less the worst, both drawn together, since patients may be in both."""
    held: list[Array] = []
    for one in extremes:
        for name in (one.best, one.worst):
            held += tables[one.model].of_ratio(one.metric, groups[one.way][name])
    if not held:
        return
    columns_CK = np.stack(held, axis=1)
    [drawn_BK] = bootstrap.resampled([columns_CK], scoring.resamples, scoring.seed)
    for i, one in enumerate(extremes):
        part = slice(4 * i, 4 * i + 4)
        value, values_B = (_apart(of[..., part]) for of in (columns_CK.sum(0), drawn_BK))
        counting_C2 = columns_CK[:, part][:, [1, 3]] > 0
        clusters, fewest = int(counting_C2.any(1).sum()), int(counting_C2.sum(0).min())
        yield estimate(float(value), values_B, one.n, clusters, fewest, lowest=-1.0)


def _apart(sums_X4: Array) -> Array:
    """A difference of two ratios from numerator and denominator of each."""
    return divided(sums_X4[..., 0], sums_X4[..., 1]) - divided(sums_X4[..., 2], sums_X4[..., 3])


# --------------------------------------------------------------------------------------------------------------- words


def shown(section: dict[str, Any]) -> None:
    """The worst group of the last model by each main measure, over all ways of grouping."""
    worst = list(section["worst"].items())
    model, measures = worst[-1] if worst else ("", {})
    rows = [_row(section, model, metric, ways) for metric, ways in measures.items()]
    if rows:
        console.table(f"Worst groups of {model}", ["", "worst", "value", "n", "best", "gap and 95 % interval"], rows)


def _row(section: Mapping[str, Any], model: str, metric: str, ways: Mapping[str, Any]) -> list[str]:
    def cell(way: str, name: str) -> Figures:
        found: Figures = section["by"][way][name]["models"][model][metric]
        return found

    way = min(ways, key=lambda way: cell(way, ways[way]["worst"])["value"])
    one, unit = ways[way], MEASURES[metric].unit
    lowest, gap = cell(way, one["worst"]), one["gap"]
    limits = "" if gap["low"] is None else f" [{change(gap['low'], unit)}, {change(gap['high'], unit)}]"
    return [
        MEASURES[metric].name,
        f"{one['worst']} ({way})",
        figure(lowest["value"], unit),
        str(lowest["n"]),
        f"{one['best']} {figure(cell(way, one['best'])['value'], unit)}",
        f"{change(gap['value'], unit)}{limits}",
    ]


SUBGROUPS: Section[GroupedAnswer] = Section(
    "subgroups", "By group", keep, summarise, "subgroups.html.j2", shown=shown, truth_alone=True
)
