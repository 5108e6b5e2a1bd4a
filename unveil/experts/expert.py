"""Asking an expert: one interface for an endpoint, a local checkpoint and the rules.

``Expert.answer(requests)`` yields a ``Reply`` to each, in any order. Every reply is written to disk before anything is
done with it, under a hash of the whole request, so a run that is killed goes on where it was and asks again only for
replies that were under way, up to ``--concurrency``. A reply that breaks its schema is asked again with the reason,
then set aside with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from unveil.core import provenance
from unveil.experts import parsing
from unveil.experts.requests import SANG, BudgetSpent, ExpertError, Raw, Reply, Request, named
from unveil.experts.store import Store
from unveil.gate import delimiters


class Backend(ABC):
    """Who is asked. ``name`` says so in provenance and is part of the store's key."""

    name: str
    repeats: bool = True
    """Whether asking again may give another reply."""
    longest: int | None = None
    """How many tokens, question and answer together, it can read again; None where nobody knows."""
    leaves: bool = False
    """Whether what is asked leaves this machine."""
    left_out: frozenset[str] = frozenset()
    """What is not sent, since it is not taken."""
    decoding: Mapping[str, Any] = MappingProxyType({})
    """What decides how it draws besides what a request says, for run.json."""

    @abstractmethod
    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        """Raw replies in any order, each given to ``keep`` (from any thread) as soon as it is there.

        Takes requests only as it is ready for them. Raises ``ExpertError`` where nobody can be asked at all.
        """

    def looked_over(self, requests: Iterator[Request]) -> Iterator[Request]:
        """The requests that are about to be asked, before the first of them is.

        Raises ``GateError`` where one of them must not leave this machine; then none does.
        """
        return requests

    def finish(self) -> None:  # noqa: B027
        """Called once all requests of a job have been dealt with."""


class RuleBackend(Backend):
    """The rules: what a request itself says the answer is. They see annotations, not images."""

    name, repeats = "rules", False

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        for request in requests:
            if request.rule is None:
                raise ExpertError(f"{request.id}: rules cannot answer {request.task!r}: name a model with --expert")
            value = request.rule()
            if value is None:
                yield request, Raw(error="the annotations do not tell")
            else:
                yield request, Raw(value.model_dump_json() if isinstance(value, BaseModel) else str(value))


@dataclass(frozen=True)
class Budget:
    """What may be spent on a job, replies of earlier runs included; prices are per million tokens."""

    cost: float | None = None
    tokens: int | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        if self.cost is not None and not (self.price_in or self.price_out):
            raise ExpertError("a budget needs to know what tokens cost: --price-in and --price-out per million")
        if self.cost == 0 or self.tokens == 0:
            raise ExpertError("a budget of 0 allows no question")


@dataclass
class Spent:
    """What a job has cost so far."""

    asked: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    again: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)

    def add(self, raw: Raw, budget: Budget) -> None:
        self.tokens_in += raw.tokens_in
        self.tokens_out += raw.tokens_out
        self.cost += (raw.tokens_in * budget.price_in + raw.tokens_out * budget.price_out) / 1e6

    def over(self, budget: Budget) -> bool:
        """Whether the budget is used up, so that nothing more may be asked."""
        tokens = self.tokens_in + self.tokens_out
        return (budget.cost is not None and self.cost >= budget.cost) or (
            budget.tokens is not None and tokens >= budget.tokens
        )

    def text(self) -> str:
        """One line for the person at the screen."""
        cost = f", cost {self.cost:.4g}" if self.cost else ""
        aside = f", {sum(self.set_aside.values())} set aside" if self.set_aside else ""
        return (
            f"{self.asked} asked, {self.known} known from before, {self.again} asked again, "
            f"{self.tokens_in + self.tokens_out:,} tokens{cost}{aside}"
        )


class Expert:
    """Somebody who answers requests, with a store of replies, a budget, and up to ``tries`` replies per item, each of
    which may be longer than was asked for by the ``thinking`` tokens of a model that thinks before it answers."""

    def __init__(
        self,
        backend: Backend,
        store: Store | None = None,
        budget: Budget = Budget(),
        tries: int = 3,
        thinking: int = 0,
    ):
        self.backend, self.store, self.budget, self.tries, self.thinking = backend, store, budget, tries, thinking
        self.spent = Spent()
        self.stored: set[str] = set()
        """The keys of replies, of this run or of earlier ones, that another run need not ask for again."""

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def account(self) -> dict[str, Any]:
        """What was spent, and what requests had to do without, for run.json."""
        return provenance.plain(self.spent) | (
            {"left_out": sorted(self.backend.left_out)} if self.backend.left_out else {}
        )

    def answer(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply to each request, in any order.

        Raises ``BudgetSpent`` when the budget is used up, after all replies that were under way, ``GateError`` before
        the first is asked where one of them must not leave this machine, and ``ExpertError``, ``ImageError`` or
        ``NoiseError`` with the item's id where the expert or a picture is not to be had.
        """
        again = deque[Request]()
        asked = self.backend.looked_over(map(self._with_room, requests))
        for request, raw in self._raws(asked, again):
            value, error = read(raw, request)
            if (
                error not in (None, SANG)
                and raw.error is None
                and request.attempt < self.tries
                and self.backend.repeats
            ):
                self.spent.again += 1
                again.append(request.again(parsing.answer(raw.text) or raw.text, error))
                continue
            if error:
                self.spent.set_aside[error] = self.spent.set_aside.get(error, 0) + 1
            yield Reply(request.first or request, value, raw.text, self.name, error, raw.tokens_in + raw.tokens_out)
        self.backend.finish()

    def _with_room(self, request: Request) -> Request:
        if not self.thinking:
            return request
        drawn = request.sampling
        return replace(request, sampling=replace(drawn, max_tokens=drawn.max_tokens + self.thinking))

    def _raws(self, source: Iterator[Request], again: deque[Request]) -> Iterator[tuple[Request, Raw]]:
        """Raw replies from the store and from the backend; ``again`` may grow while they are used."""
        known = deque[tuple[Request, Raw]]()
        while True:
            for request, raw in self.backend.ask(self._new(source, again, known), self._keep):
                self.spent.add(raw, self.budget)
                self.spent.asked += 1
                yield request, raw
                while known:
                    yield known.popleft()
            while known:
                yield known.popleft()
            if not again:
                return
            if self.spent.over(self.budget):
                raise BudgetSpent(f"the budget is spent ({self.spent.text()}); the same with a larger one goes on")

    def _new(
        self, source: Iterator[Request], again: deque[Request], known: deque[tuple[Request, Raw]]
    ) -> Iterator[Request]:
        """The requests that nobody has answered yet; what is in the store goes to ``known``."""
        while (request := again.popleft() if again else next(source, None)) is not None:
            if kept := self.store.get(self._key(request)) if self.store else None:
                self.stored.add(self._key(request))
                self.spent.add(kept, self.budget)
                self.spent.known += 1
                known.append((request, kept))
            elif self.spent.over(self.budget):
                again.appendleft(request)
                return
            else:
                yield request

    def _key(self, request: Request) -> str:
        with named(request):
            return f"{self.name} {request.key}"

    def _keep(self, request: Request, raw: Raw) -> None:
        """Writes a reply through to the disk; one that is an error of the endpoint's is asked for again next time."""
        if self.store and raw.error is None:
            self.store.put(self._key(request), request, raw)
            self.stored.add(self._key(request))


def kept(*asked: Expert | None) -> str:
    """How many replies another run need not ask for again, in words; an expert may be named several times."""
    return f"{len(set[str]().union(*(one.stored for one in asked if one)))} replies are kept"


def read(raw: Raw, request: Request) -> tuple[Any, str | None]:
    """The value of a raw reply, or None and why it cannot be used.

    Nothing is repaired, but thoughts are taken off, and words around the one JSON object where one was asked for.
    """
    if raw.error is not None:
        return None, raw.error
    text = raw.text if request.forced is not None else parsing.answer(raw.text)
    if request.canary and delimiters.holds(text, request.canary):
        return None, SANG
    if raw.cut and (request.schema or not text):
        return None, f"cut at {request.sampling.max_tokens} tokens; --thinking-tokens allows more"
    if not text.strip():
        return None, "it ends in its thoughts, without an answer" if raw.text.strip() else "an empty reply"
    try:
        value: Any = text
        if request.schema:
            value = request.schema.model_validate_json(parsing.only_object(text)[1])
        if request.check:
            request.check(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, found["loc"]))
        return None, f"not the form that was asked for: {where + ': ' if where else ''}{found['msg']}"
    except ValueError as error:
        return None, str(error)
    return value, None
