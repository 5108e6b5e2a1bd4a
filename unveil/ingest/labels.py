"""Labels that name no finding, in formats where every annotation is taken for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, TypeVar

from unveil.ingest.columns import key
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Options, Rejected

Entry = TypeVar("Entry")

#: What an annotation is called that says that there is none. "Normal" and the other words that say so in a table are
#: not among them, unless the user says it, since cells may be normal.
NOTHING = frozenset({"nofinding", "nofindings", "noabnormality", "noabnormalities"})
#: What the rest of a picture is called.
BACKGROUND = frozenset({"background"})


def findings_among(
    folder: Folder, file: str, entries: Iterable[tuple[int, Entry]], label: Callable[[Entry], str]
) -> tuple[list[tuple[int, Entry]], list[Rejected]]:
    """The (row, annotation) of an image that are findings, and what the others leave in doubt.

    "No finding" alone leaves an image without findings; beside one it is rejected. The background is none either:
    beside findings it is noted, but an image with no other annotation is not known to be free of them.
    """
    sorted_out = [(row, entry, _kind(label(entry), folder.options.negative_labels)) for row, entry in entries]
    for row, entry, kind in sorted_out:
        if kind == "doubtful":
            name = label(entry)
            told = f"annotations called {name} are taken as findings; if they say that there is none, --negative-labels"
            folder.note(told, f"{file}, annotation {row}")
    kept = [(row, entry) for row, entry, kind in sorted_out if kind in ("finding", "doubtful")]
    bad = []
    for row, _, kind in sorted_out if len(kept) < len(sorted_out) else ():
        if kind == "nothing" and kept:
            bad.append(Rejected(file, row, "says that there is no finding, which other annotations of the image deny"))
        elif kind == "background" and kept:
            folder.note("annotations of the background are no findings", f"{file}, annotation {row}")
        elif kind == "background":
            bad.append(Rejected(file, row, "only the background is annotated: are there findings?", rows=0))
    return kept, bad


@cache
def _kind(label: str, negative: tuple[str, ...]) -> Literal["finding", "doubtful", "nothing", "background"]:
    plain, denials = key(label), set(map(key, negative))
    if plain in NOTHING or (plain in denials and negative != Options.negative_labels):
        return "nothing"
    return "background" if plain in BACKGROUND else "doubtful" if plain in denials else "finding"
