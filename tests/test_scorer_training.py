"""Adapters, recomputed activations and half precision: the scorer gives the same in training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.trees import frozen, linear_of, rows_of, scorer, values
from unveil.testing.models import KINDS, fresh
from unveil.train import adapters
from unveil.train.options import RecipeOptions
from unveil.vlm import attention, model_parts
from unveil.vlm.families import family_of
from unveil.vlm.features import Features
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, whole


def lora(copy: Loaded, folder: Path, **options) -> nn.Module:
    """The model with adapters on its language part whose B is not zero, so that they change what it says."""
    torch.manual_seed(0)
    model = adapters.prepare(copy.model, RecipeOptions(out=folder, method="lora", lora_rank=4, **options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    return model


@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_adapters_are_trained_and_nothing_else(family: Loaded, tmp_path: Path) -> None:
    """The tree of an adapted model is its plain rows, and every adapter, but no other weight, gets a gradient."""
    found = []
    for tree in (False, True):
        copy = fresh(family.name)
        model = lora(copy, tmp_path)
        seeing = Features(whole(model), copy.chat.processor.image_processor, 100)
        rows = rows_of(copy, tmp_path)
        summed = Scorer(model, copy.chat, seeing, tree=tree)(rows).summed()
        summed.sum().backward()
        found.append((summed.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    (plain, gradients), (treed, others) = found
    assert torch.allclose(plain, treed, atol=1e-5, rtol=1e-5)
    assert float((values(family, rows) - plain).abs().max()) > 1e-3, "the adapters make a difference"
    assert gradients.keys() == others.keys() and len(others) == 2 * linear_of(family.name)
    part_of = model_parts.parts_of(model)
    assert all("lora_" in name and part_of(name) == "language" for name in others)
    largest = max(float(g.abs().max()) for g in gradients.values())
    for name, gradient in gradients.items():
        assert float((gradient - others[name]).abs().max()) <= 1e-4 * largest, name


def calls_of(model: nn.Module, part: str) -> list[str]:
    """A list that grows with each forward call of any module in a part of the model."""
    calls: list[str] = []
    part_of = model_parts.parts_of(model)
    for name, module in model.named_modules():
        if part_of(name) == part and not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    return calls


REMEMBERING = ("llava_siglip", "llava_clip", "internvl")  # whose frozen tower stays out of a trained projector's graph


@pytest.mark.parametrize(
    ("name", "trained"), [*((name, "adapters") for name in KINDS), *((n, "and projector") for n in REMEMBERING)]
)
def test_checkpointing_leaves_the_frozen_tower_alone(name: str, trained: str, tmp_path: Path) -> None:
    """The backward pass computes layers of the language model again, as it should, and nothing of the tower.

    Gradients are those without checkpointing.
    """
    found = []
    for checkpointing in (False, True):
        copy = fresh(name)
        if trained == "adapters":
            model = lora(copy, tmp_path, gradient_checkpointing=checkpointing)
        else:
            options = RecipeOptions(
                out=tmp_path, method="full", train_projector=True, gradient_checkpointing=checkpointing
            )
            model = adapters.prepare(copy.model, options)
        seeing = Features(whole(model), copy.chat.processor.image_processor, 100)
        both = Scorer(model, copy.chat, seeing).train()
        tower, language = calls_of(whole(model), "tower"), calls_of(whole(model), "language")
        loss = both(rows_of(copy, tmp_path)).summed().sum()
        before = len(tower), len(language)
        assert min(before) > 0
        loss.backward()
        assert len(tower) == before[0]
        assert (len(language) > before[1]) == checkpointing
        found.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys() and found[0]
    assert "tower" not in set(map(model_parts.parts_of(model), found[1]))
    for key, gradient in found[0].items():
        torch.testing.assert_close(found[1][key], gradient, rtol=1e-4, atol=1e-4, msg=key)


@pytest.mark.parametrize("part", [7, 20, 50])
@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_attention_in_parts_is_the_same(
    family: Loaded, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of some 100 tokens in parts of 7, 20 and 50, where no token sees a later one; elsewhere nothing is cut."""
    rows, calls, real = rows_of(family, tmp_path), [], attention.sdpa_attention_forward
    expected = values(fresh(family.name), rows, tree=False)

    def counting(module: nn.Module, query: Tensor, *args: Any, **options: Any) -> Any:
        if hasattr(module, "is_causal"):  # in cross-attention queries stand in no order with keys
            calls.append(query.shape[2])
        return real(module, query, *args, **options)

    monkeypatch.setattr(attention, "PART", part)
    monkeypatch.setattr(attention, "sdpa_attention_forward", counting)
    found = values(fresh(family.name), rows)
    assert torch.allclose(found, expected, atol=1e-5, rtol=1e-5)
    cut = family_of(family.model.config).both_ways == "none"
    assert (len(calls) > 0 and max(calls) < 2 * part) == cut


def test_paligemma_2_runs_on_plain_rows_and_is_right(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each answer as the model itself scores it alone, without padding and without this engine; said once."""
    copy = fresh("paligemma2")
    rows, apart = rows_of(copy, tmp_path), []
    with caplog.at_level(logging.WARNING):
        together = values(copy, rows)
    assert [r.getMessage() for r in caplog.records if "each answer runs as a row of its own" in r.getMessage()]
    assert len(caplog.records) == 1
    for row in rows:
        batch = copy.chat.batch([row])
        labels = batch.pop("labels")[0, 1:]
        with torch.no_grad():
            logps_TV = copy.model(**batch).logits[0, :-1].log_softmax(-1)
        scored = (labels != -100).nonzero().flatten()
        apart.append(logps_TV[scored, labels[scored]].sum())
    assert torch.allclose(together, torch.stack(apart), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("half", ["weights", "autocast"])
@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_half_precision_is_near_and_scored_in_full(half: str, family: Loaded, tmp_path: Path) -> None:
    """bfloat16 keeps 8 bits, some 0.4 % of a value, so that a token's log-probability may be off by a few hundredths.

    Trees and plain rows alike; the values themselves are float32, gradients flow, and frozen features stay whole.
    """
    copy = frozen(family.name)
    rows = rows_of(copy, tmp_path)
    lengths = torch.tensor([len(row.answer) for row in rows])
    exact = values(copy, rows)
    if half == "weights":
        copy.model.to(torch.bfloat16)
    for tree in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"):
            scores = scorer(copy, tree=tree)(rows)
        assert scores.logps_S.dtype == torch.float32
        scores.logps_S.sum().backward()
        assert float(((scores.summed().detach() - exact) / lengths).abs().max()) < 0.15
    assert all(torch.isfinite(p.grad).all() for p in copy.model.parameters() if p.grad is not None)
