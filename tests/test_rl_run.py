"""GRPO and PPO: a game whose best play is known, runs that stop, resume, collapse, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import write_both
from tests.helpers.killing import run_and_kill
from tests.helpers.updating import updated, write_open
from unveil import cli
from unveil.core.grading import Case
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Record
from unveil.rl import grpo, ppo
from unveil.rl import run as rl
from unveil.rl.advantages import generalised, group_relative
from unveil.rl.own_rewards import RESERVED
from unveil.rl.policy import Learnt, policy_loss
from unveil.rl.rewards import REWARDS, RewardError
from unveil.rl.run import JudgeError
from unveil.train import sft
from unveil.train.checkpoints import found
from unveil.train.loop import TrainingError
from unveil.vlm import models
from unveil.vlm.scorer import Scores

# ------------------------------------------------------------------------------------------------- a game of two arms


def play(method: str, sign: float = 1.0, steps: int = 150) -> float:
    """How often a policy of one logit pulls the better of two arms (1.0 against 0.2) after learning, by its own loss.

    Sixteen pulls a step as two groups of eight, each an answer of one token. It starts at the worse arm with p = 0.88.
    """
    generator = torch.Generator().manual_seed(0)
    logit = torch.tensor([0.0, -2.0], requires_grad=True)
    value = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([logit, value], lr=0.05)
    for _ in range(steps):
        pulled = torch.multinomial(logit.detach().softmax(0), 16, True, generator=generator)
        earned = torch.where(pulled == 1, 1.0, 0.2)
        logps = logit.log_softmax(0)
        scores = Scores(logps[pulled], torch.arange(16), 16, torch.zeros(16), value.expand(16))
        old, before = logps[pulled].detach(), value.detach().expand(16)
        if method == "grpo":
            advantages = group_relative(earned.view(2, 8)).flatten()
        else:
            advantages = generalised(earned[:, None], before[:, None], torch.ones(16, dtype=torch.long))[0][:, 0]
        held = Learnt(cast(Any, None), old, sign * advantages, torch.ones(16), None, {}, before, earned)
        loss, _ = policy_loss(scores, held)
        if method == "ppo":
            loss = loss + 0.5 * ppo.value_loss(scores, held, None)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if method == "ppo" and sign > 0:
        assert float(value.detach()) == pytest.approx(1.0, abs=0.1), "the critic expects what the better arm gives"
    return float(logit.detach().softmax(0)[1])


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_the_better_arm_is_found(method: str) -> None:
    """Always the better arm is optimal; a wrong sign finds the worse one instead."""
    assert play(method) > 0.95
    assert play(method, sign=-1.0) < 0.05


# ------------------------------------------------------------------------------------------------------------- on data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records and dialogues of synthetic images."""
    return write_both(tmp_path_factory.mktemp("data"), 9)


@pytest.fixture(scope="module")
def taught(data: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the form of the answers, so that some of them earn something."""
    out = tmp_path_factory.mktemp("taught")
    given: dict[str, Any] = {
        "learning_rate": 1e-2,
        "validate_every": 0,
        "checkpoint_every": 0,
        "workers": 0,
        "epochs": 30.0,
    }
    return sft.main(sft.Config(dialogues=data / "dialogues.jsonl", out=out, model=str(tiny_folder), **given))


def options(data: Path, model: Path, out: Path, **more: Any) -> dict[str, Any]:
    usual = {
        "records": data / "records.jsonl",
        "dialogues": data / "dialogues.jsonl",
        "out": out,
        "model": str(model),
        "batch_size": 2,
        "answers": 3,
        "max_new_tokens": 60,
        "epochs": 1.0,
        "validate_every": 2,
        "checkpoint_every": 1,
        "samples_every": 2,
        "learning_rate": 1e-3,
        "workers": 0,
        "most_unusable": 1.0,
        "rewards": ("relevance", "localisation", "vision", "form=0"),
    }
    return {**usual, **more}


METHODS: dict[str, tuple[type, Callable[..., Path]]] = {
    "grpo": (grpo.Config, grpo.main),
    "ppo": (ppo.Config, ppo.main),
}


def run(method: str, given: dict[str, Any], judge: Any = None) -> Path:
    kind, main = METHODS[method]
    return main(kind(**given), judge)


def weights(folder: Path) -> dict[str, Tensor]:
    return dict(models.load(folder).model.state_dict())


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_a_run_logs_what_is_to_be_watched(method: str, how: str, data: Path, taught: Path, tmp_path: Path) -> None:
    """Every part of the reward, entropy, KL, clip share, length, failures; samples with pictures; a model to load."""
    out = run(method, options(data, taught, tmp_path / "out", method=how, kl=0.1))
    rows = [row for row in lines(out) if "reward" in row]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= 3
    wanted = {"reward", "entropy", "kl", "clip_share", "length", "unusable", "cut", "groups_alike", "mismatch"}
    wanted |= {f"{name}{what}" for name in ("localisation", "form") for what in ("", "_spread", "_zero", "_none")}
    assert wanted <= rows[0].keys()
    assert {name for name in rows[0] if not name.startswith(tuple(REWARDS))} <= RESERVED
    assert rows[0]["mismatch"] < 1e-4 and rows[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert ("value_loss" in rows[0]) == (method == "ppo")
    assert any("val_score" in row for row in lines(out))
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert samples and all((out / row["picture"]).is_file() and len(row["rewards"]) == 3 for row in samples)
    assert not any("critic" in name for name in weights(out))
    assert not found(out / "checkpoints")


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_a_stopped_run_goes_on_exactly(
    method: str, data: Path, taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after its second update and resumed: the weights and the log of a run that was not, bit for bit."""
    given = {"tighten": True, "kl_target": 0.01, "updates": 2}
    whole = run(method, options(data, taught, tmp_path / "whole", **given))
    broken = options(data, taught, tmp_path / "broken", **given)
    real = rl.Run.collect

    def stops(self: Any, part: int) -> Any:
        if self.step == 2:
            raise KeyboardInterrupt
        return real(self, part)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(rl.Run, "collect", stops)
        run(method, broken)
    out = run(method, {**broken, "resume": True})
    first, second = weights(whole), weights(out)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert lines(whole) == lines(out)


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_a_killed_run_goes_on_exactly(method: str, data: Path, taught: Path, tmp_path: Path) -> None:
    """Killed after its second update, its last lines perhaps written and its last checkpoint not: as if it had not."""
    given = {"samples_every": 1, "checkpoint_every": 2, "log_every": 1}
    whole = run(method, options(data, taught, tmp_path / "whole", **given))
    broken = options(data, taught, tmp_path / "broken", **given)
    run_and_kill(METHODS[method][0](**broken), tmp_path / "killed", after=3)
    out = run(method, {**broken, "resume": True})
    first, second = weights(whole), weights(out)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert lines(whole) == lines(out)
    assert (whole / "samples.jsonl").read_text() == (out / "samples.jsonl").read_text()


def test_the_best_validation_is_kept(data: Path, taught: Path, tmp_path: Path) -> None:
    """A rate that ruins the model: what is saved is the model before training, and run.json says so."""
    ruin = {"learning_rate": 3.0, "least_entropy": 0.0, "most_growth": 1e9}
    given = options(data, taught, tmp_path / "out", **ruin)
    before = weights(taught)
    out = run("grpo", given)
    scores = {row["step"]: row["val_score"] for row in lines(out) if "val_score" in row}
    assert scores[0] > scores[max(scores)]
    about = json.loads((out / "run.json").read_text())
    assert about["chosen"]["kept"] == max(scores, key=lambda s: (scores[s], -s))
    assert about["decoding"]["temperature"] == 1 and about["decoding"]["max_new_tokens"] == 60
    after = weights(out)
    assert all(torch.equal(before[name], after[name]) for name in before)
    last = run("grpo", {**given, "out": tmp_path / "last", "keep_best": False})
    assert not all(torch.equal(before[name], value) for name, value in weights(last).items())


# ----------------------------------------------------------------------------------------------------- one policy


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_what_draws_is_what_is_scored(
    method: str, how: str, checkpointing: bool, data: Path, tiny_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    """A model with dropout in its attention, and adapters that are to have some: neither drops anything out here.

    Answers are scored with what they were drawn with, and a second update of weights that stay cuts no gradient.
    """
    model, about = tmp_path / "model", json.loads((tiny_folder / "config.json").read_text())
    shutil.copytree(tiny_folder, model)
    about["text_config"]["attention_dropout"] = 0.5
    (model / "config.json").write_text(json.dumps(about))
    given = options(data, model, tmp_path / "out", method=how, lora_dropout=0.3, gradient_checkpointing=checkpointing)
    given |= {"updates": 2, "learning_rate": 1e-12, "max_new_tokens": 12, "rewards": ("similarity",), "limit": 4}
    row = next(row for row in lines(run(method, {**given, "validate_every": 0})) if "reward" in row)
    assert row["mismatch"] < 1e-5 and row["clip_share"] == 0
    assert abs(row["kl"]) < 1e-7
    assert "--lora-dropout does nothing here" in capsys.readouterr().err


def test_activations_are_recomputed_where_asked(tmp_path: Path, tiny_folder: Path) -> None:
    """Twice the calls of each layer in a pass with gradients, and the gradient to the last bit."""
    write_open(tmp_path)
    found, calls = [], []
    for asked in (False, True):
        counted = 0

        def count(layer: nn.Module, *given: Any, **more: Any) -> None:
            nonlocal counted
            counted += torch.is_grad_enabled() and type(layer).__name__ == "LlamaAttention"

        hook = nn.modules.module.register_module_forward_pre_hook(count)
        try:
            out = tmp_path / f"{asked}"
            gradients, _ = updated("grpo", tmp_path, tiny_folder, out, batch_size=7, gradient_checkpointing=asked)
        finally:
            hook.remove()
        found.append(gradients[0])
        calls.append(counted)
    assert calls[0] > 0 and calls[1] == 2 * calls[0]
    assert torch.equal(*found)


# ----------------------------------------------------------------------------------------------------------- bad input


def test_a_judge_that_is_down_stops_at_a_checkpoint(data: Path, taught: Path, tmp_path: Path) -> None:
    """Down at the second step: what was learnt is kept, and the run goes on from there once it is up again."""
    asked = 0

    def judge(cases: list[Case]) -> list[float]:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise JudgeError("the judge cannot be asked: down")
        return [0.5] * len(cases)

    given = options(data, taught, tmp_path / "out", checkpoint_every=0)
    with pytest.raises(
        TrainingError,
        match=r"the judge cannot be asked: down; the same command \(train: --resume\) goes on from step-0000001",
    ):
        run("grpo", given, judge)
    out = run("grpo", {**given, "resume": True}, judge)
    assert [row["step"] for row in lines(out) if "reward" in row][:2] == [1, 2]


def test_a_reward_that_raises_names_itself_and_the_item(data: Path, taught: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def broken(answered):\n    raise KeyError('no such thing')\n")
    given = options(data, taught, tmp_path / "out", rewards=(f"{tmp_path}/mine.py:broken", "form"))
    with pytest.raises(RewardError, match=r"r\d/.*: reward mine.broken raised KeyError"):
        run("grpo", given)


def test_equal_rewards_teach_nothing(data: Path, taught: Path, tmp_path: Path) -> None:
    """Every answer scores the same: no advantage, no gradient, the weights stay; the log says that groups are alike."""
    (tmp_path / "mine.py").write_text("def same(answered):\n    return 1.0\n")
    given = options(data, taught, tmp_path / "out", rewards=(f"{tmp_path}/mine.py:same",), combination="sum")
    given |= {"keep_best": False, "kinds": ("recognition",), "temperature": 0.01}
    out = run("grpo", given)
    rows = [row for row in lines(out) if "reward" in row]
    before, after = weights(taught), weights(out)
    assert all(row["groups_alike"] == 1.0 and row["reward"] == 1.0 for row in rows)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_box_outside_the_image_is_named(data: Path, taught: Path, tmp_path: Path) -> None:
    records = list(read_jsonl(data / "records.jsonl", Record))
    assert records[0].findings
    wrong = replace(records[0], findings=(replace(records[0].findings[0], box=(0.0, 0.0, 5000.0, 20.0)),))
    write_jsonl(tmp_path / "records.jsonl", [wrong, *records[1:]])
    given = options(data, taught, tmp_path / "out", records=tmp_path / "records.jsonl")
    with pytest.raises(TrainingError, match=r"r0: box .* leads outside the image"):
        run("grpo", given)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rewards": ("localisation=0",)}, "all weights are 0"),
        ({"rewards": ("speed",)}, "no reward 'speed'"),
        ({"advantage": "luck"}, "no advantage 'luck'"),
        ({"temperature": 0.0}, "draws the same answer"),
        ({"answers": 1}, "--answers 1"),
        ({"limit": 0}, "--limit 0 leaves no question"),
        ({"kinds": ("open",)}, "no open question has the split 'train'"),
    ],
    ids=str,
)
def test_what_cannot_be_learnt_from_is_refused(
    wrong: dict[str, Any], message: str, dry_run: bool, data: Path, taught: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        run("grpo", options(data, taught, tmp_path / "out", dry_run=dry_run, **wrong))


def test_a_collapse_stops_the_run(data: Path, taught: Path, tmp_path: Path) -> None:
    """Answers cut after three tokens are unusable: with the usual bound the run stops, at a checkpoint."""
    given = options(data, taught, tmp_path / "out", most_unusable=0.5, max_new_tokens=3)
    with pytest.raises(TrainingError, match=r"the policy collapses: \d+% of the answers .*step-0000001 holds it"):
        run("grpo", given)
    assert [p.name for p in found(tmp_path / "out" / "checkpoints")] == ["step-0000001"]


# ------------------------------------------------------------------------------------------------------------- command


def words(given: dict[str, Any]) -> list[str]:
    out = []
    for name, value in given.items():
        out += [f"--{name.replace('_', '-')}", *([str(v) for v in value] if isinstance(value, tuple) else [str(value)])]
    return out


@pytest.mark.parametrize("without", [(), ("vrr",), ("alr", "vrr"), ("relevance",)], ids=str)
def test_the_command_of_the_paper(without: tuple[str, ...], data: Path, taught: Path, tmp_path: Path) -> None:
    """unveil train aar: what is left out is watched with weight 0, so its figures stay in the log."""
    given = options(data, taught, tmp_path / "out", epochs=0.2, validate_every=0)
    del given["rewards"]
    extra = ["--without", *without] if without else []
    assert cli.main(["train", "aar", *words(given), *extra]) == 0
    row = next(row for row in lines(tmp_path / "out") if "reward" in row)
    assert {"relevance", "localisation_none", "vision_none"} <= row.keys()


def test_nothing_left_to_learn_from(data: Path, taught: Path, tmp_path: Path, capsys: Any) -> None:
    given = options(data, taught, tmp_path / "out")
    del given["rewards"]
    assert cli.main(["train", "aar", *words(given), "--without", "vrr", "alr", "relevance"]) == 1
    assert "--without leaves no reward" in capsys.readouterr().err
