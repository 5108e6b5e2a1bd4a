"""Optimisers by name: what they keep, that a run goes on with them, and what is said where they cannot be had."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.helpers.tuning import short_run
from unveil.train import optimizers, sft
from unveil.train.loop import TrainingError
from unveil.train.options import Optimizer

CPU = torch.device("cpu")


def moments(name: Optimizer, weight: nn.Parameter) -> int:
    """Bytes that an optimiser keeps of a weight after an update, its common tables left out."""
    optimizer = optimizers.made(name, [{"params": [weight]}], 0.1, CPU)
    weight.square().sum().backward()
    optimizer.step()
    kept = optimizer.state[weight].items()
    return sum(value.nbytes for what, value in kept if torch.is_tensor(value) and value.shape and "qmap" not in what)


@pytest.mark.parametrize("name", ["adamw", "adamw-8bit"])
def test_moments_take_what_is_foretold(name: Optimizer) -> None:
    weight = nn.Parameter(torch.randn(128, 64))
    assert moments(name, weight) == optimizers.MOMENTS[name] * weight.numel()


def test_8_bits_move_weights_nearly_as_32_do() -> None:
    torch.manual_seed(0)
    start, target, found = torch.randn(64, 64), torch.randn(64, 64), dict[str, torch.Tensor]()
    for name in ("adamw", "adamw-8bit"):
        weight = nn.Parameter(start.clone())
        optimizer = optimizers.made(name, [{"params": [weight]}], 0.01, CPU)
        for _ in range(20):
            optimizer.zero_grad()
            (weight - target).square().sum().backward()
            optimizer.step()
        found[name] = weight.detach() - start
    assert not torch.equal(found["adamw"], found["adamw-8bit"])
    assert (found["adamw"] - found["adamw-8bit"]).norm() < 0.1 * found["adamw"].norm()


def test_a_run_goes_on_to_the_bit_with_moments_in_8_bits(
    tiny_folder: Path, dialogues_file: Path, tmp_path: Path
) -> None:
    """As if it had never been stopped, from what stands in its checkpoint."""
    asked = replace(
        short_run(tiny_folder, dialogues_file, tmp_path / "whole"),
        method="lora",
        lora_rank=256,
        optimizer="adamw-8bit",
        epochs=0.6,
    )
    through = sft.main(asked)
    kept = sorted((through / "checkpoints").glob("step-*"))
    assert any(key.endswith("/absmax1") for key in load_file(kept[0] / "optimizer.safetensors")), "of a matrix"
    stopped = replace(asked, out=tmp_path / "stopped")
    sft.main(stopped)
    for late in sorted((stopped.out / "checkpoints").glob("step-*"))[1:]:
        (late / "step.json").unlink()
    for name in ("run.json", "adapter_model.safetensors"):
        (stopped.out / name).unlink()
    sft.main(replace(stopped, resume=True))
    ours, theirs = (load_file(out / "adapter_model.safetensors") for out in (through, stopped.out))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(2, 2))]}]
    with pytest.raises(TrainingError, match="paged-adamw-8bit lets moments leave a GPU's memory, and this is cpu"):
        optimizers.made("paged-adamw-8bit", groups, 0.1, CPU)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(TrainingError, match=r"--optimizer adamw-8bit needs bitsandbytes: pip install 'unveil\[quant"):
        optimizers.made("adamw-8bit", groups, 0.1, CPU)
