"""Processes that need not import torch: forks of one that has imported all that training needs, once.

For what must happen in a process of its own (a kill, a limit, several that work together), but not from its start on:
how ``unveil`` and ``torchrun`` start is tested with these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing import connection, forkserver, get_context
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.serving import free_port

ROOT = Path(__file__).parents[2]
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.conftest", "unveil.evaluate.predict", "unveil.rl.ppo", "unveil.train.dpo"])


def started(work: Callable[..., Any], *given: Any, said: Path, env: Mapping[str, str] | None = None) -> Any:
    """A ``multiprocessing.Process`` that does ``work``, a function of a module, in this folder and environment with
    ``env``. What it says goes to the file ``said``; its exit code is what ``work`` gives, if it is a number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.chdir(ROOT)
        forkserver.ensure_running()
    process = FORKS.Process(target=_begin, args=(work, given, said, {**os.environ, **(env or {})}))
    process.start()
    return process


def together(work: Callable[..., Any], *given: Any, folder: Path) -> tuple[list[int], str]:
    """Two processes that work together on this machine's CPU, as ``torchrun`` starts them; where one fails, the other
    is ended. The exit codes, and what both said."""
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
    said = [folder / f"said-{rank}" for rank in (0, 1)]
    both = [
        started(work, *given, said=said[rank], env={**shared, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"})
        for rank in (0, 1)
    ]
    running = both
    while running:
        ended = connection.wait([process.sentinel for process in running], 240)
        for process in running:
            if not ended or any(one.exitcode for one in both):
                process.kill()
        running = [process for process in running if process.is_alive()]
    return [process.exitcode for process in both], "".join(file.read_text() for file in said)


def _begin(work: Callable[..., Any], given: tuple[Any, ...], said: Path, env: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    with said.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    sys.exit(work(*given))
