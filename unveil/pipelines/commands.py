"""A command of ``unveil`` in a process of its own, with a log: what studies are chains of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: ``python -m unveil`` that ends with the process that started it, however that ends.
_BEGIN = (
    "import runpy; from unveil.core.workers import end_with_input; end_with_input(); "
    "runpy.run_module('unveil', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    said: str
    """What it has added to its log."""

    @property
    def error(self) -> str:
        """Its last error in one line; "" where it tells of none."""
        found = [line for line in self.said.splitlines() if line.startswith("error: ")]
        return found[-1].removeprefix("error: ").strip() if found else ""


def run(words: Sequence[str], log: Path, threads: int | None = None) -> Ended:
    """Runs the command of these words, what it says added to ``log``.

    It ends with this process: one that goes on where its study was stopped would write into the next one's files.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    started = log.stat().st_size if log.exists() else 0
    with (
        log.open("a") as told,
        subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *words], stdin=subprocess.PIPE, stdout=told, stderr=told, env=environment
        ) as process,
    ):
        code = process.wait()
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(started)
        return Ended(code, lines.read())
