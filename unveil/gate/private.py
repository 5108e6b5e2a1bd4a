"""Files that nobody but their owner may read: what left, under which names, and what came back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unveil import screen


def opened(path: Path, flags: int) -> int:
    """A descriptor of a file that is its owner's alone, made so where it is new, whatever the umask.

    One that others could read is closed to them, and that is said. Raises ``OSError``, for a file of another owner too.
    """
    try:
        descriptor, new = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        descriptor, new = os.open(path, flags), False
    try:
        _closed_to_others(descriptor, path, new)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def kept(*paths: Path) -> None:
    """Files that may exist, as ``opened`` makes them."""
    for path in paths:
        if path.exists():
            os.close(opened(path, os.O_RDONLY))


def _closed_to_others(descriptor: int, path: Path, new: bool) -> None:
    if not hasattr(os, "fchmod"):  # Windows, where a file has its folder's rights
        return
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if new or mode & 0o077:
        os.fchmod(descriptor, 0o600)
    if mode & 0o077 and not new:
        screen.say(f"note: {path} could be read by others ({mode:04o}); from now on it is yours alone (0600)")
