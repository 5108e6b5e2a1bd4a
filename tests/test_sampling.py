"""Sampled answers, forced answers, and turns in which the model asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import dialogue
from tests.conftest import draw as picture
from unveil.core.sampling import Sampling, seed_of
from unveil.testing.models import KINDS, fresh
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.features import Features
from unveil.vlm.generate import banned, draw
from unveil.vlm.listening import uniforms
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution, Scorer

HISTORY = (("Can you describe the image in detail?", "A round nodule."), ("Is anything abnormal?", "Yes."))
SELF = {"kind": "self-question", "answer": "Where is the nodule?", "history": HISTORY}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture(tmp_path_factory.mktemp("images") / "a.png", (96, 64), 0)


def test_draws_follow_the_distribution() -> None:
    """By inversion of the distribution function: with p = (0.5, 0.3, 0.2) and 4,000 rows, each with a seed of its own,
    shares lie within 0.03 of p (four standard deviations of a share are 4 * sqrt(0.25 / 4000) = 0.032)."""
    p = torch.tensor([0.5, 0.3, 0.2])
    ids, logps = draw(p.log().expand(4000, 3), Distribution(), uniforms(range(4000), 1, 1)[:, 0])
    assert (torch.bincount(ids, minlength=3) / 4000 - p).abs().max() < 0.032
    torch.testing.assert_close(logps, p.log()[ids])


def test_the_number_decides_which_token_is_drawn() -> None:
    """With p = (0.5, 0.3, 0.2): up to 0.5 the first, up to 0.8 the second, never one that is banned."""
    p = torch.tensor([0.5, 0.3, 0.2]).log().expand(5, 3)
    numbers = torch.tensor([0.0, 0.49, 0.51, 0.79, 1 - 2**-24])  # the last is the largest that there is
    assert draw(p, Distribution(), numbers)[0].tolist() == [0, 0, 1, 1, 2]
    assert float(uniforms(range(50), 2, 500).max()) < 1 and uniforms([1], 1, 1).dtype == torch.float32
    assert draw(p, Distribution(banned=(0, 2)), numbers)[0].tolist() == [1] * 5
    assert draw(p, Distribution(temperature=0.0), numbers)[0].tolist() == [0] * 5


def test_top_k_and_top_p_leave_only_the_likeliest() -> None:
    """Of (0.5, 0.3, 0.2), top-k 2 never draws the last, top-p 0.4 only the first."""
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(200, 3).clone()
    for some, allowed in ((Distribution(top_k=2), {0, 1}), (Distribution(top_p=0.4), {0})):
        ids, logps = draw(logits, some, uniforms(range(200), 1, 1)[:, 0])
        assert set(ids.tolist()) == allowed and logps.exp().max() > 0.6


def test_seeds_are_those_of_their_names() -> None:
    assert seed_of(1, "a") == seed_of(1, "a") != seed_of(1, "b") and 0 <= seed_of("x") < 2**48


def test_a_draw_does_not_depend_on_the_batch(tiny: Loaded, image: Path) -> None:
    """Each row draws from a generator of its own: alone, together and in another order it says the same."""
    rows = [tiny.chat.encode(dialogue(str(i), image.name, "Where? " * (i + 1)), image, False) for i in range(4)]
    sampling, seeds = Sampling(1.2, 100, 0.95), [11, 12, 13, 14]
    together = Engine(tiny).answer(rows, 8, sampling, seeds)
    alone = [Engine(tiny).answer([r], 8, sampling, [s])[0] for r, s in zip(rows, seeds, strict=True)]
    assert together == alone
    assert Engine(tiny).answer(rows[::-1], 8, sampling, seeds[::-1]) == together[::-1]
    assert Engine(tiny).answer(rows, 8, sampling, [21, 22, 23, 24]) != together


@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_what_a_model_says_instead_is_its_likeliest_token_at_each_place(family: Loaded, image: Path) -> None:
    """As one forward pass along the answer gives it, row by row, whatever stands beside it; never an image's token."""
    answers = ("Yes.", "nodule; cyst (round).")
    rows = [family.chat.encode(dialogue(a, image.name, "Name it.", a), image, True) for a in answers]
    said = Engine(family).led(rows)
    for row, text in zip(rows, said, strict=True):
        batch = family.chat.batch([row])
        del batch["labels"]
        with torch.no_grad():
            logits = family.model(**batch).logits[0]
        logits[:, banned(family.chat, family.model.config)] = float("-inf")
        best = logits.argmax(-1)
        start = len(row.prompt) - 1
        assert text == family.chat.text(best[start : start + len(row.answer)].tolist())


@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_a_model_asks_in_a_role_of_its_own(family: Loaded, image: Path) -> None:
    """Earlier turns stand as the template writes them; then the user's turn opens with the role renamed, and what is
    learnt is the question and its end."""
    chat = family.chat
    row = chat.encode(dialogue("d", image.name, "", **SELF), image, True)  # type: ignore[arg-type]
    text = chat.decode(row.prompt)
    assert text.endswith(chat.asker) and "vuser" in chat.asker.lower()
    assert [text.find(word) for pair in HISTORY for word in pair] == sorted(
        text.find(word) for pair in HISTORY for word in pair
    )
    assert all(text.count(word) == 1 for word in ("describe the image", "A round nodule."))
    assert chat.decode(row.answer).startswith(("Where is the nodule?", " Where is the nodule?"))
    assert row.answer[-len(chat.end) :] == chat.end
    answer = chat.encode(dialogue("e", image.name, "Where?", "There.", history=HISTORY), image, True)
    assert "vuser" not in chat.decode(answer.prompt).lower()


def test_a_question_of_ones_own_needs_a_turn_before_it(tiny: Loaded, image: Path) -> None:
    with pytest.raises(ModelError, match="d: a model's own question needs a turn before it"):
        tiny.chat.encode(dialogue("d", image.name, "", **{**SELF, "history": ()}), image, True)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_conversations_share_their_image_like_other_rows(family: Loaded, image: Path) -> None:
    """Rows with earlier turns and rows without, on one image: on the tree as on plain rows, to 1e-5."""
    found = []
    for tree in (False, True):
        copy = fresh(family.name)
        asked = [
            dialogue("a", image.name, "Where?", "There."),
            dialogue("b", image.name, "", **SELF),  # type: ignore[arg-type]
            replace(dialogue("c", image.name, "Is it large?", "No."), history=HISTORY[:1]),
        ]
        rows = [copy.chat.encode(d, image, True) for d in asked]
        features = Features(copy.model, copy.chat.processor.image_processor, 100)
        found.append(Scorer(copy.model, copy.chat, features, tree=tree)(rows).summed())
    assert torch.allclose(found[0], found[1], atol=1e-5, rtol=1e-5)


def test_a_question_without_an_image(tiny: Loaded) -> None:
    """A text-only prompt is answered like any other, also in a batch."""
    rows = [tiny.chat.encode_text(str(i), "Is it? " * (i + 1)) for i in range(3)]
    assert Engine(tiny).answer(rows, 4) == [Engine(tiny).answer([row], 4)[0] for row in rows]
