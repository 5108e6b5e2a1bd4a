"""Advantages against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unveil.rl.advantages import generalised, group_relative, whitened

#: Three tokens that earn 1 at their end, and what a critic expected before each.
REWARDS, VALUES = [0.0, 0.0, 1.0], [0.5, 0.25, 0.75]


def both(rewards: list[float], values: list[float], gamma: float = 1.0, lam: float = 0.5) -> tuple[Tensor, Tensor]:
    """Advantages and returns of one answer, (T,) each."""
    lengths = torch.tensor([len(rewards)])
    advantages, returns = generalised(torch.tensor([rewards]), torch.tensor([values]), lengths, gamma, lam)
    return advantages[0], returns[0]


# -------------------------------------------------------------------------------------------------- relative to a group


def test_relative_to_the_group_by_hand() -> None:
    """Rewards 1, 2, 3: mean 2, deviation sqrt((1 + 0 + 1) / 2) = 1. Rewards 0, 0, 6: mean 2, sqrt(24 / 2) = 3.4641.

    Each group by its own mean and deviation.
    """
    got = group_relative(torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]))
    assert got[0].tolist() == pytest.approx([-1, 0, 1], abs=1e-5)
    assert got[1].tolist() == pytest.approx([-0.57735, -0.57735, 1.15470], abs=1e-5)


def test_without_spread_the_difference_remains() -> None:
    """A group ten times as close together weighs a tenth."""
    got = group_relative(torch.tensor([[1.0, 2.0, 3.0], [0.1, 0.2, 0.3]]), spread=False)
    assert got.flatten().tolist() == pytest.approx([-1, 0, 1, -0.1, 0, 0.1], abs=1e-7)


def test_the_scale_of_rewards_matters_without_spread_only() -> None:
    rewards = torch.tensor([[0.25, 0.5, 1.0]])
    torch.testing.assert_close(group_relative(8 * rewards), group_relative(rewards), atol=1e-4, rtol=0)
    assert torch.equal(group_relative(8 * rewards, spread=False), 8 * group_relative(rewards, spread=False))


@pytest.mark.parametrize("spread", [True, False])
def test_all_alike_teaches_nothing(spread: bool) -> None:
    assert group_relative(torch.tensor([[0.5] * 4, [0.0] * 4]), spread).tolist() == [[0.0] * 4] * 2


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("reward", [0.1, 1.7, 3.92])
def test_all_alike_teaches_nothing_after_rounding(reward: float, spread: bool) -> None:
    """In float32 the mean of fifteen 3.92 is off by its last bit, which is no reason to push all fifteen one way.

    In float64 that bit is below 1e-15, and below 1e-9 over TINY.
    """
    assert float(group_relative(torch.full((1, 15), reward), spread).abs().max()) < 1e-8


def test_what_comes_in_float32_goes_out_in_float32() -> None:
    """Inside it is float64: 1 + 2^-23, the next number after 1, lies 2^-24 above their mean, which is in between."""
    got = group_relative(torch.tensor([[1.0, 1 + 2**-23]]), spread=False)
    assert got.dtype == torch.float32 and got.tolist() == [[-(2**-24), 2**-24]]
    assert whitened(torch.tensor([1.0, 2.0])).dtype == torch.float32
    assert group_relative(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("spread", [True, False])
def test_one_answer_has_nobody_to_be_better_than(spread: bool) -> None:
    """The deviation with G - 1 of one answer would be 0 / 0."""
    assert group_relative(torch.tensor([[0.7], [0.2]]), spread).tolist() == [[0.0], [0.0]]


# ------------------------------------------------------------------------------------------------------------ over time


def test_generalised_by_hand() -> None:
    """gamma 1, lambda 1/2. Errors from the end: 1 - 3/4 = 1/4; 3/4 - 1/4 = 1/2; 1/4 - 1/2 = -1/4.

    A: 1/4; 1/2 + 1/8 = 5/8; -1/4 + 5/16 = 1/16. Returns A + V: 1, 7/8, 9/16.
    """
    advantages, returns = both(REWARDS, VALUES)
    assert advantages.tolist() == [1 / 16, 5 / 8, 1 / 4]
    assert returns.tolist() == [9 / 16, 7 / 8, 1.0]


def test_a_discount_by_hand() -> None:
    """gamma 1/2, lambda 1/2. Errors: 1/4; 3/8 - 1/4 = 1/8; 1/8 - 1/2 = -3/8. A: 1/4; 1/8 + 1/16; -3/8 + 3/64."""
    advantages, returns = both(REWARDS, VALUES, gamma=0.5)
    assert advantages.tolist() == [-21 / 64, 3 / 16, 1 / 4]
    assert returns.tolist() == [11 / 64, 7 / 16, 1.0]


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_lambda_1_is_the_whole_return_minus_the_value(gamma: float) -> None:
    """Rewards 2, 0, 1: what follows each token is 3, 1, 1; at gamma 1/2, 2 + 1/4, 1/2, 1. No value is in a return."""
    follows = {1.0: [3.0, 1.0, 1.0], 0.5: [2.25, 0.5, 1.0]}[gamma]
    advantages, returns = both([2.0, 0.0, 1.0], VALUES, gamma, lam=1.0)
    assert returns.tolist() == follows
    assert advantages.tolist() == [r - v for r, v in zip(follows, VALUES, strict=True)]


def test_lambda_0_is_the_error_of_one_step() -> None:
    """r + V' - V: -1/4, 1/2, 1/4. The return is what the next step promises: 1/4, 3/4, 1."""
    advantages, returns = both(REWARDS, VALUES, lam=0.0)
    assert advantages.tolist() == [-1 / 4, 1 / 2, 1 / 4]
    assert returns.tolist() == [1 / 4, 3 / 4, 1.0]


def test_a_critic_that_is_right_leaves_no_advantage() -> None:
    advantages, returns = both(REWARDS, [1.0, 1.0, 1.0], lam=0.95)
    assert advantages.tolist() == [0.0] * 3 and returns.tolist() == [1.0] * 3


@pytest.mark.parametrize("filler", [0.0, 9.0, math.nan])
def test_answers_of_several_lengths(filler: float) -> None:
    """One batch of 3, 1 and 2 tokens; whatever stands behind an end stays there, and behind it V is 0.

    One token: 1 - 1/2 = 1/2. Two, rewards 0, 2 and values 1, 1/2: errors 3/2 and -1/2; A: 3/2, -1/2 + 3/4 = 1/4.
    """
    rewards = torch.tensor([REWARDS, [1.0, filler, filler], [0.0, 2.0, filler]])
    values = torch.tensor([VALUES, [0.5, filler, filler], [1.0, 0.5, filler]])
    advantages, returns = generalised(rewards, values, torch.tensor([3, 1, 2]), 1.0, 0.5)
    assert advantages.tolist() == [[1 / 16, 5 / 8, 1 / 4], [1 / 2, 0.0, 0.0], [1 / 4, 3 / 2, 0.0]]
    assert returns.tolist() == [[9 / 16, 7 / 8, 1.0], [1.0, 0.0, 0.0], [5 / 4, 2.0, 0.0]]


# ------------------------------------------------------------------------------------------------------------- whitened


def test_whitened_by_hand() -> None:
    """1, 2, 3 have mean 2 and deviation 1; 0, 0, 6 are as in a group."""
    assert whitened(torch.tensor([1.0, 2.0, 3.0])).tolist() == pytest.approx([-1, 0, 1], abs=1e-5)
    assert whitened(torch.tensor([0.0, 0.0, 6.0])).tolist() == pytest.approx([-0.57735, -0.57735, 1.15470], abs=1e-5)


@pytest.mark.parametrize("values", [[], [3.0], [0.5, 0.5, 0.5]])
def test_without_spread_there_is_nothing_to_whiten(values: list[float]) -> None:
    assert whitened(torch.tensor(values)).tolist() == [0.0] * len(values)


def test_without_spread_there_is_nothing_to_whiten_after_rounding() -> None:
    assert float(whitened(torch.full((318,), 3.1)).abs().max()) < 1e-8
