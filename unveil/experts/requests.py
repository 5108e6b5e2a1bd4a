"""What an expert is asked, and what comes back: requests, replies, and the forms that these must have."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from unveil.core import digests, image_files, lesion_noise, pixels
from unveil.core.geometry import Box
from unveil.core.lesion_noise import Noise
from unveil.core.records import Kind, Record
from unveil.core.sampling import Sampling
from unveil.gate import delimiters
from unveil.gate.delimiters import RULE
from unveil.gate.said import fill, ours

Role = Literal["user", "assistant", "asker"]


class ExpertError(ValueError):
    """An expert that cannot be asked; the message names the item. Replies that came before it are kept."""


class BudgetSpent(ExpertError):
    """The budget is used up; what was paid for is kept."""


@dataclass(frozen=True)
class Turn:
    """What one side says, boxes in neutral markup. ``asker`` is a model that puts the user's next question."""

    role: Role
    text: str


@dataclass(frozen=True)
class RequestImage:
    """An image file, its lesion hidden by ``noise`` where there is any, with ``boxes`` drawn over it."""

    path: Path
    boxes: tuple[Box, ...] = ()
    noise: Noise | None = None
    held: NDArray[np.uint8] | None = field(default=None, compare=False)
    """Pixels, (height, width, 3), of an image that is in no file; ``path`` is then only what it is called."""

    @property
    def hash(self) -> str:
        """SHA-256 of the file's bytes, or of the pixels. Raises ``ImageError`` where the file is missing."""
        return file_hash(self.path) if self.held is None else hashlib.sha256(self.held.tobytes()).hexdigest()

    def array(self) -> NDArray[np.uint8]:
        """What is looked at, (height, width, 3). Raises ``ImageError`` and ``NoiseError``."""
        array = pixels.to_rgb(image_files.read(self.path)) if self.held is None else self.held
        image = Image.fromarray(lesion_noise.apply(array, self.noise) if self.noise else array)
        pen, width = ImageDraw.Draw(image), max(1, round(max(image.size) / 200))
        for box in self.boxes:
            pen.rectangle(box, outline=(255, 210, 0), width=width)
        return np.asarray(image)

    def png(self) -> bytes:
        """PNG made from the pixels, never from the file: no header, name or comment of the file is in it."""
        out = io.BytesIO()
        Image.fromarray(self.array()).save(out, "PNG")
        return out.getvalue()


@dataclass(frozen=True)
class Request:
    """One question to an expert. Only system, turns, picture, sampling and schema are ever seen by it."""

    id: str
    """The item's id, for messages; never sent."""
    task: str
    """What is asked for, in a word; never sent."""
    turns: tuple[Turn, ...]
    picture: RequestImage | None = None
    system: str = ""
    schema: type[BaseModel] | None = None
    """What a reply must be, as JSON; none takes text as it is."""
    check: Callable[[Any], None] | None = None
    """Raises ``ValueError`` with the reason for a reply of the right form that cannot be used."""
    rule: Callable[[], Any] | None = None
    """What the rules reply: a text, or a value of the schema; None where they do not know."""
    kind: Kind | None = None
    """The kind of a dialogue's question, so that a model that needs it is told the answer's form."""
    forced: str | None = None
    """An answer along which a local checkpoint tells, token by token, what it would have said instead."""
    sampling: Sampling = field(default_factory=Sampling)
    record: Record | None = None
    """Where picture and words come from, by which it is decided what may leave."""
    canary: str | None = None
    """A word that the request forbids to write: a reply that has it follows an order that stood in the data."""

    attempt: int = 1
    first: Request | None = None
    """The request that this one repeats after a reply that could not be used."""

    @cached_property
    def key(self) -> str:
        """A hash of all that the reply depends on, but for who is asked."""
        shown = self.picture
        about = {
            "system": self.system,
            "turns": [[turn.role, turn.text] for turn in self.turns],
            "picture": shown and [shown.hash, shown.boxes, shown.noise.sha256 if shown.noise else ""],
            "schema": self.schema and self.schema.model_json_schema(),
            "kind": self.kind,
            "forced": self.forced,
            "sampling": vars(self.sampling),
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def again(self, text: str, why: str) -> Request:
        """The request once more, with the reply that could not be used and the reason.

        A model that puts a question itself cannot be told why: it draws another one.
        """
        first = self.first or self
        if first.turns[-1].role == "asker":
            other = replace(first.sampling, seed=first.sampling.seed + 7919 * self.attempt)
            return replace(first, sampling=other, attempt=self.attempt + 1, first=first)
        # both hold nothing that the one who is asked has not said
        turns = (*first.turns, Turn("assistant", ours(text)), Turn("user", fill(AGAIN, why=ours(why))))
        return replace(first, turns=turns, attempt=self.attempt + 1, first=first)


SANG = "it has the word that it was told never to write, so it may follow an order that stood in the data"


AGAIN = "That cannot be used: {why}. Answer once more, in the form that was asked for and with nothing else."


@lru_cache(maxsize=4096)
def file_hash(path: Path) -> str:
    """SHA-256 of a picture's bytes; raises ``ImageError`` where it is missing."""
    if not path.is_file():
        raise pixels.ImageError(f"{path}: no such file")
    return digests.sha256(path)


@dataclass(frozen=True)
class Raw:
    """What came back: text and tokens, or the reason for which this one item got no reply.

    ``cut`` tells that the text ends at the limit of tokens.
    """

    text: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cut: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Reply:
    """The reply to a request: ``value`` (text, or a value of the schema), or the ``error`` it was set aside for."""

    request: Request
    value: Any
    text: str
    writer: str
    error: str | None = None
    tokens: int = 0
    """Of question and answer, as far as whoever answered has counted them."""

    @property
    def id(self) -> str:
        return self.request.id


@contextmanager
def named(request: Request) -> Iterator[None]:
    """Puts the item's id before what is wrong with its picture."""
    try:
        yield
    except (pixels.ImageError, lesion_noise.NoiseError) as error:
        raise type(error)(f"{request.id}: {error}") from error


class Strict(BaseModel):
    """What replies are made of: surplus fields and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


WORDS = ours(f"You examine answers to questions about medical images. {RULE}")


SYSTEM = ours(f"{WORDS} Reply with a JSON object and nothing else.")


def prompt(*turns: Turn, system: str = SYSTEM) -> dict[str, Any]:
    """What a request says, its data (``delimiters.quoted``) fenced by a word of its own."""
    word, system, said = delimiters.sealed(system, [(turn.role, turn.text) for turn in turns])
    sealed = tuple(replace(turn, text=text) for turn, (_, text) in zip(turns, said, strict=True))
    return {"system": system, "turns": sealed, "canary": word}


Parameter = Literal["top_k", "top_p", "seed", "response_format", "max_completion_tokens", "system", "temperature"]
