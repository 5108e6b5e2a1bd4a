"""The formats that are read, and which of them a folder is in: told by its files, never by a guess between two.

A new format or data set is a module with a reader (as `voc`, `coco`, `yolo`, `table`) and a line of ``FORMATS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unveil.core.untrusted import quoted
from unveil.ingest import coco, table, unread, voc, yolo
from unveil.ingest.folder import Folder, Reader
from unveil.ingest.reading import IngestError

#: Lets the files tell.
AUTO = "auto"


@dataclass(frozen=True)
class Format:
    """A form in which images are annotated: the reader, what it looks for in words, those files of a folder that show
    this form, and the endings of all that the reader looks at."""

    name: str
    read: Reader
    looked_for: str
    found: Callable[[Folder], list[Path]]
    endings: tuple[str, ...]

    def evidence(self, folder: Folder) -> str:
        """Such as: XML files with an <annotation> (364, such as Annotations/a.xml); "" where there are none."""
        files = [path for path in self.found(folder) if folder.asked(path)]
        number = f"{len(files)}, such as " if len(files) > 1 else ""
        return f"{self.looked_for} ({number}{folder.relative(files[0])})" if files else ""


#: A third party adds a format here.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("voc", voc.read, voc.LOOKED_FOR, voc.found, (".xml",)),
        Format("coco", coco.read, coco.LOOKED_FOR, coco.found, (".json",)),
        Format("yolo", yolo.read, yolo.LOOKED_FOR, yolo.found, (".txt", ".yaml", ".yml", ".names")),
        Format("csv", table.read, table.LOOKED_FOR, table.found, (".csv", ".tsv")),
    )
}


def chosen(folder: Folder, name: str) -> Format:
    """The format of this name, or the one that the files show; the folder notes why.

    Raises ``IngestError`` where the folder is in another format, in none, or may be in several.
    """
    if name not in (AUTO, *FORMATS):
        raise IngestError(f"format {quoted(name)} is none of {', '.join((AUTO, *FORMATS))}")
    if name != AUTO and FORMATS[name].evidence(folder):
        return FORMATS[name]
    shown = {format.name: said for format in FORMATS.values() if (said := format.evidence(folder))}
    readings = "; ".join(f"--format {other} reads {said}" for other, said in shown.items())
    if name == AUTO and len(shown) == 1:
        [(only, said)] = shown.items()
        folder.note(f"read as {only}: {said}")
        return FORMATS[only]
    if name == AUTO and shown:
        raise IngestError(f"it can be read in {len(shown)} ways, say which: {readings}")
    if name == AUTO:
        raise IngestError(f"nothing tells what is in the images. {unread.described(folder) or unread.held(folder)}")
    # of files that it looks at, a reader itself tells best what it misses, unless another program has written them
    own = FORMATS[name].endings
    others = readings or unread.described(folder, *(own if folder.files(*own) else ()))
    if others:
        raise IngestError(f"it is not {name}: looked for {FORMATS[name].looked_for}, and found none. {others}")
    return FORMATS[name]
