"""Labels that name no finding, in formats where every annotation is taken for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, TypeVar

from unveil.core.untrusted import quoted
from unveil.ingest.columns import key
from unveil.ingest.conventions import Order, Units, in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Options, Rejected, number

Entry = TypeVar("Entry")

#: What an annotation is called that says that there is none. "Normal" and the other words that say so in a table are
#: not among them, unless the user says it, since cells may be normal.
NOTHING = frozenset({"nofinding", "nofindings", "noabnormality", "noabnormalities"})
#: What the rest of a picture is called.
BACKGROUND = frozenset({"background"})
#: How exports write a box that is none, beside a label that says so.
NO_BOX = ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0), (-1.0, -1.0, -1.0, -1.0))


def no_place(numbers: Sequence[object], image: Image, order: Order, units: Units) -> bool:
    """Whether a box beside "no finding" only fills its place: there is none, it is empty, or it is the whole image."""
    try:
        values = tuple(number(value) for value in numbers)
    except AnnotationError:
        return False
    if len(values) != 4:
        return not values
    x1, y1, x2, y2 = in_pixels(values, image, order, units)
    return values in NO_BOX or (max(x1, y1) <= 1 and x2 >= image.width - 1 and y2 >= image.height - 1)


def findings_among(
    folder: Folder,
    file: str,
    entries: Sequence[tuple[int, Entry]],
    label: Callable[[Entry], str],
    placeless: Callable[[Entry], bool],
) -> tuple[list[tuple[int, Entry]], list[Rejected]]:
    """The (row, annotation) of an image that are findings, and what the others leave in doubt.

    "No finding" alone leaves an image without findings; beside one, or where it is not ``placeless`` but has a box of
    its own, it is rejected. The background is none either: beside findings it is noted, but an image with no other
    annotation is not known to be free of them.
    """
    kinds = {name: _kind(name, folder.options.negative_labels) for name in {label(entry) for _, entry in entries}}
    if all(kind == "finding" for kind in kinds.values()):  # as in most images
        return list(entries), []
    sorted_out = [(row, entry, kinds[label(entry)]) for row, entry in entries]
    for row, entry, kind in sorted_out:
        if kind == "doubtful":
            name = label(entry)
            told = f"annotations called {name} are taken as findings; if they say that there is none, --negative-labels"
            folder.note(told, f"{file}, annotation {row}")
    kept = [(row, entry) for row, entry, kind in sorted_out if kind in ("finding", "doubtful")]
    bad = []
    for row, entry, kind in sorted_out if len(kept) < len(sorted_out) else ():
        if kind == "nothing" and not placeless(entry):
            bad.append(Rejected(file, row, f"says {quoted(label(entry))} and has a place: is it a finding?"))
        elif kind == "nothing" and kept:
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
