"""What training needs is told before its first hour, and where it is too much, what to change."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import dialogue
from unveil.core.files import WriteError
from unveil.train import adapters, resources, sft
from unveil.train.footprint import PROGRAM, Footprint
from unveil.train.lengths import Asked, Lengths, TokenRow
from unveil.train.loop import TrainingError
from unveil.train.resources import NeedsError
from unveil.vlm import models
from unveil.vlm.families import ModelError

CPU = torch.device("cpu")
#: A token takes 1 MB; weights 4 GB.
FOUND = Footprint(
    weights=10**9, trained=10**7, products=10**9, tower=0, vocabulary=1, width=1, remembered=4, shares="image",
    narrow=False, kept=4 * 10**9, token=10**6, passed=10**6, pair=0, passed_pair=0, once=0, largest=1,
)  # fmt: skip
#: Four questions of 50 tokens on each of eight images of 400, one of them of 1,000.
ROWS = Lengths(
    [TokenRow(f"{n}", f"{n // 4}", 1000 if n // 4 == 7 else 400, 30, (20,)) for n in range(32)],
    8,
    "by hand",
    resizes=True,
)


def config(folder: Path, **options) -> sft.Config:
    return sft.Config(dialogues=folder / "dialogues.jsonl", out=folder / "out", **options)


def test_disk_by_hand() -> None:
    """The model in float32; three checkpoints with two moments each, and the best weights twice."""
    going_on = 3 * 12 * 10**7 + 2 * 4 * 10**7
    assert resources.disk(FOUND, full=False) == 4 * 10**7 + going_on
    assert resources.disk(FOUND, full=True, trainings=2) == 2 * 4 * 10**9 + going_on


def test_a_model_is_looked_at_once(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of rows later is told by what was found at first: 16 tokens of an image."""
    asked, built = config(tmp_path, model=str(tiny_folder)), []
    real = models.blank
    monkeypatch.setattr(models, "blank", lambda *given: built.append(given) or real(*given))
    known = resources.first_look(asked)
    assert known.line.startswith(f"{tiny_folder}: boxes as ") and "weights, " in known.line
    said = resources.foretold(known, asked, [Asked(dialogue("a", "a.png", "Where?"), (96, 64), ("There.",))])
    assert said.startswith("an image takes 16 tokens") and len(built) == 1


def test_the_first_look_has_words_for_each_fault(tiny_folder: Path, tmp_path: Path) -> None:
    """In the order in which they are looked at: where the output goes, the model, how it writes boxes."""
    (tmp_path / "file").write_text("")
    asked = config(tmp_path, model=str(tiny_folder))
    with pytest.raises(WriteError, match="file: a file stands where a folder is needed"):
        resources.first_look(replace(asked, out=tmp_path / "file" / "out"))
    with pytest.raises(ModelError, match="nowhere: no such folder"):
        resources.first_look(replace(asked, model="./nowhere"))
    with pytest.raises(ModelError, match="box format 'boxes' is not known"):
        resources.first_look(replace(asked, box_format="boxes"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"method": "qlora"}, "--method qlora needs a GPU"),
        ({"offload_activations": True}, "--offload-activations spares a GPU's memory"),
        ({"optimizer": "paged-adamw-8bit"}, "--optimizer paged-adamw-8bit lets moments leave a GPU's memory"),
        ({"attention": "flex_attention"}, "--attention flex_attention has no backward pass on cpu"),
    ],
)
def test_what_this_machine_cannot_do_is_said_before_anything_is_read(more: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=said):
        resources.first_look(config(tmp_path, **more))


def test_a_library_that_is_missing_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(TrainingError, match="--optimizer adamw-8bit needs bitsandbytes"):
        resources.first_look(config(tmp_path, optimizer="adamw-8bit"))
    with pytest.raises(TrainingError, match="--method qlora needs bitsandbytes"):
        adapters.refuse(config(tmp_path, method="qlora"), torch.device("cuda"))


def test_activations_are_not_named_where_weights_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take nothing of what is held; where rows are too much they help."""
    monkeypatch.setattr(resources, "free_disk", lambda folder: 10**12)
    monkeypatch.setattr(resources, "free_memory", lambda device: 10**9)
    asked, gpu = config(tmp_path, method="lora"), torch.device("cuda")
    with pytest.raises(NeedsError, match=r"are free: --method qlora keeps frozen weights in 4 bits, or take a smaller"):
        resources.fits(FOUND, asked, gpu, trainings=1)
    ways = resources.ways_out(FOUND, ROWS, asked, "cuda", 10**10)
    assert ways.endswith("--offload-activations keeps activations in the host's memory")


def test_too_little_disk_or_memory_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"disk": 10**10, "memory": 10**10}
    monkeypatch.setattr(resources, "free_disk", lambda folder: free["disk"])
    monkeypatch.setattr(resources, "free_memory", lambda device: free["memory"])
    asked = config(tmp_path)
    said = resources.fits(FOUND, asked, CPU, trainings=2)
    assert "needs 520 MB of disk (10.0 GB free), and 4.1 GB of memory" in said
    free["disk"] = 519 * 10**6
    with pytest.raises(NeedsError, match=r"needs 520 MB of disk, and 519 MB are free"):
        resources.fits(FOUND, asked, CPU, trainings=2)
    free |= {"disk": 10**10, "memory": 3 * 10**9}
    with pytest.raises(NeedsError, match=r"need 4\.1 GB of memory, and 3\.0 GB are free: take a smaller model$"):
        resources.fits(FOUND, asked, CPU, trainings=2)
    whole, lora = replace(FOUND, trained=FOUND.weights), "--method lora trains adapters only, or take a smaller model"
    free["disk"] = 10**12
    with pytest.raises(NeedsError, match=rf"need 16\.0 GB of memory, and 3\.0 GB are free: {lora}$"):
        resources.fits(whole, asked, CPU, trainings=1)


def test_what_to_change_is_said_where_memory_will_hardly_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 rows are trees of 600 tokens, and one of 1,200 to which all are padded; two share a row of that length."""
    asked, room = config(tmp_path, batch_size=32, accumulate=2), 10**11
    monkeypatch.setattr(resources, "free_memory", lambda device: room)
    said = resources.told(FOUND, ROWS, asked, CPU)
    assert "400 to 1,000 tokens, 475 on average" in said
    assert "32 rows takes up to 6,000 tokens, and training with it about 10.8 GB" in said  # 5 rows; 4.12 + 6 + 0.7
    assert "--batch-size" not in said
    room = 85 * 10**8
    said = resources.told(FOUND, ROWS, asked, CPU)
    assert "hardly do: --memory 8GB, or --batch-size 16 --accumulate 4 learns the same with less, or --grad" in said
    room = 51 * 10**8
    assert "--batch-size" not in (said := resources.told(FOUND, ROWS, asked, CPU))
    assert said.endswith("or --image-tokens shows less of each image")
    fixed, full = replace(ROWS, resizes=False), replace(FOUND, trained=FOUND.weights)
    assert resources.told(full, fixed, asked, CPU).endswith("or --method lora trains adapters only")


@pytest.mark.parametrize(("batch", "accumulate", "said"), [(5, 1, "1 --accumulate 5"), (6, 3, "3 --accumulate 6")])
def test_what_learns_the_same_has_as_many_rows(batch: int, accumulate: int, said: str, tmp_path: Path) -> None:
    """Each row has an image of its own and takes 450 MB, beside 4.8 GB: three fit, which divide 18 rows but not 5."""
    alone = [TokenRow(f"{n}", f"{n}", 400, 30, (20,)) for n in range(30)]
    asked = config(tmp_path, batch_size=batch, accumulate=accumulate)
    found = resources.ways_out(FOUND, Lengths(alone, 30, "by hand"), asked, "cpu", 63 * 10**8)
    assert found == f"--memory 6GB, or --batch-size {said} learns the same with less, or --gradient-checkpointing"


def test_the_reference_of_rewards_counts_where_all_weights_are_trained(tmp_path: Path) -> None:
    class Rewarded(sft.Config):
        copies = 1

    def needed(kind: type, method: str) -> int:
        asked = kind(dialogues=tmp_path, out=tmp_path, method=method)
        return resources.memory(FOUND, ROWS, asked, "cpu") - PROGRAM["cpu"]

    assert needed(Rewarded, "full") - needed(sft.Config, "full") == FOUND.kept
    assert needed(Rewarded, "lora") == needed(sft.Config, "lora")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_an_error_of_memory_is_told_what_was_needed(
    error: Exception, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "whole_memory", lambda device: 700 * 10**6)
    asked = [Asked(dialogue(f"{n}", f"{n}.png", "Where?"), (96, 64), ("There.",)) for n in range(8)]
    with (
        pytest.raises(type(error)) as raised,
        resources.memory_explained(config(tmp_path, model=str(tiny_folder)), lambda _: asked),
    ):
        raise error
    said = vars(raised.value)["needs"]
    assert said.startswith("a batch of 8 needs about 7") and " of 700 MB; try --gradient-checkpointing" in said
    with pytest.raises(RuntimeError) as other, resources.memory_explained(config(tmp_path), lambda _: asked):
        raise RuntimeError("something else")
    assert "needs" not in vars(other.value)


def test_an_error_under_a_budget_is_about_the_batch_that_was_run(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 x 2 rows to an update 16 pass at once where there is room."""
    monkeypatch.setattr(resources, "whole_memory", lambda device: 700 * 10**6)
    asked = [Asked(dialogue(f"{n}", f"{n}.png", "Where?"), (96, 64), ("There.",)) for n in range(16)]
    given = config(tmp_path, model=str(tiny_folder), accumulate=2, memory="100GB")
    with pytest.raises(MemoryError) as raised, resources.memory_explained(given, lambda _: asked):
        raise MemoryError
    assert vars(raised.value)["needs"].startswith("a batch of 16 needs about 7")


def test_an_estimate_that_fails_does_not_hide_the_error(tmp_path: Path) -> None:
    given = config(tmp_path, model="./nowhere")
    with pytest.raises(MemoryError) as raised, resources.memory_explained(given, lambda _: []):
        raise MemoryError
    assert "needs" not in vars(raised.value)
    assert raised.value.__notes__ == ["what was needed cannot be told: ModelError: ./nowhere: no such folder"]


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert resources.free_disk(tmp_path / "a" / "b") == pytest.approx(resources.free_disk(tmp_path), rel=0.1)
