"""Who answers on the page on which a model is tried: a model in this process, or one behind an address.

Both are asked as everywhere else: by ``unveil ask``'s own way, or by that of experts, through the gate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unveil.core import dialects, joined
from unveil.core.answers import parse
from unveil.core.box_formats import MARKUP, View, mark, neutral, unmark
from unveil.core.geometry import attended
from unveil.core.records import Dialogue, Prediction, Record
from unveil.core.sampling import Sampling
from unveil.core.truths import Truth
from unveil.evaluate.attention import grid
from unveil.experts.endpoint import Endpoint, Rehearsal
from unveil.experts.requests import Request, RequestImage, Turn
from unveil.gate import sources
from unveil.review.held import HeldImage
from unveil.review.server import Refused
from unveil.review.suggestions import Suggestion, places
from unveil.review.uploads import NAME
from unveil.vlm import attention_maps
from unveil.vlm.confidence import tokens_of
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.generate import Rollout
from unveil.vlm.inputs import EncodedExample, ImageInput
from unveil.vlm.listening import heard

Hear = Callable[[str], None]
"""Gets all of an answer that has come so far, boxes in neutral markup; raises ``Stopped`` to end it."""
THE_QUESTION = "the question"
"""What a question is called in messages."""


@dataclass(frozen=True)
class SpokenAnswer:
    """What a model said."""

    text: str
    """In neutral markup."""
    marks: tuple[Suggestion, ...]
    """Its places, with their names and how sure it is of them where that is known."""
    readable: bool
    """Whether what was asked for can be read from it."""
    cut: bool
    """Whether it was cut at the length limit."""
    tokens: int
    """How many it has; 0 where the server does not say."""
    seconds: float = 0.0
    """From when it was asked, its turn come, until it had said all."""
    map: dict[str, Any] | None = None
    """Where the model looked, as ``Maps.of`` has it."""
    no_map: str = ""
    """Why that is not known."""


class Answerer(Protocol):
    """A model that is tried. ``host`` is its server's, empty for one in this process."""

    name: str
    host: str

    def answer(self, image: HeldImage, asked: Dialogue, most: int, names: Sequence[str], hear: Hear) -> SpokenAnswer:
        """A greedy answer of at most ``most`` tokens. ``names`` is the vocabulary of the data set.

        Raises ``Refused`` where it cannot be given, and what ``hear`` raises.
        """


class TriedModel:
    """A model in this process: one question at a time, whoever asks, of all such models together."""

    host = ""
    _turn = threading.Lock()

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self.engine = name, engine
        self._seen: tuple[HeldImage, ImageInput] | None = None

    def answer(self, image: HeldImage, asked: Dialogue, most: int, names: Sequence[str], hear: Hear) -> SpokenAnswer:
        """As ``Answerer.answer``, with where it looked."""
        with _turn(self._turn, hear):
            row = self._row(image, asked)
            self.engine.settle([row])
            began = time.monotonic()
            drawn = self._drawn(row, most, hear)
            seconds = time.monotonic() - began
            return replace(self._said(image, asked, row, drawn, names), seconds=seconds)

    def _row(self, image: HeldImage, asked: Dialogue) -> EncodedExample:
        chat = self.engine.loaded.chat
        if self._seen is None or self._seen[0] is not image:
            self._seen = image, chat.process(image.rgb, NAME)
        return chat.encode(asked, self._seen[1], with_answer=False)

    def _drawn(self, row: EncodedExample, most: int, hear: Hear) -> Rollout:
        ids: list[int] = []

        def next_token(token: list[int]) -> None:
            ids.extend(token)
            hear(self._neutral(row.seen.view, self.engine.loaded.chat.text(ids)))

        with heard(next_token):
            [drawn], _ = self.engine.answer_beside([row], most, ())
        return drawn

    def _neutral(self, view: View, text: str) -> str:
        return neutral(dialects.answer_text(text, view.box_format), view)

    def _said(
        self, image: HeldImage, asked: Dialogue, row: EncodedExample, drawn: Rollout, names: Sequence[str]
    ) -> SpokenAnswer:
        chat, view = self.engine.loaded.chat, row.seen.view
        record = image.record or Record(NAME, "", *image.size)
        about = replace(asked, record=record.id)
        said = Prediction(
            id=asked.id,
            record=record.id,
            kind=asked.kind,
            answer=chat.text(drawn.ids),
            box_format=view.box_format.name,
            frame=view.frame,
            model=self.name,
            cut=drawn.cut,
            tokens=tokens_of(chat, drawn),
        )
        case = joined.case(about, {record.id: Truth(record, names)}, said)
        text = self._neutral(view, said.answer)
        marks = _with_all(tuple(places(case, said)), text, self.name)
        words = {t for name in case.parsed.labels for t in attention_maps.tokens_of(chat, drawn.ids, case.parsed, name)}
        looked = self._looked(image, replace(row, answer=drawn.ids), sorted(words))
        return SpokenAnswer(text, marks, case.readable, drawn.cut, len(drawn.ids), **looked)

    def _looked(self, image: HeldImage, row: EncodedExample, words: list[int]) -> dict[str, Any]:
        """Where the model looked while it said some tokens of its answer, all of it where there are none."""
        chat = self.engine.loaded.chat
        named = bool(words)
        words = words or [t for t, token in enumerate(row.answer) if token not in chat.stops]
        if not words:
            return {"no_map": "it said nothing"}
        try:
            [(shares, patches)] = attention_maps.over_patches(self.engine, [row], [words])
        except ModelError as error:
            return {"no_map": str(error)}
        values = grid(attention_maps.picture(shares, patches, image.size))
        boxes = [f.box for f in image.record.boxed if f.box] if image.record else []
        share, even = attended(shares, patches, boxes)
        return {
            "map": {
                "title": f"{self.name} looks here while it says {'the names' if named else 'its answer'}",
                "width": len(values[0]),
                "height": len(values),
                "values": [float(v) for v in np.ravel(values)],
                **({"mass": share, "ratio": share / even} if even else {}),
            }
        }


@contextmanager
def _turn(lock: threading.Lock, hear: Hear) -> Iterator[None]:
    """Waits for its turn, and is asked meanwhile whether anybody still waits for the answer."""
    while not lock.acquire(timeout=0.2):
        hear("")
    try:
        yield
    finally:
        lock.release()


class TriedServer:
    """A model behind an address; what it is asked passes the gate where that is another machine."""

    def __init__(self, name: str, endpoint: Endpoint | Rehearsal) -> None:
        self.name, self.host, self._endpoint = name, endpoint.host, endpoint

    def answer(self, image: HeldImage, asked: Dialogue, most: int, names: Sequence[str], hear: Hear) -> SpokenAnswer:
        """As ``Answerer.answer``; where it looks, and how sure it is of a place, a server does not tell."""
        if self._endpoint.leaves:
            sources.check(NAME, image.record)
        picture = (
            RequestImage(image.file, noise=image.noise) if image.file else RequestImage(Path(NAME), held=image.rgb)
        )
        request = Request(
            THE_QUESTION,
            "answer",
            (Turn("user", asked.question),),
            picture,
            kind=asked.kind,
            sampling=Sampling(max_tokens=most),
            record=image.record,
        )
        began = time.monotonic()
        raw = self._endpoint.write(request, hear)
        seconds = time.monotonic() - began
        if raw.error:
            raise Refused(raw.error)
        parsed = parse(asked.kind, raw.text, View(MARKUP, image.size, image.size), names, asked.target)
        found = tuple(
            Suggestion(self.name, asked.target or name or "", box) for name, box in parsed.findings if box is not None
        )
        marks = _with_all(found, raw.text, self.name)
        no_map = "a server does not tell where its model looks"
        return SpokenAnswer(raw.text, marks, parsed.status == "ok", raw.cut, raw.tokens_out, seconds, no_map=no_map)


def _with_all(found: tuple[Suggestion, ...], text: str, model: str) -> tuple[Suggestion, ...]:
    """The places that an answer names, and those that merely stand in it, as in a free one."""
    known = {mark(one.box) for one in found}
    return (*found, *(Suggestion(model, "", box) for box in dict.fromkeys(unmark(text)) if mark(box) not in known))
