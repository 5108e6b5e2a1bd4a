"""Names of files for records, which are unique, lead nowhere and say the same to every tool.

Names of records come from outside: they may hold ``..``, begin with a slash, differ by case only. Many tools pair an
image with its labels by the name without its ending, so that this alone must be unique.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from unveil.core.records import Record

#: Bytes of a name without its ending: with a number and an ending it stays below what a disk takes (255).
LONGEST = 150
#: What stands for something else: lists of class names beside YOLO labels, devices of Windows.
RESERVED = frozenset({"classes", "class_names", "names", "con", "prn", "aux", "nul"})


def safe(text: str) -> str:
    """A name without folders, spaces, dots and signs that a shell, a disk or an address takes for something else.

    Folders become a part of the name, so that ``a/1.png`` and ``b/1.png`` stay apart; letters of any script stay.
    """
    text = unicodedata.normalize("NFC", text)
    parts = [part for part in re.split(r"[/\\]+", text) if part.strip(". ")]
    name = re.sub(r"(?:[^\w+-]|_)+", "_", "_".join(parts)).strip("_+-")
    name = name.encode("utf-8", "ignore")[-LONGEST:].decode("utf-8", "ignore").strip("_+-")
    return name if name and name.lower() not in RESERVED else f"image_{name}".rstrip("_")


def stems(records: Iterable[Record]) -> dict[str, str]:
    """For each record's id a name without an ending: of its file in the data set, else of the id.

    Where names are equal but for case, all but the first are numbered. The same records in the same order have the same
    names again.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    last: dict[str, int] = {}  # of each name: 100,000 rows of one file would else try all numbers again
    for record in records:
        file = record.source.file or record.id
        name = stem = safe(re.sub(r"(?<=[^/\\])\.\w{1,8}$", "", file))
        number = last.get(stem.casefold(), 1)
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        last[stem.casefold()] = number
        taken.add(name.casefold())
        found[record.id] = name
    return found
