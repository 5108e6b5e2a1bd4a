"""The token tree gives the log-probabilities and gradients of plain rows, on every architecture."""

from __future__ import annotations

import copy as copying
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor

from tests.helpers.trees import frozen, graded, of_image, rows_of, scorer, values
from unveil.testing import gemma
from unveil.testing.models import fresh, pristine
from unveil.train import loop
from unveil.vlm import attention
from unveil.vlm import scorer as scorer_module
from unveil.vlm.families import FAMILIES, Family, family_of
from unveil.vlm.models import Loaded
from unveil.vlm.token_tree import Forest


@pytest.mark.parametrize("trained", ["all", "language"])
@pytest.mark.parametrize("budget", [None, 4000])
def test_tree_equals_plain_rows(family: Loaded, tmp_path: Path, trained: str, budget: int | None) -> None:
    """Log-probabilities to 1e-5, gradients to 1e-4 of the largest, image part trained or remembered, packed or not."""
    found = []
    for tree in (False, True):
        copy = fresh(family.name)
        if trained == "language":
            loop.trainable(copy.model, {"language"})
        found.append(graded(copy, rows_of(copy, tmp_path), tree=tree, budget=budget))
    (plain, gradients), (treed, others) = found
    assert torch.allclose(plain, treed, atol=1e-5, rtol=1e-5), (plain - treed).abs().max()
    assert gradients.keys() == others.keys()
    largest = max(float(g.abs().max()) for g in gradients.values())
    for name, gradient in gradients.items():
        assert float((gradient - others[name]).abs().max()) <= 1e-4 * largest, name


# ---------------------------------------------------------------------------------------------------- what must be seen


def test_a_leaked_branch_is_seen(family: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: d010's answer is shown to its three siblings (d011 to d013), whose values then change.

    Nobody else's do: not those before it, nor its own, nor those on other images.
    """
    real, rows = scorer_module.masks, rows_of(family, tmp_path)
    expected = values(family, rows, tree=False)

    def leaky(base: Any, forest: Forest, row: Family, *runs: Any) -> Any:
        own = forest.before_S[forest.leaves_S == 1][1:]  # its tokens but the last, each of which predicts the next
        siblings = forest.before_S[forest.leaves_S == 4][-1] + 1
        until = forest.until_BT.clone().flatten()
        until[own] = siblings % forest.ids_BT.shape[1] + 1
        return real(base, replace(forest, until_BT=until.view_as(forest.until_BT)), row, *runs)

    monkeypatch.setattr(scorer_module, "masks", leaky)
    difference = (values(family, rows) - expected).abs()
    assert float(difference[2:5].min()) > 1e-3
    assert float(difference[[0, 1, 5, 6, 7, 8, 9]].max()) < 1e-4


def test_a_wrong_position_is_seen(family: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: positions that count through the row instead of along the path.

    The first path of each tree has the right ones all the same: d000, d100 and d210, the rows 0, 7 and 9. Where only
    answers share, each of the five prompts is a tree of its own: the rows 1 and 5 as well.
    """
    real, rows = scorer_module.positions, rows_of(family, tmp_path)
    expected = values(family, rows, tree=False)

    def counting(base: Any, forest: Forest, row: Family) -> Tensor:
        through = torch.arange(forest.ids_BT.shape[1]).expand_as(forest.offsets_BT)
        return real(base, forest, row) + through - forest.offsets_BT

    monkeypatch.setattr(scorer_module, "positions", counting)
    difference = (values(family, rows) - expected).abs()
    alone = family_of(family.model.config).both_ways == "prompt"
    right = [0, 1, 5, 7, 9] if alone else [0, 7, 9]
    assert float(difference[[i for i in range(10) if i not in right]].min()) > 1e-3
    assert float(difference[right].max()) < 1e-4


# -------------------------------------------------------------------------------------------------------- architectures


@pytest.mark.parametrize("window", [3, 8])
@pytest.mark.parametrize("layers", ["sliding, sliding", "sliding, full"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_window_that_is_shorter_than_the_row(tmp_path: Path, window: int, layers: str, attention: str) -> None:
    """Gemma 3 with layers that see 8 tokens back, or 3, which is less than the image's 4; rows have more than 30."""
    old = fresh("gemma3")
    config = copying.deepcopy(old.model.config)
    config.text_config.sliding_window = window
    config.text_config.layer_types = [f"{kind}_attention" for kind in layers.split(", ")]
    model = tf.Gemma3ForConditionalGeneration._from_config(config, attn_implementation=attention)
    model.load_state_dict(pristine("gemma3"))
    copy = replace(old, model=model.eval())
    rows = rows_of(copy, tmp_path)
    assert min(map(len, rows)) > 30
    plain = values(copy, rows, tree=False)
    assert torch.allclose(values(copy, rows), plain, atol=1e-5, rtol=1e-5)
    assert float((values(old, rows) - plain).abs().min()) > 1e-3, "the window makes a difference"


def test_gemma_4_sees_an_image_both_ways_in_windows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In sliding layers, or in none where its configuration says so; in all layers, as Gemma 3, would be seen."""
    old = fresh("gemma4")
    rows, found = rows_of(old, tmp_path), {}
    for told in ("vision", None):
        model = gemma.gemma4(both_ways=told)[0]
        model.load_state_dict(pristine("gemma4"))
        copy = replace(old, model=model.eval())
        found[told] = values(copy, rows, tree=False)
        assert torch.allclose(values(copy, rows), found[told], atol=1e-5, rtol=1e-5)
    assert float((found["vision"] - found[None]).abs().min()) > 1e-3
    monkeypatch.setitem(FAMILIES, "gemma4", replace(FAMILIES["gemma4"], both_ways="image"))
    assert float((values(old, rows) - found["vision"]).abs().min()) > 1e-3


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl", "gemma3", "qwen3_5", "lfm2_vl"])
def test_eager_attention_takes_a_tree_too(name: str, tmp_path: Path) -> None:
    copy = fresh(name)
    rows = rows_of(copy, tmp_path)
    expected = values(copy, rows, tree=False)
    copy.model.set_attn_implementation("eager")
    assert copy.model.config.get_text_config()._attn_implementation == "eager"
    assert torch.allclose(values(copy, rows), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    "name", ["llava_siglip", "llava_mistral", "llava_next", "gemma3", "gemma4", "smolvlm", "lfm2_vl"]
)
def test_flex_attention_takes_a_tree_too(name: str, tmp_path: Path) -> None:
    """The mask of blocks through whole models, uncompiled; a backward pass exists on GPUs only."""
    copy = fresh(name)
    rows = rows_of(copy, tmp_path)
    expected = values(copy, rows, tree=False)
    copy.model.set_attn_implementation({"text_config": "flex_attention"})
    assert copy.model.config.get_text_config()._attn_implementation == "flex_attention"
    with torch.compiler.set_stance("force_eager"):
        assert torch.allclose(values(copy, rows), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("row", [None, replace(FAMILIES["llava"], shares="rows")], ids=["no row", "a row"])
def test_a_family_without_a_tree_runs_on_plain_rows(
    row: Family | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The values of the plain rows, as many tokens as these have, and one warning however often it is called."""
    copy = fresh("llava_siglip")
    rows = rows_of(copy, tmp_path)
    expected = values(copy, rows)
    if row is None:
        monkeypatch.delitem(FAMILIES, "llava")
    else:
        monkeypatch.setitem(FAMILIES, "llava", row)
    with caplog.at_level(logging.WARNING):
        model = scorer(copy)
        found = [model(rows).summed().detach() for _ in range(2)]
    assert all(torch.allclose(f, expected, atol=1e-5, rtol=1e-5) for f in found)
    assert model.counts["lm_tokens"] == 2 * sum(map(len, rows))
    (line,) = caplog.records
    assert line.getMessage().startswith("llava models are not known to take a token tree; each answer runs as a row")


# ------------------------------------------------------------------------------------------------------ head and scores


def test_a_head_in_chunks_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tokens at a time: log-probabilities and all gradients as with the whole at once."""
    found = []
    for chunk in (scorer_module.CHUNK, 3 * len(fresh("llava_siglip").chat.tokenizer)):
        monkeypatch.setattr(scorer_module, "CHUNK", chunk)
        copy = fresh("llava_siglip")
        calls: list[int] = []
        copy.model.lm_head.register_forward_hook(lambda _, args, out, calls=calls: calls.append(len(args[0])))
        rows = rows_of(copy, tmp_path)
        found.append((graded(copy, rows), calls))
    ((one, gradients), once), ((other, others), often) = found
    scored = sum(len(row.answer) for row in rows)
    assert once == [scored], "at once"
    assert max(often) == 3 and sum(often) == 2 * scored, "in threes, and again in the backward pass"
    assert torch.allclose(one, other, atol=1e-6)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_scores_are_those_of_the_rows_whatever_their_order(tmp_path: Path) -> None:
    """The rows reversed, so that trees hold them in another order and the longest tree, packed first, is the last."""
    copy = fresh("llava_siglip")
    rows = rows_of(copy, tmp_path)
    with torch.no_grad():
        there, back = scorer(copy)(rows), scorer(copy)(rows[::-1])
    assert torch.bincount(there.rows_S).tolist() == [len(row.answer) for row in rows]
    assert torch.bincount(back.rows_S).tolist() == [len(row.answer) for row in rows[::-1]]
    assert torch.allclose(there.summed(), back.summed().flip(0), atol=1e-5)
    parts = there.in_order().split([len(row.answer) for row in rows])
    assert torch.allclose(torch.stack([part.sum() for part in parts]), there.summed(), atol=1e-5)
    others = back.in_order().split([len(row.answer) for row in rows[::-1]])
    for part, other in zip(parts, others[::-1], strict=True):
        assert torch.allclose(part, other, atol=1e-5)


# -------------------------------------------------------------------------------------------------------- what it costs


def test_a_tree_costs_less(family: Loaded, tmp_path: Path) -> None:
    """Ten rows on three images, called twice: fewer tokens than in plain rows, three images through a frozen tower.

    At least the image's tokens are left out of all rows but the first of each image: seven of ten. Where only answers
    share, of all but the first of each prompt: five of ten.
    """
    copy = frozen(family.name)
    rows = rows_of(copy, tmp_path)
    treed, plain = scorer(copy), scorer(copy, tree=False)
    with torch.no_grad():
        for _ in range(2):
            treed(rows), plain(rows)
    assert plain.counts["lm_tokens"] == 2 * sum(map(len, rows))
    assert treed.architecture is not None
    alone = treed.architecture.both_ways == "prompt"
    left_out = [i for i in range(10) if i not in ([0, 1, 5, 7, 9] if alone else [0, 7, 9])]
    blocks = sum(len(rows[i].seen.block) for i in left_out)
    assert treed.counts["lm_tokens"] <= plain.counts["lm_tokens"] - 2 * blocks
    assert treed.features.keeps == "features" and treed.features.encodings == 3


# -------------------------------------------------------------------------------------------------------- what is read


def test_attention_is_that_of_the_eager_model(family: Loaded, tmp_path: Path) -> None:
    """Chosen tokens of answers in the forest: the rows that ``output_attentions`` of plain eager rows has, to 1e-5.

    Mean over heads and the middle third of the layers (of two layers both). What is not watched is not read, and the
    log-probabilities are those of a pass that reads nothing.
    """
    copy = fresh(family.name)
    rows = rows_of(copy, tmp_path)
    watched = {1: [0, 2], 4: [0], 7: [1], 3: [len(rows[3].answer) - 1]}
    scoring = scorer(copy)
    before = attention.of(copy.model)
    with torch.no_grad():
        expected, found = scoring(rows).in_order(), scoring(rows, watched)
    assert attention.of(copy.model) == before and all("unveil_hook" not in vars(m) for m in copy.model.modules())
    torch.testing.assert_close(found.in_order(), expected, atol=1e-6, rtol=1e-6)
    assert list(found.weights) == list(watched)
    copy.model.set_attn_implementation("eager")
    for number, tokens in watched.items():
        batch = copy.chat.batch([rows[number]])
        del batch["labels"]
        with torch.no_grad():
            layers = of_image(copy, copy.model(**batch, output_attentions=True).attentions, batch["input_ids"][0])
        words = [len(rows[number].prompt) + token for token in tokens]
        read = [layers[i][0][:, words].mean(0) for i in attention.middle_third(len(layers))]
        mean = torch.stack(read).mean(0)
        torch.testing.assert_close(found.weights[number], mean, atol=1e-5, rtol=0)


def test_entropy_and_temperature_by_hand(tmp_path: Path) -> None:
    """Logits 0 and log 9 of all but two ids banned: at T = 2 they are 0 and log 3, p = 1/4 and 3/4.

    Entropy log 4 - 3/4 log 3 = 0.56234; a banned id has no share in it, and its gradient is 0, not NaN.
    """
    copy = fresh("llava_siglip")
    base = copy.model
    size = base.lm_head.weight.shape[0]
    hidden = torch.zeros(1, base.lm_head.weight.shape[1], requires_grad=True)
    drawn = scorer_module.Distribution(2.0, tuple(range(2, size)))
    bias = torch.zeros(size)
    bias[1], bias[5] = 2.1972246, 50.0
    base.lm_head.bias = torch.nn.Parameter(bias)
    logps, entropies = scorer_module.head(base, hidden, torch.tensor([1]), drawn, entropy=True)
    assert logps.tolist() == pytest.approx([-0.2876821]) and entropies is not None
    assert entropies.tolist() == pytest.approx([0.5623351])
    entropies.sum().backward()
    assert base.lm_head.bias.grad is not None and torch.isfinite(base.lm_head.bias.grad).all()
    assert float(base.lm_head.bias.grad[5]) == 0.0
