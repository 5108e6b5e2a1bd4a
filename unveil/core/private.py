"""Files that nobody but their owner may read: what left, under which names, and what came back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unveil.core import console


def opened(path: Path, flags: int) -> int:
    """A descriptor of a file that is its owner's alone, made so where it is new, whatever the umask.

    One that others could read is closed to them, and that is said. Raises ``OSError``, for a file of another owner too.
    """
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept(path)
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags)
    if hasattr(os, "fchmod"):  # a umask may have taken the owner's rights; Windows gives a file those of its folder
        os.fchmod(descriptor, 0o600)
    return descriptor


def kept(path: Path) -> None:
    """Closes a file, if it is there, to others than its owner.

    By its name: whoever opens and closes a file loses the locks that this process has on it, which SQLite needs.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    if os.name != "nt" and stat.S_ISREG(path.stat().st_mode) and mode & 0o077:
        path.chmod(0o600)
        console.say(f"note: {path} could be read by others ({mode:04o}); from now on it is yours alone (0600)")
