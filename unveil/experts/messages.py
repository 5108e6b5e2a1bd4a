"""What is written to an endpoint: requests as messages of OpenAI's chat completions, with the image that goes along."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from unveil.core import console
from unveil.core.answers import clean
from unveil.core.box_formats import PIXELS, View, mark, render, unmark
from unveil.core.geometry import Box
from unveil.core.records import Kind
from unveil.core.sampling import seed_of
from unveil.core.wordings import HINTS, hinted
from unveil.experts.parsing import with_boxes
from unveil.experts.requests import ExpertError, Parameter, Request, named
from unveil.gate import sources
from unveil.gate.gate import Gate, Item
from unveil.gate.manifest import Manifest

#: What an endpoint is asked in the place of a model that would put the next question itself.
QUESTION = "Put one question about this image that can be answered by looking at it. Reply with the question only."
FRAME = "A box is [x1, y1, x2, y2] in pixels of the image, which is {} pixels wide and {} high."
_ENDLESS = (2**20, 2**20)  # where there is no image, boxes are what they are


#: What not every server takes, and how its refusal names that; what matters least is left out first.
PARAMETERS: dict[Parameter, str] = {
    "top_k": r"\btop_k\b",
    "top_p": r"\btop_p\b",
    "seed": r"\bseed\b",
    "response_format": r"response_format|json.?schema|guided_|structured.?output|grammar",
    "max_completion_tokens": r"\bmax_completion_tokens\b",
    "system": r"system.{0,3} (?:role|message|prompt)|role.{0,30}\bsystem|only user.{0,30}roles|roles must alternate",
    "temperature": r"\btemperature\b",
}


@dataclass(frozen=True)
class SentRequest:
    """A request as it is sent, and the picture to which the numbers of its reply refer."""

    body: bytes
    view: View

    def read(self, text: str, request: Request) -> str:
        """A reply with its boxes in neutral markup."""
        return with_boxes(text, self.view, as_json=request.schema is not None)

    def refused(self, error: str) -> Parameter | None:
        """What a server's refusal names, and this request has."""
        body = json.loads(self.body)
        held = {*body, *(message["role"] for message in body["messages"])}
        return next((p for p, names in PARAMETERS.items() if p in held and re.search(names, error, re.I)), None)


@dataclass(frozen=True)
class Desk:
    """Where letters are written, pass the gate (None: nothing is checked) and are entered in the manifest."""

    model: str
    manifest: Manifest
    gate: Gate | None = None
    leave_out: frozenset[Parameter] = frozenset()

    def letter(
        self, request: Request, leave_out: Set[Parameter] = frozenset(), stream: bool = False
    ) -> SentRequest | str:
        """What is to be sent, or the reason for which it must not be. Raises where nothing must be sent at all.

        ``leave_out`` are parameters that the server has refused, besides those that are never sent. ``stream`` asks
        for the reply while it is written.
        """
        if request.forced is not None:
            raise ExpertError(
                f"{request.id}: only a local checkpoint can be led along an answer: use --expert local:MODEL"
            )
        with named(request):
            png = request.picture.png() if request.picture else None
        size = Image.open(io.BytesIO(png)).size if png else request.record.size if request.record else _ENDLESS
        view = View(PIXELS, size, size)
        done: Counter[str] = Counter()
        if self.gate:
            passed = self.gate.passed(_item(request, png))
            if isinstance(passed, str):
                return passed
            system, *said = passed.texts
            turns = tuple(replace(turn, text=text) for turn, text in zip(request.turns, said, strict=True))
            request, png, done = replace(request, system=system, turns=turns), passed.png, passed.done
        sent = _turns(request, view, png is not None)
        asked = self._body(request, sent, png, self.leave_out | leave_out) | ({"stream": True} if stream else {})
        body = json.dumps(asked).encode()
        self.manifest.write(request.id, request.record, body, png, done)
        return SentRequest(body, view)

    def looked_over(self, requests: Iterator[Request]) -> Iterator[Request]:
        """The requests, all of them looked at before the first one leaves: data sets, and texts as far as they are
        known. Raises ``GateError`` where one of them must not leave, or nobody can tell; says what will be set aside.
        """
        if self.gate is None:
            return requests
        known = list(requests)
        sources.look_over((request.id, request.record) for request in known)
        self.gate.notice(request.record for request in known if request.record)
        held = Counter(why for request in known if (why := self.gate.why_not(_item(request))))
        shown = {r.picture.path: r.record.size for r in known if r.picture and r.record}
        if told := self.gate.cost(shown):
            console.say(told)
        if held:
            told = "; ".join(f"{count} x {why}" for why, count in held.items())
            console.say(
                f"the gate holds back {held.total()} of {len(known)} requests, of which none has been sent yet: {told}"
            )
        return iter(known)

    def _body(
        self, request: Request, turns: list[tuple[str, str]], png: bytes | None, leave_out: Set[Parameter]
    ) -> dict[str, Any]:
        drawn, schema = request.sampling, request.schema
        if "system" in leave_out and turns[0][0] == "system":
            (_, system), (role, first), *rest = turns
            turns = [(role, f"{system}\n\n{first}"), *rest]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": _messages(turns, png),
            "max_completion_tokens": drawn.max_tokens,
            "temperature": drawn.temperature,
        }
        if drawn.temperature:
            body["seed"] = seed_of(drawn.seed, request.key) % 2**31
            body |= {"top_p": drawn.top_p} if drawn.top_p < 1 else {}
            body |= {"top_k": drawn.top_k} if drawn.top_k else {}  # not OpenAI's own, but vLLM's and SGLang's
        if schema:
            form = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if "max_completion_tokens" in leave_out:
            body["max_tokens"] = drawn.max_tokens
        return {name: value for name, value in body.items() if name not in leave_out}


def _item(request: Request, png: bytes | None = None) -> Item:
    """A request as the gate sees it."""
    image = request.picture.path if request.picture else None
    return Item(request.id, request.record, (request.system, *(turn.text for turn in request.turns)), png, image)


def _turns(request: Request, view: View, seen: bool) -> list[tuple[str, str]]:
    """Roles and texts as they are sent: boxes in pixels, no control tokens, the form of the answer told at the end."""
    turns = [("user", QUESTION) if t.role == "asker" else (t.role, clean(render(t.text, view))) for t in request.turns]
    hint = _hint(request.kind, view)
    boxes = any(unmark(text) for text in (request.system, hint, *(t.text for t in request.turns)))
    told = [render(hint, view), FRAME.format(*view.size) if seen and boxes else ""]
    turns[-1] = (turns[-1][0], hinted(turns[-1][1], " ".join(filter(None, told))))
    system = clean(render(request.system, view))
    return [("system", system), *turns] if system else turns


def _hint(kind: Kind | None, view: View) -> str:
    """How a question of this kind is to be answered, with a box as an example in neutral markup."""
    width, height = view.size
    example: Box = (0.2 * width, 0.3 * height, 0.4 * width, 0.6 * height)
    return HINTS.get(kind, "").replace("{box}", mark(example)) if kind else ""


def _messages(turns: list[tuple[str, str]], png: bytes | None) -> list[dict[str, Any]]:
    """Chat messages; the first of the user's holds the image."""
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in turns]
    if png is not None:
        first = next(m for m in messages if m["role"] == "user")
        first["content"] = [
            {"type": "image_url", "image_url": {"url": data_url(png)}},
            {"type": "text", "text": first["content"]},
        ]
    return messages


def data_url(png: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
