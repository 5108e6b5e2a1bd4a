"""Questions in JSON: a list, or JSONL, of objects that name an image and ask a question of it.

An object may have choices, an answer type, a split, and what else a row of the Hub has (``hub``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core.records import Record
from unveil.core.untrusted import quoted
from unveil.ingest import hub
from unveil.ingest.asked import Album, spelled, taken, text
from unveil.ingest.catalogue import Format
from unveil.ingest.columns import ROLES, key
from unveil.ingest.conversations import TURNS
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, Rejected

ENDINGS = (".json", ".jsonl")
#: Bytes of a file that show what it is.
LOOKED_AT = 2**14
#: The lists of the Hub beside images, which are another form.
METADATA = "metadata.jsonl"


def found(folder: Folder) -> list[Path]:
    """Such files, as the keys at their beginning tell."""
    return [path for path in folder.showing(_asks, *ENDINGS) if path.name.lower() != METADATA]


def _asks(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(LOOKED_AT).decode("utf-8", "replace")
    keys = set(map(key, re.findall(r'"([\w ]{1,40})"\s*:', start)))
    needed = (hub.QUESTION, hub.ANSWER, (*ROLES["image"], "images"))
    return all(keys & set(map(key, names)) for names in needed) and not keys & set(TURNS)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    yield from records(folder, filter(folder.asked, found(folder)))


def records(folder: Folder, paths: Iterable[Path]) -> Iterator[Record | Rejected]:
    """The records of the images that the rows of files name, and the rows that cannot be used."""
    album = Album(folder)
    for path in paths:

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            place = album.find(_image(item), path.parent)
            with album.about(place):
                split = folder.split(place, path)
                album.add(place, hub.asked(folder, folder.relative(path), row, item, split, {}))

        yield from taken(folder, path, take)
    yield from album.records("unknown", lambda image, rows: hub.marked(folder, image, rows))


def _image(item: Mapping[str, Any]) -> str:
    """What a row calls its image."""
    told = spelled(item, *ROLES["image"], "images", "file_names")
    names = told if isinstance(told, list) else [told]
    if len(names) > 1:
        raise AnnotationError("several images, of which a question can have one")
    if not names or not (name := text(names[0])):
        raise AnnotationError(f"a row names no image: {quoted(dict(item))}")
    return name


FORMAT = Format(
    "qa-json",
    read,
    "JSON of objects with image, question and answer",
    found,
    ENDINGS,
    help="JSON or JSONL of objects with image, question and answer, and choices",
)
