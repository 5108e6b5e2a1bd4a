"""A training run in a process of its own that is killed in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.forks import started
from unveil.cli import COMMANDS
from unveil.train import loop


def kill(work: Callable[[Any], Any], config: Any, folder: Path, when: Callable[[], bool]) -> None:
    """Does ``work`` in a process of its own and kills it for good as soon as ``when`` says so."""
    folder.mkdir(exist_ok=True)
    process = started(work, config, said=folder / "stderr")
    limit = time.monotonic() + 100
    while not when():
        assert process.is_alive() and time.monotonic() < limit, (folder / "stderr").read_text()
        time.sleep(0.01)
    process.kill()
    process.join()


def run_and_kill(config: Any, folder: Path, after: int) -> None:
    """Trains in a process of its own and kills it once ``after`` updates are in metrics.jsonl."""
    log = config.out / "metrics.jsonl"
    kill(_slowly, config, folder, lambda: log.is_file() and f'"step": {after},' in log.read_text())
    assert not list(config.out.glob("*.safetensors")), "it was killed before it was done"


def _slowly(config: Any) -> None:
    """A tenth of a second for each line of the log, in which the run can be caught."""
    write = loop.MetricsLog.write

    def slow(self: loop.MetricsLog, step: int, **values: Any) -> None:
        write(self, step, **values)
        time.sleep(0.1)

    pytest.MonkeyPatch().setattr(loop.MetricsLog, "write", slow)
    next(c for c in COMMANDS.values() if c.config() is type(config)).load().main(config)
