"""The room in which models are tried: which images there are, what can be asked, and what models answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from unveil.core import geometry
from unveil.core.box_formats import mark
from unveil.core.geometry import Box
from unveil.core.jsonl import to_json
from unveil.core.records import Dialogue, Kind, Record
from unveil.core.wordings import PARTS, QUESTIONS, filled
from unveil.evaluate import ask
from unveil.review import held, uploads
from unveil.review.answering import THE_QUESTION, Answerer, Hear
from unveil.review.held import Held, HeldImage
from unveil.review.items import Items
from unveil.review.server import Refused, Unknown

#: Characters that a question may have, and places that may be hidden at a time.
MOST_TEXT, MOST_PLACES = 4_000, 100
#: What each kind of question needs to be told besides.
NEEDS: Mapping[Kind, str] = {"localisation": "name", "recognition": "place", "grounding": "phrase", "report": "part"}


@dataclass(frozen=True)
class SentQuestion:
    """A question as the page sends it: in a person's own words, or of a kind that is worded here."""

    image: int
    """The number under which the image is held."""
    model: int
    """Which of the models is asked, from 0 on."""
    question: str = ""
    """Own words, boxes in neutral markup."""
    kind: Kind | None = None
    about: str = ""
    """What a question of a kind is about: a name, a phrase, a part of a report."""
    place: Box | None = None
    """What it is about where that is a place."""


@dataclass(frozen=True)
class SentPlaces:
    """Places that are to be hidden in an image."""

    image: int
    places: tuple[Box, ...]
    seed: int = 0


@dataclass(frozen=True)
class TryRoom:
    """Models that are tried on images in memory. ``names`` are those of findings in the records."""

    models: Sequence[Answerer]
    most: int
    """Longest answer in tokens."""
    items: Items | None = None
    names: tuple[str, ...] = ()
    show_identifiers: bool = False
    held: Held = field(default_factory=Held)

    def session(self) -> dict[str, Any]:
        """What the page is told at first."""
        return {
            "models": [{"name": model.name, "host": model.host} for model in self.models],
            "kinds": [
                {"kind": kind, "question": forms[0], "needs": NEEDS.get(kind, "")} for kind, forms in QUESTIONS.items()
            ],
            "parts": list(PARTS["en"]),
            "names": self.names,
            "records": len(self.items) if self.items else 0,
            "most_bytes": uploads.MOST_BYTES,
        }

    def records(self, start: int, count: int) -> dict[str, Any]:
        """Some of the records, from a place on."""
        items = self._items()
        numbers = range(start, min(len(items), start + count))
        return {"records": [self._entry(number) for number in numbers], "next": min(len(items), start + count)}

    def _items(self) -> Items:
        if self.items is None:
            raise Unknown("no records were given (--records)")
        return self.items

    def _entry(self, number: int) -> dict[str, Any]:
        record: Record = self._items().rows.row(number)
        name = record.id if self.show_identifiers else f"item {number + 1}"
        labels = list(dict.fromkeys(f.label for f in record.findings))
        return {"number": number, "name": name, "split": record.split, "modality": record.modality, "labels": labels}

    def take(self, number: int) -> dict[str, Any]:
        """Holds the image of a record; raises ``Unknown`` and ``ImageError``."""
        items = self._items()
        if not 0 <= number < len(items):
            raise Unknown("there is no such record")
        item = items.item(number)
        assert item.record
        image = held.of_record(item.record, item.image, items.of_images)
        return self._about(image) | self._entry(number) | {"marks": to_json(item.marks)}

    def hand_in(self, content: bytes) -> dict[str, Any]:
        """Holds an image that comes from the page; raises ``ImageError``."""
        return self._about(held.handed_in(uploads.decoded(content)))

    def hide(self, asked: SentPlaces) -> dict[str, Any]:
        """Holds the same image with some places hidden by noise."""
        image = self.held.get(asked.image)
        if not 0 < len(asked.places) <= MOST_PLACES:
            raise Refused(f"hide 1 to {MOST_PLACES} places")
        places = tuple(_checked(place, image) for place in islice(asked.places, MOST_PLACES))
        return self._about(image.hidden(places, asked.seed % 2**32)) | {"hides": places}

    def _about(self, image: HeldImage) -> dict[str, Any]:
        width, height = image.size
        known = {"width": width, "height": height, "sha256": image.sha256, "marks": []}
        return {"image": self.held.put(image), **known}

    def image(self, number: int) -> bytes:
        """A held image as the page reads it."""
        return self.held.get(number).encoded

    def question(self, sent: SentQuestion) -> Dialogue:
        """What is asked, as ``unveil ask`` and ``unveil predict`` word it; raises ``Refused``."""
        image = self.held.get(sent.image)
        if max(len(sent.question), len(sent.about)) > MOST_TEXT:
            raise Refused(f"a question has {MOST_TEXT} characters at most")
        if sent.kind is None:
            if not (own := sent.question.strip()):
                raise Refused("what is to be asked?")
            return ask.asked(THE_QUESTION, own)
        if sent.kind not in QUESTIONS:
            raise Refused("questions of that kind are asked in your own words")
        target = self._target(sent, image)
        worded = filled(sent.kind, QUESTIONS[sent.kind][0], target)
        return replace(ask.asked(THE_QUESTION, worded), kind=sent.kind, target=target)

    def _target(self, sent: SentQuestion, image: HeldImage) -> str | None:
        needs = NEEDS.get(sent.kind or "open", "")
        about = sent.about.strip()
        if needs == "place":
            if sent.place is None:
                raise Refused("which place? Draw a box on the image")
            return mark(_checked(sent.place, image))
        if needs == "part" and about not in PARTS["en"]:
            raise Refused(f"a part of a report is one of {', '.join(PARTS['en'])}")
        if needs and not about:
            raise Refused(f"which {needs}?")
        return about if needs else None

    def answer(self, sent: SentQuestion, hear: Hear) -> dict[str, Any]:
        """What one of the models says; raises ``Refused``, and what ``hear`` raises."""
        if not 0 <= sent.model < len(self.models):
            raise Refused("there is no such model")
        asked = self.question(sent)
        said = self.models[sent.model].answer(self.held.get(sent.image), asked, self.most, self.names, hear)
        return {"question": asked.question, "kind": asked.kind, **asdict(said)}


def _checked(place: Box, image: HeldImage) -> Box:
    try:
        return geometry.checked(place, *image.size)
    except geometry.BoxError as error:
        raise Refused(str(error)) from error
