"""What a person sees while a command runs: progress with rate and time left, tables, messages. It computes nothing."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

#: Where nobody looks (a log), tables need not fit a screen.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def progress(
    title: str, total: int, done: int = 0, show: bool = True, clock: Callable[[], float] = time.monotonic
) -> Iterator[Any]:
    """Progress with rate and time left; yields ``advance(n=1, note="")``.

    A bar on a terminal; elsewhere, such as in a log, a line at the start, at most one every ``EVERY`` seconds, and one
    at the end.
    """
    if show and not console.is_terminal:
        with _lines(title, total, done, clock) as advance:
            yield advance
        return
    columns = (
        TextColumn(f"{{task.description:<{12}}}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not show) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        def advance(n: int = 1, note: str = "") -> None:
            bar.update(task, advance=n, note=note)

        yield advance


@contextmanager
def _lines(title: str, total: int, done: int, clock: Callable[[], float]) -> Iterator[Any]:
    at, began = done, clock()
    told, last = began, ""

    def line(*more: str) -> None:
        say("  ".join(filter(None, (title, f"{at}/{total}", last, *more))))

    def advance(n: int = 1, note: str = "") -> None:
        nonlocal at, told, last
        at, last, now = at + n, note, clock()
        if now - told >= EVERY and at < total:
            told, rate = now, (at - done) / (now - began)
            line(f"{rate:.1f}/s", f"left {lasting((total - at) / rate)}")

    line()
    yield advance
    line(f"in {lasting(clock() - began)}")


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
    """A small table; the first column is text, the others are figures."""
    out = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        out.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        out.add_row(*row)
    console.print(out)
