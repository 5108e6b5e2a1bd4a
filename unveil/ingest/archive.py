"""A zip as data: unpacked file by file, each below the folder it goes to, and no more than its own size justifies."""

from __future__ import annotations

import errno
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from unveil.core import files
from unveil.core.console import progress
from unveil.core.untrusted import quoted
from unveil.ingest.reading import IngestError

#: How many times its own size a zip may unpack to: images are compressed already, tables shrink some tenfold.
MOST_TIMES = 100
#: Bytes that any zip may unpack to.
ALLOWED = 2**30
#: Bytes that stay free on the disk.
SPARE = 2**28
#: Bytes of the name of a file, and of its path in the zip: most systems take no more.
LONGEST_NAME, LONGEST_PATH = 255, 1024
#: Others may need any amount of memory to unpack (LZMA), or Python has none of them (Deflate64).
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
#: Bits of a file's flags: it needs a password, it is a patch of another file, it is strongly encrypted.
PASSWORD, PATCH, STRONG = 1, 1 << 5, 1 << 6


def unpack(path: Path, folder: Path) -> int:
    """Unpacks a zip into a folder that takes the place of what is there, all or nothing; returns the number of files.

    Raises ``IngestError`` where the file is no whole zip, needs a password, holds links, two files of one name or
    names that lead elsewhere, is packed in a rare way, or unpacks to more than it should.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            named = [(_name(member), member) for member in archive.infolist()]
            members = [(name, member) for name, member in named if not name.endswith("/")]  # a folder is none
            _check(path, members, folder)
            with files.whole_folder(folder) as partial, progress("unpack", len(members)) as advance:
                for name, member in members:
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    # of a member never more is read than the size that it states
                    with _member(archive, member) as packed, (partial / name).open("xb") as file:
                        while part := _part(packed):
                            file.write(part)
                    advance()
    except NotImplementedError as error:
        raise IngestError(f"{path}: packed in a rare way ({error}); unpack the zip, and give its folder") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise IngestError(f"{path}: no zip, or a damaged one ({error}); copy it again") from error
    return len(members)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(member)
    except (OSError, ValueError, OverflowError) as error:  # a place before the file's start, or none at all
        if getattr(error, "errno", None) not in (None, errno.EINVAL):
            raise
        raise zipfile.BadZipFile(str(error)) from error


def _part(packed: IO[bytes]) -> bytes:
    """The next bytes of a file in a zip; b"" at its end."""
    try:
        return packed.read(2**20)
    except OSError as error:
        if error.errno is not None:  # of the disk; a damaged bzip2 stream has no number
            raise
        raise zipfile.BadZipFile(str(error)) from error


def _name(member: zipfile.ZipInfo) -> str:
    """Some programs of Windows write its own separators, against the standard."""
    return member.filename.replace("\\", "/")


def _check(path: Path, members: Sequence[tuple[str, zipfile.ZipInfo]], folder: Path) -> None:
    """Raises ``IngestError`` before anything is written."""
    uses = Counter(_plain(name) for name, _ in members)
    folders = {str(parent) for name in uses for parent in PurePosixPath(name).parents}
    for name, member in members:
        twice = uses[_plain(name)] > 1 or _plain(name) in folders
        if problem := _problem(name, member) or ("it stands there twice" if twice else ""):
            raise IngestError(f"{path} is not unpacked: {quoted(name)}: {problem}")
    size, most = sum(member.file_size for _, member in members), max(ALLOWED, MOST_TIMES * path.stat().st_size)
    if size > most:
        raise IngestError(
            f"{path} is not unpacked: it would grow to {size / 1e9:.3g} GB, more than {MOST_TIMES} times its size; "
            "if you trust it, unpack it and give its folder"
        )
    near = next(parent for parent in folder.parents if parent.is_dir())
    free = max(0, shutil.disk_usage(near).free - SPARE)
    if size > free:
        raise IngestError(f"{path} is not unpacked: it needs {size / 1e9:.3g} GB, and {near} has {free / 1e9:.3g} left")


def _plain(name: str) -> str:
    """A name without what leads nowhere: ``./a//b`` is ``a/b``."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _problem(name: str, member: zipfile.ZipInfo) -> str:
    """Why a file of a zip cannot be written; "" if nothing is wrong."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or ".." in name.split("/") or PureWindowsPath(name).drive:
        return "a name that may lead out of its folder"
    if not _plain(name):
        return "no name"
    if len(name.encode()) > LONGEST_PATH or max(len(part.encode()) for part in name.split("/")) > LONGEST_NAME:
        return "a name that is too long"
    if kind not in (0, stat.S_IFREG):
        return "a link, or no regular file"
    if member.flag_bits & (PASSWORD | STRONG):
        return "it needs a password; unpack the zip, and give its folder"
    rare = member.compress_type not in METHODS or member.flag_bits & PATCH
    return "packed by a rare method; unpack the zip, and give its folder" if rare else ""
