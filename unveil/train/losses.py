"""Losses as pure functions of tensors. Each names its equation and its source.

Shapes: B rows, K kept positions, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -100


def token_logps(logits_SV: Tensor, targets_S: Tensor) -> Tensor:
    """log p(y_t | y_<t, x, q) of each target token, (S,), in float32 whatever the logits' type."""
    return -torch.nn.functional.cross_entropy(logits_SV.float(), targets_S, reduction="none")


def answer_nll(logits_BKV: Tensor, targets_BK: Tensor) -> Tensor:
    """Summed negative log-likelihood of the answer tokens, a scalar; targets of ``IGNORED`` do not count.

    L_it = -sum_t log p(y_t | y_<t, x, q) of abnormal-aware instruction tuning (UMed-LVLM, arXiv 2501.01377, stage 1).
    The caller divides by the number of answer tokens of the whole update, so that accumulation changes nothing.
    Computed in float32 whatever the logits' type.
    """
    return torch.nn.functional.cross_entropy(
        logits_BKV.flatten(0, 1).float(), targets_BK.flatten(), ignore_index=IGNORED, reduction="sum"
    )
