"""An expert that is a checkpoint on this machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from unveil.core import dialects
from unveil.core.box_formats import neutral
from unveil.core.records import Dialogue
from unveil.core.sampling import seed_of
from unveil.experts import parsing
from unveil.experts.expert import Backend
from unveil.experts.requests import Raw, Request, named

#: Image features that are remembered, since many requests are about one image.
MEMORY_MB = 512


def _alike(request: Request) -> tuple[Any, ...]:
    """Requests of which this is equal can be answered in one batch."""
    s = request.sampling
    return request.picture is None, request.forced is None, s.temperature, s.top_k, s.top_p, s.max_tokens


class Local(Backend):
    """A checkpoint on this machine. Requests that are drawn alike are answered in batches."""

    def __init__(self, model: str, batch_size: int = 32, **how: Any):
        from unveil.vlm import engine, generate, models

        self.loaded = models.load(model, **how)
        self.engine = engine.Engine(self.loaded, MEMORY_MB)
        chat = self.loaded.chat
        self.longest = chat.longest
        self.name = f"{model}@{self.loaded.fingerprint}-{chat.fingerprint[:8]}"
        self.decoding = generate.decoding(chat, self.loaded.model.config)
        self.batch_size = batch_size

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        while window := list(itertools.islice(requests, self.batch_size * 16)):
            window.sort(key=lambda r: (_alike(r), r.kind or "", len(r.turns[-1].text)))  # like lengths together
            for _, group in itertools.groupby(window, key=_alike):
                alike = list(group)
                for at in range(0, len(alike), self.batch_size):
                    batch = alike[at : at + self.batch_size]
                    for request, raw in zip(batch, self._answer(batch), strict=True):
                        keep(request, raw)
                        yield request, raw

    def _answer(self, batch: Sequence[Request]) -> list[Raw]:
        rows = [self._row(request) for request in batch]
        sampling = batch[0].sampling
        if batch[0].forced is not None:
            texts = [(text, False) for text in self.engine.led(rows)]
        else:
            seeds = [seed_of(request.sampling.seed, request.key) for request in batch]
            texts = self.engine.answer(rows, sampling.max_tokens, sampling, seeds)
        return [
            self._raw(request, row, text, cut) for request, row, (text, cut) in zip(batch, rows, texts, strict=True)
        ]

    def _raw(self, request: Request, row: Any, text: str, cut: bool) -> Raw:
        view = row.seen.view
        if request.forced is not None:
            said = neutral(dialects.answer_text(text, view.box_format), view)
        else:
            said = parsing.with_boxes(text, view, as_json=request.schema is not None)
        return Raw(said, len(row.prompt), len(self.loaded.chat.tokenizer(text)["input_ids"]), cut)

    def _row(self, request: Request) -> Any:
        asker = request.turns[-1].role == "asker"
        said = [turn.text for turn in request.turns[: None if not asker else -1]]
        if request.system:
            said[0] = f"{request.system}\n\n{said[0]}"
        question = "" if asker else said.pop()
        if request.picture is None:
            return self.loaded.chat.encode_text(request.id, "\n\n".join([*said, question]))
        dialogue = Dialogue(
            id=request.id,
            record="",
            image="",
            split=None,
            kind="self-question" if asker else request.kind or "open",
            question=question,
            answer=request.forced or "",
            history=tuple(zip(said[::2], said[1::2], strict=True)),
        )
        forced = request.forced is not None
        shown = request.picture
        plain = not (shown.boxes or shown.noise)
        with named(request):
            looked = shown.path if plain else self.loaded.chat.process(shown.array(), shown.path)
        return self.loaded.chat.encode(dialogue, looked, with_answer=forced, hint=request.kind is not None)
