"""Files that are written whole or not at all, and the system's refusals in words."""

from __future__ import annotations

import errno
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"


class WriteError(OSError):
    """A file that cannot be written; the message names it and says what to do."""


#: What to do about what a disk refuses.
REFUSALS = {
    errno.ENOSPC: "the disk is full: free some space, then the same command goes on",
    errno.EDQUOT: "your quota on this disk is used up: free some space, then the same command goes on",
    errno.EFBIG: "larger than a file may be here",
    errno.EROFS: "this disk can only be read: name another place",
    errno.EACCES: "not allowed: see who owns it, or name another place",
    errno.EPERM: "not allowed: see who owns it, or name another place",
    errno.ENOTDIR: "a file stands where a folder is needed: name another place",
    errno.EEXIST: "a file stands where a folder is needed: name another place",
    errno.EISDIR: "it is a folder, and a file is needed",
    errno.ENOENT: "no such file",
    errno.ENAMETOOLONG: "its name is too long for this disk",
    errno.EIO: "the disk fails to read or to write it",
}


def said(error: OSError, path: str | Path | None = None) -> str:
    """An error of the system in words: the file, what is wrong, what to do."""
    if error.errno is None:  # it says so itself
        return str(error)
    file = path if path is not None else error.filename
    why = REFUSALS.get(error.errno, (error.strerror or "cannot be used").lower())
    return f"{file}: {why}" if file is not None else why


@contextmanager
def whole(path: str | Path, private: bool = False) -> Iterator[Path]:
    """A path to write to; what is there in the end takes the place of ``path``, all of it and on the disk, or nothing.

    ``private`` files can be read by their owner only. Raises ``WriteError`` where the disk refuses.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666))
    except OSError as error:
        raise WriteError(said(error, path)) from error
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno is None or str(error.filename) not in ("None", str(partial)):  # of another file
            raise
        raise WriteError(said(error, path)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, private: bool = False) -> Path:
    """Writes a text, all or nothing; returns its path. Raises ``WriteError``."""
    with whole(path, private) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def tidy(out: Path, folder: bool) -> None:
    """Removes what a process that was killed has left half-written."""
    where, names = (out, f"*{PARTIAL}") if folder else (out.parent, f"{glob.escape(out.name)}.*{PARTIAL}")
    for left in where.glob(names):
        if left.is_file():
            left.unlink(missing_ok=True)
