"""The page of one or of all benchmarks that a model was measured by, and the same in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from unveil.core import benchmarks as learning
from unveil.core import console
from unveil.core.files import write_text
from unveil.evaluate.benchmarks import BENCHMARKS
from unveil.evaluate.benchmarks.results import TITLES, cell
from unveil.ingest.formats import FORMATS

Row = Mapping[str, Any]


def write(rows: Sequence[Row], left: Mapping[str, str], out: Path) -> Path:
    """``benchmark.html``, one page that loads nothing; ``left`` are the benchmarks and folders that were left out."""
    loader = ChoiceLoader([PackageLoader("unveil.pipelines", ""), PackageLoader("unveil.evaluate", "")])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(cell=cell, titles=TITLES)
    template = environment.get_template("benchmark.html.j2")
    shown = [{**row, "about": BENCHMARKS[row["benchmark"]], "sets": _sets(row["benchmark"])} for row in rows]
    models = sorted({row["model"] for row in rows})
    return write_text(
        out / "benchmark.html", template.render(rows=shown, left=left, models=models, doubts=_doubted(rows))
    )


def _sets(benchmark: str) -> list[Any]:
    return [about for name in BENCHMARKS[benchmark].sets if (about := FORMATS[name].about)]


def doubts(row: Row) -> list[str]:
    """What a reader has to know before the figures of a run are believed, a sentence each."""
    told = []
    if row["limit"] is not None:
        told.append(f"At most {row['limit']} questions were asked: this is no benchmark figure.")
    elif row["size"] and row["questions"] < row["size"]:
        told.append(
            f"{row['questions']} of the {row['size']} published questions were asked: figures of a part cannot be "
            "compared with published ones."
        )
    if row["missing"]:
        told.append(f"Data sets that were not there: {', '.join(row['missing'])}.")
    if row["learnt"]:
        told.append(f"The model has learnt from {learning.told(row['learnt'])}: {learning.WORTHLESS}.")
    elif row["trained_here"]:
        told.append("By its run.json the model has learnt from none of the test images: all are new to it.")
    else:
        told.append("Whether the model has seen test images is not known: it was trained elsewhere.")
    if row["dealt"]:
        told.append(f"No split is published, so that a fifth was dealt here: {', '.join(row['dealt'])}.")
    if not row["patients_known"]:
        told.append("Nobody tells the patients: intervals are over images, and may be too narrow.")
    return told


def show(rows: Sequence[Row]) -> None:
    """The figures in the terminal."""
    lines = []
    for row in rows:
        for number, (metric, figure) in enumerate(row["metrics"].items()):
            apart = row["unseen"].get("metrics")
            name = BENCHMARKS[row["benchmark"]].title if not number else ""
            alone = "the same" if apart is None else cell(apart.get(metric))
            lines.append([name, TITLES[metric], str(figure["n"]), cell(figure), alone])
    console.table("Value and 95 % interval", ["benchmark", "metric", "n", "test split", "not in training"], lines)
    for told, titles in _doubted(rows).items():
        whose = f"{'All' if len(titles) == len(rows) else ', '.join(titles)}: " if len(rows) > 1 else ""
        console.say(whose + told)


def _doubted(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Each doubt once, with the titles of the benchmarks that it is about."""
    whose: dict[str, list[str]] = {}
    for row in rows:
        for told in doubts(row):
            whose.setdefault(told, []).append(BENCHMARKS[row["benchmark"]].title)
    return whose
