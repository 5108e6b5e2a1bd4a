"""How the making of an output stands, which any process can tell, and the request to end it in order.

Beside an output's run.json, in hidden files: ``begun.json`` from its beginning until it is made or given up, ``lock``,
which the system lets go of when the process ends, however it ends, ``ended.json`` where a folder was given up, and
``stop.json``, by which a person asks whoever makes it to end. A request is a file and no signal, so that it reaches
nobody but the process it names (a number of a process may by now be another's), on whatever machine that runs and under
whichever user may write there; and so that what is made is saved first.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unveil.core.files import WriteError, write_text
from unveil.core.untrusted import read_json

#: By what a request to stop is held against who makes an output now.
WHO = ("by", "begun")
#: The run.json of each output that this process is making, the outermost first.
_MAKING: ContextVar[tuple[Path, ...]] = ContextVar("making", default=())


def beside(file: Path, what: str) -> Path:
    """Of an output's run.json the hidden file of this name, such as ``begun.json``."""
    return file.with_name(f".{file.name.removesuffix('run.json')}{what}")


def now() -> str:
    """The time in UTC, to a thousandth of a second."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def under_way(file: Path) -> Iterator[None]:
    """This process is making the output of a run.json: ``asked_to_stop`` looks for requests there."""
    before = _MAKING.set((*_MAKING.get(), file))
    try:
        yield
    finally:
        _MAKING.reset(before)


# ---------------------------------------------------------------------------------------------------------------- state


def is_held(lock: Path) -> bool:
    """Whether a process is making the output of this lock. Raises ``OSError`` where that cannot be told.

    To look takes the lock for a moment, together with others who look; ``provenance.output`` waits for longer.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def given_up(file: Path, about: dict[str, Any], error: BaseException) -> None:
    """Leaves how the making of a folder has ended before it was made, unless nothing is left there.

    A disk that refuses this has most likely made it end: that error is the one to be told.
    """
    hidden = {beside(file, name).name for name in ("begun.json", "lock", "stop.json")}
    if not file.parent.is_dir() or all(path.name in hidden for path in file.parent.iterdir()):
        return
    how = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    why = {"error": type(error).__name__, "why": str(error)}
    with suppress(WriteError):
        _write(beside(file, "ended.json"), about | {"ended": now(), "how": how, **why})


def _write(path: Path, value: dict[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


# ------------------------------------------------------------------------------------------------------------- stopping


class NotUnderWay(ValueError):
    """What is to be stopped is not being made, or by another process than was meant."""


def ask_to_stop(file: Path, who: dict[str, str], asked_by: str) -> None:
    """Asks the process ``who`` (``WHO``), which makes the output of a run.json, to end in order.

    Raises ``NotUnderWay`` where that is not who makes it, ``WriteError`` where nothing may be written there.
    """
    if not is_held(beside(file, "lock")) or _who(beside(file, "begun.json")) != who:
        raise NotUnderWay("it is not running any more, or was started anew meanwhile")
    _write(beside(file, "stop.json"), {**who, "asked_by": asked_by, "time": now()})


def asked_to_stop() -> str:
    """Who has asked for what this process is making to end, or for a job that it is a stage of; "" where nobody has.

    A request that was left for an earlier process says nothing.
    """
    for file in _MAKING.get():
        request = beside(file, "stop.json")
        if request.is_file():
            asked = _object(request)
            if {name: asked.get(name) for name in WHO} == _who(beside(file, "begun.json")):
                return str(asked.get("asked_by") or "somebody")
    return ""


def heed() -> None:
    """Ends what this process makes as Ctrl-C does, if somebody has asked for that: for loops that keep their work."""
    if who := asked_to_stop():
        stop(who)


def stop(who: str) -> None:
    """Ends what this process makes as Ctrl-C does, and says who wanted it."""
    error = KeyboardInterrupt(f"{who} asked for it on the page of runs")
    error.add_note(str(error))
    raise error


def _who(file: Path) -> dict[str, Any]:
    about = _object(file)
    return {name: about.get(name) for name in WHO}


def _object(file: Path) -> dict[str, Any]:
    """A small file of ours, ``{}`` where there is none, or a half of one that was put there by others."""
    try:
        value = read_json(file)
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
