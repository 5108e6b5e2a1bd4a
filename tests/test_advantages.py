"""Advantages against sums written out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unveil.rl import trial
from unveil.rl.advantages import (
    ADVANTAGES,
    AdvantageError,
    generalised,
    group_relative,
    leave_one_out,
    named,
    standardised,
    whitened,
)

#: Three tokens that earn 1 at their end, and what a critic expected before each.
REWARDS, VALUES = [0.0, 0.0, 1.0], [0.5, 0.25, 0.75]


def both(rewards: list[float], values: list[float], gamma: float = 1.0, lam: float = 0.5) -> tuple[Tensor, Tensor]:
    """Advantages and returns of one answer, (T,) each."""
    lengths = torch.tensor([len(rewards)])
    advantages, returns = generalised(torch.tensor([rewards]), torch.tensor([values]), lengths, gamma, lam)
    return advantages[0], returns[0]


# -------------------------------------------------------------------------------------------------- relative to a group


def spread_of(rewards: Tensor) -> Tensor:
    """The standard deviation of each group, (Q, 1)."""
    return rewards.std(1, keepdim=True)


def test_over_the_mean_by_hand() -> None:
    """A group ten times as close together weighs a tenth."""
    got = group_relative(torch.tensor([[1.0, 2.0, 3.0], [0.1, 0.2, 0.3]]))
    assert got.flatten().tolist() == pytest.approx([-1, 0, 1, -0.1, 0, 0.1], abs=1e-7)


def test_over_the_spread_by_hand() -> None:
    """Rewards 1, 2, 3: mean 2, deviation sqrt((1 + 0 + 1) / 2) = 1. Rewards 0, 0, 6: mean 2, sqrt(24 / 2) = 3.4641.

    Each group by its own mean and deviation.
    """
    rewards = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]])
    got = standardised(rewards, spread_of(rewards))
    assert got[0].tolist() == pytest.approx([-1, 0, 1], abs=1e-5)
    assert got[1].tolist() == pytest.approx([-0.57735, -0.57735, 1.15470], abs=1e-5)


def test_over_the_others_by_hand() -> None:
    """1 over the mean 2.5 of 2 and 3; 2 over 2; 3 over 1.5. And 0 over 3, 0 over 3, 6 over 0."""
    got = leave_one_out(torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]))
    assert got.flatten().tolist() == pytest.approx([-1.5, 0, 1.5, -3, -3, 6])


def test_the_scale_of_rewards_is_no_matter_over_their_spread_only() -> None:
    rewards = torch.tensor([[0.25, 0.5, 1.0]])
    whole, eightfold = (standardised(some, spread_of(some)) for some in (rewards, 8 * rewards))
    torch.testing.assert_close(eightfold, whole, atol=1e-4, rtol=0)
    assert torch.equal(group_relative(8 * rewards), 8 * group_relative(rewards))
    assert torch.equal(leave_one_out(8 * rewards), 8 * leave_one_out(rewards))


@pytest.mark.parametrize("name", ADVANTAGES)
def test_all_alike_teaches_nothing(name: str) -> None:
    rewards = torch.tensor([[0.5] * 4, [0.0] * 4])
    assert named(name)(rewards, spread_of(rewards)).tolist() == [[0.0] * 4] * 2


@pytest.mark.parametrize("name", ADVANTAGES)
@pytest.mark.parametrize("reward", [0.1, 1.7, 3.92])
def test_all_alike_teaches_nothing_after_rounding(reward: float, name: str) -> None:
    """In float32 the mean of fifteen 3.92 is off by its last bit, which is no reason to push all fifteen one way.

    In float64 that bit is below 1e-15, and below 1e-9 over TINY.
    """
    assert float(named(name)(torch.full((1, 15), reward), torch.zeros(1, 1)).abs().max()) < 1e-8


def test_what_comes_in_float32_goes_out_in_float32() -> None:
    """Inside it is float64: 1 + 2^-23, the next number after 1, lies 2^-24 above their mean, which is in between."""
    got = group_relative(torch.tensor([[1.0, 1 + 2**-23]]))
    assert got.dtype == torch.float32 and got.tolist() == [[-(2**-24), 2**-24]]
    assert whitened(torch.tensor([1.0, 2.0])).dtype == torch.float32
    assert group_relative(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64


# ---------------------------------------------------------------------------------------------------- of the user's own


def own(tmp_path: Path, body: str) -> str:
    """The name of a function ``f`` in a file."""
    (tmp_path / "mine.py").write_text(body)
    return f"{tmp_path}/mine.py:f"


RLOO = """
def f(rewards_QG):
    answers = rewards_QG.shape[1]
    others_QG = (rewards_QG.sum(1, keepdim=True) - rewards_QG) / (answers - 1)
    return rewards_QG - others_QG
"""


def test_one_of_ones_own_is_tried_and_taken(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """RLOO as docs/how-to/rewards.md has it equals ours; it is additive, so nothing is said.

    1, 2, 6: over 4, 3.5 and 1.5.
    """
    found = trial.advantage(own(tmp_path, RLOO), 8, parts=True)
    rewards = torch.tensor([[1.0, 2.0, 6.0]])
    assert found.name == "mine.f" and found(rewards, spread_of(rewards)).tolist() == [[-3.0, -1.5, 4.5]]
    torch.testing.assert_close(found(rewards, spread_of(rewards)), leave_one_out(rewards).double())
    assert not capsys.readouterr().err


def test_numpy_will_do_and_the_spread_is_given_to_who_asks(tmp_path: Path) -> None:
    """Over the best: 1, 3 are -2, 0; over the spread sqrt(2) that is -1.4142, 0. The rewards themselves stay."""
    body = """
import numpy as np
def f(rewards_QG, spread_Q1):
    values = rewards_QG.numpy()
    values -= values.max(1, keepdims=True)
    return values / np.maximum(spread_Q1.numpy(), 1e-6)
"""
    rewards = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    found = trial.advantage(own(tmp_path, body), 4, parts=True)
    assert found(rewards, spread_of(rewards)).tolist() == [[pytest.approx(-(2**0.5)), 0.0]]
    assert rewards.tolist() == [[1.0, 3.0]]


@pytest.mark.parametrize("parts", [True, False])
def test_one_that_is_not_additive_is_told_where_parts_are(
    parts: bool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The sign of the difference: +1 and +1 of two rewards are not +1 of their sum."""
    trial.advantage(own(tmp_path, "def f(r):\n    return (r - r.mean(1, keepdim=True)).sign()\n"), 4, parts)
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("note: the advantage mine.f of a sum of rewards is not the sum of theirs") == parts


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("def f(r):\n    return r.mean(9)\n", r"advantage mine.f raised IndexError\(.*\) \(mine.py, line 2\)"),
        ("def f(r):\n    return r.mean(1)\n", r"gave numbers of the shape \(3,\) for rewards of the shape \(3, 4\)"),
        ("def f(r):\n    return (r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True)\n", r"gave \[.*nan.* for the"),
        ("def f(r):\n    return None\n", "advantage mine.f gave None, not a number for each answer"),
        ("def f(r, truth):\n    return r\n", r"advantage mine.f: its signature is \(r, truth\); an advantage is"),
        ("def f():\n    return 0\n", r"its signature is \(\); an advantage is"),
    ],
)
def test_what_is_wrong_with_it_is_told(body: str, why: str, tmp_path: Path) -> None:
    """The third fails where all answers earn the same, which happens."""
    with pytest.raises(AdvantageError, match=why):
        trial.advantage(own(tmp_path, body), 4, parts=True)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(AdvantageError, match=r"no advantage 'best': one of dr-grpo, grpo, rloo, or FILE\.py:FUNCTION"):
        named("best")


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
