"""What a person sees while a command runs: progress with rate and time left, tables, messages. It computes nothing."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from unveil.core import text_tables

#: Where nobody looks (a log), tables need not fit a screen.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        words = counted(int(task.completed), int(task.total)) if task.total else ""
        return Text(words, style="progress.download")


class _Left(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        return Text("left ") + super().render(task) if task.total else Text()


EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def progress(
    title: str, total: int | None, done: int = 0, show: bool = True, clock: Callable[[], float] = time.monotonic
) -> Iterator[Any]:
    """Progress with rate and time left; yields ``advance(n=1, note="")``. ``total`` is None of what has no steps, such
    as loading a model, or an unknown number; more steps than it says are told without it.

    A bar on a terminal; elsewhere, such as in a log, a line at the start, one every ``EVERY`` seconds, and one at the
    end; without a total only if it takes that long. Within other work it is a second bar, or stands in the same line.
    """
    if not show:
        yield lambda n=1, note="": None
        return
    with (
        _bar(title, total, done) if console.is_terminal else _lines(_Work(title, total or None, done, clock)) as advance
    ):
        yield advance


_bars: list[Progress] = []
"""The bars on the screen: one Progress, or none."""


@contextmanager
def _bar(title: str, total: int | None, done: int) -> Iterator[Any]:
    with ExitStack() as stack:
        within = bool(_bars)
        if not within:
            _bars.append(stack.enter_context(Progress(*_columns(), console=console, transient=total is None)))
            stack.callback(_bars.clear)
        bar = _bars[0]
        task = bar.add_task(title, total=total, completed=done, note="")
        if within:
            stack.callback(bar.remove_task, task)

        def advance(n: int = 1, note: str = "") -> None:
            bar.update(task, advance=n, note=note)

        yield advance


def _columns() -> list[ProgressColumn]:
    return [
        TextColumn(f"{{task.description:<{12}}}"),
        BarColumn(bar_width=28),
        _Count(),
        _Rate(),
        TimeElapsedColumn(),
        _Left(),
        TextColumn("{task.fields[note]}"),
    ]


class _Work:
    """What a log is told of: how far it is, and what goes on within it."""

    def __init__(self, title: str, total: int | None, done: int, clock: Callable[[], float]):
        self.title, self.total, self.clock = title, total, clock
        self.start = self.at = done
        self.began = self.told = clock()
        self.note = ""

    def words(self) -> list[str]:
        return [self.title, "" if self.total is None else counted(self.at, self.total), self.note]

    def pace(self) -> list[str]:
        """Rate and time left; where they are not known, or all steps are done, how long it has lasted."""
        lasted, made = self.clock() - self.began, self.at - self.start
        if self.total is None or self.at >= self.total or made <= 0 or lasted <= 0:
            return [f"for {lasting(lasted)}"]
        each = lasted / made
        rate = f"{1 / each:.1f}/s" if each <= 10 else f"{lasting(each)} each"
        return [rate, f"left {lasting((self.total - self.at) * each)}"]

    def tell(self, *more: str) -> None:
        self.told = self.clock()
        say("  ".join(filter(None, [*self.words(), *more])))


_working: list[_Work] = []
"""What is under way where there is no terminal, the outermost first, which speaks for all."""
_telling = threading.Lock()


@contextmanager
def _lines(work: _Work) -> Iterator[Any]:
    def advance(n: int = 1, note: str = "") -> None:
        work.at, work.note = work.at + n, note
        _tell_if_due(ends=_working[0].at == _working[0].total)

    _working.append(work)
    try:
        if _working[0] is not work:
            yield advance
            return
        if work.total is not None:
            work.tell()
        with _told_by_the_clock(work):
            yield advance
        if work.total is not None or work.told > work.began:
            work.tell(f"in {lasting(work.clock() - work.began)}")
    finally:
        _working.remove(work)


def _tell_if_due(ends: bool = False) -> None:
    """A line, if the last one is ``EVERY`` seconds old; not after a step that ``ends`` all, whose end is told next."""
    with _telling:
        first, *within = _working
        if (within or not ends) and first.clock() - first.told >= EVERY:
            first.tell(*first.pace(), *(word for work in within for word in work.words()))


@contextmanager
def _told_by_the_clock(work: _Work) -> Iterator[None]:
    """Tells how it stands even while a step, or what comes after the last one, takes long."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(max(0.01, work.told + EVERY - work.clock())):
            _tell_if_due()

    watching = threading.Thread(target=watch, name="progress", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def counted(done: int, total: int) -> str:
    """How many steps are done, of how many unless they are more than was thought."""
    return f"{done}/{total}" if done <= total else str(done)


def lasting(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def say(message: str) -> None:
    """A line for the person at the screen."""
    console.print(message, markup=False, soft_wrap=True)


def made(what: str, path: Path) -> None:
    """The last words of a command: what it has made, and where that is."""
    say(f"{what}: {path}")


def trained(folder: Path) -> None:
    """The last words of a training: where the model is, and how to ask it about one image."""
    say(f"trained model: {folder}")
    say(f"ask it:        {shlex.join(['unveil', 'ask', '--model', str(folder), '--image', 'FILE'])}")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A small table (``text_tables``) under its title, with an empty line below."""
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    for line in text_tables.lines(columns, rows, console.width):
        say(line)
    say("")


@contextmanager
def keeping(kept: Callable[..., str], *of: Any) -> Iterator[None]:
    """Who stops what goes on within is told what is kept of it, as ``kept(*of)`` says then."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(kept(*of))
        raise
