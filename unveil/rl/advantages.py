"""Advantages: how much better a token, or an answer, turned out than was to be expected.

Shapes: Q questions, G answers to each, R answers, T tokens of the longest answer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

TINY = 1e-6


def group_relative(rewards_QG: Float[Tensor, "Q G"], spread: bool = True) -> Float[Tensor, "Q G"]:
    """(r - mean of the group) / standard deviation of the group, (Q, G); 0 where all answers of a group score alike.

    GRPO (arXiv 2402.03300, section 4.1.2), the deviation with G - 1. Without ``spread`` the difference only
    (arXiv 2503.20783), so that groups whose answers hardly differ do not weigh as much as others.
    """
    exact_QG = rewards_QG.double()  # in float32 equal rewards differ from their mean by as much as TINY
    apart_QG = exact_QG - exact_QG.mean(1, keepdim=True)
    if spread and rewards_QG.shape[1] > 1:
        apart_QG = apart_QG / (exact_QG.std(1, keepdim=True) + TINY)
    return apart_QG.to(rewards_QG.dtype)


def generalised(
    rewards_RT: Float[Tensor, "R T"],
    values_RT: Float[Tensor, "R T"],
    lengths_R: Int[Tensor, " R"],
    gamma: float = 1.0,
    lam: float = 0.95,
) -> tuple[Float[Tensor, "R T"], Float[Tensor, "R T"]]:
    """Generalised advantage estimation (arXiv 1506.02438, eq. 16): advantages and returns, each (R, T).

    delta_t = r_t + gamma V_{t+1} - V_t, A_t = delta_t + gamma lambda A_{t+1}, return_t = A_t + V_t. ``values_RT`` are
    V(s_t) before each token; behind an answer's last token V is 0. Places behind an answer's end are 0.
    """
    inside_RT = torch.arange(rewards_RT.shape[1], device=lengths_R.device) < lengths_R[:, None]
    advantages_RT = torch.zeros_like(rewards_RT)
    next_value_R = next_advantage_R = rewards_RT.new_zeros(len(rewards_RT))
    for t in reversed(range(rewards_RT.shape[1])):
        delta_R = rewards_RT[:, t] + gamma * next_value_R - values_RT[:, t]
        next_advantage_R = torch.where(inside_RT[:, t], delta_R + gamma * lam * next_advantage_R, 0.0)
        next_value_R = torch.where(inside_RT[:, t], values_RT[:, t], 0.0)
        advantages_RT[:, t] = next_advantage_R
    return advantages_RT, torch.where(inside_RT, advantages_RT + values_RT, 0.0)


def whitened(values_S: Float[Tensor, " S"], added: Callable[[Tensor], Tensor] = lambda own: own) -> Float[Tensor, " S"]:
    """Mean 0 and standard deviation 1 over all tokens, (S,); 0 where there is no spread.

    ``added`` adds to sums those of other processes, whose tokens then count as well.
    """
    exact_S = values_S.cpu().double()
    count, total = added(torch.stack([torch.tensor(float(len(exact_S)), dtype=torch.float64), exact_S.sum()]))
    apart_S = exact_S - total / count
    variance = added((apart_S**2).sum()) / (count - 1)
    return (apart_S / (variance.sqrt() + TINY) if count > 1 else torch.zeros_like(apart_S)).to(values_S)
