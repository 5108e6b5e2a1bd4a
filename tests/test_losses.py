"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from unveil.train.losses import anchor, kl_estimate, preference, token_logps

LOG2, LOG3 = math.log(2), math.log(3)


def slope(loss: torch.Tensor, at: torch.Tensor) -> list[float]:
    (gradient,) = torch.autograd.grad(loss.sum(), at)
    return gradient.tolist()


# -------------------------------------------------------------------------------------------------------------- tokens


def test_token_logps_of_each_target() -> None:
    """Logits (0, 0) give log 1/2 for either token; (log 3, 0) gives p = 3/4, 1/4: -0.28768 and -1.38629."""
    even, odd = [0.0, 0.0], [LOG3, 0.0]
    got = token_logps(torch.tensor([even, odd, even, odd]), torch.tensor([1, 1, 0, 0]))
    assert got.tolist() == pytest.approx([-LOG2, -1.38629, -LOG2, -0.28768], abs=1e-5)


def test_token_logps_gradient() -> None:
    """d/dz of log softmax is 1 - p for the target and -p for the others; each token's own logits only."""
    logits = torch.tensor([[0.0, 0.0], [LOG3, 0.0]], requires_grad=True)
    logps = token_logps(logits, torch.tensor([1, 0]))
    (first,) = torch.autograd.grad(logps[0], logits, retain_graph=True)
    assert first.tolist() == [[-0.5, 0.5], [0.0, 0.0]]
    assert slope(logps, logits)[1] == pytest.approx([0.25, -0.25])


def test_token_logps_of_nothing_are_none() -> None:
    got = token_logps(torch.randn(0, 5), torch.zeros(0, dtype=torch.long))
    assert got.shape == (0,) and float(got.sum()) == 0.0


def test_token_logps_are_computed_in_float32() -> None:
    """300 tokens of log 8 = 2.0794 make 623.83; bfloat16 holds no number between 622 and 624 but these steps of 4."""
    logps = token_logps(torch.zeros(300, 8, dtype=torch.bfloat16), torch.zeros(300, dtype=torch.long))
    assert logps.dtype == torch.float32
    assert float(logps.sum()) == pytest.approx(-300 * math.log(8), rel=1e-6)


def test_token_logps_of_large_logits_are_finite() -> None:
    """exp(1000) is more than float32 holds: the one token has log p = 0, the other -1000."""
    logits = torch.tensor([[1000.0, 0.0], [1000.0, 0.0]])
    assert token_logps(logits, torch.tensor([0, 1])).tolist() == [0.0, -1000.0]


# --------------------------------------------------------------------------------------------------------- preferences


def test_sigmoid_by_hand() -> None:
    """sigmoid(log 3) = 3/4: the losses at gains of 0, log 3 and -log 3 are log 2, log 4/3 and log 4.

    The slope is sigmoid - 1: -1/2, -1/4 and -3/4.
    """
    gains = torch.tensor([0.0, LOG3, -LOG3], requires_grad=True)
    loss = preference(gains)
    assert loss.tolist() == pytest.approx([LOG2, math.log(4 / 3), math.log(4)])
    assert slope(loss, gains) == pytest.approx([-0.5, -0.25, -0.75])


def test_smoothing_by_hand() -> None:
    """One pair in ten the wrong way round: at log 3, 0.9 log 4/3 + 0.1 log 4 = 0.25891 + 0.13863 = 0.39754.

    Slope -0.9 (1 - sigmoid) + 0.1 sigmoid = -0.225 + 0.075 = -0.15 there, and 0 where sigmoid is 0.9, at log 9.
    """
    gains = torch.tensor([LOG3, math.log(9)], requires_grad=True)
    loss = preference(gains, "sigmoid", 0.1)
    assert loss[0].tolist() == pytest.approx(0.39754, abs=1e-5)
    assert slope(loss, gains) == pytest.approx([-0.15, 0.0], abs=1e-6)
    assert preference(torch.tensor([LOG3, -LOG3]), smoothing=0.5).tolist() == pytest.approx([math.log(16 / 3) / 2] * 2)


def test_hinge_by_hand() -> None:
    """1 - gains, and nothing above gains of 1."""
    gains = torch.tensor([-1.0, 0.0, 0.5, 2.0], requires_grad=True)
    loss = preference(gains, "hinge")
    assert loss.tolist() == [2.0, 1.0, 0.5, 0.0]
    assert slope(loss, gains) == [-1.0, -1.0, -1.0, 0.0]


def test_ipo_by_hand() -> None:
    """Log ratios h of 0, 5 and 7 at beta 0.1: the paper's (h - 1 / (2 beta))^2 is 25, 0 and 4, a hundredth of it ours.

    The slope is 2 (gains - 1/2): -1, 0 and 0.4.
    """
    gains = torch.tensor([0.0, 0.5, 0.7], requires_grad=True)
    loss = preference(gains, "ipo")
    assert loss.tolist() == pytest.approx([0.25, 0.0, 0.04])
    assert slope(loss, gains) == pytest.approx([-1.0, 0.0, 0.4])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_far_gains_stay_finite(smoothing: float) -> None:
    """log sigmoid(-1000) is -1000, not the logarithm of a 0."""
    gains = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = preference(gains, "sigmoid", smoothing)
    assert loss.tolist() == pytest.approx([1000 * (1 - smoothing), 1000 * smoothing])
    assert slope(loss, gains) == pytest.approx([smoothing - 1, smoothing])


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no preference loss 'kto': one of sigmoid, hinge, ipo"):
        preference(torch.zeros(1), "kto")


def test_anchor_by_hand() -> None:
    """-log sigmoid at 0, log 3 and -log 3, slope sigmoid - 1: it pulls most where the answer became less likely."""
    gains = torch.tensor([0.0, LOG3, -LOG3], requires_grad=True)
    loss = anchor(gains)
    assert loss.tolist() == pytest.approx([LOG2, math.log(4 / 3), math.log(4)])
    assert slope(loss, gains) == pytest.approx([-0.5, -0.25, -0.75])


# ------------------------------------------------------------------------------------------------------------ distance


def test_kl_estimate_by_hand() -> None:
    """Token by token: d = -log 2 gives 1/2 - 1 + log 2 = 0.19315, d = log 2 gives 2 - 1 - log 2 = 0.30685; mean 1/4.

    Its slope is (1 - exp(d)) / 2 tokens: 1/4 and -1/2, towards the reference from either side.
    """
    policy = torch.tensor([0.5, 0.25]).log().requires_grad_()
    reference = torch.tensor([0.25, 0.5]).log()
    assert kl_estimate(policy[:1], reference[:1]).tolist() == pytest.approx(1 / 2 - 1 + LOG2, abs=1e-6)
    assert kl_estimate(policy, reference).tolist() == pytest.approx(0.25, abs=1e-6)
    assert slope(kl_estimate(policy, reference), policy) == pytest.approx([0.25, -0.5])
    assert kl_estimate(policy, policy).tolist() == 0.0


def test_kl_estimate_is_unbiased() -> None:
    """Policy (3/4, 1/4), reference (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2 = 0.13081.

    Three tokens of the one kind and one of the other, as the policy draws them on average, give just that.
    """
    policy = torch.tensor([3 / 4, 3 / 4, 3 / 4, 1 / 4]).log()
    assert float(kl_estimate(policy, torch.full((4,), -LOG2))) == pytest.approx(0.130812, abs=1e-6)
