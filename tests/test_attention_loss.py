"""A model that is taught where to look: which tokens, at what, with which gradient, and where it cannot be."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import dialogue, draw, write_dialogues
from unveil.testing.models import TREES, fresh
from unveil.train import attention_loss, loop, losses, sft
from unveil.train.attention_loss import Targets
from unveil.vlm import token_offsets
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, Scores

HERE = "<box 4.00 4.00 30.00 30.00>"
SHORT = "llava_mistral"  # its window ends before the image here
TAUGHT = [name for name in TREES if name != SHORT]


def scorer_of(copy: Loaded, tree: bool = True) -> Scorer:
    features = Features(copy.model, copy.chat.processor.image_processor, 64)
    return Scorer(copy.model, copy.chat, features, attention_gradients=True, tree=tree)


def row_of(copy: Loaded, folder: Path, answer: str) -> EncodedExample:
    image = draw(folder / "a.png", (64, 64), 3)
    return copy.chat.encode(dialogue("d", image.name, "Where is it?", answer), image, True)


def test_the_loss_by_hand() -> None:
    """Shares 0.99 and 0.09 with a floor of 0.01: -log 1.0 = 0 and -log 0.1 = 2.3026."""
    assert losses.attention(torch.tensor([0.99, 0.09])).tolist() == pytest.approx([0.0, math.log(10)], abs=1e-6)


def test_the_share_by_hand() -> None:
    """A token pays three patches 0.1, 0.3 and 0.2; the third stands for no place. The box covers half of the first and
    all of the second: (0.05 + 0.3) / 0.4 = 0.875. A token that does not see the image is left out."""
    scores = Scores(torch.zeros(3), torch.zeros(3), 1, weights={0: torch.tensor([[0.1, 0.3, 0.2], [0.0, 0.0, 0.0]])})
    told = {0: Targets([4, 5], torch.tensor([0.5, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0]))}
    assert attention_loss.shares_N(scores, told).tolist() == pytest.approx([0.875])
    assert attention_loss.shares_N(scores, {}).shape == (0,)


def test_who_is_told_to_look(tiny: Loaded, tmp_path: Path) -> None:
    """The tokens before those of each box, which write them; an answer without a box tells nobody."""
    rows = [row_of(tiny, tmp_path, text) for text in (f"{HERE} on the left; {HERE}.", "There is no cyst.")]
    found = attention_loss.targets(scorer_of(tiny), rows)
    assert set(found) == {0} and attention_loss.watched(found) == {0: found[0].tokens}
    pieces = token_offsets.pieces(tiny.chat.tokenizer, rows[0].answer)
    written = [pieces[t + 1].strip() for t in found[0].tokens]
    assert all(piece.startswith("<b") for piece in written) and len(written) in (7, 8)  # the first may begin the answer
    assert 0 < float(found[0].covered_P.sum()) < len(found[0].covered_P)


@pytest.mark.parametrize("name", TAUGHT)
def test_a_step_along_the_gradient_makes_it_look(name: str, tmp_path: Path) -> None:
    """On every family a step against the gradient raises the share; without ``attention_gradients`` there is none."""
    copy = fresh(name)
    row = row_of(copy, tmp_path, HERE)
    scorer = scorer_of(copy)
    told = attention_loss.targets(scorer, [row])

    def share() -> torch.Tensor:
        return attention_loss.shares_N(scorer([row], attention_loss.watched(told)), told)

    first = share()
    language = [p for n, p in copy.model.named_parameters() if "q_proj" in n or "k_proj" in n or "qkv" in n]
    language = [p for p in language if p.requires_grad]
    loss = losses.attention(first).sum()
    found = torch.autograd.grad(loss, language, allow_unused=True)
    size = math.sqrt(sum(float((g**2).sum()) for g in found if g is not None))
    assert size > 0
    with torch.no_grad():
        for p, g in zip(language, found, strict=True):
            if g is not None:
                p -= 0.02 * g / size
        assert float(losses.attention(share()).sum()) < float(loss)
    scorer.attention_gradients = False
    assert not share().requires_grad


def test_what_is_read_is_the_same_with_and_without_a_gradient(tiny: Loaded, tmp_path: Path) -> None:
    row = row_of(tiny, tmp_path, f"{HERE}.")
    scorer = scorer_of(tiny)
    told = attention_loss.targets(scorer, [row])
    with_gradient = attention_loss.shares_N(scorer([row], attention_loss.watched(told)), told)
    scorer.attention_gradients = False
    assert torch.equal(
        with_gradient.detach(), attention_loss.shares_N(scorer([row], attention_loss.watched(told)), told)
    )


@pytest.mark.parametrize(
    ("weight", "recomputed", "tree", "why"),
    [
        (-1.0, False, True, "a weight, 0 or more"),
        (1.0, False, False, "runs on plain rows"),
        (1.0, True, True, "computes twice"),
    ],
)
def test_where_it_cannot_be_taught(weight: float, recomputed: bool, tree: bool, why: str, tiny: Loaded) -> None:
    config = sft.Config(dialogues=Path("d"), out=Path("o"), attention_loss=weight, gradient_checkpointing=recomputed)
    with pytest.raises(loop.TrainingError, match=why):
        attention_loss.check(scorer_of(tiny, tree), config)
    attention_loss.check(scorer_of(tiny, False), replace(config, attention_loss=0.0, gradient_checkpointing=True))


def test_fine_tuning_that_looks(tiny_folder: Path, tmp_path: Path) -> None:
    """The share of the attention that lies in the boxes rises; the loss that is logged is that of the answers alone."""
    dialogues = write_dialogues(tmp_path, 9)
    usual: dict[str, Any] = {
        "dialogues": dialogues, "model": str(tiny_folder), "learning_rate": 5e-3, "epochs": 16.0, "log_every": 1,
        "validate_every": 0, "checkpoint_every": 0, "workers": 0,
    }  # fmt: skip
    config = sft.Config(out=tmp_path / "attention_loss", attention_loss=20.0, **usual)
    rows = [json.loads(line) for line in (sft.main(config) / "metrics.jsonl").read_text().splitlines()]
    looked = [row["attention_share"] for row in rows if "attention_share" in row]
    assert sum(looked[-9:]) > 1.5 * sum(looked[:9])
    plain = sft.main(replace(config, out=tmp_path / "plain", attention_loss=0.0))
    first = json.loads((plain / "metrics.jsonl").read_text().splitlines()[0])
    assert "attention_share" not in first and first["loss"] == pytest.approx(rows[0]["loss"], rel=1e-5)
