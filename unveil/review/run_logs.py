"""Logs of training as they grow: of each only what was appended is read."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from unveil.core.untrusted import JsonError, parse_json
from unveil.review import inside

#: Bytes that are read at once.
MOST_BYTES = 2**22


def appended(root: Path, log: PurePosixPath, start: int = 0, mark: str = "", most: int = MOST_BYTES) -> dict[str, Any]:
    """The lines of a log from a byte on that are whole, and where to go on.

    ``mark`` is what an earlier call has called the file; where another stands there now, as after a run was resumed,
    ``anew`` says that it is read from its beginning. Of figures that are no finite number there is None; lines that are
    none of a log are counted in ``faults``. Raises ``OSError`` and ``Outside``.
    """
    with os.fdopen(inside.opened(root, log), "rb") as file:
        about = os.fstat(file.fileno())
        now = f"{about.st_dev}-{about.st_ino}"
        same = mark == now and 0 < start <= about.st_size
        if same:
            file.seek(start - 1)
            same = file.read(1) == b"\n"
        if not same:
            start = 0
            file.seek(0)
        text = file.read(most)
        end = text.rfind(b"\n") + 1
        skipped = 0 if end or len(text) < most else _rest_of_line(file)  # a line of megabytes is none of ours
    rows = [_row(line) for line in text[:end].split(b"\n")[:-1]]
    found = [row for row in rows if row is not None]
    at = start + (len(text) + skipped if skipped else end)
    return {
        "mark": now,
        "next": at,
        "anew": not same,
        "more": bool(end or skipped) and start + len(text) + skipped < about.st_size,
        "rows": found,
        "faults": len(rows) - len(found) + bool(skipped),
    }


def _rest_of_line(file: BinaryIO) -> int:
    """How many bytes it is to the end of the line; 0 where that is not there yet."""
    passed = 0
    while some := file.read(2**20):
        if (end := some.find(b"\n")) >= 0:
            return passed + end + 1
        passed += len(some)
    return 0


def number(value: Any) -> float | None:
    """A value of JSON as a number; None where it is no finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def _row(line: bytes) -> tuple[int, dict[str, float | None]] | None:
    """The step and the figures of a line; None where it is none of a log."""
    try:
        row = parse_json(line, lenient=True)
    except JsonError:
        return None
    step = row.pop("step", None) if isinstance(row, dict) else None
    if not isinstance(step, int) or isinstance(step, bool):
        return None
    return step, {name: number(value) for name, value in row.items() if isinstance(value, int | float)}
