"""``unveil study umed``, ``stllava`` and ``mmedpo``: the evaluations of three papers on a user's copies of the data.

Each is a chain of commands that can be typed, run in processes of their own with a log each. What is there already is
not made again, so that a study that was stopped goes on. A command that fails leaves out what needs it, and the page
says why; all others are run.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil.core import benchmarks as learning
from unveil.core import console, provenance
from unveil.core.bootstrap import RESAMPLES
from unveil.core.digests import about_run, folder_of
from unveil.core.files import write_text
from unveil.core.grading import Outcome
from unveil.core.records import RecordError
from unveil.core.untrusted import listed, read_json
from unveil.evaluate.benchmarks import results
from unveil.evaluate.metrics import met_by_place
from unveil.evaluate.report_tables import absent
from unveil.experts import options as experts
from unveil.ingest.reading import IngestError
from unveil.pipelines import commands as processes
from unveil.pipelines.benchmark_data import SetsFound, complete, sets_in
from unveil.pipelines.paper import FigureOf, Paper, PaperRun, PaperTable, TypedCommand, named
from unveil.pipelines.paper_mmedpo import MMEDPO
from unveil.pipelines.paper_stllava import STLLAVA_MED
from unveil.pipelines.paper_umed import UMED_LVLM

Fills = Mapping[str, Callable[[Path], tuple[str, ...]]]
PAPERS = {paper.name: paper for paper in (UMED_LVLM, STLLAVA_MED, MMEDPO)}


def redo(paper: Paper, data: Path, asked: PaperRun, dry_run: bool = False) -> Path:
    """Runs a paper's evaluation on the data sets below ``data``; returns study.json. Beside it stands study.md.

    What is missing or cannot be done is told before the first command. Raises ``IngestError`` where none of its data
    sets is there or one is there in part, what ``refuse`` raises, and ``DryRun`` after the commands were listed.
    """
    found = sets_in(data)
    places = {name: found.sets[name] for name in paper.sets if name in found.sets}
    if not places:
        there = listed(found.sets) or "no data set that is known"
        raise IngestError(f"{data}: {paper.title} is measured on {listed(paper.sets)}; in its folders is {there}")
    for name, place in places.items():
        complete(name, place)
    refuse(paper, asked)
    missing = [name for name in paper.sets if name not in places]
    commands = paper.commands(places, data, asked)
    idle = _left_out(commands, paper.idle(asked))
    todo = [command for command in commands if command.name not in idle]
    foretold(paper, data, found)
    for told in (*paper.notes(places), *(f"{name} is left out: {why}" for name, why in idle.items())):
        console.say(told)
    if dry_run:
        for command in todo:
            console.say(shlex.join(["unveil", *command.words]))
        raise provenance.DryRun(f"{len(todo)} commands; nothing was written")
    console.say(f"{len(todo)} commands, each with a log in {asked.out / 'logs'}")
    failed = {**idle, **run(todo, asked.out, paper.fills)}
    about = {
        "study": paper.name,
        "model": asked.model,
        "seed": asked.seed,
        "limit": asked.limit,
        "missing": missing,
        "failed": failed,
        "cannot": list(paper.cannot),
        "tables": [compared(table, asked.out, paper.fills, failed) for table in paper.tables],
        "by_place": by_place(asked.out) if paper is UMED_LVLM else [],
        "versions": provenance.versions(),
    }
    path = provenance.write_json(asked.out / "study.json", about)
    page = text(paper, about)
    console.say(page)
    console.made("page", write_text(asked.out / "study.md", page))
    return path


def refuse(paper: Paper, asked: PaperRun) -> None:
    """Raises ``ModelError``, ``ExpertError`` or ``GateError`` where model or expert cannot be had, and ``RecordError``
    where the model has learnt what it is to be measured by; else every command of a chain would say so in its turn."""
    from unveil.vlm import models

    experts.refuse_unreachable(asked.asked)
    models.chat_of(asked.model)
    known = learning.of_run(about_run(folder_of(asked.model) / "run.json"))
    learnt = {name: n for name, n in known.items() if name in paper.sets}
    if learnt and not asked.allow_benchmark_test:
        raise RecordError(
            f"{asked.model} has learnt from {learning.told(learnt)}: {learning.WORTHLESS}; --allow-benchmark-test "
            "redoes the study all the same"
        )


def foretold(paper: Paper, data: Path, found: SetsFound) -> None:
    """Tells on which data a study will be made, and on which not and why."""
    console.say(f"{paper.title} on the data sets below {data}:")
    for name in paper.sets:
        lacks = f"not there, left out; `unveil datasets {name}` says which files it is known by"
        console.say(f"  {name:<17}{found.sets.get(name, lacks)}")
    if any(name not in found.sets for name in paper.sets):
        for name, why in found.others.items():
            console.say(f"  {data / name} is none of them: {why}")


# -------------------------------------------------------------------------------------------------------- the commands


def run(commands: Sequence[TypedCommand], out: Path, fills: Fills) -> dict[str, str]:
    """Runs all commands in order; returns those that failed or were left out, and why."""
    failed: dict[str, str] = {}
    with console.progress("study", len(commands)) as advance:
        for command in commands:
            if not _left_out([command], failed) and (why := _run(command, out, fills)):
                failed[command.name] = why
                console.say(f"{command.name} is left out: {why}")
            failed |= _left_out([command], failed)
            advance()
    return failed


def _left_out(commands: Sequence[TypedCommand], failed: Mapping[str, str]) -> dict[str, str]:
    """Of the commands those that have failed and those that need one of these, and why; in order."""
    found = dict(failed)
    for command in commands:
        lacking = [name for name in command.after if name in found]
        if lacking and command.name not in found:
            found[command.name] = f"needs {', '.join(lacking)}"
    return {command.name: found[command.name] for command in commands if command.name in found}


def _run(command: TypedCommand, out: Path, fills: Fills) -> str:
    """Runs a command; why it failed, or "" where it did not."""
    words = [part for word in command.words for part in (fills[word](out) if word in fills else (word,))]
    log = out / "logs" / f"{command.name}.log"
    console.say(f"{command.name}: {log}")
    ended = processes.run(words, log)
    # `unveil check` has dealt a split although something else is amiss, which it tells by its code
    fit = command.words[0] == "check" and ended.code == 1 and "new split in" in ended.said
    if not ended.code or fit:
        return ""
    return ended.error or f"it ended with {ended.code}; the end of {log} says why"


# --------------------------------------------------------------------------------------------------------- the figures


def compared(table: PaperTable, out: Path, fills: Fills, failed: Collection[str] = ()) -> dict[str, Any]:
    """A table of the paper with ours beside: a figure of ours has value, interval and n, or is None where its run is
    not there, or ``failed`` names the command: what lies there then is of another run."""
    rows = {}
    for name in dict.fromkeys([*table.ours, *table.paper]):
        reads = table.ours.get(name, {}).items()
        ours = {column: figure(read, out, fills) for column, read in reads if named(read.folder) not in failed}
        rows[name] = {
            column: {"paper": table.paper.get(name, {}).get(column), "ours": _scaled(ours.get(column), table.scale)}
            for column in table.columns
        }
    digits = 2 if table.scale == 1 else 1
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "digits": digits}


def _scaled(found: Mapping[str, Any] | None, scale: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {n: v * scale if n in ("value", "low", "high") and v is not None else v for n, v in found.items()}


def figure(read: FigureOf, out: Path, fills: Fills) -> dict[str, Any] | None:
    """A figure of a benchmark's run; None where there is no such run, or no such group in it."""
    folder = out / read.folder
    if not (folder / "benchmark.json").is_file():
        return None
    about = read_json(folder / "benchmark.json", lenient=True)
    if read.labels:
        names = set(fills[read.labels](out))
        return _drawn([row for row in _answers(folder) if names & set(row.labels)], read.metric)
    if read.group:
        groups: Mapping[str, Any] = {"mean": about["groups"]["mean"], **about["groups"]["of"]}
        return groups.get(read.group)
    own: dict[str, Any] | None = about["published" if read.published else "metrics"].get(read.metric)
    return own


def _drawn(rows: Sequence[Outcome], metric: str) -> dict[str, Any]:
    """A metric of some answers with its interval."""
    found: dict[str, Any] = results.Bootstrap(RESAMPLES, 0).figures([metric], rows)[metric]
    return found


def _answers(folder: Path) -> list[Outcome]:
    [rows] = results.outcomes(folder / "scores").values()
    return rows


def by_place(out: Path) -> list[dict[str, Any]]:
    """How often names are right, by the IoU of the place, of fine-tuning and of rewards."""
    models = {"SFT": "sft-measured", "UMed-LVLM": "aar-measured"}
    there = {name: out / folder for name, folder in models.items() if (out / folder / "benchmark.json").is_file()}
    rows: dict[str, dict[str, Any]] = {}
    for name, folder in there.items():
        for place, met in met_by_place(_answers(folder)):
            rows.setdefault(place, {"place": place})[name] = _drawn(met, "accuracy")
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
        lines += [f"## {table['title']}", ""]
        if not any(cell["ours"] for cells in table["rows"].values() for cell in cells.values()):
            lines += ["None of it was measured; the paper's figures stand in study.json.", ""]
            continue
        lines.append(f"| | {' | '.join(table['columns'])} |")
        lines += [f"|---|{'---|' * len(table['columns'])}"]
        for name, cells in table["rows"].items():
            lines.append(
                f"| {name} | {' | '.join(_cell(cells[column], table['digits']) for column in table['columns'])} |"
            )
        lines += ["", *_unmeasured(table)]
    lines += _places(about["by_place"])
    if about["failed"]:
        lines += ["## Left out", "", *(f"- {name}: {why}" for name, why in about["failed"].items()), ""]
    lines += ["## What cannot be redone as it was", "", *(f"- {sentence}" for sentence in about["cannot"])]
    return "\n".join(lines) + "\n"


def _cell(both: Mapping[str, Any], digits: int) -> str:
    paper = "–" if both["paper"] is None else f"{both['paper']:g}"
    return f"{paper} / {_ours(both['ours'], digits)}"


def _unmeasured(table: Mapping[str, Any]) -> list[str]:
    """Why figures of ours have no value though their benchmark was run, a paragraph for each reason."""
    why: dict[str, list[str]] = {}
    for column in table["columns"]:
        for cells in table["rows"].values():
            ours = cells[column]["ours"]
            if ours is not None and ours["value"] is None and ours["reason"]:
                why.setdefault(absent(ours), []).append(column)
    return [line for reason, of in why.items() for line in (f"{listed(dict.fromkeys(of))}: {reason}.", "")]


def _ours(found: Mapping[str, Any] | None, digits: int = 2) -> str:
    if found is None or found["value"] is None:
        return "–"
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
        lines.append(f"| {row['place']} | {' | '.join(_ours(row[name]) for name in names)} |")
    return [*lines, "", "The paper finds that accuracy rises with the IoU and saturates near 0.6.", ""]
