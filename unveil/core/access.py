"""Who may see the data of several sources at once: the strictest access wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from unveil.core.records import Record

#: From the loosest to the strictest. Where nobody has said who may see the data, that they are open is not known.
Reach = Literal["open", "unknown", "dua", "credentialed"]
STRICTNESS: tuple[Reach, ...] = ("open", "unknown", "dua", "credentialed")
MEANINGS: dict[Reach, str] = {
    "open": "anybody may see the data",
    "unknown": "nobody has said who may see the data",
    "dua": "who sees the data has signed an agreement",
    "credentialed": "who sees the data has credentials and has signed an agreement",
}


class AccessError(ValueError):
    """Data that are not open, where others would see them; the message says which, and what to do."""


def strictest(records: Iterable[Record]) -> Reach:
    return max((record.source.access or "unknown" for record in records), key=STRICTNESS.index, default="open")


def closed(records: Iterable[Record | None]) -> str:
    """The data sets that are not known to be open, with their access and numbers of images; "" where all are.

    None stands for an image of which there is no record.
    """
    known = (
        (r.source.dataset, r.source.access or "unknown") if r else ("without a record", "unknown") for r in records
    )
    counts = Counter(known)
    found = [f"{name} ({access}, {n} images)" for (name, access), n in sorted(counts.items()) if access != "open"]
    return ", ".join(found)


def refuse(
    records: Iterable[Record | None],
    restricted: bool,
    why: str = "the imagefolder form is for publication",
    does: str = "writes",
) -> None:
    """Raises ``AccessError`` where data that are not open would be made ready for publication, or shown to others,
    unasked. ``why`` says how others come to see them, and ``does`` what is done with them."""
    if not restricted and (found := closed(records)):
        raise AccessError(
            f"{why}, and not all data are said to be open: {found}; "
            f"if they are, read them again with `unveil ingest --access open`; --restricted {does} them all the same, "
            "for those who may see them"
        )
