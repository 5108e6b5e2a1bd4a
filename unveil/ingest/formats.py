"""The formats that are read, and which of them a folder is in: told by its files, never by a guess between two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unveil.ingest import coco, table, unread, voc, yolo
from unveil.ingest.folder import Folder, Reader
from unveil.ingest.reading import IngestError
from unveil.untrusted import quoted

#: What lets the files tell.
AUTO = "auto"


@dataclass(frozen=True)
class Format:
    """A form in which images are annotated: the reader, what it looks for in words, and those files of a folder that
    show its form, without any of which the reader has nothing to read."""

    name: str
    read: Reader
    looked_for: str
    found: Callable[[Folder], list[Path]]

    def evidence(self, folder: Folder) -> str:
        """Such as: 364 XML files with an <annotation>, such as Annotations/a.xml; "" where there is none."""
        files = self.found(folder)
        return f"{len(files)} x {self.looked_for}, such as {folder.relative(files[0])}" if files else ""


#: A third party adds a format here.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("voc", voc.read, voc.LOOKED_FOR, voc.found),
        Format("coco", coco.read, coco.LOOKED_FOR, coco.found),
        Format("yolo", yolo.read, yolo.LOOKED_FOR, yolo.found),
        Format("csv", table.read, table.LOOKED_FOR, table.found),
    )
}


def chosen(folder: Folder, name: str) -> Format:
    """The format of this name, or the one that the files show; the folder notes why.

    Raises ``IngestError`` where the folder is in another format, in none, or may be in several.
    """
    if name not in (AUTO, *FORMATS):
        raise IngestError(f"format {quoted(name)} is none of {', '.join((AUTO, *FORMATS))}")
    if name != AUTO and FORMATS[name].found(folder):
        return FORMATS[name]
    shown = {format.name: said for format in FORMATS.values() if (said := format.evidence(folder))}
    readings = "; ".join(f"--format {other}: {said}" for other, said in shown.items())
    if name == AUTO and len(shown) == 1:
        [only] = shown
        folder.note(f"read as {only}, since there are {shown[only]}")
        return FORMATS[only]
    if name == AUTO and shown:
        raise IngestError(f"it can be read in {len(shown)} ways, choose one: {readings}")
    if shown:
        raise IngestError(f"it is not {name}: looked for {FORMATS[name].looked_for} and found none; {readings}")
    strangers = unread.described(folder)
    if name == AUTO:
        raise IngestError(f"nothing that tells what is in the images was recognised. {strangers or _held(folder)}")
    if strangers:
        raise IngestError(f"it is not {name}: looked for {FORMATS[name].looked_for} and found none. {strangers}")
    return FORMATS[name]  # the reader itself tells best what it misses
