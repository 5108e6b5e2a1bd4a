"""Worker processes: pools of them, and their end with the process that started them, however that one ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any


def pool(workers: int, begin: Callable[..., None] | None = None, *given: Any) -> ProcessPoolExecutor:
    """A pool of processes that read, draw or compare images; each calls ``begin`` with what is ``given`` first.

    They are spawned, not forked: the caller may hold threads or a GPU, which do not survive a fork.
    """
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin, (begin, given))


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    end_with_parent()
    if begin:
        begin(*given)


def end_with_parent(*_: Any) -> None:
    """Ends this worker as soon as its parent has ended; a killed parent cannot ask it to, and it would wait for ever.

    Called first in a worker, by pools and by data loaders, which tell it the worker's number.
    """
    parent = parent_process()
    assert parent is not None, "only a worker has a parent to end with"

    def watch() -> None:
        wait([parent.sentinel])  # the system closes it with the parent
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
