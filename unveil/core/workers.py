"""Work beside the work: processes that end with the one that started them, and a thread that makes the next thing."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


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


def end_with_input() -> None:
    """Ends this process as soon as the one that started it has: its standard input, a pipe that the other holds, ends.

    It says nothing on the way and cleans nothing up, as if it were killed itself.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="end with input", daemon=True).start()


def in_order(
    pool: Executor | None, make: Callable[..., Made], items: Iterable[tuple[Given, Any]], most: int = 1
) -> Iterator[tuple[Given, Made]]:
    """Each item with what a process of the pool makes of the second of the two; in the order of the items, of which
    ``most`` are under way. Without a pool, what is made here, one after the other.

    Raises what ``make`` raises, when its item comes.
    """
    if pool is None:
        yield from ((item, make(given)) for item, given in items)
        return
    waiting: deque[tuple[Given, Future[Made]]] = deque()
    for item, given in items:
        waiting.append((item, pool.submit(make, given)))
        while len(waiting) > most:
            first, made = waiting.popleft()
            yield first, made.result()
    while waiting:
        first, made = waiting.popleft()
        yield first, made.result()


def ahead(make: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[tuple[Given, Made]]:
    """Each item with what is made of it, in order; a thread makes the next one while this one is used.

    Raises what ``make`` raises, when its item comes.
    """
    with ThreadPoolExecutor(1) as pool:
        before = None
        for item in items:
            now = item, pool.submit(make, item)
            if before:
                yield before[0], before[1].result()
            before = now
        if before:
            yield before[0], before[1].result()
