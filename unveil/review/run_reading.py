"""One run as its folder tells it: how it stands, what it was told to do, what has come out so far.

A run is what `unveil run` or a training command has made, is making or has begun to make. What cannot be read is told
in words and hides nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Literal

from unveil.core import making
from unveil.core.provenance import flat, lasting
from unveil.core.run_folder import USUAL
from unveil.core.untrusted import JsonError, parse_json, shortened
from unveil.review import inside
from unveil.review.run_logs import number

State = Literal["running", "finished", "stopped", "failed", "killed", "unknown"]
#: What of a run's folder tells that something has changed.
TOLD_BY = (".begun.json", ".ended.json", ".stop.json", "run.json", "summary.json", "scores.json", "report.html")
LOG = "metrics.jsonl"
SAMPLES = "samples.jsonl"
#: A model's answers in a run, to the questions of validation and of the test split.
ANSWERS = ("validation.jsonl", "predictions.jsonl")
#: Bytes at the end of a log in which its last figures are looked for, and lines; training ends with a validation.
TAIL = 2**14
LAST_LINES = 4
#: Which figures of training the table knows.
WATCHED = ("step", "loss", "val_loss", "reward", "val_score")
#: Folders of a run that are looked at.
MOST_PARTS = 100


@dataclass(frozen=True)
class RunPart:
    """A model of a run: its folder, by its name in the run's; "" is the run's own folder."""

    name: str
    files: frozenset[str]
    at_work: str = ""
    """The command that is at work there now."""
    last: Mapping[str, float] = field(default_factory=dict)
    """The last values in the log of its training, of ``WATCHED``."""


@dataclass(frozen=True)
class FoundRun:
    """What is known of a run."""

    folder: PurePosixPath
    """Its place below the folder that is shown."""
    command: str = ""
    state: State = "unknown"
    who: Mapping[str, str] = field(default_factory=dict)
    """Who makes it, as a request to stop names them (``making.WHO``)."""
    began: str | None = None
    ended: str | None = None
    seconds: float | None = None
    why: str = ""
    """Why it was given up."""
    error: str = ""
    """The kind of error that it was given up for; none where somebody ended it."""
    asked_to_stop: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of each model its figures with intervals, as scores.json has them."""
    parts: tuple[RunPart, ...] = ()
    report: bool = False
    problems: tuple[str, ...] = ()
    """What cannot be read, and why."""

    def problem(self, name: str, error: Exception) -> FoundRun:
        return replace(self, problems=(*self.problems, f"{name} cannot be read: {_said(error)}"))


def is_run(root: Path, folder: PurePosixPath) -> bool | None:
    """Whether a folder is that of a run; None where another command has made it, so that there is none in it either.

    A run.json that cannot be read may be that of a run.
    """
    there = set()
    for name in (*TOLD_BY, LOG):
        try:
            os.lstat(root / folder / name)
            there.add(name)
        except OSError:
            continue
    for name in (".begun.json", ".ended.json", "run.json"):
        if name in there:
            try:
                command = _object(root, folder / name).get("command")
            except (OSError, ValueError):
                return True
            return True if _is_training(command) else False if command in ("study", None) else None
    return LOG in there


def _is_training(command: Any) -> bool:
    return isinstance(command, str) and (command in ("run", "demo") or command.startswith("train "))


def signature(root: Path, folder: PurePosixPath) -> tuple[Any, ...]:
    """What changes when a run that is not being made does."""
    return tuple(_stat(root / folder / name) for name in (*TOLD_BY, LOG))


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def read_run(root: Path, folder: PurePosixPath) -> FoundRun:
    """All that is told of a run; never raises for what its files hold."""
    found = FoundRun(folder)
    try:
        there = frozenset(entry.name for entry in inside.entries(root, folder, 10_000))
    except OSError as error:
        return found.problem("the folder", error)
    found = _stands(root, found, there)
    found = replace(found, report="report.html" in there, asked_to_stop=".stop.json" in there)
    found = _parts(root, found, there)
    return _figures(root, found, there)


# ------------------------------------------------------------------------------------------------------- how it stands


def _stands(root: Path, found: FoundRun, there: frozenset[str]) -> FoundRun:
    try:
        held = ".lock" in there and making.is_held(root / found.folder / ".lock")
    except OSError as error:
        held, found = False, found.problem(".lock", error)
    for name in (".ended.json", ".begun.json", "run.json"):
        if name not in there or (held and name == ".ended.json"):
            continue
        try:
            about = _object(root, found.folder / name)
            found = _told(found, about)
        except (OSError, ValueError) as error:
            found = found.problem(name, error)
            continue
        return replace(found, state=_state(name, about, held))
    return replace(found, state="running" if held else "unknown")


def _state(name: str, about: Mapping[str, Any], held: bool) -> State:
    if held:
        return "running"
    if name == ".ended.json":
        return "stopped" if about.get("how") == "stopped" else "failed"
    if name == ".begun.json":
        return "killed"
    return "finished" if "finished" in about else "unknown"


def _told(found: FoundRun, about: Mapping[str, Any]) -> FoundRun:
    """What a run.json, or one of a run that is not made yet, tells; raises ``JsonError`` where it is none."""
    config = about.get("config")
    if not isinstance(config, dict) or not isinstance(about.get("command"), str):
        raise JsonError("it is none that unveil has written")
    who = {name: str(about[name]) for name in making.WHO if name in about}
    return replace(
        found,
        command=about["command"],
        who=who if len(who) == len(making.WHO) else {},
        began=_text(about.get("begun")),
        ended=_text(about.get("finished") or about.get("ended")),
        seconds=number(about.get("seconds")),
        why=_text(about.get("why")) or "",
        error="" if about.get("how") == "stopped" else _text(about.get("error")) or "",
        settings=_settings(config, about),
    )


def _settings(config: dict[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """What makes it another run than others: its settings, the versions it ran with, the content of what it read."""
    out = {name: _plain(value) for name, value in flat(lasting(config)).items()}
    for title, prefix, most in (("versions", "version of ", 80), ("inputs", "content of ", 8)):
        values = about.get(title)
        for name, value in values.items() if isinstance(values, dict) else ():
            out[f"{prefix}{PurePath(str(name)).name}"] = str(value)[:most]
    return out


def _plain(value: Any) -> Any:
    """A setting as a table shows it; a path of this machine by its name alone."""
    if isinstance(value, list):
        return ", ".join(str(_plain(one)) for one in value) or "none"
    if isinstance(value, str):
        path = PurePath(value)
        return shortened(path.name if path.is_absolute() or path.parts[:1] in (("..",), ("~",)) else value)
    return value if value is None or isinstance(value, bool | int | float) else shortened(json.dumps(value))


# ---------------------------------------------------------------------------------------------------- what has come out


def _parts(root: Path, found: FoundRun, there: frozenset[str]) -> FoundRun:
    """The models of a run: the one that all came from, the fine-tuned one, then others by the age of their files."""
    own = [_part(root, found.folder, "", there)] if LOG in there else []
    inner: list[tuple[int, str, frozenset[str]]] = []
    for entry in inside.entries(root, found.folder, 10_000):
        if len(inner) < MOST_PARTS and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            try:
                files = frozenset(file.name for file in inside.entries(root, found.folder / entry.name, 10_000))
            except OSError as error:
                found = found.problem(entry.name, error)
                continue
            if files & {LOG, *ANSWERS, ".begun.json"} or any(name.endswith("begun.json") for name in files):
                inner.append((_age(root, found.folder / entry.name, files), entry.name, files))
    first = ("base", USUAL)
    inner.sort(key=lambda one: (one[1] not in first, one[1] if one[1] in first else "", one[:2]))
    parts = [_part(root, found.folder, name, files) for _, name, files in inner]
    return replace(found, parts=(*own, *parts))


def _age(root: Path, folder: PurePosixPath, files: frozenset[str]) -> int:
    """When the first of a model's log and answers was last written."""
    times = [about[0] for name in files & {LOG, *ANSWERS} if (about := _stat(root / folder / name))]
    return min(times, default=2**63)


def _part(root: Path, folder: PurePosixPath, name: str, files: frozenset[str]) -> RunPart:
    where = folder / name
    at_work = ""
    for begun in sorted(file for file in files if name and file.startswith(".") and file.endswith("begun.json")):
        try:
            if making.is_held(root / where / f"{begun.removesuffix('begun.json')}lock"):
                at_work = str(_object(root, where / begun).get("command", ""))
        except (OSError, ValueError):  # it has just ended, or is not to be read: nothing is at work that can be told
            continue
    return RunPart(name, files, at_work, _last(root, where / LOG) if LOG in files else {})


def _last(root: Path, log: PurePosixPath) -> dict[str, float]:
    """The last values of figures at the end of a log; half a line is none."""
    try:
        with os.fdopen(inside.opened(root, log), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            lines = file.read(TAIL).split(b"\n")
    except (OSError, ValueError):
        return {}
    found: dict[str, float] = {}
    for line in lines[1 if size > TAIL else 0 : -1][-LAST_LINES:]:
        try:
            row = parse_json(line, lenient=True)
        except JsonError:
            continue
        if isinstance(row, dict):
            found |= {name: value for name in WATCHED if (value := number(row.get(name))) is not None}
    return found


def _figures(root: Path, found: FoundRun, there: frozenset[str]) -> FoundRun:
    """From summary.json, which is small, or else from scores.json."""
    for name in ("summary.json", "scores.json"):
        if name not in there:
            continue
        try:
            value = _object(root, found.folder / name)
            models = value if name == "summary.json" else _models(value)
            cells = {model: _cells(of) for model, of in models.items()}
            return replace(found, figures={model: of for model, of in cells.items() if of})
        except (OSError, ValueError) as error:
            found = found.problem(name, error)
    return found


def scores(root: Path, folder: PurePosixPath) -> dict[str, dict[str, Any]]:
    """Of each model all figures with intervals. Raises ``OSError`` and ``ValueError``."""
    models = _models(_object(root, folder / "scores.json"))
    return {model: _cells(of) for model, of in models.items()}


def _models(value: Mapping[str, Any]) -> dict[str, Any]:
    models = value.get("models")
    if not isinstance(models, dict):
        raise JsonError("it has no models")
    return {name: of.get("metrics") for name, of in models.items() if isinstance(of, dict)}


def _cells(metrics: Any) -> dict[str, Any]:
    """The figures that can be shown: values with, where they are known, their interval and number of items."""
    out = {}
    for name, cell in metrics.items() if isinstance(metrics, dict) else ():
        if isinstance(cell, dict) and _is_number(cell.get("value")):
            out[name] = {key: cell[key] for key in ("value", "low", "high", "n") if _is_number(cell.get(key))}
    return out


# ---------------------------------------------------------------------------------------------------------------- small


def _object(root: Path, name: PurePosixPath) -> dict[str, Any]:
    value = parse_json(inside.read(root, name), lenient=True)
    if not isinstance(value, dict):
        raise JsonError("it is no object")
    return value


def _is_number(value: Any) -> bool:
    return number(value) is not None


def _text(value: Any) -> str | None:
    return shortened(value, 400) if isinstance(value, str) else None


def _said(error: Exception) -> str:
    """Why a file cannot be read, without its place on this machine."""
    return (
        (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else shortened(str(error), 200)
    )
