"""Logs of training as they grow: of each only what was appended is read."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import Any

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
    if not end and len(text) == most:  # a line of megabytes is none of ours
        return {"mark": now, "next": start + most, "anew": not same, "more": True, "rows": [], "faults": 1}
    rows = [_row(line) for line in text[:end].split(b"\n")[:-1]]
    found = [row for row in rows if row is not None]
    more = start + len(text) < about.st_size
    faults = len(rows) - len(found)
    return {"mark": now, "next": start + end, "anew": not same, "more": more, "rows": found, "faults": faults}


def _row(line: bytes) -> tuple[int, dict[str, float | None]] | None:
    """The step and the figures of a line; None where it is none of a log."""
    try:
        row = parse_json(line, lenient=True)
    except JsonError:
        return None
    step = row.pop("step", None) if isinstance(row, dict) else None
    if not isinstance(step, int) or isinstance(step, bool):
        return None
    figures = {name: value for name, value in row.items() if isinstance(value, int | float)}
    return step, {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}
