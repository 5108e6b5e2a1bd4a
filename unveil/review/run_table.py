"""The runs below a folder as a table that follows them: which are new, gone or changed, and what sets them apart.

A thousand runs are looked at whenever a page asks, so that of one that is not being made only the times and sizes of
its files are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from unveil.review import inside
from unveil.review.run_reading import ANSWERS, LOG, SAMPLES, FoundRun, RunPart, is_run, read_run, signature

#: How deep below the folder runs are looked for, and how many folders are looked at.
DEPTH = 4
MOST_FOLDERS = 20_000
#: Entries of a folder among which runs are looked for.
MOST_ENTRIES = 10_000
#: Seconds within which the table is not made anew, whoever asks.
FRESH = 0.5
#: Seconds after which a folder that has not changed since is known not to.
SETTLED = 2.0


@dataclass
class _Seen:
    """A run as it was last looked at."""

    number: int
    run: FoundRun
    signature: tuple[Any, ...]
    revision: int
    row: dict[str, Any] = field(default_factory=dict)


class RunTable:
    """The runs below ``root``, each with a number that stays its own. ``identifiers``: also why a run has failed, in
    words that may name records and files."""

    def __init__(self, root: Path, identifiers: bool = False) -> None:
        self.root, self.identifiers = root, identifiers
        self.revision = 0
        self.settings: list[str] = []
        self._runs: dict[PurePosixPath, _Seen] = {}
        self._numbers: dict[PurePosixPath, int] = {}
        self._folders: dict[PurePosixPath, tuple[int, float, list[PurePosixPath]]] = {}
        self._gone: dict[int, int] = {}
        self._notes: list[str] = []
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def run(self, number: int) -> FoundRun | None:
        """A run as it was last seen."""
        with self._lock:
            return next((seen.run for seen in self._runs.values() if seen.number == number), None)

    def changes(self, since: int = 0) -> dict[str, Any]:
        """What has changed since a revision; since 0 everything."""
        with self._lock:
            if time.monotonic() - self._looked >= FRESH:
                self._look()
                self._looked = time.monotonic()
            rows = [seen.row for seen in self._runs.values() if seen.revision > since]
            gone = [number for number, revision in self._gone.items() if revision > since]
            return {
                "revision": self.revision,
                "settings": self.settings,
                "rows": rows,
                "gone": gone,
                "notes": self._notes,
            }

    # -------------------------------------------------------------------------------------------------------- looking

    def _look(self) -> None:
        self._notes = []
        before, there = self._runs, dict[PurePosixPath, _Seen]()
        changed = set()
        for folder in self._found():
            seen, now = before.get(folder), signature(self.root, folder)
            if seen is None or seen.signature != now or seen.run.state == "running":
                run = read_run(self.root, folder)
                if seen is None or seen.run != run:
                    changed.add(folder)
                number = self._numbers.setdefault(folder, len(self._numbers))
                seen = _Seen(number, run, now, seen.revision if seen else 0, seen.row if seen else {})
            there[folder] = seen
        self._runs = there
        gone = [seen.number for folder, seen in before.items() if folder not in there]
        settings = apart([seen.run for seen in there.values()]) if changed or gone else self.settings
        if settings != self.settings:
            self.settings, changed = settings, set(there)
        if changed or gone:
            self.revision += 1
            self._gone |= dict.fromkeys(gone, self.revision)
            for folder in changed:
                seen = there[folder]
                self._gone.pop(seen.number, None)
                seen.revision, seen.row = self.revision, self._row(seen)

    def _found(self) -> Iterator[PurePosixPath]:
        """The folders of runs, in order; the folder itself is the only one if it is a run."""
        top = PurePosixPath()
        if is_run(self.root, top):
            yield top
            return
        level, looked = [top], 0
        for _ in range(DEPTH):
            below = []
            for folder in level:
                for inner in self._inside(folder):
                    looked += 1
                    if looked > MOST_FOLDERS:
                        self._notes.append(f"only the first {MOST_FOLDERS} folders were looked at")
                        return
                    kind = True if inner in self._runs else is_run(self.root, inner)
                    if kind:
                        yield inner
                    elif kind is False:
                        below.append(inner)
            level = below

    def _inside(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """The folders in a folder, links and hidden ones left out; looked for anew where it has changed."""
        try:
            changed = (self.root / folder).stat().st_mtime_ns
            known = self._folders.get(folder)
            if known and known[0] == changed and known[1] - changed / 1e9 > SETTLED:
                return known[2]
            inner = [
                folder / entry.name
                for entry in inside.entries(self.root, folder, MOST_ENTRIES)
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
        except OSError as error:
            self._notes.append(f"{folder}: {(error.strerror or 'it cannot be read').lower()}")
            return []
        self._folders[folder] = changed, time.time(), sorted(inner)
        return self._folders[folder][2]

    # ------------------------------------------------------------------------------------------------------------ rows

    def _row(self, seen: _Seen) -> dict[str, Any]:
        run = seen.run
        at_work = [part for part in run.parts if part.at_work]
        return {
            "number": seen.number,
            "name": self.name(run),
            "command": run.command,
            "state": run.state,
            "at_work": _stage(at_work[-1]) if at_work else "",
            "why": run.why if self.identifiers else run.error,
            "began": run.began,
            "ended": run.ended,
            "seconds": run.seconds,
            "stoppable": run.state == "running" and bool(run.who),
            "asked_to_stop": run.asked_to_stop,
            "figures": run.figures,
            "logs": [{"name": part.name, "last": part.last} for part in run.parts if LOG in part.files],
            "samples": any(part.files & {SAMPLES, *ANSWERS} for part in run.parts),
            "report": run.report,
            "problems": run.problems,
            "settings": {name: run.settings[name] for name in self.settings if name in run.settings},
        }

    def name(self, run: FoundRun) -> str:
        """How the page calls a run: by its folder's place below the one that is shown."""
        return str(run.folder) if run.folder.parts else self.root.resolve().name


def _stage(part: RunPart) -> str:
    """What is at work, and for which model unless its name says so."""
    return part.at_work if part.name in part.at_work.split() else f"{part.at_work}: {part.name}"


def apart(runs: list[FoundRun]) -> list[str]:
    """The settings in which runs that have them differ, in the order in which they come up."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.settings.items():
            values.setdefault(name, set()).add(repr(value))
    names = [name for name, found in values.items() if len(found) > 1]
    return sorted(names, key=lambda name: name.startswith(("version of ", "content of ")))
