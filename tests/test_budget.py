"""``--memory``: as many rows per update whatever the memory, and a refusal that says what would fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tuning import short_run
from unveil.train import budget, footprint, resources, sft
from unveil.train.footprint import Footprint
from unveil.train.lengths import Lengths, TokenRow
from unveil.train.options import RecipeOptions
from unveil.train.resources import NeedsError

#: A token takes 1 MB, a tenth of that where layers recompute; nothing else is there but 1 GB of weights.
PLAIN = Footprint(
    weights=250 * 10**6,
    trained=10**6,
    products=2 * 10**8,
    tower=0,
    vocabulary=10,
    width=1,
    remembered=4,
    shares="image",
    narrow=False,
    kept=10**9,
    token=10**6,
    passed=10**6,
    pair=0,
    passed_pair=0,
    once=0,
    largest=1,
)
#: Each image has four questions; a batch of 4 is a tree of 1,000 + 4 x 50 tokens.
ROWS = Lengths([TokenRow(f"{n}", f"{n // 4}", 1000, 40, (10,)) for n in range(32)], 8, "by hand", resizes=True)


def config(folder: Path, **options: Any) -> sft.Config:
    given: dict[str, Any] = {"batch_size": 16, "method": "lora"} | options
    return sft.Config(dialogues=folder / "dialogues.jsonl", out=folder / "out", **given)


def found(asked: RecipeOptions) -> Footprint:
    return replace(PLAIN, token=10**5, passed=10**5) if asked.gradient_checkpointing else PLAIN


@pytest.mark.parametrize(("words", "size"), [("24GB", 24e9), ("24 GiB", 24 * 2**30), ("800mb", 8e8), ("1.5T", 1.5e12)])
def test_memory_is_read_with_its_unit(words: str, size: float) -> None:
    assert budget.parsed(words) == size


@pytest.mark.parametrize("words", ["", "much", "-3GB", "24 GB of RAM", "0GB", "24"])
def test_what_is_no_memory_is_refused(words: str) -> None:
    with pytest.raises(NeedsError, match=r"--memory .*: say how much, such as 24GB"):
        budget.parsed(words)


@pytest.mark.parametrize("epochs", [0, -1.0, float("nan"), float("inf")])
def test_passes_over_the_rows_are_some(epochs: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^--epochs {epochs:g}: it must be above 0, such as 0.5 or 3$"):
        config(tmp_path, epochs=epochs)


def test_candidates_keep_the_rows_of_an_update(tmp_path: Path) -> None:
    """16 rows: whole while images are shared by 4, then recomputing; 12 of them: divisors only."""
    tried = [(c.batch_size, c.accumulate, c.gradient_checkpointing) for c in budget.candidates(config(tmp_path))]
    assert tried == [
        (16, 1, False), (8, 2, False), (4, 4, False),
        (16, 1, True), (8, 2, True), (4, 4, True), (2, 8, True), (1, 16, True),
    ]  # fmt: skip
    asked = config(tmp_path, batch_size=6, accumulate=2, gradient_checkpointing=True)
    assert [(c.batch_size, c.accumulate) for c in budget.candidates(asked)] == [
        (12, 1), (6, 2), (4, 3), (3, 4), (2, 6), (1, 12),
    ]  # fmt: skip


def test_nothing_is_recomputed_where_attention_is_read_on_the_way(tmp_path: Path) -> None:
    """Smaller batches are all that is left, also such as part rows on one image: one row takes 1.05 GB, 1 GB of weights
    and 0.7 GB of the program are beside it."""
    asked = config(tmp_path, attention_loss=0.1, memory="2GB")
    tried = [(c.batch_size, c.accumulate, c.gradient_checkpointing) for c in budget.candidates(asked)]
    assert tried == [(16, 1, False), (8, 2, False), (4, 4, False), (2, 8, False), (1, 16, False)]
    with pytest.raises(NeedsError, match=r"2GB: one row at a time takes about 2\.8 GB: --image-tokens shows less"):
        budget.choice(asked, ROWS, "cpu", 2 * 10**9, found)
    assert "checkpointing" in resources.ways_out(PLAIN, ROWS, config(tmp_path), "cpu", 10**9)
    assert "checkpointing" not in resources.ways_out(PLAIN, ROWS, asked, "cpu", 10**9)


@pytest.mark.parametrize(
    ("room", "chosen"),
    [
        (7.4e9, (16, 1, False)),  # 4 trees of 1,200 tokens: 4.8 GB, 1 GB of weights, 0.7 GB of the program
        (5.3e9, (8, 2, False)),
        (3.5e9, (4, 4, False)),
        (2.9e9, (16, 1, True)),  # 0.48 GB
        (2.2e9, (8, 2, True)),
        (1.93e9, (4, 4, True)),
        (1.914e9, (1, 16, True)),  # of which each holds an image of its own
    ],
)
def test_the_first_that_fits_is_chosen(room: float, chosen: tuple[int, int, bool], tmp_path: Path) -> None:
    one, needed = budget.choice(config(tmp_path), ROWS, "cpu", int(room), found)
    assert (one.batch_size, one.accumulate, one.gradient_checkpointing) == chosen
    assert needed <= room * 0.95
    assert needed == resources.memory(found(one), ROWS, one, "cpu")


def test_what_would_fit_is_said_where_nothing_does(tmp_path: Path) -> None:
    with pytest.raises(NeedsError) as refused:
        budget.choice(config(tmp_path, memory="1GB"), ROWS, "cpu", 10**9, found)
    alone = config(tmp_path, batch_size=1, accumulate=16, gradient_checkpointing=True)
    assert refused.value.needed == resources.memory(found(alone), ROWS, alone, "cpu")
    assert str(refused.value) == (
        "--memory 1GB: one row at a time takes about 1.8 GB: --image-tokens shows less of each image"
    )

    def of(asked: RecipeOptions) -> Footprint:
        return found(asked) if asked.method == "lora" else replace(found(asked), trained=250 * 10**6, largest=10**6)

    full = config(tmp_path, memory="2GB", method="full")
    with pytest.raises(NeedsError, match=r"takes about 4\.8 GB: --method lora trains adapters only, in about 1\.8 GB"):
        budget.choice(full, replace(ROWS, resizes=False), "cpu", 2 * 10**9, of)


def test_the_program_itself_and_features_count(tmp_path: Path) -> None:
    """8 images of 1,000 tokens, of one float32 number each."""
    asked = config(tmp_path)
    most = max(PLAIN.peak(batch) for batch in ROWS.batches(asked, shares="image"))
    assert resources.memory(PLAIN, ROWS, asked, "cpu") == footprint.PROGRAM["cpu"] + 8 * 1000 * 4 + most


def test_a_run_says_what_it_chose_and_writes_it_down(
    tiny_folder: Path, dialogues_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two rows to an update, whatever the memory; where there is plenty, all at once."""
    for words, batch in (("900MB", 2), ("100GB", 2)):
        asked = short_run(tiny_folder, dialogues_file, tmp_path / words)
        out = sft.main(replace(asked, memory=words, batch_size=1, accumulate=2))
        chosen = json.loads((out / "run.json").read_text())["chosen"]
        assert (chosen["batch_size"], chosen["accumulate"], chosen["gradient_checkpointing"]) == (batch, 1, False)
        assert f"--memory {words}: --batch-size {batch} --accumulate 1: about" in capsys.readouterr().err
    with pytest.raises(NeedsError, match="--memory 100MB: one row at a time takes about 7"):
        sft.main(replace(asked, memory="100MB", out=tmp_path / "little"))
