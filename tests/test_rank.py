"""The model's own answers against one another: best against worst by a rubric, greedy against drawn by the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cases import BY_ID, DIALOGUES, KNOWN, asking, blocks_of, command, folder_of, saying, shown, text_of
from unveil.core.box_formats import mark
from unveil.core.pairs import read_pairs
from unveil.core.records import Pair, image_path
from unveil.core.sampling import Sampling
from unveil.curate.rank import Ranking, rank
from unveil.experts.expert import Expert
from unveil.experts.expert import RuleBackend as Backend
from unveil.experts.requests import Raw, Request

WHERE, SEEN = "a/localisation/nodule", "a/seen"
TRUE = BY_ID[WHERE].answer
NEAR, OFF, FAR = (mark(box) for box in ((11, 11, 31, 31), (10, 10, 30, 16), (50, 50, 60, 60)))


def model_saying(*texts: str) -> tuple[Expert, list[Request]]:
    """A model whose draws are these texts by seed; the greedy answer, as the first draw, has the seed 0."""
    return saying(lambda request: texts[request.sampling.seed % 1000], name="model")


def made(texts: tuple[str, ...], judge: Expert, name: str = WHERE, **how: Any) -> tuple[list[Pair], Counter[str]]:
    about = asking(name)
    return list(rank(about, KNOWN, model_saying(*texts)[0], judge, Ranking(**how))), about.skipped


def points(**by_text: int) -> tuple[Expert, list[Request]]:
    """A judge that finds one of these words in the answer."""

    def reply(request: Request) -> str:
        answer = blocks_of(request)[1]
        return json.dumps({"points": next(n for word, n in by_text.items() if word in answer)})

    return saying(reply, name="judge")


# -------------------------------------------------------------------------------------------------------------- rubric


def test_the_best_is_preferred_to_the_worst() -> None:
    judge, asked = points(red=1, green=4, blue=0, grey=3)
    (pair,), skipped = made(("red", "green", "blue", "grey"), judge)
    assert (pair.id, pair.chosen, pair.rejected) == (f"{WHERE}/ranked", "green", "blue")
    assert pair.writer == "model, judged by judge" and not skipped
    assert len(asked) == 4 and not any(TRUE in text_of(request) for request in asked), "without the truth"
    assert all(request.picture is not None for request in asked)


def test_the_rules_count_points_from_the_annotations() -> None:
    """Conflicts of 0, 0.7, 1 are 5, round(1.5) = 2 and 0 points."""
    (pair,), _ = made((OFF, FAR, NEAR, OFF), Expert(Backend()))
    assert (pair.chosen, pair.rejected) == (NEAR, FAR)


def test_like_answers_are_scored_once() -> None:
    """By their words: a judge that is not sure of itself cannot prefer an answer to itself."""
    judge, asked = points(red=5, Red=0, blue=5)
    pairs, skipped = made(("red.", "Red", "blue", "red"), judge)
    assert len(asked) == 2 and pairs == [] and skipped == {"all answers have the same points": 1}
    pairs, skipped = made(("red.", "Red", "red!", "red"), judge)
    assert len(asked) == 2 and skipped == {"all of the model's answers are the same": 1} and pairs == []


@pytest.mark.parametrize("reply", ['{"points": 6}', '{"points": 4.5}', "5", '{"points": 5, "why": "x"}'])
def test_a_reply_that_is_no_points_leaves_that_answer_out(reply: str) -> None:
    """Asked three times. Two answers are left, which still compare; of two, one is nothing to compare with."""

    def judge(request: Request) -> str:
        text = request.turns[0].text
        return reply if "blue" in text else json.dumps({"points": 4 if "green" in text else 1})

    expert, asked = saying(judge)
    (pair,), skipped = made(("red", "green", "blue"), expert, samples=3)
    assert (pair.chosen, pair.rejected) == ("green", "red") and skipped.total() == 1 and len(asked) == 5
    pairs, skipped = made(("red", "blue"), expert, samples=2)
    assert pairs == [] and skipped.total() == 1, "counted once, where the reply was set aside"


def test_no_answer_of_the_model_is_counted() -> None:
    about = asking(WHERE)
    model, _ = saying(lambda request: Raw(error="out of memory") if request.sampling.seed else "</s>", repeats=False)
    assert list(rank(about, KNOWN, model, Expert(Backend()))) == []
    assert about.skipped == {"the model's answer: out of memory": 3, "the model's answer: empty": 1}


# --------------------------------------------------------------------------------------------------------------- truth


@pytest.mark.parametrize(
    ("greedy", "drawn", "chosen"), [(NEAR, FAR, NEAR), (FAR, NEAR, NEAR), (OFF, FAR, OFF), (NEAR, TRUE, None)]
)
def test_greedy_against_drawn(greedy: str, drawn: str, chosen: str | None) -> None:
    """What is nearer to the truth is better; two that are right tie."""

    def reply(request: Request) -> str:
        return drawn if request.sampling.temperature else greedy

    about, (model, asked) = asking(WHERE), saying(reply, name="model")
    pairs = list(rank(about, KNOWN, model, Expert(Backend()), Ranking(by="truth"), seed=3))
    assert [request.sampling for request in asked] == [
        Sampling(0.0, 0, 0.9, 384, 0),
        Sampling(0.8, 0, 0.9, 384, 3000),
    ]
    if chosen is None:
        assert pairs == [] and about.skipped == {"the judge sees a tie": 1}
    else:
        assert [(p.chosen, p.rejected) for p in pairs] == [(chosen, drawn if chosen == greedy else greedy)]


def told_truth(reply: Callable[[list[str]], int], **how: Any) -> tuple[list[tuple[str, str]], Counter[str], list[Any]]:
    """Pairs, what was left out, and what the judge was shown: the greedy answer is "one", the drawn one "two"."""
    blocks: list[list[str]] = []

    def say(request: Request) -> str:
        blocks.append([block.strip() for block in blocks_of(request)])
        return json.dumps({"better": reply(blocks[-1][2:])})

    model, _ = saying(lambda request: "two" if request.sampling.temperature else "one")
    about = asking(SEEN)
    pairs = rank(about, KNOWN, model, saying(say)[0], Ranking(by="truth", **how))
    return [(pair.chosen, pair.rejected) for pair in pairs], about.skipped, blocks


@pytest.mark.parametrize("word", ["one", "two"])
def test_the_judge_is_told_the_truth_and_hears_both_orders(word: str) -> None:
    pairs, skipped, blocks = told_truth(lambda shown: shown.index(word) + 1)
    assert pairs == [("one", "two") if word == "one" else ("two", "one")] and not skipped
    known = ["What is seen?", "a round nodule of the lung"]
    assert blocks == [[*known, "one", "two"], [*known, "two", "one"]]


@pytest.mark.parametrize("place", [1, 2])
def test_a_judge_who_looks_at_the_place_yields_nothing(place: int) -> None:
    pairs, skipped, blocks = told_truth(lambda shown: place)
    assert pairs == [] and skipped == {"the judge's verdict flips with the order": 1} and len(blocks) == 2
    pairs, skipped, blocks = told_truth(lambda shown: place, both_orders=False)
    assert pairs == [("one", "two") if place == 1 else ("two", "one")] and not skipped and len(blocks) == 1


def test_a_tie_in_one_order_is_a_tie() -> None:
    assert told_truth(lambda shown: 0)[:2] == ([], {"the judge sees a tie": 1})
    assert told_truth(lambda shown: int(shown[0] == "one"))[:2] == ([], {"the judge sees a tie": 1})


def test_a_verdict_that_cannot_be_used_drops_the_pair() -> None:
    """In one order only; asked three times, counted once."""
    pairs, skipped, blocks = told_truth(lambda shown: 1 if shown[0] == "one" else 3)
    assert pairs == [] and skipped.total() == 1 and len(blocks) == 4


# --------------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_pairs(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A judge that gives one point per word with an e, as long as there are five."""
    words = ("--model", tiny_folder, "--max-new-tokens", 8, "--samples", 3)
    folder = folder_of(tmp_path / "data")
    judge, _ = saying(lambda request: json.dumps({"points": blocks_of(request)[1].count("e") % 6}))
    assert command("curate rank", folder, *words, expert=judge) == 0
    file = folder / "out" / "pairs.jsonl"
    pairs = read_pairs(file)
    order = [d.id for d in DIALOGUES]
    places = [order.index(pair.id.removesuffix("/ranked")) for pair in pairs]
    assert places == sorted(places) and len(places) > 5
    assert all(image_path(pair, file).is_file() and pair.split in ("train", "val") for pair in pairs)
    assert all(pair.chosen.count("e") % 6 > pair.rejected.count("e") % 6 for pair in pairs)
    about = json.loads((folder / "out" / "pairs.jsonl.run.json").read_text())
    assert about["left_out"]["test split"] == 8 and 0 not in about["left_out"].values()
    assert set(about["asked"]) == {"scripted", next(n for n in about["asked"] if n.startswith(str(tiny_folder)))}
    assert f"{len(pairs)} pairs in {file}" in shown(capsys)


def test_nothing_but_ties_is_an_error(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One token says no place: every answer is as wrong as the other."""
    folder = folder_of(tmp_path / "data")
    kinds = ("--kinds", "localisation", "--max-new-tokens", 1, "--by", "truth")
    assert command("curate rank", folder, "--model", tiny_folder, *kinds) == 1
    told = shown(capsys)
    assert "no pair could be made: " in told and "x the judge sees a tie" in told
