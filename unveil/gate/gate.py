"""The gate: whether an item may leave this machine, and how.

What was written here passes: our wordings, words of a closed vocabulary, boxes and numbers of ours. Free text leaves
only where a name finder and our own rules find nobody in it (or what they find is replaced), or where a person has
looked at it and says so. Pixels leave only where nothing is burned in that names somebody, or after a person's look.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from unveil.core import digests, image_files, pixels
from unveil.core.records import Record
from unveil.gate import finders, reviews, sources
from unveil.gate.burned_in import cost, read_image, redacted
from unveil.gate.finding import Found, find
from unveil.gate.known import Known
from unveil.gate.ocr import OcrOptions, TimeLimit
from unveil.gate.options import GateOptions
from unveil.gate.reviews import What, hash_of
from unveil.gate.said import Part, Said, said
from unveil.gate.surrogates import Surrogates
from unveil.gate.vocabulary import closed


@dataclass(frozen=True)
class Item:
    """What is about to leave: its id, for messages; what is said in it; the picture as it is sent, and its file."""

    id: str
    record: Record | None
    texts: tuple[str, ...]
    png: bytes | None = None
    image: Path | None = None


Decision = Literal["leaves", "replaced", "held", "kept by a reviewer", "let pass by a reviewer"]


@dataclass(frozen=True)
class Judged:
    """What becomes of a text: why it is held, or as what it leaves; and what was found in it."""

    decision: Decision
    why: str
    leaves_as: str = ""
    found: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Passed:
    """An item as it may leave, and what was done: how many parts were ours, searched, reviewed; what was replaced."""

    texts: tuple[Said, ...]
    png: bytes | None
    done: Counter[str]


@dataclass
class Gate:
    """Decides for each item whether it may leave, and counts what became of all."""

    options: GateOptions = field(default_factory=GateOptions)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Of the surrogates; the same key gives the same surrogate for the same name."""
    known: Known = field(default_factory=lambda: Known.of(()))
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        chosen = self.options
        self.names = finders.finder(chosen.names) if chosen.names else None
        self.texts = reviews.read(chosen.texts_reviewed, "texts") if chosen.texts_reviewed else None
        self.images = reviews.read(chosen.pixels_reviewed, "images") if chosen.pixels_reviewed else None
        self._surrogates = Surrogates(self.key)
        self._read: dict[str, tuple[str, bytes | None]] = {}
        self._noticed: dict[str, Record] = {}
        self.to_review: dict[What, dict[str, dict[str, Any]]] = {"texts": {}, "images": {}}
        """What was held back and a person may let pass, by its hash."""
        self._lock = threading.Lock()

    def notice(self, records: Iterable[Record]) -> None:
        """Takes notice of further records: by what their patients are known, texts are searched."""
        new = {record.id: record for record in records if record.id not in self._noticed}
        if new:
            self._noticed |= new
            self.known = Known.of(self._noticed.values())

    @property
    def settings(self) -> dict[str, Any]:
        """How it decides, for the manifest: no path, and no text."""
        about = {"names": self.options.names and Path(self.options.names).name, "identifiers": self.options.identifiers}
        return about | {"reviews": [review.about for review in (self.texts, self.images) if review]}

    def told(self) -> str:
        """What became of all since it was last told, by kind, for the screen; "" if nothing did."""
        with self._lock:
            counts, self.done = self.done, Counter()
        return ", ".join(f"{count} x {what}" for what, count in counts.items())

    def passed(self, item: Item) -> Passed | str:
        """The item as it may leave, or the reason for which it must not.

        Raises ``GateError`` where a whole data set must not, or where nobody can tell.
        """
        sources.check(item.id, item.record)
        done: Counter[str] = Counter()
        texts = self._texts(item, done)
        if isinstance(texts, str):
            return self._held(texts)
        png = self._pixels(item, done) if item.png else None
        if isinstance(png, str):
            return self._held(png)
        with self._lock:
            self.done.update(done)
        return Passed(texts, png, done)

    def why_not(self, item: Item) -> str | None:
        """The reason for which an item must not leave, as far as its texts tell; None if they may."""
        texts = self._texts(item, Counter())
        return f"not sent: {texts}" if isinstance(texts, str) else None

    def _held(self, why: str) -> str:
        with self._lock:
            self.done[why] += 1
        return f"not sent: {why}"

    def write_to_review(self, folder: Path) -> list[Path]:
        """Writes what was held back for a person to look at; returns the files."""
        written = []
        for what, held in self.to_review.items():
            if held:
                written.append(folder / f"{what}.to_review.jsonl")
                reviews.write(written[-1], what, ({"sha256": name, **about} for name, about in held.items()))
        return written

    # ------------------------------------------------------------------------------------------------------------ text

    def _texts(self, item: Item, done: Counter[str]) -> tuple[Said, ...] | str:
        texts: list[Said] = []
        for text in item.texts:
            passed = self._said(said(text), item.record, done)
            if not isinstance(passed, Said):
                return passed
            texts.append(passed)
        return tuple(texts)

    def _said(self, text: Said, record: Record | None, done: Counter[str]) -> Said | str:
        parts: list[Part] = []
        for part in text.parts:
            if not part.free or closed(part.text):
                parts.append(part)
                continue
            passed = self._free(part.text, record, done)
            if isinstance(passed, Part):
                parts.append(passed)
            else:
                return passed
        return Said(parts)

    def _free(self, text: str, record: Record | None, done: Counter[str]) -> Part | str:
        """Free text as it may leave, or why it must not."""
        judged = self.decide(text, record)
        if judged.decision in ("held", "kept by a reviewer"):
            if judged.decision == "held":
                kinds = sorted({f"{one.kind} ({one.rule})" for one in judged.found})
                self.to_review["texts"][hash_of(text)] = {"text": text, "found": kinds}
            return judged.why
        done["texts reviewed" if judged.decision == "let pass by a reviewer" else "texts searched"] += 1
        done.update(f"replaced: {one.kind}" for one in judged.found if judged.decision == "replaced")
        return Part(judged.leaves_as, free=True)

    def decide(self, text: str, record: Record | None) -> Judged:
        """What becomes of a free text."""
        name = hash_of(text)
        if self.texts and name in self.texts.kept:
            return Judged("kept by a reviewer", "a reviewer keeps its text here")
        if self.texts and self.texts.allows(name):
            return Judged("let pass by a reviewer", "", text)
        if self.names is None:
            return Judged("held", FREE)
        found = tuple(self.found(text, record))
        if not found:
            return Judged("leaves", "", text)
        if self.options.identifiers == "redact":
            return Judged("replaced", "", self._surrogates.redact(text, found), found)
        kinds = ", ".join(sorted({one.kind for one in found}))
        return Judged("held", f"its text holds what looks like a person's data ({kinds})", "", found)

    def found(self, text: str, record: Record | None) -> list[Found]:
        """What identifies somebody in free text: by our rules, by what records are known by, by the name finder."""
        return find(text, self.known, record, self.names)

    # ---------------------------------------------------------------------------------------------------------- pixels

    def _pixels(self, item: Item, done: Counter[str]) -> bytes | str:
        """An image as it may leave, or why it must not."""
        assert item.png is not None
        name = digests.sha256(item.image) if item.image else ""
        decision, why = self._reviewed(name)
        if decision:
            done["images reviewed"] += decision == "let pass by a reviewer"
            return why or item.png
        why, clean = self._look(item.png)
        done["images searched"] += 1
        done["images painted over"] += bool(why and clean)
        if why and not clean and item.image:
            self.to_review["images"][name] = {"file": str(item.image), "found": [why]}
        return clean or why

    def cost(self, images: Mapping[Path, tuple[int, int]]) -> str:
        """What searching these images (path, width and height) for letters will take; "" where none is searched."""
        new = [
            size
            for path, size in images.items()
            if not (self.images and path.is_file() and self._reviewed(digests.sha256(path))[0])
        ]
        return cost(new) if new else ""

    def look_at(self, image: Path) -> tuple[Decision, str]:
        """What becomes of an image file as it is, and what is found in it."""
        decision, why = self._reviewed(digests.sha256(image))
        if decision:
            return decision, why
        out = io.BytesIO()
        Image.fromarray(pixels.to_rgb(image_files.read(image))).save(out, "PNG")
        why, clean = self._look(out.getvalue())
        return ("replaced" if why else "leaves") if clean else "held", why

    def _reviewed(self, name: str) -> tuple[Decision | None, str]:
        """What a reviewer has decided of an image, by its hash, and why it stays; None where nobody has."""
        if self.images and name in self.images.kept:
            return "kept by a reviewer", "a reviewer keeps its image here"
        return ("let pass by a reviewer", "") if self.images and self.images.allows(name) else (None, "")

    def _look(self, png: bytes) -> tuple[str, bytes | None]:
        """What in an image may name somebody, in words that do not repeat it, "" if nothing; and the image as it may
        leave, None if it must not. Several questions are asked about one image, which is read once."""
        key = hashlib.sha256(png).hexdigest()
        if key not in self._read:
            self._read[key] = self._searched(png)
        why, clean = self._read[key]
        return why, clean if why else png

    def _searched(self, png: bytes) -> tuple[str, bytes | None]:
        """The same, but an image that may leave as it is is not kept."""
        how = OcrOptions(self.options.ocr_languages, self.options.ocr_seconds)
        why = ""
        try:
            reading = read_image(png, how)
            if not reading.reason:
                return "", None
            why = f"its image has {reading.reason} burned in"
            return why, redacted(png, reading, how) if self.options.identifiers == "redact" else None
        except TimeLimit as late:
            return why or str(late), None


FREE = "free text, in which nobody has looked for names: --names or --texts-reviewed, see docs/how-to/experts.md"
