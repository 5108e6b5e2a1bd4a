"""What of a text that is to be sent was written here, and what is free: by users, by models, in files.

Nothing has to be declared free. Plain text is, but for the boxes in it; only what ``fill`` takes from its form, and
numbers, are ours. So a place where somebody forgot to think of it stops at the gate.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from unveil.core.box_formats import MARKUP


@dataclass(frozen=True)
class Part:
    """A stretch of text; ``free`` tells that it was not written here."""

    text: str
    free: bool


class Said(str):
    """A text with its ``parts``, which make it up."""

    parts: tuple[Part, ...]

    def __new__(cls, parts: Iterable[Part]) -> Said:
        kept = tuple(part for part in parts if part.text)
        made = super().__new__(cls, "".join(part.text for part in kept))
        made.parts = kept
        return made

    def with_free(self, change: Callable[[str], str]) -> Said:
        """The same with each free part changed, but for the space around it."""

        def changed(part: Part) -> Part:
            inside = part.text.strip()
            if not part.free or not inside:
                return part
            return Part(part.text.replace(inside, change(inside), 1), free=True)

        return Said(map(changed, self.parts))

    def replaced(self, old: str, new: str) -> Said:
        """The same with ``new`` in place of ``old`` in each part."""
        return Said(Part(part.text.replace(old, new), part.free) for part in self.parts)


def ours(text: str) -> Said:
    """Text that stands in the code of this package."""
    return Said([Part(text, free=False)])


def said(text: str) -> Said:
    """Any text: itself if its parts are known, else free, but for boxes in neutral markup."""
    if isinstance(text, Said):
        return text
    parts, at = [], 0
    for box in MARKUP.pattern.finditer(text):
        parts += [Part(text[at : box.start()], free=True), Part(box[0], free=False)]
        at = box.end()
    return Said([*parts, Part(text[at:], free=True)])


def fill(form: str, **values: str | float) -> Said:
    """``form.format(**values)`` with its parts: form and numbers are ours, texts are what they are by themselves."""
    parts: list[Part] = []
    for literal, name, spec, _ in string.Formatter().parse(form):
        parts.append(Part(literal, free=False))
        if name is not None:
            value = values[name]
            parts += said(value).parts if isinstance(value, str) else [Part(format(value, spec or ""), free=False)]
    return Said(parts)


def joined(between: str, texts: Iterable[str]) -> Said:
    """``between.join(texts)`` with its parts; ``between`` is ours."""
    parts: list[Part] = []
    for text in texts:
        parts += [Part(between, free=False)] if parts else []
        parts += said(text).parts
    return Said(parts)
