"""What training needs is told before its first hour, near enough to be believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoModelForImageTextToText

from tests.conftest import dialogue, draw
from unveil.core.pixels import ImageError
from unveil.core.records import Record, write_jsonl
from unveil.testing.models import TREES, fresh, loaded
from unveil.train import adapters, resources, sft
from unveil.train.resources import Needs, NeedsError, Rows
from unveil.vlm import models
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer

CPU = torch.device("cpu")
NEEDS = Needs(weights=10**9, trained=10**7, held=4 * 10**9, shares=True, token=10**6, model=10**8, going_on=10**9)
ROWS = Rows(images=(100, 400, 1000), texts=(50, 200), resizes=True)


def config(folder: Path, **options) -> sft.Config:
    return sft.Config(dialogues=folder / "dialogues.jsonl", out=folder / "out", **options)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", TREES)
def test_memory_of_a_token_is_what_a_forward_pass_keeps(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an image and ever longer questions, through the model as it trains. What attention keeps for each pair of
    tokens on a CPU, and what the answer keeps, is told apart by how it grows."""
    copy = fresh(name)
    with torch.device("meta"):
        blank = AutoModelForImageTextToText.from_config(copy.model.config)
    monkeypatch.setattr(models, "blank", lambda *_: blank)
    asked = config(tmp_path, method=method, train_projector=False)
    told = resources.of(asked, CPU)
    model = adapters.prepare(copy.model, asked)
    scorer = Scorer(model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 100), tree=False)
    assert told.trained == sum(p.numel() for p in scorer.parameters() if p.requires_grad)
    assert told.weights == sum(p.numel() for p in scorer.parameters())
    image = draw(tmp_path / "a.png", (64, 64), 0)
    rows = [copy.chat.encode(dialogue("a", image.name, "Where? " * n, "nodule"), image, True) for n in (4, 16, 28)]
    _, linear, _ = np.polyfit([len(row) for row in rows], [kept(scorer, row) for row in rows], 2)[::-1]
    assert linear == pytest.approx(told.token, rel=0.2)


def kept(scorer: Scorer, row: EncodedExample) -> int:
    """Bytes of what a forward pass keeps for the backward pass."""
    own = {p.untyped_storage().data_ptr() for p in scorer.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage
        return value

    with saved_tensors_hooks(keep, lambda value: value):
        scorer([row])
    return sum(storage.nbytes() for storage in held.values())


def test_memory_of_weights_by_hand(tmp_path: Path, tiny_folder: Path) -> None:
    """All in float32, gradients and two moments of what is trained; frozen weights beside adapters in bf16."""
    full = resources.of(config(tmp_path, model=str(tiny_folder), method="full"), CPU)
    assert full.held == 4 * full.weights + 12 * full.trained
    assert full.model == 4 * full.weights
    lora = resources.of(config(tmp_path, model=str(tiny_folder), method="lora", precision="bf16"), CPU)
    assert lora.held == 2 * (lora.weights - lora.trained) + 16 * lora.trained
    assert lora.model == 4 * lora.trained
    assert lora.going_on == 3 * 12 * lora.trained + 2 * 4 * lora.trained


def test_rows_are_as_long_as_they_are_encoded(tiny: Loaded, tmp_path: Path) -> None:
    image = draw(tmp_path / "a.png", (96, 64), 0)
    asked = [dialogue(f"{n}", image.name, "Where is the nodule? " * n, "There.") for n in (1, 2, 6)]
    lengths = [len(tiny.chat.encode(d, image, True)) for d in asked]
    block = len(tiny.chat.cached_image(image).block)
    rows = resources.rows(tiny.chat, [(d, (96, 64)) for d in asked])
    assert rows.images == (block, block, block)
    assert rows.texts[1] == lengths[-1] - block
    assert rows.texts[0] == round((sum(lengths) + lengths[-1]) / 4 - block)  # the longest is always among those tried


def test_images_of_many_sizes_are_told_from_least_to_most(tmp_path: Path) -> None:
    chat = loaded("qwen2_5_vl").chat
    sizes = [(112 * n, 112) for n in range(1, 7)]
    rows = resources.rows(chat, [(dialogue(f"{n}", "a.png", "Where?", "There."), size) for n, size in enumerate(sizes)])
    costs = [len(chat.process(np.zeros((h, w, 3), np.uint8)).block) for w, h in sizes]
    assert len(set(costs)) > 1
    assert rows.images == (min(costs), round(sum(costs) / len(costs)), max(costs))


def test_an_image_that_cannot_be_shown_is_named() -> None:
    asked = [(dialogue(name, "a.png", "Where?"), size) for name, size in (("usual", (112, 112)), ("strip", (5000, 9)))]
    with pytest.raises(ImageError, match=r"^strip: Qwen2_5_VLProcessor cannot take 5000 x 9 pixels"):
        resources.rows(loaded("qwen2_5_vl").chat, asked)


def test_a_model_is_looked_at_once(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of rows later is told by what was found at first: 16 tokens of an image, as many weights."""
    asked, built = config(tmp_path, model=str(tiny_folder)), []
    real = models.blank
    monkeypatch.setattr(models, "blank", lambda *given: built.append(given) or real(*given))
    known = resources.first_look(asked, trainings=1)
    assert known.line.startswith(f"{tiny_folder}: boxes as ") and "weights, " in known.line
    write_jsonl(tmp_path / "records.jsonl", [Record("a", "a.png", 96, 64)])
    said = resources.foretold(known, asked, [dialogue("a", "a.png", "Where?", "There.")], tmp_path / "records.jsonl")
    assert said.startswith("an image takes 16 tokens") and len(built) == 1


def test_tokens_of_a_batch(tmp_path: Path) -> None:
    asked = config(tmp_path, batch_size=8, together=4)
    assert ROWS.tokens(asked, shares=False) == 8 * (50 + 400)
    assert ROWS.tokens(asked, shares=True) == 8 * 50 + 2 * 400
    assert ROWS.tokens(replace(asked, batch_size=1), shares=True) == 1000 + 200  # the longest row comes sooner or later


def test_too_little_disk_or_memory_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"disk": 10**10, "memory": 10**10}
    monkeypatch.setattr(resources, "free_disk", lambda folder: free["disk"])
    monkeypatch.setattr(resources, "free_memory", lambda device: free["memory"])
    assert "needs 1.2 GB of disk (10.0 GB free), and 4.0 GB of memory" in resources.fits(
        NEEDS, tmp_path, CPU, trainings=2
    )
    free["disk"] = 1199 * 10**6
    with pytest.raises(NeedsError, match=r"needs 1\.2 GB of disk, and 1\.2 GB are free"):
        resources.fits(NEEDS, tmp_path, CPU, trainings=2)
    free |= {"disk": 10**10, "memory": 3 * 10**9}
    with pytest.raises(NeedsError, match=r"need 4\.0 GB of memory, and 3\.0 GB are free: --method lora"):
        resources.fits(NEEDS, tmp_path, CPU, trainings=2)


def test_what_to_change_is_said_where_memory_will_hardly_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(tmp_path, batch_size=32, together=4, accumulate=2)
    room = 10**11
    monkeypatch.setattr(resources, "free_memory", lambda device: room)
    said = resources.told(NEEDS, ROWS, asked, CPU)  # 32 x 50 + 8 x 400 tokens of 1 MB each, and 4 GB
    assert "100 to 1,000 tokens, 400 on average" in said
    assert "32 rows takes 4,800 tokens, and training with it about 8.8 GB" in said
    assert "--batch-size" not in said
    room = 65 * 10**8
    assert "--batch-size 16 --accumulate 4 learns the same with less" in resources.told(NEEDS, ROWS, asked, CPU)
    room = 53 * 10**8
    assert "hardly do: --batch-size 8 --accumulate 8" in resources.told(NEEDS, ROWS, asked, CPU)
    room = 51 * 10**8  # of which the longest row takes more
    assert resources.told(NEEDS, ROWS, asked, CPU).endswith("hardly do: --image-tokens shows less of each image")
    fixed, full = replace(ROWS, resizes=False), replace(NEEDS, trained=NEEDS.weights)
    assert resources.told(full, fixed, asked, CPU).endswith("hardly do: --method lora trains adapters only")
    assert resources.told(NEEDS, fixed, asked, CPU).endswith("take a smaller model, or a machine with more memory")


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert resources.free_disk(tmp_path / "a" / "b") == pytest.approx(resources.free_disk(tmp_path), rel=0.1)
