"""Which tokens of an answer are credited with which part of its reward.

A policy gradient weighs log pi of every token with what the answer earned. What a token can hardly have brought about
adds noise only. The words behind the heading that follows the places of a diagnosis do not move these places, so what
places earn is not credited to them (reward to go). A name depends on a box only through what is written behind it, so
the numbers of a box, but for the token that begins it, are not credited with names. Both leave the mean of the gradient
nearly as it is (``bench.credit`` measures how nearly) and take much of its noise.

Shapes: Q questions, G answers to each, R answers, S tokens of all answers, row after row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unveil.core.grading import Case
from unveil.rl.advantages import Advantage
from unveil.rl.experience import Experience, Rewarded
from unveil.vlm.chat import Chat

#: Rewards of a diagnosis by what they judge; any other one judges all of the answer.
OF_PLACES = ("localisation", "hits")
OF_NAMES = ("relevance", "category", "detection")


def relative(worth: Rewarded, drawn: Experience, chat: Chat, advantage: Advantage, parts: bool) -> Tensor:
    """The advantage of each token, (S,): by default what its answer earned beyond the mean of its group.

    With ``parts`` it is the sum of the advantages of those rewards, each taken alone, that the token is credited with.
    The spread is then the root of the rewards' summed variances, which is 0 only where each reward gives all answers
    the same.
    """
    lengths_R = _lengths(drawn)
    shares = worth.shares_QG if parts else {"total": worth.totals_QG}
    scopes = masks(worth, drawn, chat) if parts else {"total": torch.tensor(True)}
    spread_Q1 = torch.stack([share_QG.var(1, keepdim=True) for share_QG in shares.values()]).sum(0).sqrt()
    out_S = torch.zeros(int(lengths_R.sum()), dtype=torch.float64)
    for name, share_QG in shares.items():
        out_S += advantage(share_QG, spread_Q1).flatten().repeat_interleave(lengths_R) * scopes[name]
    return out_S.float()


def placed(worth: Rewarded, drawn: Experience, chat: Chat, parts: bool) -> Tensor:
    """Rewards at the tokens with which they come, (S,), for advantages that look ahead (PPO).

    With ``parts`` each reward comes with the last token that is credited with it, else all of it with the last one.
    """
    lengths_R = _lengths(drawn)
    starts_R = lengths_R.cumsum(0) - lengths_R
    out_S = torch.zeros(int(lengths_R.sum()), dtype=torch.float64)
    scopes = masks(worth, drawn, chat) if parts else {}
    for name, share_QG in worth.shares_QG.items():
        last_R = lengths_R - 1
        if parts:
            inside = scopes[name].split(lengths_R.tolist())
            last_R = torch.tensor([int(mask.nonzero()[-1]) for mask in inside])
        out_S.index_add_(0, starts_R + last_R, share_QG.flatten().double())
    return out_S.float()


def _lengths(drawn: Experience) -> Tensor:
    return torch.tensor([len(d.ids) for d in drawn.rollouts])


def masks(worth: Rewarded, drawn: Experience, chat: Chat) -> dict[str, Tensor]:
    """By reward, which tokens of all answers are credited with it, (S,), true or false; at least one of each answer.

    All tokens of an answer that cannot be used are credited with all of its rewards: what is wrong about it is none of
    its parts.
    """
    found: dict[str, list[bool]] = {name: [] for name in worth.shares_QG}
    usable_R = worth.usable_QG.flatten().tolist()
    for case, answer, usable in zip(drawn.cases, drawn.rollouts, usable_R, strict=True):
        places, names = _scopes(case, chat, answer.ids) if usable else ([], [])
        for name, mask in found.items():
            base = name.partition("@")[0]
            judged = base == "relevance" and drawn.judged  # a judge reads the boxes too
            own = places if base in OF_PLACES else names if base in OF_NAMES and not judged else []
            mask += own if any(own) else [True] * len(answer.ids)
    return {name: torch.tensor(mask) for name, mask in found.items()}


def _scopes(case: Case, chat: Chat, ids: Sequence[int]) -> tuple[list[bool], list[bool]]:
    """The tokens of an answer that its places can depend on, and its names; nothing where that is not known.

    The token with which the next heading begins belongs to the places: in its stead one more could have been written.
    The token with which a box begins belongs to the names too: it says that something is there.
    """
    if case.dialogue.kind != "diagnosis":
        return [], []
    starts, end = [start for start, _ in chat.offsets(ids)], case.parsed.places_end
    names = [not any(x < start < y for x, y in case.parsed.boxes_at) for start in starts]
    return [] if end is None else [start <= end for start in starts], names
