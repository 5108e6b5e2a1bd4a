"""What supervised fine-tuning trains: adapters where they should lie, frozen parts, method and rate by size."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator, DistributedType
from torch import nn

from tests.helpers.trees import linear_of
from tests.helpers.tuning import short_run
from unveil.testing.models import TREES, fresh, pristine
from unveil.train import adapters, loop, sft
from unveil.train.loop import TrainingError
from unveil.vlm import model_parts, models


@pytest.fixture
def base(tiny_folder: Path, dialogues_file: Path, tmp_path: Path) -> sft.Config:
    return short_run(tiny_folder, dialogues_file, tmp_path)


def adapted(model: nn.Module) -> set[str]:
    """The parts of the model that carry adapters."""
    part_of = model_parts.parts_of(model)
    return {part_of(n) for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", TREES)
def test_adapters_lie_where_they_should(name: str, base: sft.Config) -> None:
    """On every linear layer of the language model, A and B each; head and tower are left out.

    The projectors of Gemma 3 and Ovis2 are bare matrices and no linear layers, so they get none.
    """
    lora = replace(base, method="lora")
    model = adapters.prepare(fresh(name).model, lora)
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert adapted(model) == {"language"} and len(names) == 2 * linear_of(name)
    assert all("lora_" in n and "lm_head" not in n for n in names)
    projector = set() if name in ("gemma3", "ovis2") else {"projector"}
    assert adapted(adapters.prepare(fresh(name).model, replace(lora, train_projector=True))) == {"language"} | projector
    assert adapted(adapters.prepare(fresh(name).model, replace(lora, train_tower=True))) == {"language", "tower"}


def test_what_libraries_ask_of_one_another_is_not_heard(base: sft.Config) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", FutureWarning)
        adapters.prepare(fresh("llava_clip").model, replace(base, method="lora"))
    assert [str(one.message) for one in heard] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"language", "projector"}),
        ({"train_projector": False}, {"language"}),
        ({"train_tower": True}, {"language", "projector", "tower"}),
    ],
)
def test_frozen_parts_stay_and_trained_ones_change(options: dict, expected: set[str], base: sft.Config) -> None:
    """All weights, three updates; what the tower's last feature does not pass through stays as well."""
    before = pristine("llava_siglip")
    trained = models.load(sft.main(replace(base, **options)), device="cpu").model
    after, part_of = trained.state_dict(), model_parts.parts_of(trained)
    changed = {part_of(n) for n, value in after.items() if not torch.equal(value, before[n])}
    assert changed == expected
    stuck = [n for n, v in after.items() if part_of(n) in expected and torch.equal(v, before[n])]
    assert all("vision_tower" in n and ("k_proj.bias" in n or "post_layernorm" in n) for n in stuck), stuck


def test_method_and_rate_follow_the_size(base: sft.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: dict[str, Any] = {"accelerator": Accelerator(cpu=True), "lora": 0.2, "full": 0.1, "small": 0.3}
    open_ = replace(base, method="auto", learning_rate=None)
    small = adapters.resolved(open_, **rates)
    assert (small.method, small.learning_rate, small.train_projector) == ("full", 0.3, True)
    assert adapters.resolved(replace(open_, method="lora"), **rates).learning_rate == 0.2
    monkeypatch.setattr(adapters, "SMALL", 10)
    large = adapters.resolved(open_, **rates)
    assert (large.method, large.learning_rate, large.train_projector) == ("lora", 0.2, False)
    assert adapters.resolved(replace(open_, method="full"), **rates).learning_rate == 0.1
    for asked in (3.0, 0.0):
        assert adapters.resolved(replace(open_, learning_rate=asked), **rates).learning_rate == asked
    assert adapters.resolved(replace(open_, train_projector=True), **rates).train_projector is True


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM])
def test_shared_out_weights_are_refused_however_they_were_asked_for(
    kind: DistributedType, base: sft.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of accelerate's or a plugin tells its state only: the run ends before a model is read or written."""

    def told(*given: Any) -> Accelerator:
        made = usual(*given)
        monkeypatch.setattr(made.state, "distributed_type", kind)
        return made

    usual = loop.accelerator
    monkeypatch.setattr(loop, "accelerator", told)
    with pytest.raises(TrainingError, match=f"{kind.value} is not supported yet: let every process hold the whole"):
        sft.main(replace(base, model="no/such/model"))
    assert not list(base.out.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("smallest", "method", "expected"),
    [(50_000_000, "auto", ("full", 1e-3)), (10, "auto", ("lora", 2e-4)), (10, "full", ("full", 1e-5))],
)
def test_a_run_chooses_method_and_rate(
    smallest: int, method: Any, expected: tuple[str, float], base: sft.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "SMALL", smallest)
    out = sft.main(replace(base, method=method, learning_rate=None, validate_every=0, checkpoint_every=0))
    chosen = json.loads((out / "run.json").read_text())["chosen"]
    assert (chosen["method"], chosen["learning_rate"]) == expected
