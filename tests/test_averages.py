"""An update is one mean over all its tokens, answers or pairs, in however many passes and processes it is made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.helpers.forks import together
from tests.helpers.pairs import pairs_in
from tests.helpers.updating import ROWS, part, updated, write_open
from tests.test_loop import process
from unveil.core.jsonl import write_jsonl
from unveil.rl import advantages, ppo
from unveil.rl.policy import Learnt, policy_loss
from unveil.rl.rewards import spread
from unveil.train import averages
from unveil.vlm.scorer import Scores

#: Two passes, of two answers and of four.
LENGTHS, CUT = (2, 1, 3, 9, 14, 5), 2
#: What rounding decides before the first step.
ROUNDING = {"reward_accuracy"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven open questions, and seven pairs."""
    made = tmp_path_factory.mktemp("updates")
    write_open(made)
    write_jsonl(made / "pairs.jsonl", [replace(pair, split="train") for pair in pairs_in(made)[:ROWS]])
    return made


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


# -------------------------------------------------------------------------------------------------- losses and weights


def two(others: list[float]) -> Any:
    """One process of two; what the other one adds to sums."""

    def reduce(own: torch.Tensor, how: str) -> torch.Tensor:
        assert how == "sum"
        return own + torch.tensor(others, dtype=own.dtype).view(own.shape)

    return process(0, 2, device="cpu", reduce=reduce)


def test_figures_are_of_all_passes_and_processes() -> None:
    """Losses 1 of one row and 3 of three: 10 / 4. With another process that has 2 of four: 18 / 8.

    An accuracy that no pass has is left out; where the other process has 1 of two it is 1 / 2.
    """
    parts = [{"loss": (1.0, 1), "accuracy": (0.0, 0)}, {"loss": (9.0, 3), "accuracy": (0.0, 0)}]
    assert averages.averaged(parts, process(0, 1)) == {"loss": 2.5}
    assert averages.averaged(parts, two([8.0, 4.0, 1.0, 2.0])) == {"loss": 18 / 8, "accuracy": 0.5}


def test_figures_by_their_sums() -> None:
    assert averages.summed(torch.tensor([[1, 2], [3, 4]])) == (10.0, 4)
    assert averages.times(torch.tensor(2.5), 4) == (10.0, 4)
    assert averages.times(torch.tensor(float("nan")), 0) == (0.0, 0.0)


def test_what_a_pass_weighs() -> None:
    """8 and 90 tokens: 8/98 and 90/98. Beside a process with 2 more tokens of 100 all weigh twice, since DDP halves."""
    assert averages.portions([8, 90], process(0, 1)) == [8 / 98, 90 / 98]
    assert averages.portions([16], process(0, 1)) == [1.0]
    assert averages.portions([8, 90], two([2.0])) == [2 * 8 / 100, 2 * 90 / 100]


def gradient(cuts: list[tuple[int, int]], over: str) -> Tensor:
    """The gradient by log-probabilities, entropies and values of the losses of passes, each answers ``a`` to ``b``."""
    drawn = torch.Generator().manual_seed(0)
    total = sum(LENGTHS)
    leaf = torch.randn(3, total, generator=drawn).requires_grad_()
    old_S, reference_S, advantages_S, returns_S = torch.randn(4, total, generator=drawn).mul(0.1).unbind()
    weights = averages.portions([b - a if over == "sequence" else sum(LENGTHS[a:b]) for a, b in cuts], one())
    of_tokens = averages.portions([sum(LENGTHS[a:b]) for a, b in cuts], one())
    for i, (a, b) in enumerate(cuts):
        own = slice(sum(LENGTHS[:a]), sum(LENGTHS[:b]))
        rows_S = torch.arange(b - a).repeat_interleave(torch.tensor(LENGTHS[a:b]))
        scores = Scores(leaf[0, own], rows_S, b - a, leaf[1, own], leaf[2, own])
        held = Learnt(
            cast(Any, None), old_S[own], advantages_S[own], torch.ones(len(rows_S)), reference_S[own], {},
            returns_S[own] / 2, returns_S[own],
        )  # fmt: skip
        loss = weights[i] * policy_loss(scores, held, kl=0.1, entropy=0.01, over=over)[0]
        (loss + of_tokens[i] * 0.5 * ppo.value_loss(scores, held)[0]).backward()
    assert leaf.grad is not None
    return leaf.grad


def one() -> Any:
    return process(0, 1)


@pytest.mark.parametrize("mean_over", ["token", "sequence"])
def test_passes_make_one_mean(mean_over: str) -> None:
    """Three short answers and four long ones: the gradient of two passes, and of six, is that of one.

    A mean of the passes' means would weigh the tokens of the first pass by 34 / 2 / 3 / (34 / 2 / 31), ten times.
    """
    whole = gradient([(0, 6)], mean_over)
    for cuts in ([(0, CUT), (CUT, 6)], [(i, i + 1) for i in range(6)]):
        torch.testing.assert_close(gradient(cuts, mean_over), whole, rtol=1e-5, atol=1e-7)


def test_advantages_are_whitened_with_those_of_other_processes() -> None:
    """1 and 3 here, 5 and 7 there: the mean is 4, the variance (9 + 1 + 1 + 9) / 3.

    The other process adds two values that come to 12, and then squares that come to 10.
    """
    there = iter((torch.tensor([2.0, 12.0]), torch.tensor(10.0)))
    found = advantages.whitened(torch.tensor([1.0, 3.0]), lambda own: own + next(there))
    assert found.tolist() == pytest.approx([-3 / (20 / 3) ** 0.5, -1 / (20 / 3) ** 0.5], abs=1e-6)


def test_what_the_critic_explains_by_hand() -> None:
    """Returns 0 and 4 in one pass, 8 in another, errors 0, 3 and 0: of their variance 32 / 3 it leaves 2."""

    def figures(returns: list[float], values: list[float]) -> dict[str, averages.Ratio]:
        scores = Scores(torch.zeros(len(values)), torch.zeros(len(values)), 1, None, torch.tensor(values))
        told = torch.tensor(returns)
        held = Learnt(cast(Any, None), told, told, told, None, {}, torch.tensor(values), told)
        return ppo.value_loss(scores, held, None)[1]

    parts = [figures([0.0, 4.0], [0.0, 1.0]), figures([8.0], [8.0])]
    found = ppo.explained(spread(averages.averaged(parts, one())))
    assert found == pytest.approx({"value_loss": 9 / 2 / 3, "value_explained": 1 - 2 / (32 / 3)})


# ------------------------------------------------------------------------------------------------------- whole recipes


@pytest.mark.parametrize("mean_over", ["token", "sequence"])
@pytest.mark.parametrize("recipe", ["grpo", "ppo", "dpo"])
def test_accumulated_passes_are_one_pass(
    recipe: str, mean_over: str, folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """Seven questions, or pairs, as one pass, and as passes of 3, 3 and 1: the same gradient and the same log."""
    if recipe == "dpo":
        more: dict[str, Any] = {"per_token": mean_over == "sequence"}
    else:
        more = {"mean_over": mean_over, "updates": 2}
    at_once, whole = updated(recipe, folder, tiny_folder, tmp_path / "one", batch_size=7, **more)
    in_parts, parts = updated(recipe, folder, tiny_folder, tmp_path / "three", batch_size=3, accumulate=3, **more)
    assert len(at_once) == len(in_parts) == more.get("updates", 1) and len(whole) == len(parts) == 1
    assert apart(in_parts[0], at_once[0]) < 1e-5
    for name in whole[0].keys() - ROUNDING:
        assert parts[0][name] == pytest.approx(whole[0][name], rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize("recipe", ["ppo", "dpo"])
def test_two_processes_make_one_update(recipe: str, folder: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """Seven questions, or pairs: four and three to each of two processes, in two passes, against one pass of one."""
    codes, said = together(part, recipe, folder, tiny_folder, tmp_path, folder=tmp_path)
    assert codes == [0, 0], said
    alone, log = updated(recipe, folder, tiny_folder, tmp_path / "alone", batch_size=7)
    found = load_file(tmp_path / f"{recipe}.safetensors")
    assert len(found) == len(alone) == 1, "as many updates"
    assert apart(found["0"], alone[0]) < 1e-5
    (row,) = [json.loads(line) for line in (tmp_path / recipe / "metrics.jsonl").read_text().splitlines()]
    for name in log[0].keys() - ROUNDING:
        assert row[name] == pytest.approx(log[0][name], rel=1e-3, abs=1e-5), name
