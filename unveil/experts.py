"""Who is asked: binds the expert that the options name to the rules, a local checkpoint or an endpoint."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.curate.expert import Backend, Budget, Expert, ExpertError, Raw, Request, Rules, Store
from unveil.records import Dialogue
from unveil.sampling import seed_of
from unveil.syntax import neutral


def _alike(request: Request) -> tuple[Any, ...]:
    """Requests of which this is equal can be answered in one batch."""
    s = request.sampling
    return request.picture is None, request.forced is None, s.temperature, s.top_k, s.top_p, s.max_tokens


class Local(Backend):
    """A checkpoint on this machine. Requests that are drawn alike are answered in batches."""

    def __init__(self, model: str, revision: str | None = None, syntax: str | None = None, batch_size: int = 32):
        from unveil import models

        self.models = models
        self.loaded = models.load(model, revision=revision, syntax=syntax)
        self.name = f"{model}@{self.loaded.fingerprint}"
        self.batch_size = batch_size

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        while window := list(itertools.islice(requests, self.batch_size * 4)):
            window.sort(key=_alike)
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
            texts = [(text, False) for text in self.models.instead(self.loaded, rows)]
        else:
            seeds = [seed_of(request.sampling.seed, request.key) for request in batch]
            texts = self.models.answer(self.loaded, rows, sampling.max_tokens, sampling, seeds)
        return [
            Raw(neutral(text, row.seen.view), len(row.prompt), len(self.loaded.chat.tokenizer(text)["input_ids"]))
            for row, (text, _) in zip(rows, texts, strict=True)
        ]

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
        looked = shown.path if plain else self.loaded.chat.show(shown.array())
        return self.loaded.chat.encode(dialogue, looked, with_answer=forced, hint=request.kind is not None)


@dataclass(frozen=True, kw_only=True)
class ExpertOptions:
    """Who is asked, and what that may cost."""

    expert: str = "rules"
    """Who is asked: rules (offline; they answer from the annotations), local:MODEL (hub id or folder of a
    vision-language model on this machine), or the address of an OpenAI-compatible endpoint, http://127.0.0.1:8000/v1."""
    expert_model: str | None = None
    """endpoint: name of the model there."""
    key_variable: str = "OPENAI_API_KEY"
    """endpoint: environment variable that holds its key; the key itself is never written anywhere."""
    allow_remote: bool = False
    """endpoint: it may be another machine. Images and texts then leave this one; see --dry-run."""
    dry_run: bool = False
    """Ask nobody; write down exactly what would leave (manifest.jsonl beside the output)."""
    pixels_reviewed: bool = False
    """endpoint: somebody has looked at all images and none has names or numbers burned in, so they are not searched."""
    concurrency: int = 8
    """endpoint: requests under way at a time."""
    retries: int = 5
    """endpoint: repetitions after a failure that may pass, with growing waits."""
    timeout: float = 120.0
    """endpoint: seconds for one reply."""
    structured: bool = True
    """endpoint: send the reply's JSON schema along; off for servers that refuse it."""
    tries: int = 3
    """Replies per item until one can be used."""
    budget: float | None = None
    """What all replies of this job may cost, those of earlier runs included; needs the prices."""
    budget_tokens: int | None = None
    """The same in tokens."""
    price_in: float = 0.0
    """Price of a million tokens that are sent."""
    price_out: float = 0.0
    """Price of a million tokens that come back."""
    expert_batch: int = 32
    """local: requests answered at a time."""


def bind(options: ExpertOptions, out: Path) -> Expert:
    """The expert that the options name; replies are kept beside ``out``."""
    if options.expert == "rules":
        return Expert(Rules())
    store = Store(out.with_name(out.name + ".replies.sqlite"))
    budget = Budget(options.budget, options.budget_tokens, options.price_in, options.price_out)
    kind, _, model = options.expert.partition(":")
    if kind == "local":
        return Expert(Local(model, batch_size=options.expert_batch), store, budget, options.tries)
    raise ExpertError(f"--expert {options.expert!r}: use rules, local:MODEL or the address of an endpoint")
