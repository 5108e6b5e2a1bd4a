"""States that are handed to branches: the log-probabilities and gradients of plain rows, and what must be seen."""

from __future__ import annotations

import copy as copying
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.helpers.trees import graded, rows_of, scorer, values
from unveil.testing.lfm2_eyes import Lfm2VlImageProcessorPil
from unveil.testing.models import ENTRIES, TREES, fresh
from unveil.vlm import generate, states
from unveil.vlm.families import FAMILIES
from unveil.vlm.generate import drawn_from, rollout
from unveil.vlm.masks import refusal
from unveil.vlm.model_parts import language_model
from unveil.vlm.token_tree import grow, plant

FORKED = [name for name, entry in ENTRIES.items() if name in TREES and FAMILIES[entry.model_type].shares == "fork"]
DELTA = [name for name in FORKED if name != "lfm2_vl"]


def apart(one: tuple[Tensor, dict[str, Tensor]], other: tuple[Tensor, dict[str, Tensor]]) -> tuple[float, float]:
    """How far apart log-probabilities are, and gradients over the largest."""
    assert one[1].keys() == other[1].keys()
    largest = max(float(g.abs().max()) for g in one[1].values())
    return (
        float((one[0] - other[0]).abs().max()),
        max(float((g - other[1][n]).abs().max()) for n, g in one[1].items()) / largest,
    )


@pytest.mark.parametrize("name", DELTA)
def test_token_by_token_nothing_differs_but_rounding(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delta rule without chunks of 64 tokens, on both sides: they begin elsewhere in branches than in plain rows.

    In float32 that alone moves gradients, by up to 1.5e-4 of the largest where tokens take nearly all of a state, as in
    models that are drawn anew; with the decays of ``testing.hybrid`` test_scorer.py holds 1e-4. Here 1e-5 is held.
    """
    copy = fresh(name)
    module = sys.modules[type(language_model(copy.model)).__module__]
    monkeypatch.setattr(module, "torch_chunk_gated_delta_rule", module.torch_recurrent_gated_delta_rule)
    rows = rows_of(copy, tmp_path)
    plain, treed = (graded(fresh(name), rows, tree=tree) for tree in (False, True))
    logps, gradients = apart(plain, treed)
    assert logps <= 1e-5 * float(1 + plain[0].abs().max()) and gradients <= 1e-5


@pytest.mark.parametrize("name", FORKED)
def test_checkpointing_computes_the_states_again(name: str, tmp_path: Path) -> None:
    """Values and gradients are those without it, and each layer with a state runs a second time, states and all."""
    copy, again = fresh(name), fresh(name)
    rows = rows_of(copy, tmp_path)
    expected = graded(copy, rows)
    again.model.train()
    language_model(again.model).activation_checkpointing_enable({"use_reentrant": False})
    calls: list[int] = []
    for mixer in states.mixers(language_model(again.model)).values():
        mixer.register_forward_pre_hook(lambda *_: calls.append(1))
    found = graded(again, rows)
    logps, gradients = apart(expected, found)
    assert logps <= 1e-4 and gradients <= 1e-5 and len(calls) == 2


@pytest.mark.parametrize(
    ("name", "given"), [*((name, "none") for name in FORKED), *((name, "another") for name in DELTA)]
)
def test_a_wrong_state_is_seen(name: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: answers to two questions on one image are given one another's state, or none. No other changes.

    Rows 1 to 4 answer the one, rows 5 and 6 the other. A convolution sees only the last words of a prompt, which are
    those of the chat template in both.
    """
    copy = fresh(name)
    rows, real = rows_of(copy, tmp_path), states.stretches
    expected = values(copy, rows, tree=False)

    def wrong(forest: Any, asked: Any = None) -> Any:
        found = real(forest, asked)
        (last,) = (batch for batch in found.batches if batch.level == 2)
        assert last.parents_R is not None
        parents = 1 - last.parents_R if given == "another" else None
        return replace(found, batches=[*found.batches[:-1], replace(last, parents_R=parents)])

    monkeypatch.setattr(states, "stretches", wrong)
    difference = (values(copy, rows) - expected).abs()
    assert float(difference[1:7].min()) > 1e-3
    assert float(difference[[0, 7, 8, 9]].max()) < 1e-4


@pytest.mark.parametrize("name", FORKED)
def test_padding_that_enters_a_state_is_seen(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: questions of different length, which leave a state each, side by side; the shorter is padded.

    Rows 1 to 4 answer it. The longer one, on which rows 5 and 6 go on, and all others stay what they are.
    """
    copy = fresh(name)
    rows, real = rows_of(copy, tmp_path), states._groups
    expected = values(copy, rows, tree=False)

    def together(found: Sequence[states.Stretch]) -> Iterator[tuple[int, bool, list[int]]]:
        groups = [*real(found)]
        inner = [group for level, leaves, group in groups if level == 1 and leaves]
        assert len(inner) == 2, "each alone, since they have different lengths"
        for level, leaves, group in groups:
            if group == inner[0]:
                yield level, leaves, sorted(inner[0] + inner[1])
            elif group != inner[1]:
                yield level, leaves, group

    monkeypatch.setattr(states, "_groups", together)
    difference = (values(copy, rows) - expected).abs()
    assert float(difference[1:5].min()) > 1e-3
    assert float(difference[[0, 5, 6, 7, 8, 9]].max()) < 1e-4


def test_every_token_belongs_to_one_stretch(tmp_path: Path) -> None:
    """In a packed forest of three trees: all tokens but padding once, parents before children, no state of padding."""
    copy = fresh("qwen3_5")
    forest = plant(grow(rows_of(copy, tmp_path)), 4000)
    found = states.stretches(forest)
    at = torch.cat([batch.at_RC.flatten() for batch in found.batches])
    source = found.from_BT.flatten()
    real = source > 0
    assert int(real.sum()) == forest.tokens == len(source[real].unique())
    assert torch.equal(at[source[real] - 1], real.nonzero()[:, 0]), "each token is where its stretch says"
    assert [batch.level for batch in found.batches] == sorted(batch.level for batch in found.batches)
    for batch in found.batches:
        assert (batch.parents_R is None) == (batch.level == 0)
        if batch.leaves:
            assert int(batch.at_RC.diff(dim=1).min()) == 1, "no padding"


def test_an_answer_of_one_token_stands_beside_padding(tmp_path: Path) -> None:
    """So that no layer takes it for a token that is written, for which kernels have no backward pass."""
    rows = [replace(row, answer=row.answer[-1:]) for row in rows_of(fresh("qwen3_5"), tmp_path)[1:3]]
    assert [batch.at_RC.shape[1] for batch in states.stretches(plant(grow(rows))).batches][-1] == 2


def test_answers_that_are_yet_to_be_written_leave_no_stretch(tmp_path: Path) -> None:
    """The states before them are kept; what stands in the forest for them is left out."""
    copy = fresh("lfm2_vl")
    rows = [replace(row, answer=[0]) for row in rows_of(copy, tmp_path)]
    forest = plant(grow(rows))
    found = states.stretches(forest, range(len(rows)))
    assert int((found.from_BT > 0).sum()) == forest.tokens - len(rows)
    assert found.ends_Q is not None
    ends = found.ends_Q.tolist()
    assert ends[1] == ends[2] == ends[3] == ends[4] and len(set(ends)) == 5, "one for each prompt"


@pytest.mark.parametrize("name", FORKED)
def test_answers_that_leave_take_their_states_along(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight answers to each question, which end here and there: what is drawn scores the same after many have left."""
    copy = fresh(name)
    model, left = scorer(copy), []
    monkeypatch.setattr(generate, "COMPACT", 1.0)
    keep = states.Carried.keep
    monkeypatch.setattr(states.Carried, "keep", lambda self, rows: (left.append(len(rows)), keep(self, rows)))
    asked = [replace(row, answer=[]) for row in rows_of(copy, tmp_path)[::3]]
    model.distribution = drawn_from(model)
    model.distribution = replace(model.distribution, temperature=2.0)
    model.chat.__dict__["stops"] = frozenset(range(0, 384, 5))  # so that answers end early
    try:
        drawn = rollout(model, asked, 8, 12, model.distribution, seed=3)
    finally:
        del model.chat.__dict__["stops"]
    assert len(left) > 2 and min(left) < 16
    with torch.no_grad():
        scored = model([replace(asked[d.question], id=str(i), answer=d.ids) for i, d in enumerate(drawn)]).in_order()
    torch.testing.assert_close(scored, torch.tensor([p for d in drawn for p in d.logps]), atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FORKED)
def test_a_model_stays_what_it_is_for_anyone_else(name: str, tmp_path: Path) -> None:
    """Its own forward pass is the same to the last bit, and so is a copy's, which forks by itself."""
    copy = fresh(name)
    rows = rows_of(copy, tmp_path)
    batch: dict[str, Any] = dict(copy.chat.batch(rows[:3]))
    del batch["labels"]
    with torch.no_grad():
        before = copy.model(**batch, use_cache=False).logits
        forked = values(copy, rows)
        twin = replace(copy, model=copying.deepcopy(copy.model))
        assert torch.equal(copy.model(**batch, use_cache=False).logits, before)
        for parameter in language_model(copy.model).parameters():
            parameter.zero_()
        assert torch.equal(twin.model(**batch, use_cache=False).logits, before)
    assert torch.equal(values(twin, rows), forked)


def test_a_mask_alone_is_refused_where_a_state_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that says "tree" of a model with such layers would leak from branch to branch."""
    base = fresh("qwen3_5").model
    assert refusal(base) is None
    monkeypatch.setitem(FAMILIES, "qwen3_5", replace(FAMILIES["qwen3_5"], shares="tree"))
    assert refusal(base) == "qwen3_5 models with layers of linear_attention hand a state along the row"


@pytest.mark.parametrize("size", [(96, 64), (50, 120), (64, 64), (200, 70), (30, 20)], ids=str)
def test_the_eyes_of_lfm2_without_torchvision(size: tuple[int, int]) -> None:
    """Where torchvision is installed, what transformers' own make of an image, to a grey level."""
    pytest.importorskip("torchvision", exc_type=ImportError)
    from transformers import Lfm2VlImageProcessor

    options = {"encoder_patch_size": 14, "tile_size": 56, "min_image_tokens": 2, "max_image_tokens": 8, "max_tiles": 4}
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8))
    ours, theirs = (
        kind(**options, max_pixels_tolerance=0.6, return_row_col_info=True)([image], return_tensors="pt")
        for kind in (Lfm2VlImageProcessorPil, Lfm2VlImageProcessor)
    )
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        torch.testing.assert_close(torch.as_tensor(ours[key]), torch.as_tensor(value), atol=0.01, rtol=0, msg=key)


@pytest.mark.parametrize("name", TREES)
def test_states_are_forked_where_there_are_any(name: str) -> None:
    assert bool(states.mixers(language_model(fresh(name).model))) == (name in FORKED)
