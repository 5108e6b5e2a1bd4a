"""Where decisions are kept: reviews.jsonl, to which rows are added, and beside it who saw and did what when.

A decision is on the disk before it is confirmed, so that a process killed at any moment loses none that a reviewer was
told of. What is decided says which revision it stands upon: of two tabs the second one is told of the first.

The audit log, ``reviews.jsonl.audit.jsonl``, is a chain: each row holds the hash of the one before, so that a row that
is changed or taken out of it shows (``verify``). It tells each decision once more, as it was made, and both files are
held against one another before one goes on with them. There is no key: whoever may write both can write both anew.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unveil.core import console, private
from unveil.core.decisions import Decision, read_decisions
from unveil.core.files import WriteError, said
from unveil.core.jsonl import from_json, to_line
from unveil.core.provenance import OutputError
from unveil.core.records import RecordError
from unveil.core.untrusted import JsonError, parse_json

#: The hash before the first row of an audit log.
START = "0" * 64
MEND = "put both files back as they were, or keep them and name another --out to begin anew"


class Conflict(Exception):
    """A decision that stands upon another one than the last; ``last`` is that, None where there is none."""

    def __init__(self, last: Decision | None) -> None:
        super().__init__("decided elsewhere meanwhile")
        self.last = last


class Appended:
    """A file of rows that is its owner's alone; what is added is on the disk when ``add`` returns, or not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            self._file = private.opened(path, os.O_RDWR | os.O_APPEND)
            _without_torn_row(self._file, path)
            if new:
                _sync_folder(path.parent)
        except OSError as error:
            raise WriteError(said(error, path)) from error

    def add(self, row: str, sync: bool = True) -> None:
        """Adds a row; without ``sync`` it survives the end of this process, and not that of the machine.

        Raises ``WriteError``; nothing of the row is there then.
        """
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            left = row.encode()
            while left:
                left = left[os.write(self._file, left) :]
            if sync:
                os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # the next start takes half a row away
                os.ftruncate(self._file, end)
            raise WriteError(said(error, self.path)) from error

    def close(self) -> None:
        os.close(self._file)


def _without_torn_row(file: int, path: Path) -> None:
    """Takes away what a killed process has left of a row, which was never confirmed."""
    size = os.lseek(file, 0, os.SEEK_END)
    kept = size
    while kept:  # back to the end of the last whole row, some bytes at a time
        step = min(kept, 2**16)
        os.lseek(file, kept - step, os.SEEK_SET)
        part = os.read(file, step)
        if (found := part.rfind(b"\n")) >= 0:
            kept += found + 1 - step
            break
        kept -= step
    if kept < size:
        os.ftruncate(file, kept)
        console.say(f"note: {path} ended in half a row, which was never confirmed: it was taken away")


def _sync_folder(folder: Path) -> None:
    """Waits until a new file's name is on the disk."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ReviewJournal:
    """The decisions of a file and its audit log, open for one server; ``opened`` makes one.

    Raises ``RecordError`` where one of them does not say what the other one does.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path, log = path, audit_of(path)
        self._now, self._lock = now, threading.Lock()
        with ExitStack() as files:
            self._rows = files.enter_context(closing(Appended(path)))
            self.decisions = read_decisions(path)
            if self.decisions and not log.is_file():
                raise RecordError(f"{path} holds decisions, and its audit log {log.name} is not there: {MEND}")
            self._audit = files.enter_context(closing(Appended(log)))
            self._chain, told = _read(log)
            self._untold = _untold(self.decisions, told, path)
            """The decision of which the audit log does not tell yet, since the process ended, or the disk refused."""
            if self._untold:
                console.say(f"note: {log} lacks the last decision, as where a process was killed: it was added")
            self._tell_decisions()
            self._files = files.pop_all()
        self._last = {(d.item, d.reviewer): d for d in self.decisions}

    def last(self, item: str, reviewer: str) -> Decision | None:
        """The last row of a reviewer about an item, taken back or not."""
        return self._last.get((item, reviewer))

    def decide(self, decision: Decision) -> Decision:
        """Adds a decision, whose ``revision`` is one more than the last, and returns when it is on the disk.

        The same decision once more, as from a page that has not heard the answer, is confirmed without a further row.
        Raises ``Conflict`` where it stands upon another revision, and ``WriteError``.
        """
        with self._lock:
            last = self._last.get((decision.item, decision.reviewer))
            if last and _same(last, decision):
                self._tell_decisions()
                return last
            if decision.revision != (last.revision if last else 0) + 1:
                raise Conflict(last)
            self._tell_decisions()  # so that the log never lacks more than one
            self._rows.add(to_line(decision))
            self.decisions.append(decision)
            self._last[decision.item, decision.reviewer] = decision
            self._untold.append(decision)
            self._tell_decisions()
            return decision

    def saw(self, reviewer: str, item: str, what: str, ahead: bool = False) -> None:
        """Notes that a reviewer was shown something of an item, such as its image, or that their page has it ahead of
        need and does not show it."""
        with self._lock:
            self._tell(reviewer, "sent ahead" if ahead else "saw", item, sync=False, what=what)

    def did(self, reviewer: str, action: str, **more: Any) -> None:
        """Notes what else a reviewer did."""
        with self._lock:
            self._tell(reviewer, action, None, sync=False, **more)

    def time(self) -> str:
        """Now, as decisions have it."""
        return self._now().isoformat(timespec="seconds")

    def _tell_decisions(self) -> None:
        while self._untold:
            decision = self._untold[0]
            self._tell(decision.reviewer, "decided", decision.item, sync=True, decision=decision)
            self._untold.pop(0)

    def _tell(self, reviewer: str, action: str, item: str | None, sync: bool, **more: Any) -> None:
        row = {"time": self.time(), "reviewer": reviewer, "action": action, "item": item, **more, "before": self._chain}
        line = to_line(row)
        self._audit.add(line, sync)
        self._chain = hashlib.sha256(line.encode()).hexdigest()

    def close(self) -> None:
        self._files.close()


def _untold(decisions: Sequence[Decision], told: Sequence[Decision], path: Path) -> list[Decision]:
    """The decisions that the log does not tell: the last one at most, since each is told before the next is written."""
    for number, (decision, other) in enumerate(zip(decisions, told, strict=False), 1):
        if decision != other:
            raise RecordError(f"{path}:{number}: not the decision of which its audit log tells: {MEND}")
    if missing := max(0, len(told) - len(decisions)):
        raise RecordError(f"{path} lacks {missing} decisions of which its audit log tells: {MEND}")
    if (more := len(decisions) - len(told)) > 1:
        raise RecordError(f"{path} holds {more} decisions of which its audit log does not tell: {MEND}")
    return list(decisions[len(told) :])


def _same(one: Decision, other: Decision) -> bool:
    """Whether two decisions are one that came twice: all but the time for which the item was shown."""
    return one.revision == other.revision and all(
        getattr(one, name) == getattr(other, name)
        for name in ("verdict", "preferred", "reasons", "severity", "comment", "after", "texts")
    )


@contextmanager
def opened(path: Path) -> Iterator[ReviewJournal]:
    """The journal of a file, for one server at a time. Raises ``OutputError`` where another one has it open."""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0).acquire()
    except Timeout as busy:
        raise OutputError(f"{path} is open in another `unveil review`: go on there, or name another output") from busy
    except OSError as error:
        raise WriteError(said(error, path)) from error
    with lock:
        journal = ReviewJournal(path)
        try:
            yield journal
        finally:
            journal.close()


def audit_of(path: Path) -> Path:
    """The audit log of a file of decisions."""
    return path.with_name(f"{path.name}.audit.jsonl")


def verify(path: Path) -> str:
    """The hash of an audit log's last row; raises ``RecordError`` where a row does not follow upon the one before."""
    return _read(path)[0]


def _read(path: Path) -> tuple[str, list[Decision]]:
    """The hash of an audit log's last row, and the decisions that it tells, in order."""
    before, told = START, list[Decision]()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = parse_json(line)
                if not isinstance(row, dict) or row.get("before") != before:
                    raise JsonError("it does not follow upon the row before")
                if row["action"] == "decided":
                    told.append(from_json(Decision, row["decision"]))
            except (ValueError, KeyError) as error:
                raise RecordError(f"{path}:{number}: {error}: the log was changed: {MEND}") from error
            before = hashlib.sha256(line).hexdigest()
    return before, told
