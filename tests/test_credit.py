"""What a token is credited with: places up to the heading behind them, names outside of boxes, all else everywhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import Case, grade
from unveil.core.records import Dialogue, Kind, Record
from unveil.rl import advantages
from unveil.rl.credit import _scopes, masks, placed, relative
from unveil.rl.experience import Experience, Rewarded
from unveil.rl.rewards import UNUSABLE, named, shares
from unveil.vlm import token_offsets
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded

VIEW = View(BOX_FORMATS["bins-64"], (64, 64), (64, 64))
MEAN, SPREAD = advantages.named("dr-grpo"), advantages.named("grpo")
BOX = "<b1><b2><b30><b40>"
SAID = f"Detection: abnormal.\nLocalisation: {BOX} in the lung; {BOX}.\nRecognition: cyst; nodule."


def drawn(chat: Chat, *answers: str, kind: Kind = "diagnosis", judged: bool = False) -> Experience:
    ids = [[*chat.tokenizer(text, add_special_tokens=False)["input_ids"], *chat.end] for text in answers]
    made = SimpleNamespace(
        cases=[case(chat.text(own), kind) for own in ids],
        rollouts=[SimpleNamespace(ids=own) for own in ids],
        judged=judged,
    )
    return cast(Experience, made)


def case(text: str, kind: Kind = "diagnosis", view: View = VIEW) -> Case:
    """An answer to a question about an image of which nothing is known."""
    dialogue = Dialogue("a/q", "a", "a.png", "train", kind, "?", "", "nodule" if kind == "localisation" else None)
    return grade(dialogue, Record("a", "a.png", 64, 64), text, view, ["cyst", "nodule"])


def said(chat: Chat, ids: list[int], mask: Tensor) -> str:
    """What the tokens under a mask say."""
    return "".join(
        piece for piece, inside in zip(token_offsets.pieces(chat.tokenizer, ids), mask.tolist(), strict=True) if inside
    )


def scopes(answers: Experience, chat: Chat, *rewards: str) -> dict[str, Tensor]:
    """Which tokens are credited with which reward, all answers being of use."""
    return masks(earned(**{name: [0.0] * len(answers.rollouts) for name in rewards}), answers, chat)


def earned(**shares: list[float]) -> Rewarded:
    """What answers to one question earn, all of which are of use."""
    given = {name: torch.tensor([values], dtype=torch.float64) for name, values in shares.items()}
    return Rewarded([], {}, np.ones((1, len(next(iter(shares.values())))), bool), given)


def test_scopes_of_a_diagnosis_by_hand(tiny: Loaded) -> None:
    """The place: all up to the token that begins the next heading. Names: all but the
    two boxes behind their first tokens. The rest: all."""
    chat, answers = tiny.chat, drawn(tiny.chat, SAID)
    ids = answers.rollouts[0].ids
    found = scopes(answers, chat, "localisation", "hits@0.5", "category", "vision", UNUSABLE)
    place = said(chat, ids, found["localisation"])
    assert place.startswith(f"Detection: abnormal.\nLocalisation: {BOX} in the lung; {BOX}.\n")
    heading = place.partition(f"; {BOX}.\n")[2]
    assert heading and "Recognition:".startswith(heading)
    assert torch.equal(found["hits@0.5"], found["localisation"])
    words = said(chat, ids, found["category"])
    assert words.replace(" ", "").startswith(SAID.replace(BOX, "<b1>").replace(" ", ""))
    assert found["vision"].all() and found[UNUSABLE].all()


def test_a_judge_reads_the_boxes_too(tiny: Loaded) -> None:
    """Without one, relevance is what the annotations say of names."""
    alone = scopes(drawn(tiny.chat, SAID), tiny.chat, "relevance", "category")
    judged = scopes(drawn(tiny.chat, SAID, judged=True), tiny.chat, "relevance", "category")
    assert not alone["relevance"].all() and judged["relevance"].all()
    assert torch.equal(judged["category"], alone["category"])


@pytest.mark.parametrize(("text", "kind"), [(SAID, "localisation"), ("", "diagnosis"), ("A cyst.", "diagnosis")])
def test_where_nothing_is_known_all_tokens_are_credited(text: str, kind: Kind, tiny: Loaded) -> None:
    found = scopes(drawn(tiny.chat, text, kind=kind), tiny.chat, "localisation", "category")
    assert all(mask.all() for mask in found.values())


def test_a_box_that_is_no_place_is_credited_as_words(tiny: Loaded) -> None:
    """What stands in another step is none of the answer's boxes, so names depend on it as on any word."""
    text = f"Detection: abnormal {BOX}.\nLocalisation: {BOX}.\nRecognition: cyst."
    answers = drawn(tiny.chat, text)
    found = said(tiny.chat, answers.rollouts[0].ids, scopes(answers, tiny.chat, "category")["category"])
    assert found.replace(" ", "").startswith(f"Detection:abnormal{BOX}.\nLocalisation:<b1>.\nRecognition:cyst.")


def test_an_answer_of_boxes_alone_is_credited_with_its_names_all_the_same(tiny: Loaded) -> None:
    """Every reward must have a token that it comes with: the end of the answer is one that is no box."""
    answers = drawn(tiny.chat, BOX)
    found = scopes(answers, tiny.chat, "category")["category"]
    assert found[-1] and found.sum() < len(found)


def test_advantages_by_hand(tiny: Loaded) -> None:
    """Two answers earn 1.0 and 0.0 by place, 0.0 and 0.5 by names: apart from the means +-0.5 and -+0.25. A token of
    "Detection" has both, +0.25 and -0.25; one inside of a box the place only, one of "Recognition" (not its
    first) names only. Over the whole, all tokens have +0.25 and -0.25."""
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.0], category=[0.0, 0.5])
    found = relative(worth, answers, tiny.chat, MEAN, parts=True).split([len(d.ids) for d in answers.rollouts])
    for answer, sign in zip(found, (1.0, -1.0), strict=True):
        assert answer[0] == pytest.approx(sign * 0.25)
        assert answer[inner(tiny.chat, answers)] == pytest.approx(sign * 0.5)
        assert answer[-1] == pytest.approx(sign * -0.25)
    whole = relative(worth, answers, tiny.chat, MEAN, parts=False).split([len(d.ids) for d in answers.rollouts])
    assert (whole[0] == 0.25).all() and (whole[1] == -0.25).all()


def test_the_spread_is_that_of_all_rewards_together(tiny: Loaded) -> None:
    """The variances (with G - 1) of 1.0 and 0.0, and of 0.0 and 0.5, are 0.5 and 0.125; the place's +-0.5 over the root
    of their sum, 0.7906, are +-0.6325."""
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.0], category=[0.0, 0.5])
    found = relative(worth, answers, tiny.chat, SPREAD, parts=True)
    assert found[inner(tiny.chat, answers)] == pytest.approx(0.6325, abs=1e-4)


@pytest.mark.parametrize("parts", [True, False])
def test_an_advantage_of_ones_own_is_credited_by_part(parts: bool, tiny: Loaded) -> None:
    """Over the best other answer, of two: 1.0 and 0.0 by place are +1 and -1, 0.0 and 0.5 by names -0.5 and +0.5.

    A token of "Detection" has both, +0.5 and -0.5, as all tokens have over the whole; one inside of a box the place
    only, the last one names only.
    """
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.0], category=[0.0, 0.5])
    own = advantages.Advantage("own", lambda rewards_QG: rewards_QG - rewards_QG.flip(1))
    found = relative(worth, answers, tiny.chat, own, parts).split([len(d.ids) for d in answers.rollouts])
    for answer, sign in zip(found, (1.0, -1.0), strict=True):
        assert answer[0] == sign * 0.5
        assert answer[inner(tiny.chat, answers)] == pytest.approx(sign * (1.0 if parts else 0.5))
        assert answer[-1] == sign * (-0.5 if parts else 0.5)


def test_totals_that_tie_do_not_blow_up_parts_that_differ(tiny: Loaded) -> None:
    """1.0 + 0.5 is 0.5 + 1.0: the totals have no spread, the parts have one. And all alike is 0."""
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.5], category=[0.5, 1.0])
    assert relative(worth, answers, tiny.chat, SPREAD, parts=True).abs().max() <= 1.0
    alike = earned(localisation=[0.3, 0.3], category=[0.7, 0.7])
    assert not relative(alike, answers, tiny.chat, SPREAD, parts=True).any()


@pytest.mark.parametrize("names", [("localisation",), ("localisation", "category", "vision")])
def test_what_cannot_be_used_is_charged_to_all_of_it(names: tuple[str, ...], tiny: Loaded) -> None:
    """Two answers with the same right place, one of which is cut: by ``rewards.shares`` it has nothing of the 1.0 that
    each reward gives, and every token of it lacks half of what there is, the box's too, and its last one."""
    answers = drawn(tiny.chat, SAID, SAID)
    parts = {name: np.array([[1.0, 1.0]]) for name in names}
    usable = np.array([[True, False]])
    found = shares(parts, [named(name, 1.0) for name in names], usable, "sum")
    worth = Rewarded([], {}, usable, {name: torch.from_numpy(share) for name, share in found.items()})
    _, cut = relative(worth, answers, tiny.chat, MEAN, True).split([len(d.ids) for d in answers.rollouts])
    assert (cut == -0.5 * len(names)).all()
    assert placed(worth, answers, tiny.chat, parts=True).sum() == len(names)


FORMAT_BOXES = {
    "json-pixels": ('{"bbox_2d": [1, 2, 30, 40], "label": "cyst"}', "[1, 2, 30, 40]"),
    "loc-1024": ("<loc0001><loc0002><loc0030><loc0040>", "<loc0001><loc0002><loc0030><loc0040>"),
    "unit-square": ("[0.1, 0.2, 0.3, 0.4]", "[0.1, 0.2, 0.3, 0.4]"),
}


@pytest.mark.parametrize("name", FORMAT_BOXES)
def test_boxes_of_other_box_formats_are_no_names_but_for_their_first_token(name: str) -> None:
    """A letter a token: of the box as the parser reads it only the first letter belongs to the names."""
    said, box = FORMAT_BOXES[name]
    text = f"Detection: abnormal.\nLocalisation: {said}.\nRecognition: cyst."
    letters = SimpleNamespace(offsets=lambda ids: [(i, i + 1) for i in range(len(text))])
    answer = case(text, view=View(BOX_FORMATS[name], (64, 64), (64, 64)))
    _, names = _scopes(answer, cast(Chat, letters), [0] * len(text))
    kept = "".join(letter for letter, inside in zip(text, names, strict=True) if inside)
    assert kept == text.replace(box, box[0])


def inner(chat: Chat, answers: Experience) -> int:
    """The place of a token inside of the first box, which does not begin it."""
    return next(
        i for i, piece in enumerate(token_offsets.pieces(chat.tokenizer, answers.rollouts[0].ids)) if "<b2>" in piece
    )


def test_rewards_come_with_the_last_token_that_they_can_depend_on(tiny: Loaded) -> None:
    """The place with the heading's first token, names with the end; of the whole all with the end. Sums are equal."""
    answers = drawn(tiny.chat, SAID)
    worth = earned(localisation=[1.0], category=[0.5])
    parts, whole = (placed(worth, answers, tiny.chat, how) for how in (True, False))
    inside = scopes(answers, tiny.chat, "localisation")["localisation"]
    assert parts[int(inside.nonzero()[-1])] == 1.0 and parts[-1] == 0.5 and parts.sum() == 1.5
    assert whole[-1] == 1.5 and whole.sum() == 1.5
