"""What a token is credited with: places up to the heading behind them, names outside of boxes, all else everywhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from unveil.encoding import Chat
from unveil.models import Loaded
from unveil.records import Kind
from unveil.syntax import SYNTAXES, View
from unveil.train.credit import masks, placed, relative
from unveil.train.experience import Experience, Rewarded
from unveil.train.rewards import UNUSABLE
from unveil.wording import places_end

VIEW = View(SYNTAXES["bins-64"], (64, 64), (64, 64))
BOX = "<b1><b2><b30><b40>"
SAID = f"Detection: abnormal.\nLocalisation: {BOX} in the lung; {BOX}.\nRecognition: cyst; nodule."


def drawn(chat: Chat, *answers: str, kind: Kind = "diagnosis", judged: bool = False) -> Experience:
    ids = [[*chat.tokenizer(text, add_special_tokens=False)["input_ids"], *chat.end] for text in answers]
    row = SimpleNamespace(seen=SimpleNamespace(view=VIEW))
    made = SimpleNamespace(
        cases=[SimpleNamespace(dialogue=SimpleNamespace(kind=kind))] * len(ids),
        drawn=[SimpleNamespace(ids=own) for own in ids],
        rows=[row] * len(ids),
        judged=judged,
    )
    return cast(Experience, made)


def said(chat: Chat, ids: list[int], mask: Tensor) -> str:
    """What the tokens under a mask say."""
    return "".join(piece for piece, inside in zip(chat.pieces(ids), mask.tolist(), strict=True) if inside)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (SAID, "Recognition: cyst; nodule."),
        ("Recognition: cyst.\nLocalisation: none.", None),
        ("A cyst.", None),
        ("localization: x.\nDetection: abnormal.", "Detection: abnormal."),
        ("Localisation: a.\nRecognition: b.\nLocalisation: c.\nRecognition: d.", "Recognition: d."),
        ("", None),
    ],
)
def test_where_places_end(text: str, rest: str | None) -> None:
    """At the heading behind the last places, wherever these stand; None where nothing follows them."""
    end = places_end(text)
    assert (None if end is None else text[end:]) == rest


def test_scopes_of_a_diagnosis_by_hand(tiny: Loaded) -> None:
    """The place: all up to the token that begins the next heading. Names: all but the two boxes. The rest: all."""
    chat, answers = tiny.chat, drawn(tiny.chat, SAID)
    ids = answers.drawn[0].ids
    found = masks(answers, chat, ["localisation", "hits@0.5", "category", "vision", UNUSABLE])
    place = said(chat, ids, found["localisation"])
    assert place.startswith(f"Detection: abnormal.\nLocalisation: {BOX} in the lung; {BOX}.\n")
    heading = place.partition(f"; {BOX}.\n")[2]
    assert heading and "Recognition:".startswith(heading)
    assert torch.equal(found["hits@0.5"], found["localisation"])
    words = said(chat, ids, found["category"])
    assert "<b" not in words and words.replace(" ", "").startswith(SAID.replace(BOX, "").replace(" ", ""))
    assert found["vision"].all() and found[UNUSABLE].all()


def test_a_judge_reads_the_boxes_too(tiny: Loaded) -> None:
    """Without one, relevance is what the annotations say of names."""
    alone = masks(drawn(tiny.chat, SAID), tiny.chat, ["relevance", "category"])
    judged = masks(drawn(tiny.chat, SAID, judged=True), tiny.chat, ["relevance", "category"])
    assert not alone["relevance"].all() and judged["relevance"].all()
    assert torch.equal(judged["category"], alone["category"])


@pytest.mark.parametrize(("text", "kind"), [(SAID, "localisation"), ("", "diagnosis"), ("A cyst.", "diagnosis")])
def test_where_nothing_is_known_all_tokens_are_credited(text: str, kind: Kind, tiny: Loaded) -> None:
    assert all(
        m.all() for m in masks(drawn(tiny.chat, text, kind=kind), tiny.chat, ["localisation", "category"]).values()
    )


def test_an_answer_of_boxes_alone_is_credited_with_its_names_all_the_same(tiny: Loaded) -> None:
    """Every reward must have a token that it comes with: the end of the answer is one that is no box."""
    answers = drawn(tiny.chat, BOX)
    found = masks(answers, tiny.chat, ["category"])["category"]
    assert found[-1] and not found[0]


def earned(**shares: list[float]) -> Rewarded:
    given = {name: torch.tensor([values]) for name, values in shares.items()}
    return Rewarded([], {}, cast(Any, None), given)


def test_advantages_by_hand(tiny: Loaded) -> None:
    """Two answers earn 1.0 and 0.0 by place, 0.0 and 0.5 by names: apart from the means +-0.5 and -+0.25. A token of
    "Detection" has both, +0.25 and -0.25; one of a box the place only, one of "Recognition" (not its first) names only.
    Over the whole, all tokens have +0.25 and -0.25."""
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.0], category=[0.0, 0.5])
    found = relative(worth, answers, tiny.chat, spread=False, parts=True).split([len(d.ids) for d in answers.drawn])
    for answer, sign in zip(found, (1.0, -1.0), strict=True):
        pieces = tiny.chat.pieces(answers.drawn[0].ids)
        box = next(i for i, piece in enumerate(pieces) if "<b1>" in piece)
        assert answer[0] == pytest.approx(sign * 0.25)
        assert answer[box] == pytest.approx(sign * 0.5)
        assert answer[-1] == pytest.approx(sign * -0.25)
    whole = relative(worth, answers, tiny.chat, spread=False, parts=False).split([len(d.ids) for d in answers.drawn])
    assert (whole[0] == 0.25).all() and (whole[1] == -0.25).all()


def test_the_spread_is_that_of_the_whole(tiny: Loaded) -> None:
    """Totals 1.0 and 0.5 have the deviation 0.3536 (with G - 1); the place's +-0.5 over it are +-1.4142."""
    answers = drawn(tiny.chat, SAID, SAID)
    worth = earned(localisation=[1.0, 0.0], category=[0.0, 0.5])
    found = relative(worth, answers, tiny.chat, spread=True, parts=True)
    pieces = tiny.chat.pieces(answers.drawn[0].ids)
    box = next(i for i, piece in enumerate(pieces) if "<b1>" in piece)
    assert found[box] == pytest.approx(0.5 / 0.35355, rel=1e-3)


def test_what_cannot_be_used_is_credited_to_all_of_it(tiny: Loaded) -> None:
    answers = drawn(tiny.chat, SAID, "A")
    found = relative(earned(localisation=[0.0, 0.0], unusable=[0.0, -1.0]), answers, tiny.chat, False, True)
    split = found.split([len(d.ids) for d in answers.drawn])
    assert (split[0] == 0.5).all() and (split[1] == -0.5).all()


def test_rewards_come_with_the_last_token_that_they_can_depend_on(tiny: Loaded) -> None:
    """The place with the heading's first token, names with the end; of the whole all with the end. Sums are equal."""
    answers = drawn(tiny.chat, SAID)
    worth = earned(localisation=[1.0], category=[0.5])
    parts, whole = (placed(worth, answers, tiny.chat, how) for how in (True, False))
    inside = masks(answers, tiny.chat, ["localisation"])["localisation"]
    assert parts[int(inside.nonzero()[-1])] == 1.0 and parts[-1] == 0.5 and parts.sum() == 1.5
    assert whole[-1] == 1.5 and whole.sum() == 1.5
