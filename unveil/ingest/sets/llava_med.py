"""LLaVA-Med's instructions: conversations about figures of articles, which a language model has written.

The key of the turns is misspelt in some files (``conversatons``). The field ``domain`` is read where it is there; its
form was not seen at the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core.records import Record
from unveil.ingest import conversations
from unveil.ingest.asked import Album, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Incomplete, Rejected

#: What kinds of image are called under ``domain``, and here.
DOMAINS = {"chest_xray": "X-ray", "mri": "MRI", "ct_scan": "CT", "histology": "pathology", "gross": "gross pathology"}


def found(folder: Folder) -> list[Path]:
    """The files of the instructions, pointers to them too."""
    return folder.named("llava_med_alignment*.json", "llava_med_instruct*.json")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every figure that a conversation is about."""
    folder.note("questions and answers that a language model has written from captions, not people")
    album = Album(folder)
    for path in filter(folder.asked, found(folder)):

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            named = {**item, "image": item.get("image") or item.get("id")}  # the image is called as its row
            told = conversations.conversation(named)
            place = album.find(told.image, path.parent)
            with album.about(place):
                file = folder.relative(path)
                for asked in conversations.rows_of(told, album, place, file, row, None, _known(item)):
                    album.add(place, asked)

        yield from taken(folder, path, take)
    yield from album.records("unknown", lambda image, rows: conversations.marked(folder, image, rows))


def _known(item: Mapping[str, Any]) -> dict[str, Any]:
    """The modality, where exactly one is told: by a flag for each kind, or by its name."""
    domain = item.get("domain")
    told = [name for name, is_so in domain.items() if is_so is True] if isinstance(domain, Mapping) else [text(domain)]
    return {"modality": DOMAINS[told[0]]} if len(told) == 1 and told[0] in DOMAINS else {}


FORMAT = Format(
    "llava-med",
    read,
    "llava_med_instruct_*.json or llava_med_alignment_*.json",
    found,
    (".json",),
    DataSet(
        "llava-med",
        "LLaVA-Med instruct",
        "figures of articles",
        ("questions",),
        "unknown",
        "open",
        "CC BY-NC 4.0",
        "https://github.com/microsoft/LLaVA-Med",
        "Li et al., LLaVA-Med: Training a Large Language-and-Vision Assistant for Biomedicine in One Day, 2023, "
        "arXiv 2306.00890",
        (
            Download("**/llava_med_{alignment,instruct}*.json", "the conversations"),
            Download("**/*.jpg", "the figures, which a script of the source downloads from llava_med_image_urls.jsonl"),
        ),
        notes=(
            "Questions and answers were written by a language model from captions.",
            "The makers expressly prohibit use in clinical care.",
            "The files in a clone of the source are pointers of Git LFS; its script has their addresses.",
        ),
    ),
)
