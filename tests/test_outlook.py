"""``--dry-run``: a table of what training would take, from what this machine knows of the model."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator

from tests.conftest import dialogue
from unveil import cli
from unveil.testing.models import ENTRIES, KINDS, TREES, loaded, parts
from unveil.train import footprint, loop, outlook, sft, throughput
from unveil.train.lengths import Asked, Lengths, TokenRow
from unveil.train.outlook import Model, Work
from unveil.train.throughput import Device
from unveil.vlm import models, shapes
from unveil.vlm.families import ModelError
from unveil.vlm.models import HubError
from unveil.vlm.resolution import Resolution, cost

SLOW = Device("a clock", 1e9, 1e9, 10**10, "by hand")
COUNTED = footprint.Footprint(
    weights=100, trained=100, products=100, tower=7, vocabulary=5, width=4, remembered=16, shares="image",
    narrow=False, kept=0, token=0, passed=0, pair=0, passed_pair=0, once=0, largest=0,
)  # fmt: skip


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str, revision: str | None) -> None:
        raise HubError(f"{name}: no folder here, and the hub cannot be asked")

    monkeypatch.setattr(models, "_look_on_hub", away)
    monkeypatch.setattr(throughput, "tried", lambda *_: SLOW)
    models.located.cache_clear()


def told(config: sft.Config, **work) -> dict[str, outlook.Foretold]:
    asked = [Asked(dialogue(f"{n}", f"{n // 4}.png", "Where?"), (448, 448), ("There.",)) for n in range(8)]
    return {line.what: line for line in outlook.lines(config, asked, Work(**work))}


def test_a_dry_run_writes_nothing_and_says_all(
    dialogues_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: None
) -> None:
    there = set(tmp_path.rglob("*"))
    words = ["--dialogues", str(dialogues_file), "--out", str(tmp_path / "out"), "--epochs", "2", "--batch-size", "4"]
    assert cli.main(["train", "sft", *words, "--dry-run"]) == 0
    said = capsys.readouterr().err
    titles = [line.split()[0] for line in said.splitlines()[:-1]]
    assert titles == ["images", "questions", "tokens", "model", "updates", "memory", "disk", "time"]
    assert all("measured" in line or "computed" in line or "too much" in line for line in said.splitlines()[:-1])
    assert said.endswith("dry run: nothing was downloaded, trained or written\n")
    assert set(tmp_path.rglob("*")) == there


def test_what_this_machine_cannot_do_is_refused_unless_another_is_named(tmp_path: Path) -> None:
    config = sft.Config(dialogues=tmp_path, out=tmp_path, method="qlora")
    with pytest.raises(loop.TrainingError, match="--method qlora needs a GPU"):
        told(config)
    assert told(replace(config, device_type="rtx4090"))["memory"].figure


def test_a_model_that_is_not_here_is_known_by_its_shape(tmp_path: Path, offline: None) -> None:
    """A square of 448 pixels has 16 x 16 cells of 28, and what stands around them."""
    name = "Qwen/Qwen2.5-VL-3B-Instruct"
    config = sft.Config(
        dialogues=tmp_path, out=tmp_path, model=name, device_type="rtx4090", gradient_checkpointing=True
    )
    lines = told(config)
    assert lines["tokens"].figure.startswith("258 an image") and "the family's rule" in lines["tokens"].how
    assert lines["model"].figure.startswith("3.87 billion weights, 120 million")
    assert "the hub cannot be asked" in lines["model"].how
    assert "of 24.0 GB of a RTX 4090" in lines["memory"].figure and "published peak" in lines["time"].how
    unknown = told(replace(config, model="nobody/knows"))
    assert list(unknown) == ["model"] and unknown["model"].figure == "not known"


@pytest.mark.parametrize("name", TREES)
def test_patches_of_a_token_are_those_that_the_tower_looks_at(name: str) -> None:
    """Of an image in whole cells; LFM2-VL and Gemma 4 pad it, LLaVA-NeXT has tokens for ends of rows, and a tower of
    convolutions (FastVLM) has no patches: what it makes a token of counts as one."""
    config, chat = parts(name)[0].config, loaded(name).chat
    seen = chat.process(np.zeros((96, 112, 3), np.uint8))
    tokens = sum(token == config.image_token_id for token in seen.block)
    patch = getattr(config.vision_config, "patch_size", 14)
    pixels = cost(chat, (112, 96)).pixels / np.prod(patch if isinstance(patch, list) else [patch] * 2)
    expected = {"lfm2_vl": 4, "gemma4": 4, "fast_vlm": 1}.get(name, pixels / tokens)
    assert shapes.patches_a_token(config) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("name", [*KINDS, *(name for name, entry in ENTRIES.items() if not entry.tree)])
def test_a_model_whose_processor_is_not_here_is_told_as_far_as_it_goes(name: str, tmp_path: Path) -> None:
    """By its configuration alone, of every family and of such as have no row."""
    config = sft.Config(dialogues=tmp_path, out=tmp_path, device_type="h100")
    asked = [Asked(dialogue("a", "a.png", "Where?"), (448, 448), ("There.",))]
    shape = parts(name)[0].config
    found = {one.what: one for one in outlook.lines_of(Model(shape, "by hand", None), config, asked, Work())}
    assert set(found) == {"tokens", "model", "updates", "memory", "disk", "time"}
    assert "weights" in found["model"].figure and found["updates"].figure == "3 of 8 rows (one batch)"
    known = shape.model_type in ("llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "gemma3")
    assert [found[what].figure == "not known" for what in ("tokens", "memory", "time")] == [not known] * 3
    if not known:
        why = f"tokens of an image are not known for {shape.model_type}: load the model's processor once"
        assert found["tokens"].how == why


@pytest.mark.parametrize(("rows", "size", "epochs", "passes"), [(10, 4, 3.0, 1), (10, 4, 0.1, 2), (7, 2, 1.5, 3)])
def test_updates_are_as_many_as_a_run_makes(rows: int, size: int, epochs: float, passes: int, tmp_path: Path) -> None:
    config = sft.Config(dialogues=tmp_path, out=tmp_path, batch_size=size, epochs=epochs, accumulate=passes)
    assert outlook.updates(config, rows) == loop.updates(rows, size, epochs, passes, Accelerator(cpu=True))


def test_time_by_hand() -> None:
    """10 tokens through 100 weights, all trained: 2 + 2 + 2 each; 3 x 2 for each of 2 x 5 x 4 products of the head.
    With 400 MFLOP/s."""
    found, batch = COUNTED, footprint.Batch(10, 10, 2)
    assert throughput.learning(found, batch, checkpointing=False) == 6 * 10 * 100 + 3 * 2 * 2 * 5 * 4
    assert throughput.learning(found, batch, checkpointing=True) == 8 * 10 * 100 + 3 * 2 * 2 * 5 * 4
    assert throughput.looking(found, tokens=3, patches=4) == 2 * 7 * 3 * 4
    assert throughput.seconds(4e8, SLOW) == 1
    assert throughput.answering(found, tokens=0, steps=10, device=SLOW) == 10 * 100 * 4 / 1e9


@pytest.mark.parametrize(
    ("options", "work", "times"),
    [
        ({}, Work(), 1),  # 8 images of 5 tokens are kept at 2**18 bytes for each: 10 of 10 MiB
        ({"cache_mb": 4}, Work(), 1 + 2 * 0.6),
        ({"cache_mb": 4}, Work(updates=2, passes=1), 1 + 6 * 0.6),
        ({"cache_mb": 4, "epochs": 0.5}, Work(), 0.5),
        ({"train_tower": True, "method": "lora"}, Work(), 3 * 2),
        ({"train_tower": True, "method": "full", "gradient_checkpointing": True}, Work(passes=1), 3 * 4 + 1),
    ],
)
def test_images_are_looked_at_again_where_nothing_is_kept(
    options: dict[str, Any], work: Work, times: float, tmp_path: Path
) -> None:
    """Three epochs. In training an encoder passes there and back: 4 operations for 2 with adapters, 6 with all weights,
    2 more where it computes again."""
    config = replace(sft.Config(dialogues=tmp_path, out=tmp_path), **options)
    rows = Lengths([TokenRow(f"{n}", f"{n}", 5, 2, (1,)) for n in range(8)], 8, "by hand")
    found = replace(COUNTED, remembered=0 if config.train_tower else 2**18)
    assert outlook.looks(found, rows, config, work) == pytest.approx(times)
    assert (
        outlook.looks(replace(found, remembered=0), rows, replace(config, train_tower=False), Work()) == config.epochs
    )
    learning, _ = outlook.seconds(found, rows, config, work, SLOW, 8, 4)
    unseen, _ = outlook.seconds(replace(found, tower=0), rows, config, work, SLOW, 8, 4)
    assert learning - unseen == pytest.approx(times * 2 * 7 * 8 * 5 * 4 / 4e8)


def test_a_cpu_can_be_tried() -> None:
    device = throughput.tried(models.default_device(), models.DTYPES["float32"], seconds=0.02)
    assert 1e8 < device.rate < 1e16 and 1e7 < device.bandwidth < 1e14


@pytest.mark.parametrize(
    ("size", "limits", "tokens"),
    [
        ((448, 448), Resolution(), 256 + 2),
        ((20, 20), Resolution(), 4 + 2),  # no fewer than four cells
        ((4000, 3000), Resolution(), 142 * 107 + 2),  # 12.0 million pixels
        ((448, 448), Resolution(max_pixels=28 * 28 * 64), 64 + 2),
        ((448, 448), Resolution(image_tokens=100), 100),
    ],
)
def test_tokens_of_an_image_by_rule(size: tuple[int, int], limits: Resolution, tokens: int) -> None:
    config = shapes.config_of("Qwen/Qwen2.5-VL-7B-Instruct")
    assert shapes.image_tokens(config, size, limits) == pytest.approx(tokens, abs=110 if size[0] > 1000 else 0)


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (Resolution(image_tokens=575), True),
        (Resolution(image_tokens=576, max_pixels=336 * 336), False),
        (Resolution(max_pixels=336 * 336 - 1), True),
    ],
)
def test_one_size_that_goes_beyond_the_limits_is_refused(limits: Resolution, refused: bool) -> None:
    """As the processor refuses it: LLaVA-1.5 sees a square of 336 pixels, in patches of 14."""
    config = shapes.config_of("llava-hf/llava-1.5-7b-hf")
    said = r"an image takes up to 576 tokens \(112896 pixels\) even at the coarsest setting of llava models"
    with pytest.raises(ModelError, match=said) if refused else nullcontext():
        assert shapes.image_tokens(config, (9, 9), limits) == 576


def test_other_families_have_one_size() -> None:
    assert shapes.image_tokens(shapes.config_of("llava-hf/llava-1.5-7b-hf"), (9, 9), Resolution()) == 576
    gemma = shapes.config_of("google/medgemma-4b-it")
    assert shapes.image_tokens(gemma, (9, 9), Resolution()) == 260 and shapes.patches_a_token(gemma) == 16
    assert shapes.patches_a_token(SimpleNamespace(vision_config=SimpleNamespace())) == 1
