"""The loss of a policy, by hand."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from tests.conftest import logged
from unveil.rl import losses
from unveil.rl.policy import Learnt, policy_loss
from unveil.vlm.scorer import Scores


def test_kl_term_pulls_back() -> None:
    """At log pi - log ref = log 2 on every token, k3 is exp(-log 2) - 1 + log 2 = 0.19315 and enters times beta.

    Under the ratio its gradient is log pi - log ref = log 2 per token: beta / 2 log 2 for each of two.
    """
    logps = torch.log(torch.tensor([0.5, 0.5])).requires_grad_()
    scores = Scores(logps, torch.tensor([0, 1]), 2, torch.zeros(2))
    held = Learnt(
        cast(Any, None), logps.detach(), torch.zeros(2), torch.ones(2), torch.log(torch.tensor([0.25] * 2)), {}
    )
    loss, figures = policy_loss(scores, held, kl=0.5)
    assert float(loss.detach()) == pytest.approx(0.5 * 0.1931472)
    assert logged(figures)["kl"] == pytest.approx(0.1931472)
    loss.backward()
    assert logps.grad is not None and logps.grad.tolist() == pytest.approx([0.5 * 0.5 * 0.6931472] * 2)
    assert losses.adapted(0.1, 0.02, 0.01) == pytest.approx(0.1 * 1.02)
