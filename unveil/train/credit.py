"""Which tokens of an answer are credited with which part of its reward.

A policy gradient weighs log pi of every token with what the answer earned. What a token cannot have brought about adds
noise only: the words behind the last place of a diagnosis do not move the places, so what these earn need not be
credited to them (reward to go; the mean of the gradient stays what it is). Nor does a name depend on the numbers of a
box but through what is written behind it, which is next to nothing (docs/log.md has the measurement), so the tokens of
boxes are not credited with names.

Shapes: Q questions, G answers to each, S tokens of all answers, row after row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unveil.encoding import Chat
from unveil.records import Kind
from unveil.syntax import BoxSyntax
from unveil.train.advantages import group_relative
from unveil.train.experience import Experience, Rewarded
from unveil.wording import places_end

#: Rewards of a diagnosis by what they judge; any other one judges all of the answer.
OF_PLACES = ("localisation", "hits")
OF_NAMES = ("relevance", "category", "detection")


def relative(worth: Rewarded, drawn: Experience, chat: Chat, spread: bool, parts: bool) -> Tensor:
    """GRPO's advantage of each token, (S,): what its answer earned beyond the mean of its group.

    With ``parts`` of each reward only what the token is credited with. ``spread`` divides by that of the whole reward.
    """
    lengths_R = torch.tensor([len(d.ids) for d in drawn.drawn])
    if not parts:
        return group_relative(worth.totals_QG, spread).flatten().repeat_interleave(lengths_R)
    scopes = masks(drawn, chat, list(worth.shares_QG))
    out_S = torch.zeros(int(lengths_R.sum()))
    for name, share_QG in worth.shares_QG.items():
        apart_QG = group_relative(share_QG, spread, of=worth.totals_QG)
        out_S += apart_QG.flatten().repeat_interleave(lengths_R) * scopes[name]
    return out_S


def placed(worth: Rewarded, drawn: Experience, chat: Chat, parts: bool) -> Tensor:
    """Rewards at the tokens with which they come, (S,), for advantages that look ahead (PPO).

    With ``parts`` each reward comes with the last token that is credited with it, else all of it with the last one.
    """
    lengths_R = torch.tensor([len(d.ids) for d in drawn.drawn])
    starts_R = lengths_R.cumsum(0) - lengths_R
    out_S = torch.zeros(int(lengths_R.sum()))
    scopes = masks(drawn, chat, list(worth.shares_QG)) if parts else {}
    for name, share_QG in worth.shares_QG.items():
        last_R = lengths_R - 1
        if name in scopes:
            inside = scopes[name].split(lengths_R.tolist())
            last_R = torch.tensor([int(mask.nonzero()[-1]) for mask in inside])
        out_S.index_add_(0, starts_R + last_R, share_QG.flatten())
    return out_S


def masks(drawn: Experience, chat: Chat, rewards: Sequence[str]) -> dict[str, Tensor]:
    """By reward, which tokens of all answers are credited with it, (S,), true or false; at least one of each answer."""
    found: dict[str, list[bool]] = {name: [] for name in rewards}
    for case, answer, row in zip(drawn.cases, drawn.drawn, drawn.rows, strict=True):
        places, names = _scopes(case.dialogue.kind, chat, answer.ids, row.seen.view.syntax)
        for name in rewards:
            base = name.partition("@")[0]
            judged = base == "relevance" and drawn.judged  # a judge reads the boxes too
            own = places if base in OF_PLACES else names if base in OF_NAMES and not judged else []
            found[name] += own if any(own) else [True] * len(answer.ids)
    return {name: torch.tensor(mask) for name, mask in found.items()}


def _scopes(kind: Kind, chat: Chat, ids: Sequence[int], syntax: BoxSyntax) -> tuple[list[bool], list[bool]]:
    """The tokens of an answer that its places can depend on, and its names; nothing where that is not known.

    The token with which the next heading begins belongs to the places: in its stead one more could have been written.
    """
    if kind != "diagnosis":
        return [], []
    text, spans = chat.spans(ids)
    end = places_end(text)
    boxes = [m.span() for m in (syntax.whole or syntax.pattern).finditer(text, 0, len(text) if end is None else end)]
    names = [not any(a < y and x < b for x, y in boxes) for a, b in spans]
    return [] if end is None else [a <= end for a, _ in spans], names
