"""What ``--data`` names: a folder, a zip of one, or an annotation file that stands for its folder."""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path

from unveil.core import digests
from unveil.core.console import say
from unveil.core.paths import of_windows
from unveil.ingest import archive, unread
from unveil.ingest.reading import IngestError, Options

#: Files that tell of others in their folder: tables, COCO, questions, the description of a YOLO set.
ANNOTATIONS = (".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".parquet", ".arrow")
#: Where a zip is unpacked to, beside records.jsonl; the beginning of its hash follows.
UNPACKED = "unpacked-"


def located(data: Path, options: Options) -> tuple[Path, Options]:
    """A folder or a zip as they are; of an annotation file its folder, of which then no other annotations are read, nor
    those of the same name in the folders below.

    Raises ``IngestError`` where ``data`` is not there, or is a file of another kind.
    """
    if data.is_dir() or is_zip(data):
        return data, options
    if not data.is_file():
        raise IngestError(f"{data}: {of_windows(str(data)) or 'no such folder'}")
    if not data.name.lower().endswith(ANNOTATIONS):
        raise IngestError(unread.of_file(data))
    return data.parent, dataclasses.replace(options, annotations=options.annotations or f"/{glob.escape(data.name)}")


def inputs(data: Path | None, options: Options) -> list[Path]:
    """What is read, for ``provenance``: the folder, and beside it an annotation file there that another command has
    made, such as `unveil curate corrections`: such files do not count among those of a folder."""
    if data is None:
        return []
    named = options.annotations or ""
    made = data.glob(named[1:]) if named[1:] and named.startswith("/") and data.is_dir() else ()
    return [data, *(path for path in made if path.with_name(f"{path.name}.run.json").is_file())]


def is_zip(data: Path) -> bool:
    return data.is_file() and data.suffix.lower() == ".zip"


def unpacked(data: Path, options: Options, out: Path) -> tuple[Path, Options]:
    """The folder to read: of a zip the one that it is unpacked to, unless it was before; the set keeps its name."""
    if not is_zip(data):
        return data, options
    folder = out / f"{UNPACKED}{digests.sha256(data)[:8]}"
    if not folder.is_dir():
        number = archive.unpack(data, folder)
        say(f"unpacked {number} files of {data} into {folder}")
    return folder, dataclasses.replace(options, dataset=options.dataset or data.stem)
