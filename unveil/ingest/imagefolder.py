"""A folder of images with ``metadata.jsonl``, as the Hugging Face Hub has it: each line names a file and what is there.

A table beside them is one as any other (``table``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unveil.core.records import Record
from unveil.ingest import qa_json
from unveil.ingest.asked import begins
from unveil.ingest.catalogue import Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Incomplete, Rejected


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return [path for path in folder.named(qa_json.METADATA) if begins(path, "file_name") or begins(path, "file_names")]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a line names, with its question, objects, label or report."""
    yield from qa_json.records(folder, filter(folder.asked, found(folder)))


FORMAT = Format(
    "imagefolder",
    read,
    "metadata.jsonl with file_name beside images",
    found,
    (".jsonl",),
    help="images with the Hub's metadata.jsonl: a question, objects, a label or a report for each",
)
