"""Runs of supervised fine-tuning: saved as trained, ended and resumed as any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.helpers.killing import run_and_kill
from tests.helpers.tuning import metrics, short_run, weights
from unveil.core.jsonl import read_jsonl
from unveil.core.provenance import OutputError
from unveil.core.records import Dialogue, image_path, select
from unveil.testing.models import loaded, pristine, saved
from unveil.train import adapters, checkpoints, sft
from unveil.train.loop import TrainingError
from unveil.vlm import families, model_parts, models
from unveil.vlm.chat import Chat
from unveil.vlm.engine import Engine
from unveil.vlm.models import Loaded


@pytest.fixture
def base(tiny_folder: Path, dialogues_file: Path, tmp_path: Path) -> sft.Config:
    return short_run(tiny_folder, dialogues_file, tmp_path)


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


def test_a_model_is_saved_with_the_box_format_it_was_taught(base: sft.Config, tmp_path: Path) -> None:
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
def test_a_killed_run_ends_as_an_uninterrupted_one(
    method: Literal["lora", "full"], base: sft.Config, tmp_path: Path
) -> None:
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


@pytest.mark.parametrize(("every", "kept"), [(2, 2), (0, 0)])
def test_who_stops_a_run_is_told_how_many_updates_are_kept(
    every: int, kept: int, base: sft.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the third update of three: the last checkpoint is that of the second, or there is none."""
    real, count = sft.update, iter(range(2))

    def update(*args: Any) -> Any:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(sft, "update", update)
    with pytest.raises(KeyboardInterrupt) as stopped:
        sft.main(replace(base, checkpoint_every=every))
    assert stopped.value.__notes__ == [f"{kept} of 3 updates are kept"]


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
