"""What lies in a data folder, and the text of its files. Only regular files are ever opened.

Links: a linked folder is a user's own layout, so it is walked as any other, but once, and neither where it leads back
to what holds the data folder nor into the system's own folders. A linked file counts where it leads to a file of the
data folder or of such a linked folder. One that leads elsewhere is refused, since a stranger's archive may hold a link
to any file whose name it can guess.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Literal, TextIO

from unveil.core.digests import is_output
from unveil.core.files import is_pointer
from unveil.ingest.reading import AnnotationError, IngestError, Rejected

#: ``folders`` and the links in them as above; ``all`` takes linked files from anywhere, ``none`` nothing from outside.
Links = Literal["folders", "all", "none"]

#: Folders of the system, which hold devices and processes and no data.
SYSTEM = tuple(map(Path, ("/dev", "/proc", "/sys")))

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class Listing:
    """The regular files below a folder, sorted; what cannot be read, each with its reason; where linked folders lead.

    Hidden files and folders are left out (such as the resource forks of macOS), and folders that commands of this
    package have ``made``.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)
    linked: dict[Path, Path] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)

    def refuse(self, path: str | Path, reason: str) -> None:
        name = os.fsencode(Path(path).relative_to(self.root)).decode("utf-8", "backslashreplace")
        self.refused.append(Rejected(name, None, reason, rows=0))


def listing(root: Path, links: Links = "folders") -> Listing:
    """Walks ``root``, a resolved path."""
    found = Listing(root)
    walked: set[tuple[int, int]] = set()
    folders, single = [str(root)], list[str]()
    while folders:
        linked: list[str] = []
        while folders:
            for entry in _entries(folders.pop(), walked, found):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    found.files.append(Path(entry.path))
                elif not entry.is_symlink():
                    found.refuse(entry.path, f"{_kind(entry.stat(follow_symlinks=False))}: it was not opened")
                else:
                    (linked if Path(entry.path).is_dir() else single).append(entry.path)
        # after all real folders, so that a link to one of them does not hide it
        folders += [path for path in sorted(linked) if _walks(path, found, links)]
    within = [root, *found.linked.values()]
    found.files += [Path(path) for path in single if _takes(path, within, found, links)]
    found.files.sort(key=lambda path: path.parts)
    return found


def _entries(folder: str, walked: set[tuple[int, int]], found: Listing) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder that was not walked before and is not hidden."""
    try:
        about = Path(folder).stat()
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError as error:
        found.refuse(folder, f"this folder cannot be listed: {error.strerror}")
        return
    if (about.st_dev, about.st_ino) in walked:
        return
    if Path(folder) != found.root and is_output(folder):
        found.made.append(Path(folder))
        return
    walked.add((about.st_dev, about.st_ino))
    for entry in entries:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            found.refuse(entry.path, "the name is not UTF-8 text: rename it")
            continue
        yield entry


def _walks(path: str, found: Listing, links: Links) -> bool:
    """Whether a linked folder is walked; one that is not, although it is no folder of the data, is refused."""
    target = Path(os.path.realpath(path))
    if target.is_relative_to(found.root):
        return True
    if links == "none":
        found.refuse(path, f"a link that leads outside, to {target}, which --links none refuses")
    elif found.root.is_relative_to(target):
        found.refuse(path, f"a link to {target}, which holds the data folder: it was not followed")
    elif any(target.is_relative_to(system) for system in SYSTEM):
        found.refuse(path, f"a link to {target}, a folder of the system: it was not followed")
    else:
        found.linked[Path(path)] = target
        return True
    return False


def _takes(path: str, within: list[Path], found: Listing, links: Links) -> bool:
    """Whether a link that is none to a folder is taken for the file that it leads to."""
    try:
        about = Path(path).stat()
    except OSError as error:
        found.refuse(path, f"a link that leads nowhere: {error.strerror}")
        return False
    target = Path(os.path.realpath(path))
    if not stat.S_ISREG(about.st_mode):
        found.refuse(path, f"a link to {_kind(about)}: it was not opened")
    elif links == "all" or any(target.is_relative_to(folder) for folder in within):
        return True
    else:
        found.refuse(path, f"a link that leads outside the data folder, to {target}: --links all takes such files")
    return False


def _kind(about: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(about.st_mode), "no regular file")


def below(path: Path, folder: Path) -> str | None:
    """What a path is called below a folder, "." itself, or None elsewhere: as ``Path.relative_to``, which takes ten
    times as long."""
    name, start = path.as_posix(), folder.as_posix().rstrip("/")
    if name.startswith(f"{start}/"):
        return name[len(start) + 1 :] or "."
    return "." if name == start else None


#: Opens a text at its beginning.
Opening = Callable[[], TextIO]
#: Bytes that are decoded at a time.
PART = 2**20


def text_of(path: Path, encoding: str | None = None, *, marked: bool = False) -> str:
    """The whole text of a file, as ``opened`` reads it."""
    with opened(path, encoding, marked=marked) as file:
        return file.read()


def opened(path: Path, encoding: str | None = None, *, marked: bool = False) -> TextIO:
    """A file as text, as ``opening`` opens it."""
    return opening(path, encoding, marked=marked)()


def opening(path: Path, encoding: str | None = None, *, marked: bool = False) -> Opening:
    """How to open a file as text, its line ends as they are: UTF-8, UTF-16 or UTF-32 if it begins with their mark, else
    UTF-8, else ``encoding``.

    A file that is none of these raises ``AnnotationError``; with ``marked``, each byte of it that is no UTF-8 stays as
    half a surrogate pair, which ``damaged`` finds, so that a row can be set aside and not the whole file.
    """
    refuse_pointer(path)
    with path.open("rb") as file:
        start = file.read(4)
    told = next((name for mark, name in _BOMS if start.startswith(mark)), None)
    problem = ""
    for name in filter(None, [told] if told else ["utf-8", encoding]):
        if not (wrong := _undecodable(path, name)):
            return partial(path.open, encoding=name, newline="")
        problem = problem or wrong
    if marked and not told and not _undecodable(path, "latin-1"):  # which has a character for each byte
        return partial(path.open, encoding="utf-8", errors="surrogateescape", newline="")
    hint = "" if told else "; --encoding says what it is, such as latin-1"
    raise AnnotationError(f"the file is not {told or encoding or 'UTF-8'} text ({problem}){hint}")


def _undecodable(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        return undecodable(file, encoding)


def undecodable(file: IO[bytes], encoding: str) -> str:
    """Why a file is no text in an encoding; "" where it is. A part of it at a time is in memory."""
    decoder = codecs.getincrementaldecoder(encoding)()
    zeros, at = False, 0
    while True:
        part = file.read(PART)
        begins = at - len(decoder.getstate()[0])  # of what the decoder looks at now
        try:
            zeros = "\0" in decoder.decode(part, final=not part) or zeros
        except UnicodeDecodeError as error:
            return f"{error.reason} at byte {begins + error.start}"
        if not part:
            return "it holds zero bytes, as UTF-16 does" if zeros else ""
        at += len(part)


def refuse_pointer(path: Path) -> None:
    """Raises ``AnnotationError`` for a file that only says where another one is kept."""
    if is_pointer(path):
        raise AnnotationError("a pointer of Git LFS, not the file itself: `git lfs pull` fetches it")


def damaged(text: str) -> bool:
    """Whether text holds bytes that are no UTF-8, as ``text_of`` marks them, or another half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def known_encoding(name: str | None) -> None:
    """Raises ``IngestError`` for an encoding that Python does not know."""
    try:
        "a".encode(name or "utf-8")
    except (LookupError, ValueError) as error:
        raise IngestError(f"--encoding {name}: no such encoding; latin-1, cp1252, gbk and utf-16 are some") from error


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its content: scanners give names without an ending, such as IM000001."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
