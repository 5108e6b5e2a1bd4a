"""Supervised fine-tuning: its loss is the plain one, it trains what it should, and a killed run ends as any other."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator, DistributedType
from safetensors.torch import load_file
from torch import nn

from tests.conftest import SIZES, dialogue, draw
from tests.helpers.killing import run_and_kill
from unveil.core import pixels
from unveil.core.provenance import OutputError
from unveil.core.records import Dialogue, RecordError, image_path, read_jsonl, select, write_jsonl
from unveil.testing.models import TREES, fresh, loaded, pristine, saved
from unveil.train import adapters, checkpoints, loop, sft
from unveil.train.dataloader import Stream
from unveil.train.loop import TrainingError
from unveil.vlm import families, model_parts, models
from unveil.vlm import scorer as scorer_module
from unveil.vlm.chat import Chat, Encoded
from unveil.vlm.engine import Engine
from unveil.vlm.features import Features
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, whole


@pytest.fixture
def base(tiny_folder: Path, dialogues_file: Path, tmp_path: Path) -> sft.Config:
    """A short run: all weights, three updates of two rows."""
    return sft.Config(
        dialogues=dialogues_file,
        out=tmp_path / "out",
        model=str(tiny_folder),
        method="full",
        batch_size=2,
        epochs=0.3,
        learning_rate=1e-2,
        lora_rank=4,
        lora_alpha=8.0,
        validate_every=2,
        checkpoint_every=2,
        keep_checkpoints=True,
        log_every=1,
    )


def rows_of(chat: Chat, folder: Path, count: int = 6) -> list[Encoded]:
    """Rows with images, questions and answers of unlike length."""
    out = []
    for i in range(count):
        image = draw(folder / f"{i}.png", SIZES[i], i)
        row = dialogue(f"d{i}", image.name, "Where is it? " * (1 + i % 3), "nodule. " * (1 + 2 * (i % 4)))
        out.append(chat.encode(row, image, with_answer=True))
    return out


def scorer_of(model: nn.Module, chat: Chat, **options: Any) -> Scorer:
    return Scorer(model, chat, Features(whole(model), chat.processor.image_processor, 10), **options)


def stream_of(scorer: Scorer, config: sft.Config) -> Stream:
    return Stream(scorer, config.dialogues, config)


def total(scorer: Scorer, rows: list[Encoded]) -> tuple[torch.Tensor, int]:
    """Summed negative log-likelihood of the rows' answers, and the number of their tokens."""
    logps_S = scorer(rows).logps_S
    return -logps_S.sum(), len(logps_S)


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*model.safetensors")
    return load_file(file)


def metrics(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.endswith("_per_s")} for line in lines]


# ------------------------------------------------------------------------------------------------------------- the loss


@pytest.mark.parametrize("tree", [True, False])
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


@pytest.mark.parametrize("name", TREES)
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
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    for _ in range(3):
        last, _, _ = sft.update(scorer, optimizer, batches, accelerator, config)
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
        calls = []
        for layer in copy.model.model.language_model.layers:
            layer.mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        total(scorer_of(model, copy.chat).train(), rows_of(copy.chat, tmp_path))[0].backward()
        found.append(gradients(model))
        runs.append(len(calls))
    assert runs == [2, 4]
    assert found[0].keys() == found[1].keys() and found[0]
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value)


# ------------------------------------------------------------------------------------------------------ what is trained


def adapted(model: nn.Module) -> set[str]:
    """The parts of the model that carry adapters."""
    part_of = model_parts.parts_of(model)
    return {part_of(n) for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", TREES)
def test_adapters_lie_where_they_should(name: str, base: sft.Config) -> None:
    """On every linear layer of the language model: 2 layers x 7, and A and B each; head and tower are left out.

    Gemma's projector is a bare matrix and not a linear layer, so it gets none.
    """
    lora = replace(base, method="lora")
    model = adapters.prepare(fresh(name).model, lora)
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert adapted(model) == {"language"} and len(names) == 2 * 7 * 2
    assert all("lora_" in n and "lm_head" not in n for n in names)
    projector = set() if name == "gemma3" else {"projector"}
    assert adapted(adapters.prepare(fresh(name).model, replace(lora, train_projector=True))) == {"language"} | projector
    assert adapted(adapters.prepare(fresh(name).model, replace(lora, train_tower=True))) == {"language", "tower"}


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
    assert adapters.resolved(replace(open_, learning_rate=3.0), **rates).learning_rate == 3.0
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


# ----------------------------------------------------------------------------------------------------- saved and loaded


def answers(trained: Loaded, file: Path) -> list[tuple[str, bool]]:
    dialogues = select(read_jsonl(file, Dialogue), "test")
    rows = [trained.chat.encode(d, image_path(d, file), with_answer=False) for d in dialogues]
    return Engine(trained).answer(rows, 6)


def trained_in_memory(config: sft.Config, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """Runs ``config`` and returns the model as it was when it was saved."""
    kept = []
    monkeypatch.setattr(
        adapters, "save", lambda model, *rest, save=adapters.save: kept.append(model) or save(model, *rest)
    )
    sft.main(config)
    profile = families.Profile("bins-64", hint=False)
    chat = Chat(loaded("llava_siglip").chat.processor, profile)
    return Loaded("trained", kept[0].eval(), chat, "")


def test_a_saved_model_answers_like_the_trained_one(base: sft.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = trained_in_memory(base, monkeypatch)
    again = models.load(base.out, device="cpu")
    assert again.chat.profile == families.Profile("bins-64", hint=False)
    assert again.fingerprint == model_parts.fingerprint(trained.model)
    assert answers(again, base.dialogues) == answers(trained, base.dialogues)
    assert answers(again, base.dialogues) != answers(loaded("llava_siglip"), base.dialogues)


def test_a_model_is_saved_with_the_syntax_it_was_taught(base: sft.Config, tmp_path: Path) -> None:
    """A LLaVA that was taught floats without padding does not go back to its family's square, nor need hints."""
    folder = saved("llava_clip", tmp_path / "clip")
    for method in ("full", "lora"):
        out = sft.main(replace(base, model=str(folder), method=method, box_format="unit", out=tmp_path / method))
        assert models.load(out, device="cpu").chat.profile == families.Profile("unit", hint=False)


def test_a_saved_adapter_answers_like_the_trained_one(base: sft.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading merges the adapter, so weights agree to rounding only."""
    trained = trained_in_memory(replace(base, method="lora", epochs=1), monkeypatch)
    again = models.load(base.out, device="cpu")
    assert again.chat.profile == families.Profile("bins-64", hint=False)
    merged = dict(trained.model.merge_and_unload().state_dict())
    for name, value in again.model.state_dict().items():
        torch.testing.assert_close(value, merged[name], rtol=1e-5, atol=1e-6)
    assert answers(again, base.dialogues) == answers(replace(trained, model=again.model), base.dialogues)
    assert answers(again, base.dialogues) != answers(loaded("llava_siglip"), base.dialogues)
    assert not list(base.out.glob("model*.safetensors")), "the base's weights are not saved again"


def test_an_adapter_on_an_adapter_is_loaded_with_both(base: sft.Config, tmp_path: Path) -> None:
    """The second adapter was trained on the first one merged: without it the answers would be another model's."""
    first = sft.main(replace(base, method="lora", out=tmp_path / "first"))
    second = sft.main(
        replace(base, method="lora", out=tmp_path / "second", model=str(first), seed=1, learning_rate=1e-9)
    )
    after_one, after_two = (models.load(f, device="cpu").model.state_dict() for f in (first, second))
    for name, value in after_one.items():  # the second one has hardly moved
        torch.testing.assert_close(after_two[name], value, rtol=1e-4, atol=1e-5)
    assert any(not torch.allclose(v, pristine("llava_siglip")[n], atol=1e-4) for n, v in after_two.items())


def test_the_run_is_described(base: sft.Config) -> None:
    about = json.loads((sft.main(base) / "run.json").read_text())
    assert about["command"] == "train sft" and about["config"]["epochs"] == 0.3
    assert about["chosen"]["method"] == "full" and about["chosen"]["updates"] == metrics(base.out)[-1]["step"]
    assert list(about["inputs"]) == [str(base.dialogues), base.model]


# ------------------------------------------------------------------------------------------------------ kill and resume


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_ends_as_an_uninterrupted_one(method: str, base: sft.Config, tmp_path: Path) -> None:
    """Bit for bit, over the end of an epoch, with dropout, validation and accumulation.

    Killed after update 5 of 8, the last checkpoint being that of update 4: 5 is done again, and logged once.
    """
    count = len(select(read_jsonl(base.dialogues, Dialogue), "train"))
    config = replace(
        base,
        method=method,
        lora_dropout=0.3,
        batch_size=3,
        accumulate=2,
        epochs=8 * 6 / count,
        validate_every=3,
        weight_decay=0.1,
    )
    assert count < 8 * 6, "more than one epoch"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        straight = sft.main(replace(config, out=tmp_path / "straight"))
        run_and_kill(config, tmp_path / "job", after=5)
        assert [p.name for p in checkpoints.found(config.out / "checkpoints")][-1] == "step-0000004"
        sft.main(replace(config, resume=True))
    finally:
        torch.set_num_threads(threads)
    assert metrics(config.out) == metrics(straight)
    assert [m["step"] for m in metrics(straight) if "loss" in m] == list(range(1, 9))
    one, other = weights(config.out), weights(straight)
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_dropout_is_drawn_anew_in_each_update(base: sft.Config, tmp_path: Path) -> None:
    """Otherwise the test above would not see a generator that is not restored."""
    config = replace(base, method="lora", lora_dropout=0.3, checkpoint_every=0)
    dry = metrics(sft.main(replace(config, lora_dropout=0.0, out=tmp_path / "dry")))
    assert metrics(sft.main(config)) != dry


def unfinished(folder: Path) -> None:
    """Leaves the folder as a run that was killed before its end."""
    (folder / "run.json").unlink()
    (folder / "model.safetensors").unlink()


def test_resume_needs_the_same_settings(base: sft.Config) -> None:
    """What changes the outcome is refused by name; what does not is taken."""
    config = replace(base, epochs=0.4)
    sft.main(config)
    other = replace(config, resume=True, seed=5, batch_size=1)
    with pytest.raises(OutputError, match=r"made with other settings \(batch_size . -> 1; seed 0 -> 5\): --restart"):
        sft.main(other)
    unfinished(config.out)
    with pytest.raises(TrainingError, match=r"of a run with other settings \(batch_size . -> 1; seed 0 -> 5\)"):
        sft.main(other)
    before = metrics(config.out)
    sft.main(replace(config, resume=True, cache_mb=1))
    assert metrics(config.out) == before


def test_a_folder_with_checkpoints_is_not_overwritten(base: sft.Config) -> None:
    config = replace(base, epochs=0.4)
    sft.main(config)
    unfinished(config.out)
    kept = checkpoints.found(config.out / "checkpoints")
    with pytest.raises(
        TrainingError, match="holds checkpoints: go on with --resume, or throw them away with --restart"
    ):
        sft.main(config)
    assert checkpoints.found(config.out / "checkpoints") == kept
    sft.main(replace(config, restart=True, checkpoint_every=0))
    assert not checkpoints.found(config.out / "checkpoints")


def test_resume_without_a_checkpoint_begins(base: sft.Config) -> None:
    assert metrics(sft.main(replace(base, resume=True)))[0]["step"] == 1


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
    with pytest.raises(TrainingError, match=rf"{re.escape(str(file))}: no dialogue has the split 'train'"):
        sft.main(replace(base, dialogues=file))


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
