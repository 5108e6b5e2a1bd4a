"""Images beside rows: each token sees that of its own tree, as in its plain row, and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import dialogue, draw
from tests.helpers.trees import frozen, graded, rows_of, scorer, values
from unveil.testing.models import fresh
from unveil.train import loop
from unveil.vlm import attention, crossed
from unveil.vlm.generate import banned, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution
from unveil.vlm.token_tree import Forest

PACKED = 4000
"""Tokens of a row in which all trees stand together."""


@pytest.fixture
def copy() -> Loaded:
    return fresh("mllama")


@pytest.fixture
def rows(copy: Loaded, tmp_path: Path) -> list[EncodedExample]:
    """Those that make trees elsewhere, on images of four, three and four tiles; and one of two tiles, one of one."""
    images = [draw(tmp_path / f"{width}.png", (width, 50), width) for width in (110, 40)]
    more = [copy.chat.encode(dialogue(i.stem, i.name, "Where is the nodule?", "No."), i, True) for i in images]
    return [*rows_of(copy, tmp_path), *more]


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[Forest, dict[str, Tensor]], None]) -> None:
    """Lets ``change`` spoil what the language model is given of images."""
    real = crossed.beside

    def spoilt(base: Any, forest: Forest, states: Tensor) -> dict[str, Tensor]:
        given = real(base, forest, states)
        change(forest, given)
        return given

    monkeypatch.setattr(crossed, "beside", spoilt)


def test_images_of_one_to_four_tiles_stand_beside_one_row(copy: Loaded, rows: Sequence[EncodedExample]) -> None:
    """And see no other: log-probabilities are those of plain rows, which the model itself computes alone."""
    assert [sum(rows[i].seen.tiles) for i in (0, 7, 9, 10, 11)] == [4, 3, 4, 2, 1]
    assert all(len(row.seen.block) == 1 and sorted(row.seen.tiles)[::-1] == row.seen.tiles for row in rows)
    model = scorer(copy, budget=PACKED)
    forest = model.forest(rows)
    assert len(forest.ids_BT) == 1 and len(forest.trees) == 5 and crossed.slots(forest) == ([0, 1, 2, 3, 4], 5)
    with torch.no_grad(), model.undivided():
        alone = torch.cat([model([row]).summed() for row in rows])
    found = [values(copy, rows, **how) for how in ({"tree": False}, {}, {"budget": PACKED})]
    assert all(torch.allclose(one, alone, atol=1e-5, rtol=1e-5) for one in found)


def test_an_image_that_leaks_into_another_tree_is_seen(
    copy: Loaded, rows: Sequence[EncodedExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the second tree's tokens see the third one's image too; its rows alone change."""
    expected = values(copy, rows, tree=False)

    def leak(forest: Forest, given: dict[str, Tensor]) -> None:
        count = given["cross_attention_mask"].shape[-1] // 5
        _, column = forest.places[1]
        given["cross_attention_mask"][0, 0, column : column + len(forest.trees[1]), 2 * count : 3 * count] = True

    changed(monkeypatch, leak)
    forest = scorer(copy, budget=PACKED).forest(rows)
    touched = [i for i in range(len(rows)) if forest.tree_of(i) == 1]
    difference = (values(copy, rows, budget=PACKED) - expected).abs()
    assert float(difference[touched].min()) > 1e-3
    assert float(difference[[i for i in range(len(rows)) if i not in touched]].max()) < 1e-4


@pytest.mark.parametrize("what", ["a tile that there is not", "no image before its token", "an MLP before its token"])
def test_what_transformers_does_not_compute_is_seen(
    what: str, copy: Loaded, rows: Sequence[EncodedExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative controls, on the image of three tiles: what a token sees beyond them, and what those before it do."""
    some = rows[7:9]
    expected = values(copy, some, tree=False)

    def change(forest: Forest, given: dict[str, Tensor]) -> None:
        seen, behind = given["cross_attention_mask"], given["full_text_row_masked_out_mask"]
        at = forest.trees[0].root.ids.index(copy.model.config.image_token_id)
        assert behind[0, 0, :, 0].tolist() == [0] * at + [1] * (seen.shape[2] - at)
        if what.startswith("a tile"):
            seen[:] = True
        elif what.startswith("no image"):
            seen[:, :, :at, 1:] = False
        else:
            behind[:] = 1

    assert torch.allclose(values(copy, some), expected, atol=1e-5, rtol=1e-5)
    changed(monkeypatch, change)
    assert float((values(copy, some) - expected).abs().min()) > 1e-3


@pytest.mark.parametrize("tree", [False, True])
def test_as_many_tokens_as_features_are_not_cut(
    tree: bool, copy: Loaded, rows: Sequence[EncodedExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of 68 tokens beside an image of 4 x 17 features: attention that is cut into parts leaves these whole."""
    features = 4 * copy.model.model.vision_model.num_patches
    row = next(row for row in rows if len(row.prompt) < features)
    answer = [*row.answer[:-1] * features][: features - len(row.prompt)]
    row = replace(row, answer=answer)
    with torch.no_grad():
        own = copy.model(**{k: v for k, v in copy.chat.batch([row]).items() if k != "labels"}).logits[0]
    at = torch.arange(len(row.prompt), features)
    expected = own.log_softmax(-1)[at - 1, torch.tensor(answer)]
    monkeypatch.setattr(attention, "PART", 20)
    model = scorer(copy)
    assert attention.of(copy.model) == attention.FOREST and model.forest([row]).ids_BT.shape == (1, features)
    if not tree:
        model.architecture = None
    with torch.no_grad():
        torch.testing.assert_close(model([row]).in_order(), expected, atol=1e-5, rtol=1e-5)


def test_eager_attention_takes_images_too(copy: Loaded, rows: Sequence[EncodedExample]) -> None:
    expected = values(copy, rows, tree=False)
    copy.model.set_attn_implementation("eager")
    assert torch.allclose(values(copy, rows, budget=PACKED), expected, atol=1e-5, rtol=1e-5)


def test_flex_attention_runs_on_plain_rows(copy: Loaded) -> None:
    copy.model.set_attn_implementation({"text_config": "flex_attention"})
    assert scorer(copy).architecture is None


def test_plain_rows_take_what_is_remembered(rows: Sequence[EncodedExample]) -> None:
    """With a frozen tower: the same values and gradients as when it looks anew, five images through it."""
    copy = frozen("mllama")
    model = scorer(copy, tree=False)
    with torch.no_grad():
        found = [model(rows).summed() for _ in range(2)]
    assert model.features.keeps == "features" and model.features.encodings == 5
    anew = fresh("mllama")
    expected, gradients = graded(anew, rows, tree=False)
    assert all(torch.allclose(one, expected, atol=1e-5, rtol=1e-5) for one in found)
    _, others = graded(copy, rows, tree=False)
    assert others.keys() < gradients.keys()
    for name, gradient in others.items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-4, atol=1e-4, msg=name)


def test_the_projector_alone_is_trained(rows: Sequence[EncodedExample]) -> None:
    """The tower looks anew for each pass, and no gradient goes into it."""
    copy = fresh("mllama")
    loop.trainable(copy.model, {"projector"})
    _, gradients = graded(copy, rows)
    assert {name.split(".")[1] for name in gradients} == {"multi_modal_projector"}
    assert all(float(g.abs().max()) > 0 for g in gradients.values())


def test_images_leave_with_the_last_of_their_answers(
    copy: Loaded, rows: Sequence[EncodedExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers on five images that end at different places are drawn as they are scored; keys of two are let go."""
    left: list[int] = []
    real = crossed.CrossBranches.keep

    def keep(self: crossed.CrossBranches, *kept: Any) -> None:
        real(self, *kept)
        left.append(len(self.key_IKXD))

    monkeypatch.setattr(crossed.CrossBranches, "keep", keep)
    asked, model = [replace(rows[i], answer=[]) for i in (0, 7, 9, 10, 11)], scorer(copy)
    never = banned(copy.chat, copy.model.config)
    some = [i for i in range(len(copy.model.lm_head.weight)) if i not in (*copy.chat.stops, *never)]
    model.distribution = Distribution(1.0, (*never, *some[3:]))
    drawn = rollout(model, asked, 1, 24, model.distribution, seed=3)
    assert min(left) <= 3
    with torch.no_grad():
        scored = model([replace(asked[d.question], answer=d.ids) for d in drawn]).in_order()
    torch.testing.assert_close(scored, torch.tensor([p for d in drawn for p in d.logps]), atol=3e-5, rtol=1e-5)
