"""``unveil study umed``, ``stllava`` and ``mmedpo``: the evaluations of three papers on a user's copies of the data.

Each is a chain of commands that can be typed, run in processes of their own with a log each. What is there already is
not made again, so that a study that was stopped goes on. A command that fails leaves out what needs it, and the page
says why; all others are run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil.core import console, provenance
from unveil.core.files import write_text
from unveil.core.grading import Outcome
from unveil.core.records import RecordError
from unveil.core.untrusted import listed, read_json
from unveil.evaluate.benchmarks import results
from unveil.evaluate.metrics import named_by_place
from unveil.ingest.reading import IngestError
from unveil.pipelines.benchmark_data import sets_in
from unveil.pipelines.paper import FigureOf, Paper, PaperRun, PaperTable, TypedCommand
from unveil.pipelines.paper_mmedpo import MMEDPO
from unveil.pipelines.paper_stllava import STLLAVA_MED
from unveil.pipelines.paper_umed import UMED_LVLM

PAPERS = {paper.name: paper for paper in (UMED_LVLM, STLLAVA_MED, MMEDPO)}


def redo(paper: Paper, data: Path, asked: PaperRun, dry_run: bool = False) -> Path:
    """Runs a paper's evaluation on the data sets below ``data``; returns study.json. Beside it stands study.md.

    Raises ``IngestError`` where none of its data sets is there, ``DryRun`` after the commands were listed.
    """
    found = sets_in(data).sets
    places = {name: found[name] for name in paper.sets if name in found}
    if not places:
        there = listed(found) or "no data set that is known"
        raise IngestError(f"{data}: {paper.title} is measured on {listed(paper.sets)}; in its folders is {there}")
    missing = [name for name in paper.sets if name not in places]
    commands = paper.commands(places, data, asked)
    if dry_run:
        for command in commands:
            console.say(shlex.join(["unveil", *command.words]))
        raise provenance.DryRun(f"{len(commands)} commands; nothing was written")
    failed = run(commands, asked.out, paper.fills)
    about = {
        "study": paper.name,
        "model": asked.model,
        "seed": asked.seed,
        "limit": asked.limit,
        "missing": missing,
        "failed": failed,
        "cannot": list(paper.cannot),
        "tables": [compared(table, asked.out, paper.fills) for table in paper.tables],
        "by_place": by_place(asked.out) if paper is UMED_LVLM else [],
        "versions": provenance.versions(),
    }
    path = provenance.write_json(asked.out / "study.json", about)
    page = text(paper, about)
    write_text(asked.out / "study.md", page)
    console.say(page)
    return path


# -------------------------------------------------------------------------------------------------------- the commands


def run(
    commands: Sequence[TypedCommand], out: Path, fills: Mapping[str, Callable[[Path], tuple[str, ...]]]
) -> dict[str, str]:
    """Runs all commands in order; returns those that failed or were left out, and why."""
    failed: dict[str, str] = {}
    with console.progress("study", len(commands)) as advance:
        for command in commands:
            lacking = [name for name in command.after if name in failed]
            if lacking:
                failed[command.name] = f"needs {', '.join(lacking)}"
            elif why := _run(command, out, fills):
                failed[command.name] = why
                console.say(f"{command.name} is left out: {why}")
            advance()
    return failed


def _run(command: TypedCommand, out: Path, fills: Mapping[str, Callable[[Path], tuple[str, ...]]]) -> str:
    """Runs a command in a process of its own; why it failed, or "" where it did not."""
    words = [part for word in command.words for part in (fills[word](out) if word in fills else (word,))]
    log = out / "logs" / f"{command.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    console.say(f"{command.name}: {log}")
    with log.open("a") as told:
        started = told.tell()
        done = subprocess.run(
            [sys.executable, "-m", "unveil", *words], stdout=told, stderr=told, env=dict(os.environ), check=False
        )
    if not done.returncode or _fit(command, done.returncode, log, started):
        return ""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(started)
        said = [line.strip() for line in lines if line.startswith("error: ")]
    return said[-1].removeprefix("error: ") if said else f"it ended with {done.returncode}; the end of {log} says why"


def _fit(command: TypedCommand, code: int, log: Path, started: int) -> bool:
    """Whether `unveil check` has dealt a split although something else is amiss, which it tells by its code."""
    if command.words[0] != "check" or code != 1:
        return False
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(started)
        return "new split in" in lines.read()


# --------------------------------------------------------------------------------------------------------- the figures


def compared(table: PaperTable, out: Path, fills: Mapping[str, Callable[[Path], tuple[str, ...]]]) -> dict[str, Any]:
    """A table of the paper with ours beside: a figure of ours has value, interval and n, or is None where its run is
    not there."""
    rows = {}
    for name in dict.fromkeys([*table.ours, *table.paper]):
        ours = {column: figure(read, out, fills) for column, read in table.ours.get(name, {}).items()}
        rows[name] = {
            column: {"paper": table.paper.get(name, {}).get(column), "ours": _scaled(ours.get(column), table.scale)}
            for column in table.columns
        }
    return {"title": table.title, "columns": list(table.columns), "rows": rows}


def _scaled(found: Mapping[str, Any] | None, scale: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {n: v * scale if n in ("value", "low", "high") and v is not None else v for n, v in found.items()}


def figure(read: FigureOf, out: Path, fills: Mapping[str, Callable[[Path], tuple[str, ...]]]) -> dict[str, Any] | None:
    """A figure of a benchmark's run; None where there is no such run, or no such group in it."""
    folder = out / read.folder
    if not (folder / "benchmark.json").is_file():
        return None
    about = read_json(folder / "benchmark.json", lenient=True)
    if read.labels:
        names = set(fills[read.labels](out))
        rows = [row for row in _answers(folder) if names & set(row.labels)]
        found: dict[str, Any] = results.Bootstrap(2000, 0).figures([read.metric], rows)[read.metric]
        return found
    if read.group == "mean":
        return {"value": about["groups"]["mean"], "low": None, "high": None, "n": about["questions"], "reason": "mean"}
    of = about["groups"]["of"] if read.group else about["metrics"]
    return of.get(read.group or read.metric)  # type: ignore[no-any-return]


def _answers(folder: Path) -> list[Outcome]:
    [rows] = results.outcomes(folder / "scores").values()
    return rows


def by_place(out: Path) -> list[dict[str, Any]]:
    """How often names are right, by the IoU of the place, of fine-tuning and of rewards."""
    models = {"SFT": "sft-measured", "UMed-LVLM": "aar-measured"}
    there = {name: out / folder for name, folder in models.items() if (out / folder / "benchmark.json").is_file()}
    rows: dict[str, dict[str, Any]] = {}
    for name, folder in there.items():
        for place, right in named_by_place(_answers(folder)):
            share = sum(right) / len(right) if right else None
            rows.setdefault(place, {"place": place})[name] = {"share": share, "n": len(right)}
    return list(rows.values())


# ------------------------------------------------------------------------------------------------------------ the page


def text(paper: Paper, about: Mapping[str, Any]) -> str:
    """The study as a page of Markdown."""
    lines = [f"# {paper.title}: its evaluation, redone", ""]
    lines += [f"Model `{about['model']}`, seed {about['seed']}. In each cell: the paper's figure / ours with the 95 %"]
    lines += ["interval over patients, or over images where nobody tells patients, and n.", ""]
    if about["limit"] is not None:
        lines += [f"**A trial: at most {about['limit']} questions of each benchmark were asked.**", ""]
    if about["missing"]:
        lines += [f"**Data sets that were not there: {', '.join(about['missing'])}.**", ""]
    for table in about["tables"]:
        lines += [f"## {table['title']}", "", f"| | {' | '.join(table['columns'])} |"]
        lines += [f"|---|{'---|' * len(table['columns'])}"]
        for name, cells in table["rows"].items():
            lines.append(f"| {name} | {' | '.join(_cell(cells[column]) for column in table['columns'])} |")
        lines.append("")
    lines += _places(about["by_place"])
    if about["failed"]:
        lines += ["## Left out", "", *(f"- {name}: {why}" for name, why in about["failed"].items()), ""]
    lines += ["## What cannot be redone as it was", "", *(f"- {sentence}" for sentence in about["cannot"])]
    return "\n".join(lines) + "\n"


def _cell(both: Mapping[str, Any]) -> str:
    paper = "–" if both["paper"] is None else f"{both['paper']:g}"
    return f"{paper} / {_ours(both['ours'])}"


def _ours(found: Mapping[str, Any] | None) -> str:
    if found is None or found["value"] is None:
        return "–"
    digits = 1 if max(abs(found["value"]), abs(found["high"] or 0)) > 1 else 2
    spread = "" if found["low"] is None else f" [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
    return f"{found['value']:.{digits}f}{spread} (n {found['n']})"


def _places(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    names = [name for name in rows[0] if name != "place"]
    lines = [
        "## Right names by the IoU of the place",
        "",
        f"| IoU | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for row in rows:
        cells = [row[name] for name in names]
        said = [f"{cell['share']:.2f} (n {cell['n']})" if cell["share"] is not None else "–" for cell in cells]
        lines.append(f"| {row['place']} | {' | '.join(said)} |")
    return [*lines, "", "The paper finds that accuracy rises with the IoU and saturates near 0.6.", ""]


def refuse(name: str, data: Path | None) -> Path:
    """The folder of the data; raises ``RecordError`` where none is named."""
    if data is None:
        raise RecordError(f"study {name}: --data is needed, the folder whose folders hold {listed(PAPERS[name].sets)}")
    return data
