"""Runs with advantages by name and of one's own, and what GRPO and PPO have in common when they are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.updating import updated, write_open
from unveil.core.digests import sha256
from unveil.rl import aar, grpo, ppo
from unveil.train.loop import TrainingError

RLOO = """
def f(rewards_QG):
    answers = rewards_QG.shape[1]
    others_QG = (rewards_QG.sum(1, keepdim=True) - rewards_QG) / (answers - 1)
    return rewards_QG - others_QG
"""


def test_a_run_with_an_advantage_of_ones_own(tiny_folder: Path, tmp_path: Path) -> None:
    """The same as with ours of that name, another than with the usual one; its file is an input."""
    write_open(tmp_path)
    own = tmp_path / "own.py"
    own.write_text(RLOO)
    names = {"mine": f"{own}:f", "ours": "rloo", "usual": "dr-grpo"}
    found = {
        key: updated("grpo", tmp_path, tiny_folder, tmp_path / key, batch_size=7, limit=3, advantage=name)[0][0]
        for key, name in names.items()
    }
    torch.testing.assert_close(found["mine"], found["ours"], rtol=1e-5, atol=1e-8)
    assert not torch.allclose(found["ours"], found["usual"], rtol=1e-2)
    assert json.loads((tmp_path / "mine/run.json").read_text())["inputs"][str(own)] == sha256(own)


def test_an_advantage_is_refused_to_ppo(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"records": tmp_path, "dialogues": tmp_path, "out": tmp_path / "out"}
    with pytest.raises(TrainingError, match="--advantage is of --algorithm grpo"):
        aar.main(aar.Config(algorithm="ppo", advantage="rloo", **asked))


def test_grpo_and_ppo_begin_with_the_same_answers(tiny_folder: Path, tmp_path: Path) -> None:
    """With one seed they ask the same questions in the same order, and draw the same first answers to them."""
    write_open(tmp_path)
    files = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl", "kinds": ("open",)}
    small = {"answers": 2, "max_new_tokens": 6, "limit": 3, "validate_every": 0, "samples_every": 1, "workers": 0}
    recipes: dict[str, Any] = {"grpo": grpo, "ppo": ppo}
    for name, recipe in recipes.items():
        config: Any = {**files, **small, "model": str(tiny_folder), "out": tmp_path / name, "most_unusable": 1.0}
        recipe.main(recipe.Config(rewards=("similarity", "form=0"), **config))
    first, second = ((tmp_path / name / "samples.jsonl").read_text().splitlines() for name in recipes)
    assert len(first) == 2 and first == second
