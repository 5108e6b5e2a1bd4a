"""Fine-tuning that keeps the weights whose greedy answers on validation did best."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from tests.conftest import write_both
from tests.helpers.killing import run_and_kill
from unveil import cli
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.provenance import OutputError
from unveil.core.records import Dialogue, Prediction, Record
from unveil.evaluate import predict
from unveil.train import checkpoints, sft, validation
from unveil.train.loop import TrainingError
from unveil.train.validation import Best
from unveil.vlm import models


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records and dialogues of synthetic images."""
    return write_both(tmp_path_factory.mktemp("data"), 9)


@pytest.fixture
def base(data: Path, tiny_folder: Path, tmp_path: Path) -> sft.Config:
    return sft.Config(
        records=data / "records.jsonl",
        dialogues=data / "dialogues.jsonl",
        out=tmp_path / "out",
        model=str(tiny_folder),
        batch_size=8,
        epochs=3.0,
        learning_rate=1e-2,
        max_new_tokens=40,
        validate_every=0,
        checkpoint_every=0,
        log_every=1,
        workers=0,
    )


def validations(folder: Path) -> dict[int, dict[str, float]]:
    """What was logged of greedy answers, by update."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row for row in rows if "val_score" in row}


def kept(folder: Path) -> int:
    return int(json.loads((folder / "run.json").read_text())["chosen"]["kept"])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The trained weights that were saved, by the names that they have in training."""
    if (adapter := folder / "adapter_model.safetensors").is_file():
        return {name.replace(".weight", ".default.weight"): value for name, value in load_file(adapter).items()}
    return dict(models.load(str(folder)).model.named_parameters())


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_epoch_that_answers_best_is_saved(
    best: int, method: Any, base: sft.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three epochs with given scores: what is saved are the weights as they were when the best one was given."""
    seen: list[dict[str, torch.Tensor]] = []
    scores = [0.5, 0.5, 0.5]
    scores[best] = 0.6

    def scripted(scorer: Any, *_: Any) -> dict[str, float]:
        seen.append({n: p.detach().clone() for n, p in scorer.model.named_parameters() if p.requires_grad})
        return {"val_score": scores[len(seen) - 1]}

    monkeypatch.setattr(validation, "validate", scripted)
    out = sft.main(replace(base, method=method))
    steps = list(validations(out))
    assert len(seen) == 3 and kept(out) == steps[best]
    saved = weights(out)
    for i, then in enumerate(seen):
        same = [torch.equal(saved[name], value) for name, value in then.items()]
        assert all(same) == (i == best)


def test_equal_scores_keep_the_earlier(tmp_path: Path) -> None:
    model, best = nn.Linear(1, 1, bias=False), Best(tmp_path)
    for step, (score, weight) in enumerate([(None, 9.0), (0.4, 1.0), (0.4, 2.0), (0.3, 3.0), (None, 4.0)]):
        nn.init.constant_(model.weight, weight)
        best.offer(score, step, model, first=True)
    best.bring_back(model)
    assert (best.step, best.score, float(model.weight.detach())) == (1, 0.4, 1.0)


def test_what_a_checkpoint_names_outlives_what_came_after(tmp_path: Path) -> None:
    """Killed after a better step that no checkpoint knows, and that a run taken up may not find again."""
    model, best = nn.Linear(1, 1, bias=False), Best(tmp_path)

    def offer(to: Best, score: float, step: int) -> None:
        nn.init.constant_(model.weight, float(step))
        to.offer(score, step, model, first=True)

    offer(best, 0.3, 1)
    offer(best, 0.4, 2)
    kept = best.state_dict()
    offer(best, 0.5, 3)
    offer(best, 0.6, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best-0000002.safetensors", "best-0000004.safetensors"]
    again = Best(tmp_path)
    again.load_state_dict(kept)
    again.bring_back(model)
    assert float(model.weight.detach()) == 2.0
    offer(again, 0.45, 5)
    again.bring_back(model)
    assert float(model.weight.detach()) == 5.0


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(validation, "save_file", full)
    with pytest.raises(TrainingError, match=r"best weights so far .*best-0000001.safetensors: the disk is full"):
        Best(tmp_path).offer(0.5, 1, nn.Linear(1, 1), first=True)
    assert not list(tmp_path.iterdir())


def test_without_a_score_nothing_is_brought_back(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    before = model.weight.clone()
    Best(tmp_path).bring_back(model)
    assert torch.equal(before, model.weight)


@pytest.mark.parametrize("epochs", [0.4, 1.0, 2.5, 3.0])
def test_answers_are_looked_at_where_epochs_end(epochs: float, base: sft.Config) -> None:
    """7 rows, 2 at a time, 2 passes an update: an epoch is 2 updates; the last update always counts."""
    found = sft.epochs(7, replace(base, epochs=epochs, batch_size=2, accumulate=2), Accelerator(cpu=True))
    assert found == {0.4: [1], 1.0: [2], 2.5: [2, 4, 5], 3.0: [2, 4, 6]}[epochs]


def test_validation_is_told_and_training_goes_on_from_it(base: sft.Config, tmp_path: Path) -> None:
    """The losses are those of a run that never looks at answers: looking draws nothing and changes nothing."""
    out = sft.main(base)
    found = validations(out)
    assert len(found) == 3 and kept(out) == max(found, key=lambda s: (found[s]["val_score"], -s))
    assert all(0 <= row["val_score"] <= 1 and 0 <= row["val_unusable"] <= 1 for row in found.values())
    blind = sft.main(replace(base, records=None, out=tmp_path / "blind"))
    assert not validations(blind)

    def losses(folder: Path) -> list[float]:
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [row["loss"] for row in rows if "loss" in row]

    assert losses(out) == losses(blind)
    inputs = json.loads((out / "run.json").read_text())["inputs"]
    assert str(base.records) in inputs and str(base.dialogues) in inputs


def test_a_killed_run_keeps_the_same(base: sft.Config, tmp_path: Path) -> None:
    """The best weights so far survive SIGKILL as everything else does."""
    config = replace(base, checkpoint_every=2, batch_size=4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        straight = sft.main(replace(config, out=tmp_path / "straight"))
        end = sft.epochs(sum(d.split == "train" for d in read_jsonl(base.dialogues, Dialogue)), config, Accelerator())
        run_and_kill(config, tmp_path / "job", after=end[0] + 2)
        assert checkpoints.found(config.out / "checkpoints")
        out = sft.main(replace(config, resume=True))
    finally:
        torch.set_num_threads(threads)
    assert validations(out) == validations(straight) and kept(out) == kept(straight)
    one, other = weights(out), weights(straight)
    assert all(torch.equal(one[name], other[name]) for name in other)


# ----------------------------------------------------------------------------------------------------------- bad input


def test_no_question_of_the_kinds(base: sft.Config, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        out = sft.main(replace(base, kinds=("open",), epochs=0.2))
    assert "no open question has the split 'val': the last weights are kept" in caplog.text
    assert not validations(out) and kept(out) == json.loads((out / "run.json").read_text())["chosen"]["updates"]


def test_a_record_that_is_missing_is_named(base: sft.Config, data: Path, tmp_path: Path, capsys: Any) -> None:
    assert base.records is not None
    rows = [r for r in read_jsonl(base.records, Record) if r.id != "r0"]
    write_jsonl(tmp_path / "records.jsonl", rows)
    words = ["--dialogues", base.dialogues, "--records", tmp_path / "records.jsonl", "--out", base.out]
    assert cli.main(["train", "sft", *map(str, words), "--model", base.model]) == 1
    assert "r0/" in capsys.readouterr().err


def test_other_records_are_another_run(base: sft.Config, data: Path, tmp_path: Path) -> None:
    """Scores against another truth cannot be compared."""
    config = replace(base, checkpoint_every=1, keep_checkpoints=True, epochs=1.0)
    sft.main(config)
    rows = list(read_jsonl(data / "records.jsonl", Record))
    shutil.copyfile(data / "records.jsonl", tmp_path / "kept.jsonl")
    try:
        write_jsonl(data / "records.jsonl", [*rows[:-1], replace(rows[-1], findings=())])
        with pytest.raises(OutputError, match=r"made with other settings \(records changed since\)"):
            sft.main(replace(config, resume=True))
    finally:
        shutil.copyfile(tmp_path / "kept.jsonl", data / "records.jsonl")
    sft.main(replace(config, resume=True))


def test_questions_without_a_true_answer(base: sft.Config, capsys: Any) -> None:
    words = ["--dialogues", base.dialogues, "--records", base.records, "--out", base.out, "--kinds", "self-question"]
    assert cli.main(["train", "sft", *map(str, words), "--model", base.model]) == 1
    assert "--kinds self-question: such questions have no true answer" in capsys.readouterr().err


def test_a_records_file_that_is_not_there(base: sft.Config, tmp_path: Path, capsys: Any) -> None:
    words = ["--dialogues", base.dialogues, "--records", tmp_path / "none.jsonl", "--out", base.out]
    assert cli.main(["train", "sft", *map(str, words), "--model", base.model]) == 1
    assert "none.jsonl" in capsys.readouterr().err


def test_validation_answers_as_predict_does_to_the_letter(base: sft.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last epoch's weights said on validation is what `unveil predict` says of the model that was saved."""
    said: dict[str, tuple[str, bool]] = {}
    real = validation.rollout

    def rollout(scorer: Any, rows: Any, *how: Any) -> Any:
        drawn = real(scorer, rows, *how)
        said.update({row.id: (scorer.chat.text(d.ids), d.cut) for row, d in zip(rows, drawn, strict=True)})
        return drawn

    monkeypatch.setattr(validation, "rollout", rollout)
    out = sft.main(replace(base, epochs=1.0, method="full"))
    asking = predict.Config(base.dialogues, out / "val.jsonl", model=str(out), split="val", max_new_tokens=40)
    predicted = {p.id: (p.answer, p.cut) for p in read_jsonl(predict.main(asking), Prediction)}
    assert said and said == {name: predicted[name] for name in said}
