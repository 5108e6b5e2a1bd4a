"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from unveil.train.losses import IGNORED, answer_nll


def test_answer_nll_is_the_sum_over_answer_tokens() -> None:
    """Logits (0, 0) give log 2 for either token. (log 3, 0) gives p = 3/4, 1/4: -log 3/4 = 0.28768, -log 1/4 = 1.38629.

    Row 0 counts log 2 + 1.38629, row 1 only 0.28768, since its first target is ignored.
    """
    even, odd = [0.0, 0.0], [math.log(3), 0.0]
    logits = torch.tensor([[even, odd], [odd, odd]])
    targets = torch.tensor([[1, 1], [IGNORED, 0]])
    assert float(answer_nll(logits, targets)) == pytest.approx(math.log(2) + math.log(4) + math.log(4 / 3), abs=1e-6)


def test_answer_nll_ignores_what_it_should_in_the_gradient_too() -> None:
    """d/dz of -log softmax is p - 1 for the target and p for the others: 1/2 - 1 and 1/2; 0 for an ignored place."""
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    answer_nll(logits, torch.tensor([[1, IGNORED]])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[[0.5, -0.5], [0.0, 0.0]]]


def test_answer_nll_of_nothing_is_nothing() -> None:
    assert float(answer_nll(torch.randn(2, 3, 5), torch.full((2, 3), IGNORED))) == 0.0


def test_answer_nll_is_computed_in_float32() -> None:
    """300 tokens of log 8 = 2.0794 make 623.83; bfloat16 holds no number between 622 and 624 but these steps of 4."""
    loss = answer_nll(torch.zeros(1, 300, 8, dtype=torch.bfloat16), torch.zeros(1, 300, dtype=torch.long))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(300 * math.log(8), rel=1e-6)
