"""Advantages: how much better a token, or an answer, turned out than was to be expected.

Shapes: Q questions, G answers to each, R answers, T tokens of the longest answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unveil.core import plugins
from unveil.core.registry import Registry

TINY = 1e-6


class AdvantageError(ValueError):
    """An advantage that cannot be had, or gave what is none; the message names it."""


# -------------------------------------------------------------------------------------------------- relative to a group


def group_relative(rewards_QG: Float[Tensor, "Q G"]) -> Float[Tensor, "Q G"]:
    """r - mean of the group, (Q, G); 0 where all answers of a group score alike.

    GRPO without its division (Dr. GRPO, arXiv 2503.20783), so that groups whose answers hardly differ do not weigh as
    much as others.
    """
    exact_QG = rewards_QG.double()  # in float32 equal rewards differ from their mean by as much as TINY
    return (exact_QG - exact_QG.mean(1, keepdim=True)).to(rewards_QG.dtype)


def standardised(rewards_QG: Float[Tensor, "Q G"], spread_Q1: Float[Tensor, "Q 1"]) -> Float[Tensor, "Q G"]:
    """(r - mean of the group) / standard deviation of the group, (Q, G), as first published.

    GRPO (arXiv 2402.03300, section 4.1.2), the deviation with G - 1.
    """
    return group_relative(rewards_QG) / (spread_Q1 + TINY)


def leave_one_out(rewards_QG: Float[Tensor, "Q G"]) -> Float[Tensor, "Q G"]:
    """r - mean of the other answers of the group, (Q, G), which is G / (G - 1) (r - mean of the group).

    RLOO (arXiv 2402.14740).
    """
    answers = rewards_QG.shape[1]
    return group_relative(rewards_QG) * answers / (answers - 1)


@dataclass(frozen=True)
class Advantage:
    """A way to make advantages of rewards, under the name by which options call it.

    ``function`` takes rewards (Q, G) and, if it asks for ``spread_Q1``, the standard deviation of each group's total
    rewards, (Q, 1). It gives a number for each answer.
    """

    name: str
    function: Callable[..., Any]

    def __call__(self, rewards_QG: Tensor, spread_Q1: Tensor) -> Tensor:
        """The advantages, (Q, G), in float64; raises ``AdvantageError`` where it gives none."""
        more = {"spread_Q1": spread_Q1} if "spread_Q1" in inspect.signature(self.function).parameters else {}
        try:
            found = self.function(rewards_QG.clone(), **more)
        except Exception as error:  # whatever a user's function raises is told with its line
            raise AdvantageError(f"advantage {self.name} raised {plugins.told(error)}") from error
        try:
            found_QG = torch.as_tensor(found, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            what = f"{plugins.short(found)}, not a number for each answer"
            raise AdvantageError(f"advantage {self.name} gave {what}") from error
        if found_QG.shape != rewards_QG.shape:
            shapes = f"{tuple(found_QG.shape)} for rewards of the shape {tuple(rewards_QG.shape)}"
            raise AdvantageError(f"advantage {self.name} gave numbers of the shape {shapes}")
        for found_G, rewards_G in zip(found_QG, rewards_QG, strict=True):
            if not found_G.isfinite().all():
                numbers = f"{found_G.tolist()} for the rewards {rewards_G.tolist()}"
                raise AdvantageError(f"advantage {self.name} gave {numbers}, not finite numbers")
        return found_QG


def _fit(name: str, function: Any) -> Callable[..., Any]:
    """A user's function; raises ``AdvantageError`` where it cannot be called as one."""
    form = "an advantage is `def advantage(rewards_QG)`, and may ask for `spread_Q1` besides"
    if not callable(function):
        raise AdvantageError(f"{plugins.short(function)} is no function; {form}")
    signature = inspect.signature(function)
    try:
        signature.bind(None, **({"spread_Q1": None} if "spread_Q1" in signature.parameters else {}))
    except TypeError as error:
        raise AdvantageError(f"its signature is {signature}; {form}") from error
    known: Callable[..., Any] = function
    return known


ADVANTAGES: Registry[Callable[..., Any]] = Registry(
    "ADVANTAGES", {"dr-grpo": group_relative, "grpo": standardised, "rloo": leave_one_out}, _fit
)


def named(name: str) -> Advantage:
    """An advantage of ``ADVANTAGES``, or a user's FILE.py:FUNCTION."""
    if ":" in name:
        label = plugins.label(name)
        try:
            return Advantage(label, _fit(label, plugins.function(name)))
        except AdvantageError as error:
            raise AdvantageError(f"advantage {label}: {error}") from error
    if name not in ADVANTAGES:
        raise AdvantageError(f"no advantage {name!r}: one of {', '.join(ADVANTAGES)}, or FILE.py:FUNCTION")
    return Advantage(name, ADVANTAGES[name])


# ------------------------------------------------------------------------------------------------------------ over time


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
