"""Rows are as long as they are encoded, and batches as large as the scorer's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import dialogue, draw
from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import ImageError
from unveil.core.records import Record
from unveil.testing.models import loaded
from unveil.train import lengths, sft
from unveil.train.lengths import Asked, Batch, Lengths, TokenRow, packed
from unveil.vlm.models import Loaded
from unveil.vlm.token_tree import grow, plant


def test_a_batch_is_packed_as_the_scorer_packs_it(tiny: Loaded, tmp_path: Path) -> None:
    """Questions of unlike length on three images, two answers to each: tokens, padding and scored ones."""
    files = [draw(tmp_path / f"{n}.png", (96, 64), n) for n in range(3)]
    asked = [
        Asked(dialogue(f"{n}", files[n % 3].name, f"{'Is' if n % 2 else 'Where'} it? " * (1 + n)), (96, 64),
              ("Yes." * (1 + n), "No."))
        for n in range(7)
    ]  # fmt: skip
    rows = lengths.measured(tiny.chat, asked).rows
    real = [
        tiny.chat.encode(replace(one.dialogue, answer=answer), tmp_path / one.dialogue.image, with_answer=True)
        for one in asked
        for answer in one.answers
    ]
    forest = plant(grow(real))
    assert packed(rows, shares="image") == Batch(forest.ids_BT.numel(), forest.ids_BT.shape[1], len(forest.targets_S))
    longest = max(map(len, real))
    assert packed(rows, shares="nothing") == Batch(len(real) * longest, longest, len(forest.targets_S))


def test_where_only_answers_share_each_question_has_its_image_again() -> None:
    """Two questions of 10 tokens on an image of 100, with answers of 5 and 7, and of 3."""
    rows = [TokenRow("a", "a.png", 100, 10, (5, 7)), TokenRow("b", "a.png", 100, 10, (3,))]
    assert packed(rows, "image") == Batch(135, 135, 15)
    assert packed(rows, "prompt") == Batch(2 * 122, 122, 15)
    assert packed(rows, "nothing") == Batch(3 * 117, 117, 15)


def test_a_pair_whose_worse_side_has_another_image_is_two_trees() -> None:
    row = TokenRow("a", "a.png", 100, 10, (5, 7), apart=True, around=3)
    assert row.trees == [("a.png", 103, 15), ("beside a", 103, 17)]
    assert packed([row], shares="image") == Batch(240, 120, 12)


def test_images_of_many_sizes_are_told_from_least_to_most() -> None:
    chat = loaded("qwen2_5_vl").chat
    sizes = [(112 * n, 112) for n in range(1, 7)]
    asked = [Asked(dialogue(f"{n}", f"{n}.png", "Where?"), size, ("There.",)) for n, size in enumerate(sizes)]
    costs = [len(chat.process(np.zeros((h, w, 3), np.uint8)).block) for w, h in sizes]
    found = lengths.measured(chat, asked)
    assert len(set(costs)) > 1 and [row.seen for row in found.rows] == costs and found.pictures == 6
    assert found.images == (min(costs), round(sum(costs) / len(costs)), max(costs))


def test_an_image_that_cannot_be_shown_is_named() -> None:
    asked = [
        Asked(dialogue(name, "a.png", "Where?"), size, ("There.",))
        for name, size in (("usual", (112, 112)), ("strip", (5000, 9)))
    ]
    with pytest.raises(ImageError, match=r"^strip: Qwen2_5_VLProcessor cannot take 5000 x 9 pixels"):
        lengths.measured(loaded("qwen2_5_vl").chat, asked)


def test_batches_of_an_epoch_hold_every_row_once(tmp_path: Path) -> None:
    rows = Lengths([TokenRow(f"{n}", f"{n // 2}", 10, 2, (1,)) for n in range(10)], 5, "by hand")
    config = sft.Config(dialogues=tmp_path, out=tmp_path, batch_size=4)
    assert sum(batch.scored for batch in rows.batches(config, shares="image")) == 10
    assert [batch.scored for batch in rows.batches(config, shares="image")] == [4, 4, 2]


def test_sizes_come_from_records_or_from_the_images_themselves(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (96, 64), 0)
    asked, file = [dialogue("a", "a.png", "Where?")], tmp_path / "dialogues.jsonl"
    assert lengths.sizes(asked, file) == [(96, 64)]
    write_jsonl(tmp_path / "records.jsonl", [Record(asked[0].record, "a.png", 10, 20)])
    assert lengths.sizes(asked, file, tmp_path / "records.jsonl") == [(10, 20)]
