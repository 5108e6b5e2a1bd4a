"""Supervised fine-tuning: its loss is the plain one, it trains what it should, and a killed run ends as any other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from tests.helpers.tuning import gradients, rows_of, scorer_of, short_run, stream_of, total
from unveil.core import pixels
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, RecordError, image_path
from unveil.testing.models import KINDS, fresh
from unveil.train import adapters, checkpoints, loop, sft
from unveil.train.loop import TrainingError
from unveil.vlm import scorer as scorer_module
from unveil.vlm.models import Loaded


@pytest.fixture
def base(tiny_folder: Path, dialogues_file: Path, tmp_path: Path) -> sft.Config:
    return short_run(tiny_folder, dialogues_file, tmp_path)


# ------------------------------------------------------------------------------------------------------------- the loss


@pytest.mark.parametrize("tree", [True, False])
@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_the_loss_is_the_plain_one(tree: bool, family: Loaded, tmp_path: Path) -> None:
    """A batch with few logits against one row at a time with all logits: -log softmax at each answer token."""
    rows = rows_of(family.chat, tmp_path)
    expected, count = 0.0, 0
    with torch.no_grad():
        for row in rows:
            inputs = family.chat.batch([row])
            del inputs["labels"]
            logits = family.model(**inputs).logits[0].double()
            for place, token in enumerate(row.answer, len(row.prompt)):
                before = logits[place - 1]
                expected += float(torch.logsumexp(before, 0) - before[token])
                count += 1
        loss, tokens = total(scorer_of(family.model, family.chat, tree=tree), rows)
    assert tokens == count == sum(len(row.answer) for row in rows)
    assert float(loss / tokens) == pytest.approx(expected / count, abs=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_one_update_of_each_architecture(name: str, tmp_path: Path, base: sft.Config) -> None:
    """Adapters on language model and projector: every one of them gets a gradient, the loss on the same rows falls."""
    copy = fresh(name)
    config = replace(base, method="lora", learning_rate=5e-3, clip_norm=1e9, train_projector=True)
    model = adapters.prepare(copy.model, config)
    scorer = scorer_of(model, copy.chat).train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.0)
    batches = [rows_of(copy.chat, tmp_path)]
    seen = {}
    for parameter_name, p in model.named_parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(
                lambda q, n=parameter_name: seen.update({n: float(q.grad.abs().sum())})
            )
    accelerator = Accelerator(cpu=True)
    first, tokens, _ = sft.update(scorer, optimizer, batches, accelerator, config)
    assert tokens == sum(len(r.answer) for r in rows_of(copy.chat, tmp_path))
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert seen.keys() == set(trained)
    assert all(seen[n] > 0 for n in trained if "lora_B" in n), "A is zero times B at the start"
    faster = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    for _ in range(3):
        last, _, _ = sft.update(scorer, faster, batches, accelerator, config)
    assert last < first


@pytest.mark.parametrize("split", [[6], [1, 5], [2, 2, 2], [3, 1, 2]])
def test_accumulation_changes_nothing(split: list[int], tmp_path: Path, base: sft.Config) -> None:
    """Passes of some rows each, with answers of 4 to 22 tokens: the gradient of the mean over all answer tokens.

    A mean of the passes' means would weigh the tokens of short answers more.
    """
    copy = fresh("llava_siglip")
    model = adapters.prepare(copy.model, base)
    scorer = scorer_of(model, copy.chat)
    rows = rows_of(copy.chat, tmp_path)
    assert len({len(r.answer) for r in rows}) == 4
    loss, tokens = total(scorer, rows)
    (loss / tokens).backward()
    loss = loss.detach()
    expected = gradients(model)
    model.zero_grad()
    got: dict[str, torch.Tensor] = {}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.register_step_pre_hook(lambda *_: got.update(gradients(model)))
    starts = [sum(split[:i]) for i in range(len(split))]
    batches = [rows[s : s + n] for s, n in zip(starts, split, strict=True)]
    mean, count, _ = sft.update(scorer, optimizer, batches, Accelerator(cpu=True), replace(base, clip_norm=1e9))
    assert (mean, count) == (pytest.approx(float(loss / tokens), abs=1e-5), tokens)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_to_the_norm(tmp_path: Path, base: sft.Config) -> None:
    copy = fresh("llava_siglip")
    model = adapters.prepare(copy.model, base)
    got: dict[str, torch.Tensor] = {}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.register_step_pre_hook(lambda *_: got.update(gradients(model)))
    batches, config = [rows_of(copy.chat, tmp_path)], replace(base, clip_norm=0.25)
    sft.update(scorer_of(model, copy.chat), optimizer, batches, Accelerator(cpu=True), config)
    norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in got.values()]))
    assert float(norm) == pytest.approx(0.25, rel=1e-4)


def test_checkpointed_activations_give_the_same_gradients(
    tmp_path: Path, base: sft.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each of the two layers runs a second time in the backward pass."""
    found, runs = [], []
    for checkpointing in (False, True):
        copy = fresh("llava_siglip")
        torch.manual_seed(0)
        model = adapters.prepare(copy.model, replace(base, method="lora", gradient_checkpointing=checkpointing))
        calls: list[Any] = []
        for layer in copy.model.model.language_model.layers:
            layer.mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        total(scorer_of(model, copy.chat).train(), rows_of(copy.chat, tmp_path))[0].backward()
        found.append(gradients(model))
        runs.append(len(calls))
    assert runs == [2, 4]
    assert found[0].keys() == found[1].keys() and found[0]
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value)


# ------------------------------------------------------------------------------------------------------------- failures


def rewritten(file: Path, folder: Path, change: Any) -> Path:
    """The dialogues with each row changed, and the images they show."""
    rows = list(read_jsonl(file, Dialogue))
    for image in file.parent.glob("*.png"):
        (folder / image.name).write_bytes(image.read_bytes())
    write_jsonl(folder / "dialogues.jsonl", (new for row in rows if (new := change(row)) is not None))
    return folder / "dialogues.jsonl"


@pytest.mark.parametrize("what", ["no train split", "empty"])
def test_nothing_to_train_on(what: str, base: sft.Config, tmp_path: Path) -> None:
    drop = {"no train split": lambda d: replace(d, split="test"), "empty": lambda d: None}[what]
    file = rewritten(base.dialogues, tmp_path, drop)
    with pytest.raises(TrainingError) as told:
        sft.main(replace(base, dialogues=file))
    assert str(told.value) == (
        f"{file}: no dialogue has the split 'train'; "
        "`unveil check --records RECORDS --resplit FILE` deals splits, from which `unveil curate mau` asks anew"
    )


def test_no_file(base: sft.Config, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        sft.main(replace(base, dialogues=tmp_path / "none.jsonl"))


def test_a_row_that_is_too_long_is_named(base: sft.Config) -> None:
    """The tiny model's prompt holds 16 image tokens, so every row is longer than 18."""
    with pytest.raises(TrainingError, match=r"^r\d/.*: \d+ tokens are more than 18,"):
        sft.main(replace(base, max_length=18))


def test_a_missing_image_is_named_with_its_dialogue(base: sft.Config, tmp_path: Path) -> None:
    file = rewritten(base.dialogues, tmp_path, lambda d: replace(d, image="gone.png"))
    with pytest.raises(pixels.ImageError, match=r"^r\d/.*gone\.png: no such file"):
        sft.main(replace(base, dialogues=file))


def test_a_loss_that_is_not_a_number_stops_the_run(base: sft.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the third update: its rows are named, and what was saved after the second stays as it was."""
    calls = []

    def broken(logits: torch.Tensor, targets: torch.Tensor, real: Any = scorer_module.token_logps) -> torch.Tensor:
        calls.extend([1] * torch.is_grad_enabled())  # not before training, where the model is looked at
        return real(logits, targets) * (float("nan") if len(calls) == 3 else 1)

    monkeypatch.setattr(scorer_module, "token_logps", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan on r\d/\w+.*, r\d/\w+.*: lower --learning-rate"):
        sft.main(replace(base, validate_every=0, epochs=1))
    (kept,) = checkpoints.found(base.out / "checkpoints")
    assert kept.name == "step-0000002"
    assert all(torch.isfinite(v).all() for v in load_file(kept / "weights.safetensors").values())


def test_a_gradient_that_is_not_a_number_changes_no_weight(base: sft.Config, tmp_path: Path) -> None:
    copy = fresh("llava_siglip")
    model = adapters.prepare(copy.model, base)
    before = {n: p.clone() for n, p in model.named_parameters()}
    model.lm_head.weight.register_hook(lambda grad: grad * float("inf"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    batches = [rows_of(copy.chat, tmp_path, 2)]
    with pytest.raises(TrainingError, match=r"the gradient's norm is (nan|inf) on d0, d1"):
        sft.update(scorer_of(model, copy.chat), optimizer, batches, Accelerator(cpu=True), base)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_validation_uses_a_fixed_sample_and_leaves_the_model_in_training(base: sft.Config) -> None:
    accelerator = Accelerator(cpu=True)
    train, val = sft.data(base)
    few = sft.data(replace(base, validation_rows=2))[1]
    assert len(few) == 2 < len(val) and few == sft.data(replace(base, validation_rows=2))[1]
    copy = fresh("llava_siglip")
    scorer = scorer_of(copy.model, copy.chat).train()
    loss = sft.validate(scorer, val, stream_of(scorer, base), replace(base, batch_size=3), accelerator)
    assert scorer.training and copy.model.training
    rows = [copy.chat.encode(d, image_path(d, base.dialogues), with_answer=True) for d in val]
    with torch.no_grad():
        summed, tokens = total(scorer.eval(), rows)
    assert loss == pytest.approx(float(summed / tokens), abs=1e-5)
    assert {d.split for d in train} == {"train"} and {d.split for d in val} == {"val"}


def test_processes_share_the_rows(base: sft.Config) -> None:
    """Two processes see every row once between them, in as many batches each; the last ones may be smaller."""
    train = sft.data(base)[0]
    copy = fresh("llava_siglip")
    rows = stream_of(scorer_of(copy.model, copy.chat), base)
    seen: list[list[str]] = []
    per_process = math.ceil(math.ceil(len(train) / 2) / 2)

    def stream(rank: int, skip: int) -> Any:
        fake: Any = SimpleNamespace(process_index=rank, num_processes=2)
        order = loop.endless([d.image for d in train], base.batch_size, base.together, base.seed, fake)
        return (encoded for _, encoded in rows([train[i] for i in batch] for batch in loop.after(order, skip)))

    for rank in (0, 1):
        batches = stream(rank, 0)
        seen.append([row.id for _ in range(per_process) for row in next(batches)])
    assert sorted([*seen[0], *seen[1]]) == sorted(d.id for d in train)
    assert [row.id for row in next(stream(1, 2))] == seen[1][4:6]


def test_attention_is_the_one_asked_for_or_refused(base: sft.Config) -> None:
    eager = adapters.load(replace(base, attention="eager"), torch.device("cpu")).model
    assert eager.config.get_text_config()._attn_implementation == "eager"
    assert eager.config.vision_config._attn_implementation == "sdpa"
    with pytest.raises(TrainingError, match="flex_attention has no backward pass on cpu: use sdpa"):
        sft.main(replace(base, attention="flex_attention"))
