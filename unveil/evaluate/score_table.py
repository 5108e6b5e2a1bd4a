"""Scores as the terminal shows them: a short table, and below it what the report says first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from unveil.core import console
from unveil.evaluate.changes import FAMILY, changes, headline
from unveil.evaluate.estimates import written
from unveil.evaluate.report_tables import chance
from unveil.evaluate.sections import SECTIONS

#: What the table shows, and what of it only where it was asked.
SHOWN = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "iou50": "IoU >= 0.5",
    "detection": "detection",
    "grounding_iou": "place for a phrase",
    "choice": "multiple choice",
    "choice_likelihood": "likeliest option",
    "report_rougeL": "reports, ROUGE-L",
    "report_found": "reports, findings named",
    "question_accuracy": "all questions",
    "parse_failures": "unparsable",
}
IF_ASKED = ("grounding_iou", "choice", "choice_likelihood", "report_rougeL", "report_found")


def show_scores(scores: dict[str, Any]) -> None:
    """The short table at the end: figures with 95 % intervals; of two models their difference, of more the differences
    from the second (the first being where all came from). Below it what the report says first."""
    names = list(scores["models"])
    (_show_many if len(names) > 2 else _show_few)(scores, names)
    for one in SECTIONS:
        if one.shown and one.name in scores.get("sections", {}):
            one.shown(scores["sections"][one.name])
    for told in (headline(changes(scores)), scores["bootstrap"].get("power"), scores["bootstrap"]["note"]):
        if told:
            console.say(told)


def show_two(scores: dict[str, Any]) -> None:
    """The table alone, of two models and their difference."""
    _show_few(scores, list(scores["models"]))


def _show_few(scores: dict[str, Any], names: Sequence[str]) -> None:
    first, last = names[0], names[-1]
    difference = scores["differences"].get(last, {}).get(first, {})
    rows = []
    for metric, title in _shown(scores, names, SHOWN).items():
        cells = [written(scores["models"][name]["metrics"].get(metric)) for name in names]
        apart = [written(difference.get(metric), signed=True), _chances(difference.get(metric))] if difference else []
        rows.append([title, _count(scores, names, metric), *cells, *apart])
    columns = ["", "n", *names, *([f"{last} - {first}", "p, Holm's p"] if difference else [])]
    console.table(f"{_splits(scores)}: value and 95 % interval", columns, rows)


def _show_many(scores: dict[str, Any], names: Sequence[str]) -> None:
    main = _shown(scores, names, ("accuracy", "iou", *IF_ASKED, "question_accuracy", "parse_failures"))
    titles = ["", *(f"{SHOWN[m]}\nn {_count(scores, names, m)}" for m in main)]
    models = [[name, *(written(scores["models"][name]["metrics"].get(m)) for m in main)] for name in names]
    console.table(f"{_splits(scores)}: value and 95 % interval", titles, models)
    second = names[1]
    apart = {name: scores["differences"].get(name, {}).get(second) for name in names[2:]}
    rows = [[n, *(f"{written(d.get(m), signed=True)}{_star(d.get(m))}" for m in main)] for n, d in apart.items() if d]
    console.table(f"Paired differences from {second} and 95 % interval; *: p <= 0.05 by Holm", titles, rows)


def _shown(scores: dict[str, Any], names: Sequence[str], metrics: Iterable[str]) -> dict[str, str]:
    """The titles of metrics, without those that are shown only where something of the kind was asked."""
    return {m: SHOWN[m] for m in metrics if m not in IF_ASKED or _count(scores, names, m) != "0"}


def _splits(scores: dict[str, Any]) -> str:
    """The splits that were asked about, in words."""
    names = [split or "none" for split in scores["splits"]]
    return f"{names[0].capitalize()} split" if len(names) == 1 else f"Splits {', '.join(names)}"


def _count(scores: dict[str, Any], names: Sequence[str], metric: str) -> str:
    """How many answers a metric is the mean of: the same ones for all models, since the truth alone decides it."""
    counted = sorted({scores["models"][name]["metrics"].get(metric, {}).get("n", 0) for name in names})
    return " to ".join(map(str, counted))


def _chances(difference: dict[str, Any] | None) -> str:
    """The p-value of a difference, and that among all metrics of the two models."""
    if not difference or "p" not in difference:
        return "-"
    return f"{chance(difference['p'])}, {chance(difference['p_holm'])}"


def _star(difference: dict[str, Any] | None) -> str:
    return "*" if difference and difference.get("p_holm", 1.0) <= FAMILY else ""
