"""A user's own functions as rewards: in our form, or in the one that TRL's trainers call.

Ours takes an answer beside the truth, ``def reward(answered)``. TRL's takes lists, an item for each answer,
``def reward(completions, **kwargs)``: it is given the answers to one question at a time, and the columns of
``dialogues.jsonl`` as far as it asks for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from unveil.core.plugins import short
from unveil.core.records import Dialogue

if TYPE_CHECKING:
    from unveil.core.answered import Answered

#: What a function in TRL's form may ask for.
COLUMNS = ("prompts", "completions", "answered", *(f.name for f in fields(Dialogue)))
#: What only its functions name.
TRLS = {"completions", "completion_ids", "prompts"}
#: What a run tells besides rewards, in metrics.jsonl and run.json, and ``hits``, which is credited as a place.
RESERVED = frozenset(
    (
        *("step", "lr", "reward", "reward_spread", "iou", "groups_alike", "unusable", "cut", "length", "policy_loss"),
        *("entropy", "clip_share", "kl", "mismatch", "importance_cut", "importance_none", "refused", "value_loss"),
        *("value_explained", "critic_error", "critic_return", "of", "total", "hits"),
    )
)
#: What is told of each reward, under its name and one of these.
FIGURES = ("squared", "spread", "zero", "none", "alike")


class FormError(ValueError):
    """A function that cannot be called as a reward."""


@dataclass(frozen=True)
class Own:
    """A user's function as a reward of all answers to one question.

    ``form`` says what it takes: an answer beside the truth, or lists as TRL's do, in which an answer is a text, or a
    chat of one message.
    """

    function: Callable[..., Any]
    form: Literal["answered", "texts", "messages"]

    def __call__(self, group: Sequence[Answered]) -> list[Any]:
        if self.form == "answered":
            return [self.function(answered) for answered in group]
        found = self.function(**self._asked(group))
        if not isinstance(found, Iterable):
            raise TypeError(f"gave {short(found)}, not a list with a number for each completion")
        return found.tolist() if hasattr(found, "tolist") else list(found)

    def lacking(self, error: Exception) -> str:
        """What there is, where the function in TRL's form has failed for want of a column; else nothing."""
        missed = isinstance(error, KeyError) and self.form != "answered" and {*error.args}.isdisjoint(COLUMNS)
        return f"; there are {', '.join(COLUMNS)}" if missed else ""

    def _asked(self, group: Sequence[Answered]) -> dict[str, list[Any]]:
        """The arguments, of what there is what it asks for."""
        chat = self.form == "messages"
        rows = [answered.dialogue for answered in group]
        have: dict[str, list[Any]] = {f.name: [getattr(row, f.name) for row in rows] for f in fields(Dialogue)}
        have["answered"] = list(group)
        for name, role, texts in (
            ("prompts", "user", [row.question for row in rows]),
            ("completions", "assistant", [answered.text for answered in group]),
        ):
            have[name] = [[{"role": role, "content": text}] for text in texts] if chat else texts
        takes = inspect.signature(self.function).parameters
        anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        return {name: column for name, column in have.items() if anything or name in takes}


def check_name(name: str) -> None:
    """Raises ``FormError`` where a run tells something else under the name, or under one that is made of it."""
    endings = tuple(f"_{figure}" for figure in FIGURES)
    made = {name, *(f"{name}{ending}" for ending in endings)}
    if RESERVED & made or name.startswith("val_") or name.endswith(endings):
        raise FormError("in a run this name, or one made of it, is that of another figure; choose another one")


def read(function: Callable[..., Any]) -> Own:
    """The function in the form that its signature tells; raises ``FormError`` for one that cannot be called."""
    ours = "a reward is `def reward(answered)`, or in TRL's form `def reward(completions, **kwargs)`"
    if not callable(function):
        raise FormError(f"{short(function)} is no function; {ours}")
    if inspect.iscoroutinefunction(function):
        raise FormError(f"it is asynchronous; {ours}")
    signature = inspect.signature(function)
    if not TRLS & set(signature.parameters):
        try:
            signature.bind(None)
        except TypeError as error:
            raise FormError(f"its signature is {signature}; {ours}") from error
        return Own(function, "answered")
    try:
        signature.bind(**{name: [] for name in signature.parameters if name in COLUMNS})
    except TypeError as error:
        raise FormError(f"{error}; there are {', '.join(COLUMNS)}") from error
    return Own(function, "texts")
