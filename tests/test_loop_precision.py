"""What a run computes in: chosen by the device, the same results by rounding, and no step that fp16 has spoilt."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from tests.conftest import write_dialogues
from tests.helpers.pairs import pairs_in
from tests.helpers.updating import caught, updated, write_open
from tests.test_averages import apart
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.evaluate import predict
from unveil.rl.run import Critic
from unveil.train import attention_loss, loop, sft
from unveil.train.loop import TrainingError, computing
from unveil.vlm import attention, forward_check, models
from unveil.vlm.scorer import Scores

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    """accelerate keeps a process's precision for whoever asks next."""
    yield
    AcceleratorState._reset_state()


# ---------------------------------------------------------------------------------------------------------- the choice


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, major: int, hip: str | None = None) -> None:
    """A GPU of this name and compute capability."""
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(major=major))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)


@pytest.mark.parametrize(
    ("name", "major", "hip", "expected"),
    [
        ("NVIDIA A100", 8, None, "bf16"),
        ("NVIDIA H200", 9, None, "bf16"),
        ("Tesla T4", 7, None, "float32"),
        ("Tesla V100", 7, None, "float32"),
        ("Tesla P100", 6, None, "float32"),
        ("AMD Instinct MI250X", 9, "6.2", "bf16"),
    ],
)
def test_bf16_is_taken_where_it_is_computed(
    name: str, major: int, hip: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch lets older GPUs emulate it, slower than float32. What is taken, and why, is told."""
    pretend(monkeypatch, name, major, hip)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    chosen, why = computing("auto", CUDA)
    assert chosen == expected and name in why and ("only emulates" in why) == (expected == "float32")
    assert models.default_dtype(CUDA) == models.DTYPES[expected]
    assert computing("fp16", CUDA)[0] == "fp16"
    assert ("only emulates" in computing("bf16", CUDA)[1]) == (expected == "float32")


def test_a_cpu_computes_in_float32_unless_told_otherwise() -> None:
    assert computing("auto", CPU) == ("float32", "the CPU")
    assert computing("bf16", CPU) == ("bf16", "--precision")
    with pytest.raises(TrainingError, match="--precision fp16 needs a GPU"):
        computing("fp16", CPU)


def test_a_process_may_train_in_one_precision_after_another(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """accelerate alone would refuse the second."""
    found = [loop.accelerator(tmp_path, (), precision).mixed_precision for precision in ("bf16", "auto", "bf16")]
    assert found == ["bf16", "no", "bf16"]
    assert "computing in float32: the CPU" in capsys.readouterr().err


@pytest.mark.parametrize(("precision", "dtype"), [("auto", "float32"), ("bf16", "bf16")])
def test_questions_are_answered_in_it(
    precision: Any, dtype: str, folder: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`unveil predict` keeps all weights in what it computes in."""
    kept, load = [], models.load
    monkeypatch.setattr(models, "load", lambda *given, **more: kept.append(load(*given, **more)) or kept[-1])
    asked: dict[str, Any] = {
        "dialogues": folder / "boxes" / "dialogues.jsonl",
        "out": tmp_path / "out.jsonl",
        "limit": 2,
    }
    predict.main(predict.Config(**asked, model=str(tiny_folder), max_new_tokens=2, precision=precision))
    assert {p.dtype for p in kept[0].model.parameters()} == {models.DTYPES[dtype]}


# ---------------------------------------------------------------------------------------------- every recipe, two steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Open questions with a reward of one's own, pairs, and dialogues with boxes."""
    made = tmp_path_factory.mktemp("precision")
    write_open(made)
    (made / "boxes").mkdir()
    write_dialogues(made / "boxes", 9)
    (made / "pairs").mkdir()
    write_jsonl(made / "pairs" / "pairs.jsonl", pairs_in(made / "pairs"))
    return made


def run(recipe: str, folder: Path, model: Path, out: Path, **more: Any) -> tuple[list[Tensor], list[dict[str, Any]]]:
    """Gradients and log of two updates."""
    if recipe not in ("sft", "attention_loss"):
        where = folder / "pairs" if recipe == "dpo" else folder
        size = 3 if recipe == "dpo" else 4
        return updated(recipe, where, model, out, batch_size=size, **more)
    given = {"batch_size": 8, "learning_rate": 1e-3, "log_every": 1, "workers": 0, "validate_every": 1, **more}
    config = sft.Config(
        dialogues=folder / "boxes" / "dialogues.jsonl", out=out, model=str(model), epochs=0.3, checkpoint_every=0,
        attention_loss=0.5 if recipe == "attention_loss" else 0.0, together=8, **given,
    )  # fmt: skip
    gradients: list[Tensor] = []
    with caught(gradients):
        sft.main(config)
    return gradients, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recipe", ["sft", "dpo", "grpo"])
def test_a_model_is_checked_in_what_it_is_trained_in(
    recipe: str, folder: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*given: Any, **more: Any) -> None:
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        raise InterruptedError

    monkeypatch.setattr(forward_check, "settle", settle)
    with pytest.raises(InterruptedError):
        run(recipe, folder, tiny_folder, tmp_path / "out", precision="bf16")


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("recipe", ["sft", "attention_loss", "dpo", "grpo", "ppo"])
def test_bf16_does_what_float32_does(recipe: str, method: str, folder: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """By rounding: the first gradient, and the figures of both updates; run.json tells the precision."""
    exact, wanted = run(recipe, folder, tiny_folder, tmp_path / "exact", method=method, precision="float32")
    rough, found = run(recipe, folder, tiny_folder, tmp_path / "rough", method=method, precision="bf16")
    assert len(rough) == len(exact) == 2
    assert 0 < apart(rough[0], exact[0]) < 0.03, "it has computed in bf16"
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"answer_tokens_per_s", "reward_accuracy"}:  # time, and what rounding decides at first
            assert one[name] == pytest.approx(other[name], rel=0.1, abs=0.03), name
    about = json.loads((tmp_path / "rough" / "run.json").read_text())
    assert about["chosen"]["precision"] == "bf16"


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_answers_are_drawn_in_what_they_are_scored_in(
    algorithm: str, folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """The paper's command in bf16: what tokens were drawn with is what they are scored with, by rounding."""
    words = ["train", "aar", "--records", "records.jsonl", "--dialogues", "dialogues.jsonl", "--kinds", "open"]
    words = [str(folder / word) if word.endswith(".jsonl") else word for word in words]
    words += ["--rewards", f"{folder}/mine.py:varied", "--model", str(tiny_folder), "--out", str(tmp_path / "out")]
    words += ["--batch-size", "4", "--answers", "3", "--max-new-tokens", "8", "--epochs", "1", "--workers", "0"]
    words += ["--most-unusable", "1", "--precision", "bf16", "--algorithm", algorithm]
    assert cli.main(words) == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    learnt = [row for row in rows if "reward" in row]
    assert len(learnt) == 2 and all(math.isfinite(value) for row in rows for value in row.values())
    assert all(0 < row["mismatch"] < 0.02 for row in learnt), "0.005 or so, of log-probabilities near -5.6"


# ------------------------------------------------------------------------------------------- what stays in float32


def test_the_critic_stays_in_float32() -> None:
    critic, hidden = Critic(32, through=True), torch.randn(5, 32)
    torch.nn.init.normal_(critic.line.weight)
    with torch.autocast("cpu", torch.bfloat16):
        found = critic(hidden.bfloat16())
    assert found.dtype == torch.float32
    assert torch.equal(found, critic(hidden.bfloat16().float()))


def test_attention_is_read_in_float32() -> None:
    """The same to the last bit, whatever the model around computes in."""
    query, key = torch.randn(1, 4, 6, 8), torch.randn(1, 2, 6, 8)
    found = []
    for half in (False, True):
        probe = attention.Probe([attention.Queries(0, [4, 5], [0, 1, 2])])
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            probe.observe(nn.Module(), query, key, key, None)
        found.append(probe.weights[0])
    assert torch.equal(*found) and found[0].dtype == torch.float32


def test_shares_of_attention_are_taken_in_float32() -> None:
    weights_NP, covered_P = torch.rand(2, 9), torch.rand(9)
    told = {0: attention_loss.Targets([0, 1], covered_P, torch.ones(9))}
    found = []
    for half in (False, True):
        scores = Scores(torch.zeros(2), torch.zeros(2), 1, weights={0: weights_NP})
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found.append(attention_loss.shares_N(scores, told))
    assert torch.equal(*found)


# ---------------------------------------------------------------------------------------------------------------- fp16


def half_accelerator(**more: Any) -> Accelerator:
    """What accelerate makes for a GPU that is told to compute in fp16, on a CPU."""
    made = Accelerator(**{**more, "mixed_precision": "fp16"})
    made.native_amp, made.scaler = True, torch.amp.GradScaler("cpu")
    return made


def stepped(accelerator: Accelerator, scale: float) -> tuple[nn.Module, Any]:
    """A layer, and one step of its optimiser with gradients of this size before scaling."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)
    layer, optimizer = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), lr=1.0))
    accelerator.backward(scale * layer(torch.ones(2, 3)).float().sum())
    loop.step(accelerator, layer, optimizer, 1.0, ["a", "b"])
    return layer, optimizer


def test_a_scaled_step_is_the_step() -> None:
    """By the rounding of fp16: the scaler's factor is gone before gradients are clipped."""
    plain = stepped(Accelerator(cpu=True), 0.2)[0]
    AcceleratorState._reset_state()
    half = stepped(half_accelerator(), 0.2)[0]
    torch.testing.assert_close(half.state_dict(), plain.state_dict(), rtol=1e-3, atol=1e-3)


def test_a_step_beyond_fp16_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Its gradients are infinite: no weight changes, the scale is halved, the run goes on, and it is told.

    When nothing is left of the scale the gradients are infinite by themselves, and the run stops.
    """
    accelerator = half_accelerator()
    layer, optimizer = stepped(accelerator, 0.2)
    before = [p.clone() for p in layer.parameters()]
    scales = []
    with pytest.raises(TrainingError, match=r"the gradient's norm is (nan|inf) on a, b"):
        for _ in range(40):
            scales.append(accelerator.scaler.get_scale())
            accelerator.backward(float("inf") * layer(torch.ones(2, 3)).float().sum())
            loop.step(accelerator, layer, optimizer, 1.0, ["a", "b"])
    assert scales == [2.0**n for n in range(16, -2, -1)]
    assert all(torch.equal(p, old) for p, old in zip(layer.parameters(), before, strict=True))
    assert "an update is left out: its gradients, times 65536, are beyond fp16 (a, b)" in caplog.text


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("recipe", ["sft", "attention_loss", "dpo", "grpo", "ppo"])
def test_fp16_does_what_float32_does(
    recipe: str, method: str, folder: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU that does not compute in bf16, with the scaler."""
    exact, _ = run(recipe, folder, tiny_folder, tmp_path / "exact", method=method, precision="float32")
    monkeypatch.setattr(loop, "computing", lambda precision, device: ("fp16", "a trial"))
    monkeypatch.setattr(loop, "Accelerator", half_accelerator)
    rough, _ = run(recipe, folder, tiny_folder, tmp_path / "rough", method=method, precision="fp16")
    assert 0 < apart(rough[0], exact[0]) < 0.01
