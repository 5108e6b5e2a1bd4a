"""Files that are written whole or not at all, and the system's refusals in words."""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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


#: How a file begins that Git Large File Storage has left in the place of another.
_POINTER = b"version https://git-lfs.github.com/spec/"


def is_pointer(path: Path) -> bool:
    """Whether a file only says where another one is kept: a clone without Git LFS is full of these."""
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def sha256_of(file: BinaryIO) -> str:
    """Of the bytes from where a file stands to its end, in hexadecimal."""
    found = hashlib.sha256()
    while part := file.read(2**18):  # hashlib.file_digest lays out as much for each file, however small
        found.update(part)
    return found.hexdigest()


def number(error: BaseException) -> int | None:
    """The system's number of an error, which libraries that are written in Rust have in their words only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    in_words = re.search(r"\(os error (\d+)\)", str(error))
    return int(in_words[1]) if in_words else None


def said(error: BaseException, path: str | Path | None = None) -> str:
    """An error of the system in words: the file, what is wrong, what to do."""
    code = number(error)
    if code is None:  # it says so itself
        return str(error)
    file = path if path is not None else getattr(error, "filename", None)
    why = REFUSALS.get(code, os.strerror(code).lower())
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
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        if private and hasattr(os, "fchmod"):  # a umask may have taken the owner's rights
            os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    except OSError as error:
        raise WriteError(said(error, path)) from error
    try:
        with refusals(path, partial):
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same of a folder: one to write to, which takes the place of ``path`` in the end."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    try:
        with refusals(path, partial):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            sync(partial)
            shutil.rmtree(path, ignore_errors=True)
            partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def refusals(path: Path, partial: Path) -> Iterator[None]:
    """Turns what the system refuses while ``partial`` is written into ``WriteError`` of ``path``."""
    try:
        yield
    except Exception as error:
        about = getattr(error, "filename", None)  # None where it is not known to be of another file
        if number(error) is None or not Path(about or partial).is_relative_to(partial):
            raise
        raise WriteError(said(error, path)) from error


def sync(folder: Path) -> None:
    """Waits until the files are on the disk, so that a rename never makes a half-written folder look whole."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def write_text(path: str | Path, text: str, private: bool = False) -> Path:
    """Writes a text, all or nothing; returns its path. Raises ``WriteError``."""
    with whole(path, private) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def append(path: Path, text: str, private: bool = False) -> None:
    """Adds to a file, all of the text or nothing. Raises ``WriteError``."""
    left = text.encode("utf-8")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "ab", 0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise WriteError(said(error, path)) from error


def writable(folder: Path) -> None:
    """Raises ``WriteError`` where a folder, which need not exist yet, could not be written to; leaves nothing there."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise WriteError(said(OSError(errno.ENOTDIR, ""), there))
    partial = there / f"{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}"
    try:
        partial.touch(exist_ok=False)
    except OSError as error:
        raise WriteError(said(error, folder)) from error
    partial.unlink()


def reserve(path: Path, size: int) -> None:
    """Takes the room of ``size`` bytes on the disk, until the file is removed; where that cannot be done only looks.

    Raises ``WriteError`` where there is not as much.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise WriteError(
            f"{path.parent}: the disk has {free / 1e6:.0f} MB left, and what is to be written there takes "
            f"{size / 1e6:.0f} MB: free some space, or name another place"
        )
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "fallocate"):  # Linux's own; posix_fallocate would write zeros on disks that cannot do this
        with path.open("wb") as file:
            refused = library.fallocate(file.fileno(), 0, ctypes.c_long(0), ctypes.c_long(size))
        if refused and ctypes.get_errno() in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            path.unlink()
            raise WriteError(said(OSError(ctypes.get_errno(), ""), path.parent))


def tidy(out: Path, folder: bool) -> None:
    """Removes what a process that was killed has left half-written."""
    where, names = (out, f"*{PARTIAL}") if folder else (out.parent, f"{glob.escape(out.name)}.*{PARTIAL}")
    for left in where.glob(names):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
