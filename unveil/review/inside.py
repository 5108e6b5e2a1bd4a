"""Files of a folder that others may have written: found by name, opened without following a link out of it or in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: Bytes of a file that is read whole, but where another number is told.
MOST_BYTES = 2**26


class Outside(ValueError):
    """A path that leads out of the folder, or a link; the message says which, and leaves the name out."""


def opened(root: Path, name: PurePosixPath) -> int:
    """The descriptor of a regular file below a folder. No link on the way is followed, and no pipe is waited for.

    Raises ``Outside``, and ``OSError`` where there is no such file or it may not be read.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in name.parent.parts:
            inner = _open(part, os.O_DIRECTORY, folder)
            os.close(folder)
            folder = inner
        file = _open(name.name, os.O_NONBLOCK, folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Outside("it is no regular file")
    return file


def _open(part: str, how: int, folder: int) -> int:
    if part in ("..", "/", ""):
        raise Outside("it leads out of the folder that is shown")
    try:
        return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | how, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR):
            raise Outside("it is a link, or lies behind one, which is not followed") from error
        raise


def read(root: Path, name: PurePosixPath, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file below a folder. Raises ``Outside`` also where it has more than ``most``, and ``OSError``."""
    with os.fdopen(opened(root, name), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Outside(f"it has more than {most} bytes")
    return content


def checked(root: Path, name: PurePosixPath) -> Path:
    """The path of a file that ``opened`` opens, for readers that take paths."""
    os.close(opened(root, name))
    return root / name


def within(root: Path, path: Path) -> PurePosixPath:
    """The name below a folder of a path as it is written. Raises ``Outside`` where it leads elsewhere."""
    whole, base = Path(os.path.normpath(path)), Path(os.path.normpath(root))
    if not whole.is_relative_to(base):
        raise Outside("it lies outside of the folder that is shown")
    return PurePosixPath(whole.relative_to(base))


def entries(root: Path, name: PurePosixPath, most: int) -> Iterator[os.DirEntry[str]]:
    """The first entries of a folder below a folder, links left out."""
    with os.scandir(root / name) as found:
        for count, entry in enumerate(found):
            if count == most:
                return
            if not entry.is_symlink():
                yield entry
