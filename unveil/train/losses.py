"""Losses of fine-tuning and preferences as pure functions of tensors (`rl.losses` has those of GRPO and PPO).

Each names its equation and its source.

Shapes: S scored tokens, V vocabulary, P pairs, R answers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def preference(gains_P: Float[Tensor, " P"], form: str = "sigmoid", smoothing: float = 0.0) -> Float[Tensor, " P"]:
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


def anchor(gains_P: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """-log sigmoid(beta log pi(y_w|x) / ref(y_w|x)), (P,): the better answer is not to become less likely.

    Third term of mDPO (arXiv 2406.11839).
    """
    return -torch.nn.functional.logsigmoid(gains_P)


def kl_terms(policy_S: Float[Tensor, " S"], reference_S: Float[Tensor, " S"]) -> Float[Tensor, " S"]:
    """exp(d) - 1 - d with d = log ref - log pi of each token, (S,), each >= 0: the estimator k3.

    On tokens that the policy has sampled its mean is an unbiased estimate of KL(pi, ref); on given answers a measure of
    distance. (J. Schulman, "Approximating KL divergence", 2020; the KL term of GRPO, arXiv 2402.03300, eq. 4)
    """
    d = reference_S - policy_S
    return d.exp() - 1 - d


def attention(shares_N: Float[Tensor, " N"], floor: float = 0.01) -> Float[Tensor, " N"]:
    """-log(floor + r) of each token, (N,): r is the share of its attention to the image that lies on the lesion.

    The vision relevance of UMed-LVLM (arXiv 2501.01377) with its own gradient. ``floor`` bounds the pull on a token
    that does not look there at all.
    """
    return -(shares_N + floor).log()
