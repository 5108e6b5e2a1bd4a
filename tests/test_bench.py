"""The benchmarks compute the same thing on both sides, and count what each side passes through the model."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro

from bench import models, predict
from tests.helpers.forks import started
from unveil.vlm.chat import Chat
from unveil.vlm.families import Profile
from unveil.vlm.masks import refusal


def begun(module: str, words: list[str]) -> None:
    """A benchmark as its command begins it."""
    bench = import_module(module)
    bench.main(tyro.cli(bench.Config, args=words))


def run(module: str, method: str, folder: Path, alone: bool = False) -> dict:
    """The figures of a short race of the tiny preset, in a process of its own; as a command where it is ``alone``."""
    out, said = folder / "found.json", folder / "said"
    words = ["--preset", "tiny", "--steps", "2", "--threads", "1", "--no-memory", "--device", "cpu"]
    words += ["--method", method, "--json", str(out)]
    if alone:
        command = [sys.executable, "-m", module, *words]
        with said.open("w") as file:
            code = subprocess.run(command, stdout=file, stderr=file, cwd=Path(__file__).parent.parent).returncode
    else:
        process = started(begun, module, words, said=said)
        process.join()
        code = process.exitcode
    assert code == 0, said.read_text()
    assert "loss" in said.read_text()
    found = json.loads(out.read_text())
    assert {"ratio", "loss_diff", "grad_diff", "versions", "machine"} <= found.keys()
    assert all({"step_s", "tower_encodings", "lm_tokens"} <= found[side].keys() for side in ("ours", "trl"))
    assert found["versions"]["trl"] and found["machine"]["threads"] == 1
    return found


@pytest.mark.parametrize(("name", "tokens"), [("tiny", 16), ("small", 576), ("qwen3_5", 576), ("gemma3", 256)])
def test_a_picture_of_a_preset(name: str, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs what the preset says, and the model is one that shares it; the weights are not made."""

    def stills(kind: type) -> None:
        monkeypatch.setattr(kind, "get_attributes", classmethod(lambda cls: ["image_processor", "tokenizer"]))
        monkeypatch.setattr(kind, "video_processor", None, raising=False)

    monkeypatch.setattr(models, "images_only", stills)
    preset = models.PRESETS[name]
    with torch.device("meta"):
        model, processor = preset.build()
    seen = Chat(processor, Profile("unit", False)).process(np.zeros((preset.picture, preset.picture, 3), np.uint8))
    assert seen.block.count(model.config.image_token_id) == tokens
    assert refusal(model) is None


@pytest.mark.parametrize("method", ["lora", "full"])
def test_dpo_is_the_same_and_passes_less(method: str, tmp_path: Path) -> None:
    """TRL: two pairs are four rows, each with its image, policy and reference: 8 encodings, every row twice.

    Ours: no encoding, since reference and features were computed before; image and question once for both answers.
    """
    found = run("bench.dpo", method, tmp_path)
    assert found["loss_diff"] <= 1e-5 and found["grad_diff"] <= 1e-4
    assert found["ours"]["tower_encodings"] == 0 and found["trl"]["tower_encodings"] == 8
    assert found["trl"]["lm_tokens"] >= 3 * found["ours"]["lm_tokens"]


def test_sft_is_the_same_and_passes_less(tmp_path: Path) -> None:
    """TRL: four questions are four rows, each with its image. Ours: the image once; here 16 of some 45 tokens a row."""
    found = run("bench.sft", "lora", tmp_path, alone=True)
    assert found["loss_diff"] <= 1e-5 and found["grad_diff"] <= 1e-4
    assert found["ours"]["tower_encodings"] == 0 and found["trl"]["tower_encodings"] == 4
    assert found["trl"]["lm_tokens"] > found["ours"]["lm_tokens"] + 3 * 16


def test_grpo_is_the_same_and_passes_less(tmp_path: Path) -> None:
    """TRL: two questions with eight answers are 16 rows, each with its image, in generation, policy and reference: 48.

    Ours: no encoding, and each prompt once for its answers. Rollout and the rest are timed apart.
    """
    found = run("bench.grpo", "lora", tmp_path)
    assert found["loss_diff"] <= 1e-5 and found["grad_diff"] <= 1e-4
    assert found["ours"]["tower_encodings"] == 0 and found["trl"]["tower_encodings"] == 48
    assert found["trl"]["lm_tokens"] > found["ours"]["lm_tokens"]
    assert all({"rollout_s", "update_s"} <= found[side].keys() for side in ("ours", "trl"))


def test_predictions_are_the_same_and_pass_less() -> None:
    """Four questions on each of two images, whose tokens pass once for all of them, not once for each."""
    config = predict.Config(preset="tiny", images=2, questions=4, rounds=1, threads=1, device="cpu")
    found = predict.main(config)
    assert found["same"] == found["questions"] == 8
    assert found["ours"]["tower_encodings"] == 2 and found["transformers"]["tower_encodings"] == 8
    assert found["ours"]["lm_tokens"] <= found["transformers"]["lm_tokens"] - 2 * 3 * 16


def test_the_parts_of_rewards_are_told_beside_a_plain_step(tmp_path: Path) -> None:
    """Two steps of each side: two ratios; reading takes a part of its step; all pass as many tokens."""
    out = tmp_path / "found.json"
    words = ["--preset", "tiny", "--steps", "2", "--threads", "1", "--device", "cpu", "--json", str(out)]
    process = started(begun, "bench.rewards", words, said=tmp_path / "said")
    process.join()
    assert process.exitcode == 0, (tmp_path / "said").read_text()
    found = json.loads(out.read_text())
    assert found["ours"]["over_grpo"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert 0 < found["attention"]["share_of_step"]["value"] < 1 and found["ppo"]["over_grpo"]["n"] == 2
    assert len({found[side]["lm_tokens"] for side in ("ours", "attention", "ppo")}) == 1


def test_the_ratio_is_the_median_of_ratios() -> None:
    """1 / 2, 3 / 3 and 8 / 4: the median is 1.0, whatever the machine did between the pairs."""
    from bench.rewards import ratio

    found = ratio([1.0, 3.0, 8.0], [2.0, 3.0, 4.0])
    assert (found["value"], found["n"]) == (1.0, 3) and found["low"] >= 0.5 and found["high"] <= 2.0


def test_moments_of_gradients_by_hand() -> None:
    """Two questions with the gradients 3 and 1 by one way, 1 and 1 by the other. Products of different questions: 3, 1,
    and (3 + 1) / 2 across; with itself a question has 9 and 1, on the mean 5, so the variance is 5 - 3 = 2, and 0. The
    cosine 2 / sqrt(3) is above 1 by chance, as an estimate free of bias may be; there is none where a length is 0."""
    from bench.credit import moments

    answer, parts = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    found = moments({"answer": answer @ answer.T, "parts": parts @ parts.T, "both": answer @ parts.T})
    assert (found["mean_squared_answer"], found["mean_squared_parts"]) == (3.0, 1.0)
    assert (found["variance_answer"], found["variance_parts"]) == (2.0, 0.0)
    assert found["cosine"] == pytest.approx(2 / 3**0.5)
    across = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isnan(moments({"answer": across, "parts": across, "both": across})["cosine"])
