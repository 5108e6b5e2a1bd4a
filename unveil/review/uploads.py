"""Images that people hand in: held in memory, and decoded by a process that may neither grow nor last.

A file from a browser is taken as hostile: a decoder that it breaks, fills or hangs takes one short-lived process with
it, and not the server. The file's name is never asked for, so that none is ever opened; of a DICOM file only pixels
and what places them come back, no name and no date.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from unveil.core import files
from unveil.core.pixels import ImageError
from unveil.core.workers import end_with_parent
from unveil.review import images

NAME = "the image"
"""What a file that was handed in is called in messages."""
#: Bytes of a file that may be handed in.
MOST_BYTES = 2**28


#: So many are decoded at a time: each may take all of its memory.
_PLACES = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Bounds:
    """What the process that decodes one image may use."""

    memory: int = 2**32
    """Bytes of address space."""
    seconds: float = 60
    """Until it is killed, its start included."""


@dataclass(frozen=True)
class HandedIn:
    """An image that came from a page."""

    encoded: bytes
    """As the page reads it: see ``images.payload``."""
    shown: np.ndarray
    """What a model is shown: uint8, (H, W) or (H, W, 3)."""


def decoded(content: bytes, bounds: Bounds | None = None) -> HandedIn:
    """An image of a file's content, decoded by a process of its own; raises ``ImageError``, which names no file."""
    with _PLACES:
        return _decoded(content, bounds or Bounds())


def _decoded(content: bytes, bounds: Bounds) -> HandedIn:
    spawned = get_context("spawn")  # the caller has threads and may hold a GPU, which do not survive a fork
    here, there = spawned.Pipe()
    process = spawned.Process(target=_work, args=(there, bounds.memory), daemon=True)
    process.start()
    there.close()
    late = threading.Timer(bounds.seconds, process.kill)
    late.start()
    try:
        here.send_bytes(content)
        found = here.recv()
    except (EOFError, OSError) as error:
        process.join()
        reason = "took too long or too much" if process.exitcode == -9 else f"ended its decoder ({process.exitcode})"
        words = f"{NAME} {reason}; export it again, or shrink it"
        raise ImageError(words, words) from error
    finally:
        late.cancel()
        process.kill()
        process.join()
        here.close()
    if isinstance(found, str):
        raise ImageError(found, found)
    return HandedIn(*found)


def _work(there: Connection, memory: int) -> None:
    """In the process: answers with the encoded and the shown image, or with why there is none."""
    end_with_parent()
    _limit(memory)
    with _as_file(there.recv_bytes()) as path:
        try:
            encoded, shown = images.looked_at(path)
            there.send((encoded, shown.array))
        except ImageError as error:
            there.send(f"{NAME}: {error.plain or 'it cannot be read'}")
        except MemoryError:
            there.send(f"{NAME} needs more than {memory} bytes of memory; shrink it")


def _limit(memory: int) -> None:
    """No more memory than this, as far as the system can hold a process to it (macOS cannot), and no core dump."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


@contextmanager
def _as_file(content: bytes) -> Iterator[Path]:
    """A path to read the content at: in memory where the system has such files, else in a folder that ends with it."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("image"), "w+b") as held:
            held.write(content)
            held.flush()
            yield Path(f"/proc/self/fd/{held.fileno()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        with files.whole(path, private=True) as partial:
            partial.write_bytes(content)
        yield path
