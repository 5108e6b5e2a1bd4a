"""Errors that go through wherever others' code is run, whose errors are told with what was being done."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: Python's own, CUDA's, and what torch says on MPS and CPUs."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(part in str(error).lower() for part in words)


def worker_ended(error: BaseException) -> bool:
    """Whether an error says that a worker process has ended before its work: of a pool, or of a data loader."""
    return isinstance(error, BrokenProcessPool) or str(error).startswith("DataLoader worker")


def ours(error: BaseException) -> bool:
    """Whether an error is this package's own, whose message says all."""
    return type(error).__module__.partition(".")[0] == __package__.partition(".")[0]


def goes_through(error: BaseException) -> bool:
    """Whether an error is not to be told as a fault of others' code."""
    return ours(error) or out_of_memory(error)
