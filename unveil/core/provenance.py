"""What a stage leaves beside its output so that it can be repeated, and so that nothing is written over unasked.

Beside an output stands its ``run.json``: command, configuration, seed, versions, digests of the inputs. By it
``output`` knows what is there already, and refuses to write over what was made otherwise, or what another process is
making.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import console, files, making, registry
from unveil.core.digests import TAKEN, Input, about_run, digests
from unveil.core.files import WriteError, said, tidy


class DryRun(Exception):
    """A run that was to do nothing but tell what it would do has done so; not an error."""


class OutputError(ValueError):
    """An output that is not to be written over, or that another process is making; the message says what to do."""


#: Fields of a configuration that change how a run goes on, or where to, but not what comes out.
PASSING = frozenset(
    {"resume", "restart", "workers", "trackers", "cache_mb", "features", "keep_checkpoints", "checkpoint_every"}
    | {"out", "json", "resplit", "dry_run", "device_type"}
)
#: The same of the options that say who is asked.
PASSING_OF_ASKING = frozenset(
    {
        "server",
        "key_variable",
        "allow_remote",
        "dry_run",
        "names",
        "identifiers",
        "texts_reviewed",
        "pixels_reviewed",
        "concurrency",
        "retries",
        "timeout",
    }
    | {"replies", "budget", "budget_tokens", "price_in", "price_out"}
)
PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "safetensors",
)


def plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return values


def defaults(config: Any) -> dict[str, Any]:
    """The defaults of a configuration's settings as JSON values, of those that have one."""
    found = {}
    for field in dataclasses.fields(config):
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            found[field.name] = field.default
    values: dict[str, Any] = json.loads(json.dumps(found, default=_plain))
    return values


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def lasting(config: Mapping[str, Any], passing: Collection[str] = ()) -> dict[str, Any]:
    """What of a configuration (as JSON values) makes it another run if it changes; ``passing`` does not either."""
    out = {name: value for name, value in config.items() if name not in PASSING and name not in passing}
    for name in ("asked", "judge", "generate"):
        if isinstance(inner := out.get(name), dict):
            out[name] = {key: value for key, value in inner.items() if key not in PASSING_OF_ASKING}
    return out


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration (as JSON values) with options within options under joined names."""
    out: dict[str, Any] = {}
    for name, value in config.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return out


def changed(name: str, before: Any, now: Any) -> str:
    """How a setting differs, in words: "epochs 1 -> 2"."""
    return f"{name} {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_short, value)) or "none"
    text = "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"…{text[-79:]}"


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of those that results depend on."""
    out = {"python": sys.version.split()[0], "platform": f"{platform.system()} {platform.machine()}"}
    out["unveil"] = __version__
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON for people to read, all or nothing."""
    return files.write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


# ------------------------------------------------------------------------------------------------------------- outputs


def is_first() -> bool:
    """Whether this process is the first of those that work together (`torchrun`, `accelerate launch`), or alone."""
    return os.environ.get("RANK", "0") == "0"


@dataclass(frozen=True)
class Output:
    """An output that is being made: by which command, with which settings, from which inputs (their digests)."""

    file: Path
    """Its run.json."""
    command: str
    config: Any
    inputs: dict[str, str]
    started: float

    @property
    def begun(self) -> Path:
        """What says, until run.json is written, that it is being made, or that a killed process has begun to."""
        return making.beside(self.file, "begun.json")

    @property
    def lock(self) -> Path:
        return making.beside(self.file, "lock")

    def write(self, **more: Any) -> Path:
        """Writes run.json, by which the output counts as made; ``more`` is what else is worth knowing.

        Of processes that work together the first one writes it.
        """
        if not is_first():
            return self.file
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self.file, self._about() | {"finished": finished, "seconds": self.seconds, **more})
        self.begun.unlink(missing_ok=True)
        return self.file

    def begin(self) -> None:
        for old in ("ended.json", "stop.json"):
            making.beside(self.file, old).unlink(missing_ok=True)
        who = {"by": f"process {os.getpid()} on {socket.gethostname()}", "begun": making.now()}
        write_json(self.begun, self._about() | who)

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.started, 1)

    def _about(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "config": plain(self.config),
            "seed": getattr(self.config, "seed", None),
            "versions": versions(),
            "inputs": self.inputs,
            **({"plugins": plugins} if (plugins := registry.loaded()) else {}),
        }


@contextmanager
def output(
    out: Path, command: str, config: Any, inputs: Sequence[Input], makes: Sequence[str] = (), derived: bool = False
) -> Iterator[Output | None]:
    """The making of ``out``; None where it is there, made by this command with these settings from these inputs.

    ``out`` is a file, or a folder in which the files ``makes`` are made. Plugins that ``config`` names are inputs too.
    What is ``derived`` is made again at every call, also where its inputs have changed.

    Raises ``OutputError`` where something else is there, unless ``config.restart`` says that it may be written over,
    and where another process is making it.
    """
    _refuse_input(out, inputs)
    made = _wanted(out, bool(makes), command, config, inputs)
    with _locked(made, out):
        there, before = _inodes(out, makes), _known(made)
        if there and not config.restart:
            if clash := _clash(made, out, derived):
                raise OutputError(clash)
            if before and "finished" in before and not derived:
                if is_first():
                    console.say(f"{command}: {out} is there already")
                yield None
                return
        if not is_first():  # the first process writes for all
            yield made
            return
        tidy(out, bool(makes))
        made.begin()
        try:
            with making.under_way(made.file):
                yield made
        except BaseException as error:
            if makes:
                making.given_up(made.file, about_run(made.begun) or {}, error)
            if there == _inodes(out, makes):  # else what is there now is this run's
                made.begun.unlink(missing_ok=True)
            raise
        finally:
            making.beside(made.file, "stop.json").unlink(missing_ok=True)
        made.begun.unlink(missing_ok=True)


CHOICE = "--restart writes over it, or name another output"


def refuse(
    out: Path, command: str, config: Any, inputs: Sequence[Input], makes: Sequence[str] = (), derived: bool = False
) -> None:
    """Raises ``OutputError`` where ``output`` would not write over what is there; makes nothing."""
    _refuse_input(out, inputs)
    made = _wanted(out, bool(makes), command, config, inputs)
    if _inodes(out, makes) and not config.restart and (clash := _clash(made, out, derived)):
        raise OutputError(clash)


def _refuse_input(out: Path, inputs: Sequence[Input]) -> None:
    if any(os.path.realpath(path) == os.path.realpath(out) for path in inputs):
        raise OutputError(f"{out} is what is read: name another output")


def _clash(made: Output, out: Path, derived: bool) -> str:
    """Why what is there is not to be written over; "" where it was made in the same way, or begun."""
    before = _known(made)
    if before is None:
        return f"{out} is there already, and no {made.file.name} says what made it: {CHOICE}"
    if found := _differences(before, made, derived):
        how = "made" if "finished" in before else "begun"
        return f"{out} was {how} with other settings ({'; '.join(found)}): {CHOICE}"
    return ""


@contextmanager
def _locked(made: Output, out: Path) -> Iterator[None]:
    """Nobody else may make ``out`` meanwhile; processes that work together share it by their first one.

    The system lets go of a lock when the process ends, however it ends. A folder in which nothing was made is removed.
    """
    if not is_first():
        yield
        return
    from filelock import FileLock, Timeout

    folder = made.lock.parent
    new = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(made.lock, timeout=0.25).acquire(poll_interval=0.02)  # who only looks holds it for less
    except Timeout as busy:
        whom = (about_run(made.begun) or {}).get("by", "another process")
        raise OutputError(f"{out} is being made by {whom}: wait for it, or name another output") from busy
    except OSError as error:
        raise WriteError(said(error, out)) from error
    with lock:
        try:
            yield
        finally:
            made.lock.unlink(missing_ok=True)
            if new and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _wanted(out: Path, folder: bool, command: str, config: Any, inputs: Iterable[Input]) -> Output:
    """The output as it is asked for now; the plugins that its configuration names are inputs too."""
    found = digests([*inputs, *getattr(config, "plugins", ())], out)
    return Output(_run_file(out, folder), command, config, found, time.monotonic())


def _run_file(out: Path, folder: bool) -> Path:
    return out / "run.json" if folder else out.with_name(f"{out.name}.run.json")


def _inodes(out: Path, makes: Sequence[str]) -> dict[Path, int]:
    """What of an output is there, each file told from another that takes its place."""
    return {path: path.stat().st_ino for path in ([out / name for name in makes] or [out]) if path.exists()}


def _known(made: Output) -> dict[str, Any] | None:
    """What is known of the last one who made this output, or has begun to; None where that is nothing."""
    return about_run(made.begun) or about_run(made.file)


def _differences(before: Mapping[str, Any], now: Output, derived: bool = False) -> list[str]:
    """How settings and inputs of an output differ from those that it is to be made with, in words.

    A file counts by its content, wherever it lies. Of what is ``derived`` inputs may have changed. A class of settings
    names in ``passing`` those of its own that make no other output, and in ``former`` what a default was before it took
    in what older versions did not know.
    """
    if before["command"] != now.command:
        return [f"command {before['command']} -> {now.command}"]
    read, given = before["inputs"], now.inputs
    passing = getattr(now.config, "passing", ())
    old, new = (flat(lasting(config, passing)) for config in (_as_today(before, now), plain(now.config)))
    old = flat(lasting(defaults(now.config), passing)) | old  # what an older version could not be told
    found = []
    for name in dict.fromkeys([*new, *old]):
        a, b = old.get(name), new.get(name)
        contents = [of.get(value, value) if isinstance(value, str) else value for of, value in ((read, a), (given, b))]
        if contents[0] == contents[1]:
            continue
        if a != b:
            found.append(changed(name, a, b))
        elif not derived:
            found.append(f"{name} changed since")
    unnamed = [[path for path in of if path not in config.values()] for of, config in ((read, old), (given, new))]
    if not found and not derived and sorted(read[p] for p in unnamed[0]) != sorted(given[p] for p in unnamed[1]):
        found.append(f"{', '.join(unnamed[1] or unnamed[0])} changed since")
    return found


def _as_today(before: Mapping[str, Any], now: Output) -> dict[str, Any]:
    """The settings of before, a former default as the one that has taken its place."""
    config, today, asked = dict(before["config"]), defaults(now.config), plain(now.config)
    for name, former in getattr(now.config, "former", {}).items():
        if config.get(name) == (list(former) if isinstance(former, tuple) else former) and asked[name] == today[name]:
            config[name] = today[name]
    return config


def is_current(out: Path, command: str, config: Any, inputs: Iterable[Input]) -> bool:
    """Whether ``out`` was made by the same command with the same settings from the same inputs, and is still there."""
    made = _wanted(out, out.is_dir(), command, config, inputs)
    before = _known(made) if out.exists() else None
    return before is not None and "finished" in before and not _differences(before, made)


def stage(command: str, config: Any, inputs: Sequence[Input], main: Callable[[Any], Any]) -> None:
    """A stage of a longer job: does its work, unless ``config.out`` was made with the same settings from these inputs.

    That is so even where the job may write over what is there: only what differs is made again. An error of the machine
    has the innermost stage's command and configuration as its ``stage``.
    """
    making.heed()
    out = config.out
    taken = TAKEN.set(digests(inputs, out))
    try:
        if is_current(out, command, config, inputs):
            console.say(f"{command}: {out} is there already")
            return
        console.say(f"[{command}]")
        main(config)
    except (MemoryError, RuntimeError) as error:
        vars(error).setdefault("stage", (command, config))
        raise
    finally:
        TAKEN.reset(taken)


def peak_mb() -> float:
    """The largest resident memory so far of this process, or of one of its children if that is larger, in MB."""
    import resource

    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(own, children) / (1024 if sys.platform != "darwin" else 1024**2), 1)
