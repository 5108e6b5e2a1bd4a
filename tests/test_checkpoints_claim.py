"""Whose a folder of checkpoints is: one run's, of the same settings and as many processes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from unveil.train.checkpoints import Checkpoints, claim, found
from unveil.train.loop import TrainingError


def prepared(folder: Path, *remembered: Any, seed: int = 0) -> Checkpoints:
    """The checkpoints of a small model that has taken one step, so that the optimiser has a state."""
    torch.manual_seed(seed)
    accelerator = Accelerator(cpu=True)
    first = nn.Linear(4, 4)
    nn.init.zeros_(first.bias.requires_grad_(False))
    model = nn.Sequential(first, nn.Dropout(0.5), nn.Linear(4, 1))
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.1))
    kept = Checkpoints(folder, accelerator, model, optimizer, remembered)
    one_step(kept)
    return kept


def one_step(kept: Checkpoints) -> None:
    kept.model(torch.ones(3, 4)).square().sum().backward()
    kept.optimizer.step()
    kept.optimizer.zero_grad()


@dataclass(frozen=True)
class Config:
    """A run's settings."""

    seed: int = 0
    rate: float = 0.1
    resume: bool = False
    restart: bool = False


def test_claim_keeps_runs_apart(tmp_path: Path) -> None:
    """A new folder is taken; one with checkpoints only by the same run; ``resume`` and the like make no difference."""
    kept, first = prepared(tmp_path), Config()
    resumed = replace(first, resume=True)

    def claims(config: Config, data: str = "aa") -> None:
        claim(tmp_path, config, {"data": data}, kept.accelerator)

    claims(first)
    claims(Config(seed=1))
    about = json.loads((tmp_path / "config.json").read_text())
    assert about == {"seed": 1, "rate": 0.1, "processes": 1, "made_of": {"data": "aa"}}
    claims(first)
    kept.save(1)
    with pytest.raises(TrainingError, match="--resume, or throw them away with --restart"):
        claims(first)
    with pytest.raises(TrainingError, match=r"\(seed 0 -> 3; rate 0.1 -> 0.2; data changed since\): --restart"):
        claims(replace(resumed, seed=3, rate=0.2), "bb")
    for restart in (False, True):  # that begins anew only where it is another run
        claims(replace(resumed, restart=restart))
        assert found(tmp_path)
    claims(replace(resumed, seed=9, restart=True))
    assert not found(tmp_path)
    kept.save(1)
    claims(Config(seed=9, restart=True))
    assert not found(tmp_path)


def test_claim_is_for_the_same_number_of_processes(tmp_path: Path) -> None:
    """The batches are dealt out otherwise; only the main process writes, and all wait for it."""
    kept = prepared(tmp_path)
    waited: list[int] = []
    one, two = (
        SimpleNamespace(
            num_processes=2, is_main_process=rank == 0, wait_for_everyone=lambda rank=rank: waited.append(rank)
        )
        for rank in (0, 1)
    )
    claim(tmp_path / "of two", Config(), {}, two)  # type: ignore[arg-type]
    assert not (tmp_path / "of two").exists() and waited == [1]
    claim(tmp_path, Config(), {}, kept.accelerator)
    kept.save(1)
    with pytest.raises(TrainingError, match=r"processes 1 -> 2\): --restart begins anew"):
        claim(tmp_path, Config(resume=True), {}, one)  # type: ignore[arg-type]


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    kept = prepared(tmp_path)
    for damaged in ("{", "[]", "\x00"):
        kept.save(1)
        for resume in (False, True):
            (tmp_path / "config.json").write_text(damaged)
            with pytest.raises(TrainingError, match=r"config\.json is damaged \(.+\): begin anew with --restart"):
                claim(tmp_path, Config(resume=resume), {}, kept.accelerator)
            claim(tmp_path, Config(resume=resume, restart=True), {}, kept.accelerator)
            assert not found(tmp_path) and json.loads((tmp_path / "config.json").read_text())["processes"] == 1
