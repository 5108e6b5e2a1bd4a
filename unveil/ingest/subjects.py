"""Sex and age in a record: of its annotation, else of its image's own header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unveil.core import subjects
from unveil.ingest.reading import Image

#: How the text of each field is read, and what is told of one that is not understood. The text itself is not shown:
#: what stands in place of an age may be a date of birth.
READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "sex": (subjects.sex, "a sex is left out that is none of F, M and O or their words"),
    "age": (
        subjects.age,
        "an age is left out that is no number of years above 0 and up to 120, or of months, weeks or days as in DICOM",
    ),
}


def told(known: Mapping[str, Any], image: Image, note: Callable[[str, str], None]) -> dict[str, Any]:
    """``sex`` and ``age`` of a record: by the texts that an annotation gives, else by those of the image's header.

    One that is not understood is unknown, and noted: it is never guessed.
    """
    found: dict[str, Any] = {}
    for name, (read, otherwise) in READ.items():
        text = known.get(name) or getattr(image, name)
        try:
            found[name] = read(text) if text else None
        except ValueError:
            found[name] = None
            note(otherwise, image.file)
    return found
