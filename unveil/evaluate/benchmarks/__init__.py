"""The table of benchmarks: a module for each family, a row for each benchmark."""

from __future__ import annotations

import difflib

from unveil.core.records import RecordError
from unveil.core.untrusted import listed, quoted
from unveil.evaluate.benchmarks.benchmark import Benchmark
from unveil.evaluate.benchmarks.boxes import BOXES
from unveil.evaluate.benchmarks.choice import CHOICE
from unveil.evaluate.benchmarks.reports import REPORTS
from unveil.evaluate.benchmarks.tasks import TASKS
from unveil.evaluate.benchmarks.vqa import VQA

__all__ = ["BENCHMARKS", "Benchmark", "chosen"]

BENCHMARKS: dict[str, Benchmark] = {row.name: row for row in (*VQA, *CHOICE, *REPORTS, *BOXES, *TASKS)}


def chosen(name: str) -> Benchmark:
    """The benchmark of this name; raises ``RecordError`` with those that are called alike."""
    if name.lower() in BENCHMARKS:
        return BENCHMARKS[name.lower()]
    near = difflib.get_close_matches(name.lower(), BENCHMARKS, 3) or [key for key in BENCHMARKS if name.lower() in key]
    meant = f": {listed(near)}?" if near else "; `unveil benchmark` lists all"
    raise RecordError(f"no benchmark is called {quoted(name)}{meant}")
