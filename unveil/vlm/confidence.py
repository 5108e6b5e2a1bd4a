"""How sure a model is of what it says: the log-probabilities of its tokens, and of the answers that it could choose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from unveil.core.alternatives import Wording, alternatives
from unveil.core.records import Dialogue
from unveil.vlm import token_offsets
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Rollout
from unveil.vlm.inputs import EncodedExample

DIGITS = 4
"""Of a log-probability; what differs behind them differs by rounding from one machine to another."""


def tokens_of(chat: Chat, drawn: Rollout) -> tuple[tuple[int, float], ...]:
    """Of each token that was drawn, where it ends in the answer's text, and its log-probability.

    The slices from one end to the next make up the text. A token that writes none of it (the end of the answer, a part
    of a letter, spaces around it) ends where the one before does, and its log-probability counts all the same. An end
    whose log-probability a server has not told is left out; where that of another token is missing there is nothing.
    """
    ids, logps = drawn.ids, drawn.logps
    if ids and ids[-1] in chat.stops and math.isnan(logps[-1]):
        ids, logps = ids[:-1], logps[:-1]
    if not all(map(math.isfinite, logps)):
        return ()
    ends = [end for _, end in chat.offsets(ids)]
    length = len(chat.text(ids))
    # the signs for a letter that was cut off stand in the text and belong to the last token that writes any of it
    last = next((i for i in reversed(range(len(ids))) if ids[i] not in chat.stops), 0)
    ends[last:] = [length] * len(ends[last:])
    return tuple(zip(ends, map(rounded, logps), strict=True))


def rounded(logp: float) -> float:
    return round(logp, DIGITS) + 0.0  # no -0.0


@dataclass(frozen=True)
class Beginnings:
    """The beginnings of the answers that questions let choose from, as rows to be scored, question after question."""

    rows: tuple[EncodedExample, ...]
    counts: tuple[tuple[int, ...], ...]
    """By question, how many rows each of its options has; empty where a question has none."""

    def likely(self, logps: Sequence[float]) -> list[tuple[float, ...]]:
        """Of each question the log-probabilities of its options from those of the rows: of an option that is written in
        several ways that of any of them."""
        given = iter(logps)
        return [tuple(rounded(_any(next(given) for _ in range(n))) for n in of) for of in self.counts]


def options_of(chat: Chat, dialogues: Iterable[Dialogue], asked: Iterable[EncodedExample]) -> Beginnings:
    """What is to be scored so that a model's options are known (``alternatives``).

    A question whose options begin with the same ids, so that they cannot be told apart there, has none.
    """
    rows: list[EncodedExample] = []
    counts: list[tuple[int, ...]] = []
    for dialogue, row in zip(dialogues, asked, strict=True):
        runs = [_runs(chat, dialogue, row, ways) for ways in alternatives(dialogue)]
        apart = not any(_begins(a, b) for i, of in enumerate(runs) for other in runs[:i] for a in of for b in other)
        counts.append(tuple(map(len, runs)) if apart else ())
        rows += [replace(row, answer=list(ids)) for of in runs for ids in of] if apart else []
    return Beginnings(tuple(rows), tuple(counts))


def _runs(chat: Chat, dialogue: Dialogue, row: EncodedExample, ways: Sequence[Wording]) -> list[tuple[int, ...]]:
    """The ids with which an answer begins in each of its ways; none that another one of them begins with."""
    found: list[tuple[int, ...]] = []
    for ids in sorted({_beginning(chat, dialogue, row, way) for way in ways}, key=lambda run: (len(run), run)):
        if not any(_begins(ids, other) for other in found):
            found.append(ids)
    return found


def _beginning(chat: Chat, dialogue: Dialogue, row: EncodedExample, way: Wording) -> tuple[int, ...]:
    """The ids of an answer behind its prompt, up to the one that completes the letters which decide."""
    answered = chat.encode(replace(dialogue, answer=way.text), row.seen, with_answer=True).answer
    written, spans = token_offsets.spans(chat.tokenizer, answered)
    end = len(written) - len(written.lstrip()) + way.decides
    until = next(i for i, (_, reached) in enumerate(spans) if reached >= end)
    return tuple(answered[: until + 1])


def _begins(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether one of two runs of ids begins with the other."""
    both = min(len(one), len(other))
    return tuple(one[:both]) == tuple(other[:both])


def _any(logps: Iterable[float]) -> float:
    """The log-probability of any of some events of which no two happen together."""
    found = list(logps)
    most = max(found)
    return most + math.log(sum(math.exp(logp - most) for logp in found))
