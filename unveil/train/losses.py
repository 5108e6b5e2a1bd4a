"""Losses as pure functions of tensors. Each names its equation and its source.

Shapes: S scored tokens, V vocabulary, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor


def token_logps(logits_SV: Tensor, targets_S: Tensor) -> Tensor:
    """log p(y_t | y_<t, x, q) of each target token, (S,), in float32 whatever the logits' type."""
    return -torch.nn.functional.cross_entropy(logits_SV.float(), targets_S, reduction="none")


def preference(gains_P: Tensor, form: str = "sigmoid", smoothing: float = 0.0) -> Tensor:
    """The loss of each pair (P,) from ``gains_P``, beta times how much more the policy favours the better answer.

    gains = beta * (log pi(y_w|x) / ref(y_w|x) - log pi(y_l|x*) / ref(y_l|x*)). Forms:

    - "sigmoid": -log sigmoid(gains), DPO (arXiv 2305.18290, eq. 7); with ``smoothing`` e, the conservative
      -(1 - e) log sigmoid(gains) - e log sigmoid(-gains) for pairs that are the wrong way round with probability e;
    - "hinge": max(0, 1 - gains), SLiC (arXiv 2305.10425);
    - "ipo": (gains - 1/2)^2, IPO (arXiv 2310.12036, eq. 17, times beta^2: the same minimum, gradients of one scale).
    """
    if form == "sigmoid":
        log_sigmoid = torch.nn.functional.logsigmoid
        return -(1 - smoothing) * log_sigmoid(gains_P) - smoothing * log_sigmoid(-gains_P)
    if form == "hinge":
        return torch.relu(1 - gains_P)
    if form == "ipo":
        return (gains_P - 0.5) ** 2
    raise ValueError(f"no preference loss {form!r}: one of sigmoid, hinge, ipo")


def anchor(gains_P: Tensor) -> Tensor:
    """-log sigmoid(beta log pi(y_w|x) / ref(y_w|x)), (P,): the better answer is not to become less likely.

    Third term of mDPO (arXiv 2406.11839).
    """
    return -torch.nn.functional.logsigmoid(gains_P)


def kl_estimate(policy_S: Tensor, reference_S: Tensor) -> Tensor:
    """Mean over tokens of exp(d) - 1 - d with d = log ref - log pi, a scalar >= 0: how far the policy has moved.

    An unbiased estimate of KL(pi, ref) on tokens that the policy has sampled; on given answers a measure of distance.
    """
    d = reference_S - policy_S
    return (d.exp() - 1 - d).mean()
