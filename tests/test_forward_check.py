"""What is computed here is what the model computes by itself, whatever the family; where it is not, nothing is learnt.

The reference is each row alone through the model's own forward pass, written out in ``own``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import dialogue, draw
from unveil.core.sampling import Sampling
from unveil.testing.models import ENTRIES, UNDECLARED, fresh
from unveil.train import loop
from unveil.vlm import model_parts, tower_states
from unveil.vlm.chat import IGNORED
from unveil.vlm.families import FAMILIES, ModelError
from unveil.vlm.features import Features
from unveil.vlm.forward_check import settle
from unveil.vlm.generate import drawn_from, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer


def scorer_of(one: Loaded, trained: set[str] | None = None, **options: Any) -> Scorer:
    loop.trainable(one.model, trained or {"language"})
    return Scorer(one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 64), **options)


def rows_of(one: Loaded, folder: Path) -> list[EncodedExample]:
    """A row on one image and one on another, which is longer."""
    asked = [
        dialogue("a", draw(folder / "a.png", (70, 90), 0).name, "Where is it?", "Yes, a nodule."),
        dialogue("b", draw(folder / "b.png", (120, 60), 1).name, "Is there anything to be seen here?", "cyst (round)"),
    ]
    return [one.chat.encode(d, folder / d.image, with_answer=True) for d in asked]


@torch.no_grad()
def own(one: Loaded, rows: list[EncodedExample]) -> Tensor:
    """Log-probabilities of the answers' tokens as the model itself gives them, row after row."""
    found = []
    for row in rows:
        batch: dict[str, Any] = dict(one.chat.batch([row]))
        labels_T = batch.pop("labels")[0]
        logps_TV = one.model(**batch, use_cache=False).logits[0].log_softmax(-1)
        at = (labels_T != IGNORED).nonzero()[:, 0]
        found.append(logps_TV[at - 1].gather(1, labels_T[at][:, None])[:, 0])
    return torch.cat(found)


def check_scored_and_drawn(one: Loaded, scorer: Scorer, rows: list[EncodedExample]) -> None:
    """Scores equal the model's own, and answers are sampled with the log-probabilities that they are scored with."""
    scorer.eval()
    with torch.no_grad():
        assert torch.allclose(scorer(rows).in_order(), own(one, rows), atol=1e-4)
    scorer.distribution = drawn_from(scorer, Sampling(1.0))
    drawn = rollout(scorer, rows, 3, 8, scorer.distribution, 0)
    with torch.no_grad():
        scored_S = scorer([replace(rows[d.question], answer=d.ids) for d in drawn]).in_order()
    assert torch.allclose(scored_S, torch.tensor([p for d in drawn for p in d.logps]), atol=1e-4)


def test_known_families_keep_their_trees(family: Loaded, tmp_path: Path) -> None:
    one = fresh(family.name)
    scorer = scorer_of(one)
    settle(scorer, rows_of(one, tmp_path), draws=True)
    assert scorer.architecture is not None and scorer.apart and scorer.features.keeps == "features"
    assert scorer.training, "as it was before"


def test_known_families_keep_their_trees_in_bf16(family: Loaded, tmp_path: Path) -> None:
    """Under autocast rounding is coarser than the weights' float32 would allow."""
    one = fresh(family.name)
    scorer = scorer_of(one)
    with torch.autocast("cpu", torch.bfloat16):
        settle(scorer, rows_of(one, tmp_path), draws=True)
    assert scorer.architecture is not None and scorer.apart


@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e.model_type in FAMILIES and not e.tree])
def test_known_families_without_a_tree(name: str, tmp_path: Path) -> None:
    """PaliGemma 2 is of a family that has a row, and makes its masks itself; features are remembered all the same."""
    one = fresh(name)
    scorer, rows = scorer_of(one), rows_of(one, tmp_path)
    settle(scorer, rows, draws=True)
    assert scorer.architecture is None and (scorer.features.keeps == "features") == scorer.apart
    check_scored_and_drawn(one, scorer, rows)


@pytest.mark.parametrize("trained", [{"language"}, {"language", "projector"}, {"language", "projector", "tower"}])
@pytest.mark.parametrize("name", [e.build.__name__ for e in UNDECLARED])
def test_families_that_nothing_is_declared_of(name: str, trained: set[str], tmp_path: Path) -> None:
    """Their own forward pass is used where ours would be another, and all that is trained has a gradient."""
    one = fresh(name)
    scorer, rows = scorer_of(one, trained), rows_of(one, tmp_path)
    settle(scorer, rows, draws=True)
    assert scorer.features.keeps != "features" and not (scorer.apart and name == "scaled_head")
    check_scored_and_drawn(one, scorer, rows)
    scorer(rows).summed().sum().backward()
    part_of = model_parts.parts_of(one.model)
    assert {part_of(n) for n, p in one.model.named_parameters() if p.grad is not None and p.grad.any()} == trained


def test_entropies_and_values_of_a_model_run_as_a_whole(tmp_path: Path) -> None:
    """By hand from its logits; the critic reads the last hidden states, of width 32."""
    one = fresh("no_features")
    critic = nn.Linear(one.model.config.get_text_config().hidden_size, 1)
    scorer, rows = scorer_of(one, entropy=True, critic=critic), rows_of(one, tmp_path)
    settle(scorer, rows, draws=True)
    scorer.eval()
    with torch.no_grad():
        found = scorer(rows[:1])
        batch: dict[str, Any] = dict(one.chat.batch(rows[:1]))
        labels_T = batch.pop("labels")[0]
        out = one.model(**batch, use_cache=False, output_hidden_states=True)
        before = (labels_T != IGNORED).nonzero()[:, 0] - 1
        logps = out.logits[0, before].log_softmax(-1)
        values = critic(out.hidden_states[-1][0, before])[:, 0]
    assert found.entropies_S is not None and found.values_S is not None
    torch.testing.assert_close(found.entropies_S, -(logps.exp() * logps).sum(-1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.values_S, values, atol=1e-4, rtol=1e-4)


def test_a_tower_with_a_norm_behind_its_last_layer_is_remembered_with_it(tmp_path: Path) -> None:
    """InternVL's projector reads what the norm makes of the last layer, as `use_mean_pooling: false` builds it."""
    one = fresh("internvl")
    one.model.model.vision_tower.layernorm = norm = nn.LayerNorm(32)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    rows = rows_of(one, tmp_path)
    expected = own(one, rows)
    scorer = scorer_of(one, {"language", "projector"})
    settle(scorer, rows, draws=True)
    assert scorer.features.keeps == "hidden states" and scorer.features.encodings > 0
    scorer.eval()
    with torch.no_grad():
        assert torch.allclose(scorer(rows).in_order(), expected, atol=1e-4)


def test_a_memory_that_is_wrong_is_found_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The own forward pass has no part of it, neither in the check nor in what is scored after it."""
    one = fresh("internvl")
    rows = rows_of(one, tmp_path)
    expected, real = own(one, rows), tower_states.frozen

    def off(tower: Any, look: Any) -> Any:
        out = real(tower, look)
        out.last_hidden_state = out.last_hidden_state.flip(1)
        return out

    monkeypatch.setattr(tower_states, "frozen", off)
    scorer = scorer_of(one, {"language", "projector"})
    settle(scorer, rows, draws=True)
    assert scorer.features.keeps == "nothing" and not scorer.apart
    scorer.eval()
    with torch.no_grad():
        assert torch.allclose(scorer(rows).in_order(), expected, atol=1e-4)


# ------------------------------------------------------------------------------------------ known ones that are changed


def changed(one: Loaded, after: Callable[[Any], None]) -> None:
    """Lets the model's own forward pass end with something of its own."""
    one.model.register_forward_hook(lambda model, given, out: after(out))


def test_a_known_model_with_another_head_is_run_as_a_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Logits are a quarter of the head's, as models with a scale behind it have them."""
    one = fresh("llava_siglip")

    def quarter(out: Any) -> None:
        out.logits = out.logits / 4

    changed(one, quarter)
    scorer, rows = scorer_of(one), rows_of(one, tmp_path)
    settle(scorer, rows, draws=True)
    assert scorer.architecture is None and not scorer.apart
    assert "llava: log-probabilities differ from its own by" in caplog.text
    check_scored_and_drawn(one, scorer, rows)


def test_a_model_that_sees_what_comes_is_refused(tmp_path: Path) -> None:
    """Each token's logits know the token after the next, as those of a model without a causal mask could."""
    one = fresh("llava_siglip")
    given: list[Tensor] = []

    def peek(out: Any) -> None:
        following = given[-1].roll(-2, 1)
        out.logits = out.logits + 9 * nn.functional.one_hot(following, out.logits.shape[-1])

    one.model.register_forward_pre_hook(lambda model, args, kw: given.append(kw["input_ids"]), with_kwargs=True)
    changed(one, peek)
    real = one.model.forward
    one.model.forward = lambda logits_to_keep=0, **more: real(**more)
    with pytest.raises(ModelError, match="llava models see what they are to write next"):
        settle(scorer_of(one), rows_of(one, tmp_path), draws=False)


def test_a_model_whose_rows_disturb_one_another_is_refused(tmp_path: Path) -> None:
    """Logits that depend on the batch, and on more than the head: no way of running it gives what a row alone does."""
    one = fresh("llava_siglip")

    def crowded(out: Any) -> None:
        out.logits = out.logits * len(out.logits) / 4

    changed(one, crowded)
    with pytest.raises(ModelError, match="llava models cannot be trained: log-probabilities differ from its own"):
        settle(scorer_of(one), rows_of(one, tmp_path), draws=False)


SHORT = [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("tree", [True, False])
def test_a_lack_of_memory_is_no_fault_of_the_model(error: Exception, tree: bool, tmp_path: Path) -> None:
    """Neither is it a difference that another way of running the model would mend."""
    one = fresh("llava_siglip")
    rows, passes = rows_of(one, tmp_path), iter([None, None, None])

    def greedy(model: Any, given: Any) -> None:
        if next(passes, error):  # after the own forward passes
            raise error

    one.model.model.language_model.register_forward_pre_hook(greedy)
    with pytest.raises(type(error)) as told:
        settle(scorer_of(one, tree=tree), rows, draws=True)
    assert told.value is error
    with pytest.raises(type(error)):
        rollout(scorer_of(one, tree=False), [replace(row, answer=[]) for row in rows], 1, 2, drawn_from(scorer_of(one)))


def test_weights_that_are_not_finite_are_said_to_be(tmp_path: Path) -> None:
    one = fresh("llava_siglip")
    nn.init.constant_(one.model.lm_head.weight, float("nan"))
    with pytest.raises(ModelError, match=r"the model's own log-probabilities of a are not finite"):
        settle(scorer_of(one), rows_of(one, tmp_path), draws=False)
