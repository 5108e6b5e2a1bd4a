"""The losses of GRPO and PPO as pure functions of tensors. Each names its equation and its source.

Shapes: S scored tokens, R answers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def clipped_policy(
    logps_S: Float[Tensor, " S"],
    old_S: Float[Tensor, " S"],
    advantages_S: Float[Tensor, " S"],
    low: float = 0.2,
    high: float = 0.2,
) -> Float[Tensor, " S"]:
    """-min(rho A, clip(rho, 1 - low, 1 + high) A) of each token, (S,), with rho = pi / pi_old.

    PPO (arXiv 1707.06347, eq. 7); with ``high`` above ``low`` DAPO's clip-higher (arXiv 2503.14476, eq. 10). At
    pi = pi_old it is -A with the gradient -A d log pi.
    """
    ratio_S = (logps_S - old_S).exp()
    return -torch.minimum(ratio_S * advantages_S, ratio_S.clamp(1 - low, 1 + high) * advantages_S)


def clipped_value(
    values_S: Float[Tensor, " S"],
    old_S: Float[Tensor, " S"],
    returns_S: Float[Tensor, " S"],
    clip: float | None = 0.2,
) -> Float[Tensor, " S"]:
    """1/2 max((V - R)^2, (V_old + clip(V - V_old, -c, c) - R)^2) of each token, (S,); without ``clip`` the former.

    The value loss of PPO as its authors' code has it (openai/baselines, ``ppo2``).
    """
    error_S = (values_S - returns_S) ** 2
    if clip is None:
        return 0.5 * error_S
    near_S = old_S + (values_S - old_S).clamp(-clip, clip)
    return 0.5 * torch.maximum(error_S, (near_S - returns_S) ** 2)


def clip_share(
    logps_S: Float[Tensor, " S"],
    old_S: Float[Tensor, " S"],
    advantages_S: Float[Tensor, " S"],
    low: float = 0.2,
    high: float = 0.2,
) -> Float[Tensor, ""]:
    """The share of tokens whose gradient is cut off: rho beyond the side that the advantage pulls to."""
    ratio_S = (logps_S - old_S).exp()
    beyond_S = torch.where(advantages_S > 0, ratio_S > 1 + high, (ratio_S < 1 - low) & (advantages_S < 0))
    return beyond_S.float().mean()


def averaged(
    terms_S: Float[Tensor, " S"], rows_S: Int[Tensor, " S"], rows: int, over: str = "token"
) -> Float[Tensor, ""]:
    """The mean of the tokens' terms, a scalar.

    - "token": over all tokens alike, so that a long answer counts more (DAPO, arXiv 2503.14476, eq. 8);
    - "sequence": first over each answer's tokens, then over answers (GRPO, arXiv 2402.03300, eq. 3).
    """
    if over == "token":
        return terms_S.mean()
    if over == "sequence":
        lengths_R = torch.bincount(rows_S, minlength=rows)
        return (terms_S / lengths_R[rows_S]).sum() / (lengths_R > 0).sum()
    raise ValueError(f"no mean over {over!r}: one of token, sequence")


def importance(old_S: Float[Tensor, " S"], sampled_S: Float[Tensor, " S"], most: float = 2.0) -> Float[Tensor, " S"]:
    """min(pi_old / mu, most) of each token, (S,): weights for answers sampled by an engine whose probabilities are mu.

    Truncated importance sampling (E. L. Ionides, "Truncated importance sampling", 2008). One where both agree, and
    where log mu is NaN, which stands for not known: such a token is taken as it is.
    """
    return torch.where(sampled_S.isnan(), 1.0, (old_S - sampled_S).exp().clamp(max=most))


def importance_cut(old_S: Float[Tensor, " S"], sampled_S: Float[Tensor, " S"], most: float = 2.0) -> Float[Tensor, ""]:
    """The share of tokens whose weight ``importance`` cuts to ``most``, of those whose mu is known; NaN without any."""
    known_S = ~sampled_S.isnan()
    return ((old_S - sampled_S)[known_S].exp() > most).float().mean()


def mismatch(old_S: Float[Tensor, " S"], sampled_S: Float[Tensor, " S"]) -> Float[Tensor, ""]:
    """Mean of abs(log pi_old - log mu) over the tokens whose mu is known, a scalar >= 0; NaN without any."""
    return (old_S - sampled_S)[~sampled_S.isnan()].abs().mean()


def adapted(coefficient: float, kl: float, target: float, gain: float = 0.1) -> float:
    """The next coefficient of the KL term: up where ``kl`` is above its target, down where it is below.

    beta (1 + K clip(kl / target - 1, -0.2, 0.2)) (arXiv 1909.08593, section 2.2).
    """
    return coefficient * (1 + gain * max(-0.2, min(0.2, kl / target - 1)))
