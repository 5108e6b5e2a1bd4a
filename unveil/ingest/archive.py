"""A zip as data: unpacked file by file, each below the folder it goes to, and no more than its own size justifies."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath

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
#: Others may need any amount of memory to unpack (LZMA), or Python has none of them (Deflate64).
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def unpack(path: Path, folder: Path) -> int:
    """Unpacks a zip into a folder that takes the place of what is there, all or nothing; returns the number of files.

    Raises ``IngestError`` where the file is no whole zip, needs a password, holds links, two files of one name or
    names that lead elsewhere, or unpacks to more than it should.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check(path, members, folder)
            with files.whole_folder(folder) as partial, progress("unpack", len(members)) as advance:
                for member in members:
                    (partial / member.filename).parent.mkdir(parents=True, exist_ok=True)
                    # of a member never more is read than the size that it states
                    with archive.open(member) as packed, (partial / member.filename).open("xb") as file:
                        shutil.copyfileobj(packed, file)
                    advance()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise IngestError(f"{path}: no zip, or a damaged one ({error}); copy it again") from error
    return len(members)


def _check(path: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Raises ``IngestError`` before anything is written."""
    names = Counter(member.filename for member in members)
    for member in members:
        if problem := _problem(member) or ("it stands there twice" if names[member.filename] > 1 else ""):
            raise IngestError(f"{path} is not unpacked: {quoted(member.filename)}: {problem}")
    size, most = sum(member.file_size for member in members), max(ALLOWED, MOST_TIMES * path.stat().st_size)
    if size > most:
        raise IngestError(
            f"{path} is not unpacked: it would grow to {size / 1e9:.3g} GB, more than {MOST_TIMES} times its size; "
            "if you trust it, unpack it and give its folder"
        )
    near = next(parent for parent in folder.parents if parent.is_dir())
    free = max(0, shutil.disk_usage(near).free - SPARE)
    if size > free:
        raise IngestError(f"{path} is not unpacked: it needs {size / 1e9:.3g} GB, and {near} has {free / 1e9:.3g} left")


def _problem(member: zipfile.ZipInfo) -> str:
    """Why a file of a zip cannot be written; "" if nothing is wrong."""
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or ".." in PurePosixPath(name).parts or PureWindowsPath(name).drive or "\\" in name:
        return "a name that may lead out of its folder"
    if kind not in (0, stat.S_IFREG):
        return "a link, or no regular file"
    if member.flag_bits & 1:
        return "it needs a password; unpack the zip, and give its folder"
    return "" if member.compress_type in METHODS else "packed by a rare method; unpack the zip, and give its folder"
