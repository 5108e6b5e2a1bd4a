"""What training takes in memory is foretold near enough to be believed: beside the tensors that updates really make."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoConfig

from tests.conftest import dialogue, draw
from unveil.core.jsonl import write_jsonl
from unveil.testing.models import ENTRIES, TREES, fresh, parts
from unveil.testing.sizes import WIDE, Size
from unveil.train import adapters, footprint, lengths, loop, resources, sft
from unveil.train.footprint import Footprint, Live
from unveil.train.lengths import Batch, packed
from unveil.vlm import attention, models, shapes
from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer, whole

PLAIN = Footprint(
    weights=1000, trained=100, products=800, tower=100, vocabulary=50, width=8, remembered=32, shares="image",
    narrow=False, kept=4000, token=20, passed=20, pair=2, passed_pair=2, once=30, largest=60,
)  # fmt: skip


def saved(name: str, folder: Path, size: Size) -> Path:
    """A model on the disk."""
    torch.manual_seed(0)
    model, processor = ENTRIES[name].build(size)
    model.save_pretrained(folder / name)
    processor.save_pretrained(folder / name)
    return folder / name


def asked(folder: Path, name: str, times: int = 1, size: Size = WIDE, **options: Any) -> sft.Config:
    """Four questions on each of two images, in one batch; answers are so many times as long."""
    images = [draw(folder / f"{n}.png", (112, 112), n) for n in range(2)]
    rows = [
        dialogue(f"{n}", images[n // 4].name, "Where is the nodule? " * (1 + n % 4), "In the left lung. " * 3 * times)
        for n in range(8)
    ]
    write_jsonl(folder / "dialogues.jsonl", rows)
    return sft.Config(
        dialogues=folder / "dialogues.jsonl", out=folder / "out", model=str(saved(name, folder, size)), batch_size=8,
        lora_rank=8, **options,
    )  # fmt: skip


def measured(config: sft.Config) -> int:
    """Bytes of weights, and of all other tensors at the fullest moment of two updates."""
    torch.manual_seed(0)
    loaded = adapters.load(config, torch.device("cpu"))
    model = adapters.prepare(loaded.model, config).train()
    chat = loaded.chat
    rows = [
        chat.encode(one.dialogue, config.dialogues.parent / one.dialogue.image, with_answer=True)
        for one in sft.foreseen(config)
    ]
    scorer = Scorer(model, chat, Features(whole(model), chat.processor.image_processor, 100))
    optimizer = torch.optim.AdamW(loop.parameter_groups(model, 0.0), lr=1e-5)
    seen = [tensor for row in rows for tensor in row.seen.tensors.values()]
    gc.collect()
    with Live([*model.parameters(), *model.buffers(), *seen]) as live:
        for _ in range(2):
            sft.update(scorer, optimizer, [rows] * config.accumulate, Accelerator(cpu=True), config)
    return live.most + sum(p.nbytes for p in model.parameters())


def foretold(config: sft.Config) -> int:
    """The same from the model's configuration."""
    found = footprint.of(models.blank(config.model), config, "float32")
    rows = lengths.measured(adapters.chat_of(config), sft.foreseen(config))
    return found.peak(packed(rows.rows, found.shares), config.accumulate) + resources.features(found, rows)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("name", ["llava_clip", "llava_mistral", "gemma3", "paligemma", "paligemma2"])
def test_memory_is_foretold_within_a_tenth(
    name: str, method: Literal["lora", "full"], checkpointing: bool, tmp_path: Path
) -> None:
    config = asked(tmp_path, name, method=method, gradient_checkpointing=checkpointing)
    assert foretold(config) == pytest.approx(measured(config), rel=0.1)


def test_layers_that_see_images_beside_a_row_are_foretold_too(tmp_path: Path) -> None:
    """Every other one here; they run only where there is an image."""
    size = Size(hidden=128, layers=3, head=32, picture=56, longest=2048)
    config = asked(tmp_path, "mllama", size=size, method="full", box_format="json-1000")
    assert foretold(config) == pytest.approx(measured(config), rel=0.1)


def test_eager_attention_is_foretold_as_such(tmp_path: Path) -> None:
    """It holds what each pair of tokens has to do with one another, for each head, which SDPA does not."""
    config = asked(tmp_path, "llava_clip", method="lora", attention="eager")
    taken = measured(config)
    assert foretold(config) == pytest.approx(taken, rel=0.1)
    assert foretold(replace(config, attention="sdpa")) < 0.9 * taken


@pytest.mark.parametrize("name", [*TREES, "paligemma2"])
@pytest.mark.parametrize(
    "trained", [{"method": "lora"}, {"method": "full"}, {"method": "full", "train_tower": True}], ids=str
)
def test_what_is_kept_of_images_is_known_beforehand(
    name: str, trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside what is really kept of one: features, hidden states of the tower (with a token or two of its own), or
    nothing; of Ovis2 also what stands around tiles. What the language model takes is not looked at."""
    monkeypatch.setattr(footprint, "_KNOWN", {})
    monkeypatch.setattr(footprint, "_activations", lambda *_: dict.fromkeys(footprint._Grown._fields, 0))
    config = sft.Config(dialogues=tmp_path, out=tmp_path, **trained)
    known = footprint.of(models.unfilled(parts(name)[0].config), config, "float32")
    own = fresh(name)
    eyes = own.chat.processor.image_processor
    seeing = Features(whole(adapters.prepare(own.model, adapters.chosen(config, 1))), eyes, 100)
    seen = own.chat.process(np.random.default_rng(0).integers(0, 256, (56, 112, 3), np.uint8))
    seeing([seen])
    kept = [*seeing.known.values(), *(seeing.tower.known.values() if seeing.tower else ())]
    tokens = sum(token == own.model.config.image_token_id for token in seen.block)
    tokens += len(getattr(own.model.config, "visual_indicator_token_ids", ())) if trained == {"method": "lora"} else 0
    assert sum(one.nbytes for one in kept) == pytest.approx(known.remembered * tokens, rel=0.1)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_was_found_is_kept_by_every_option_that_is_looked_at(method: Literal["lora", "full"]) -> None:
    """But the model, whose configuration counts, wherever it lies and from whichever revision it comes."""
    looked: set[str] = set()

    class Options:  # which notes what it is asked for
        def __getattr__(self, name: str) -> Any:
            looked.add(name)
            return getattr(config, name)

    config = sft.Config(dialogues=Path("d"), out=Path("o"), method=method, train_projector=True)
    noting: Any = Options()
    shape = parts("llava_siglip")[0].config
    found = footprint._measured(models.unfilled(shape), noting, "float32")
    assert looked <= {*footprint.ASKED, "model", "revision"} and {"method", "attention"} <= looked
    assert footprint.of(models.unfilled(shape), config, "float32") == found
    assert footprint.of(models.unfilled(shape), replace(config, epochs=9.0), "float32") == found
    for other in ({"lora_rank": 8}, {"gradient_checkpointing": True}, {"train_tower": True}):
        if method == "lora" or "lora_rank" not in other:
            assert footprint.of(models.unfilled(shape), replace(config, **other), "float32") != found


def test_attention_that_a_model_cannot_compute_is_refused(tmp_path: Path) -> None:
    """As training refuses it: transformers has no FlexAttention for Qwen2-VL."""
    config = sft.Config(dialogues=tmp_path, out=tmp_path, attention="flex_attention")
    with pytest.raises(loop.TrainingError, match="cannot use --attention flex_attention"):
        footprint.of(models.unfilled(parts("qwen2_vl")[0].config), config, "float32")
    found = footprint.of(models.unfilled(parts("llava_clip")[0].config), config, "float32")
    assert found.pair > 0


def test_the_fullest_moment_by_hand() -> None:
    """1,000 weights of 4 bytes, moments of 8 for 100 of them. Activations: 10 x 20, pairs 10 x 5 x 2, 30 once, and 16
    for each of 3 x 50 logits: 2,730. Gradients are there with them only where an earlier pass has left them; Adam's
    step needs 400 for gradients and on a CPU 240 for the largest matrix."""
    batch = Batch(tokens=10, longest=5, scored=3)
    assert PLAIN.held == 4000 + 12 * 100
    assert PLAIN.peak(batch) == 4000 + 800 + 2730
    assert PLAIN.peak(batch, accumulate=2) == 4000 + 800 + 2730 + 400
    none = Batch(0, 0, 0)
    assert replace(PLAIN, once=0).peak(none) == 4000 + 800 + 400 + 240
    assert replace(PLAIN, once=0).peak(none, kind="cuda") == 4000 + 800 + 400 + 400


def test_logits_are_gone_before_a_layer_computes_again() -> None:
    """10 tokens take 60 each while a layer computes again, and 5 each until then, when logits come, 16 for each: of
    3 x 50 these have the most, 50 + 2,400 against 600; of 3 x 1 the layer has, against 50 + 48."""
    few, batch = replace(PLAIN, token=60, passed=5), Batch(tokens=10, longest=5, scored=3)
    assert few.peak(batch) == 4000 + 800 + 50 + 2400 + 100 + 30
    assert replace(few, vocabulary=1).peak(batch) == 4000 + 800 + 600 + 100 + 30


@pytest.mark.parametrize("checkpointing", [False, True])
def test_memory_of_long_rows_is_foretold_within_a_tenth(checkpointing: bool, tmp_path: Path) -> None:
    """Attention is computed in parts there, each with keys and values of its own where heads share them."""
    config = asked(tmp_path, "llava_clip", times=9, method="lora", gradient_checkpointing=checkpointing)
    rows = lengths.measured(adapters.chat_of(config), sft.foreseen(config)).rows
    assert packed(rows, "image").longest > 4 * attention.PART
    assert foretold(config) == pytest.approx(measured(config), rel=0.1)


def test_what_lives_is_counted_once_and_let_go() -> None:
    """Two tensors of 400 bytes at a time, views for nothing; one that was there before is no news."""
    before = torch.ones(100)
    with Live([before]) as live:
        a = before + 1
        b = a.view(10, 10)
        del a
        b = b * 2
        b = b * 2
    assert live.most == 800 and live.now == 400 and before.numel() == b.numel()


def test_few_layers_tell_what_all_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven layers, of which three are tried, and then all of them."""
    text = {"num_hidden_layers": 7, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96}
    shape = AutoConfig.for_model("llava", text_config={"model_type": "llama", "vocab_size": 128, **text})
    config = sft.Config(dialogues=Path("d"), out=Path("o"), method="full")
    few = footprint.of(models.unfilled(shape), config, "bf16")
    monkeypatch.setattr(footprint, "_KNOWN", {})
    monkeypatch.setattr(footprint, "_pattern", lambda _: 7)
    whole_model = footprint.of(models.unfilled(shape), config, "bf16")
    assert few.token == pytest.approx(whole_model.token, rel=0.01)
    assert few.pair == pytest.approx(whole_model.pair, abs=1)


def test_a_published_shape_has_the_weights_of_its_model() -> None:
    """As the models' cards have them, in millions."""
    known = {"Qwen/Qwen2.5-VL-3B-Instruct": 3755, "Qwen/Qwen2.5-VL-7B-Instruct": 8292, "llava-hf/llava-1.5-7b-hf": 7063}
    for name, millions in known.items():
        assert models.unfilled(shapes.config_of(name)).num_parameters() / 1e6 == pytest.approx(millions, rel=0.002)
