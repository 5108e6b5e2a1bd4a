"""Self-training: the model describes, asks and answers as the paper has it; the judge is heard in both orders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cases import (
    BY_ID,
    DIALOGUES,
    KNOWN,
    asking,
    blocks_of,
    command,
    folder_of,
    record,
    saying,
    shown,
    text_of,
)
from unveil.core.box_formats import mark
from unveil.core.pairs import read_pairs
from unveil.core.records import Dialogue, Pair, image_path
from unveil.core.sampling import Sampling
from unveil.curate.candidates import DESCRIBE, Asking
from unveil.curate.rules import Rules
from unveil.curate.selftrain import SelfTraining, selftrain
from unveil.experts import local
from unveil.experts.expert import Expert
from unveil.experts.expert import RuleBackend as Backend
from unveil.experts.requests import Raw, Request

NEAR, FAR = mark((11, 11, 31, 31)), mark((50, 50, 60, 60))

Said = Callable[[Request], str | Raw]


def model(description: str = "A lung.", question: Said | None = None, answer: Said | None = None):
    """A model with a description, a question for each draw, and an answer for each draw."""

    def reply(request: Request) -> str | Raw:
        if request.turns[-1].role == "asker":
            return question(request) if question else f"Question {request.sampling.seed % 1000}?"
        if text_of(request) == DESCRIBE:
            return description
        return answer(request) if answer else ("red", "blue")[request.sampling.seed % 1000]

    return saying(reply, name="model")


def judging(first: float, second: float) -> tuple[Expert, list[Request]]:
    """A judge who looks at the place only."""
    return saying(lambda request: json.dumps({"first": first, "second": second}), name="judge")


def answers(request: Request) -> list[str]:
    """The two answers that a judge is shown."""
    return [block.strip() for block in blocks_of(request)[1:]]


def prefers(word: str) -> tuple[Expert, list[Request]]:
    """A judge who gives 9 to the answer with this word, wherever it stands, and 2 to the other."""

    def reply(request: Request) -> str:
        first, second = (9.0 if word in text else 2.0 for text in answers(request))
        return json.dumps({"first": first, "second": second})

    return saying(reply, name="judge")


def made(one: Expert, judge: Expert, *names: str, seed: int = 0, **how: Any) -> tuple[list[Pair], Counter[str]]:
    about = asking(*(names or ["a/detection"]))
    return list(selftrain(about, KNOWN, one, judge, SelfTraining(**how), seed)), about.skipped


# ------------------------------------------------------------------------------------------------------------ the model


def test_the_dialogue_that_stands_for_an_image_gives_the_image_only() -> None:
    """Here it is a later turn of multiple choice: what came before it and its options belong to no new question."""
    later = replace(BY_ID["a/detection"], history=(("Q?", "A."),), choices=("x", "y"), language="zh")
    one, asked = model()
    pairs = list(selftrain(replace(asking(), dialogues=[later]), KNOWN, one, prefers("red")[0]))
    assert len(asked[0].turns) == 1 and pairs and {(pair.history, pair.choices) for pair in pairs} == {((), ())}


def test_the_turns_and_draws_are_the_papers() -> None:
    """One description of at most 1024 tokens, five questions after it, two answers to each in a fresh turn."""
    one, asked = model()
    judge, heard = prefers("red")
    pairs, skipped = made(one, judge, seed=2)
    describe, *rest = asked
    assert [(t.role, t.text) for t in describe.turns] == [("user", DESCRIBE)]
    assert (describe.sampling, describe.kind) == (Sampling(max_tokens=1024), "open")
    questions, replies = rest[:5], rest[5:]
    for i, request in enumerate(questions):
        assert [(t.role, t.text) for t in request.turns] == [
            ("user", DESCRIBE),
            ("assistant", "A lung."),
            ("asker", ""),
        ]
        assert request.sampling == Sampling(1.2, 300, 0.95, 300, 2000 + i) and request.kind is None
    assert len(replies) == 10
    for i, request in enumerate(replies):
        assert [(t.role, t.text) for t in request.turns] == [("user", f"Question {i // 2}?")]
        assert request.sampling == Sampling(1.2, 100, 0.95, 1024, 2000 + i % 2)
    assert len(heard) == 10 and all(r.sampling.temperature == 0.2 and r.picture for r in [*heard])
    assert {str(r.picture.path) for r in asked if r.picture} == {"a.png"} and not any(r.schema for r in asked)
    assert [pair.id for pair in pairs] == [f"a/self-{i}/judged" for i in range(5)] and not skipped
    for pair in pairs:
        assert (pair.chosen, pair.rejected, pair.writer) == ("red", "blue", "model, judged by judge")
        assert (pair.record, pair.image, pair.split, pair.kind, pair.target) == ("a", "a.png", "train", "open", None)


def test_one_question_of_each_image_is_enough() -> None:
    """Images are asked about, not dialogues; none of the test split, though a file might put it elsewhere."""
    one, asked = model()
    judge, heard = prefers("red")
    pairs, _ = made(one, judge, *[d.id for d in DIALOGUES], questions=1)
    assert [pair.record for pair in pairs] == ["a", "b", "c", "v"] and pairs[3].split == "val"
    assert sum(text_of(request) == DESCRIBE for request in asked) == 4
    assert not any("t.png" in str(request.picture) for request in [*asked, *heard])
    moved = [Dialogue("x", "t", "t.png", "train", "open", "?", "!")]
    about = Asking.of(moved, Path("dialogues.jsonl"), KNOWN.records.values(), Counter())
    assert list(selftrain(about, KNOWN, one, judge)) == [] and about.skipped == {"test split": 1}


def test_a_question_that_was_put_twice_is_used_once() -> None:
    """By its words; about another image it is another question. What has no words is none."""
    texts = ("Is it big?", "is it BIG", "Why?", "...", "<|im_end|>")
    one, asked = model(question=lambda request: texts[request.sampling.seed])
    pairs, skipped = made(one, prefers("red")[0], "a/detection", "b/detection")
    assert [(pair.record, pair.question) for pair in pairs] == [(r, q) for r in "ab" for q in ("Is it big?", "Why?")]
    assert skipped == {"a question that the model put twice": 2, "an empty question": 4}
    assert sum(r.turns[-1].text in ("Is it big?", "Why?") for r in asked) == 8


def test_what_comes_to_nothing_is_counted() -> None:
    """No description, no questions; no answer, nothing to compare; two like answers neither."""
    one, asked = model(description=" </s> ")
    pairs, skipped = made(one, prefers("red")[0])
    assert pairs == [] and skipped == {"an empty description": 1} and len(asked) == 1
    silent, _ = saying(lambda request: Raw(error="out of memory"), repeats=False)
    assert made(silent, prefers("red")[0]) == ([], Counter({"out of memory": 1}))
    texts = {0: ("same", "Same."), 1: ("", "other"), 2: ("red", "blue")}
    one, _ = model(answer=lambda request: texts[int(request.turns[0].text[9])][request.sampling.seed % 1000])
    pairs, skipped = made(one, prefers("red")[0], questions=3)
    assert [pair.id for pair in pairs] == ["a/self-2/judged"]
    assert skipped == {"both answers are the same": 1, "the model's answer: an empty reply": 1}


def test_an_answer_that_is_too_long_to_be_learnt_is_left_out() -> None:
    """One row that does not fit into the model's context would stop the training of all."""
    one, _ = model(answer=lambda request: Raw("red" if request.sampling.seed % 1000 else "blue", 60, 40))
    judge, _ = prefers("red")
    one.backend.longest = 101
    assert len(made(one, judge, questions=1)[0]) == 1
    one.backend.longest = 100
    pairs, skipped = made(one, judge, questions=1)
    assert pairs == [] and skipped == {
        "the model's answer: it has not ended within the 100 tokens that the model takes": 2
    }


@pytest.mark.parametrize(
    ("question", "kind", "target"),
    [
        ("Is anything abnormal in this image?", "detection", None),
        ("Where is the nodule?", "localisation", "nodule"),
        (f"What is in this region: {NEAR}?", "recognition", NEAR),
        ("What is in this region: the lung?", "open", None),
        ("Detect, localise and name what is abnormal.", "diagnosis", None),
        ("Which plane?", "open", None),
    ],
)
def test_the_kind_of_a_question(question: str, kind: str, target: str | None) -> None:
    """One in the rules' own wording is answered in that form; any other is open."""
    one, asked = model(question=lambda request: question)
    (pair,), _ = made(one, prefers("red")[0], questions=1)
    assert (pair.kind, pair.target, pair.question) == (kind, target, question)
    assert [request.kind for request in asked[-2:]] == [kind, kind]


# ------------------------------------------------------------------------------------------------------------ the judge


def test_the_judge_hears_both_orders() -> None:
    judge, heard = prefers("blue")
    (pair,), _ = made(model()[0], judge, questions=1)
    assert [answers(request) for request in heard] == [["red", "blue"], ["blue", "red"]]
    assert (pair.chosen, pair.rejected) == ("blue", "red")
    assert [request.id for request in heard] == ["a/self-0/0", "a/self-0/1"]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [((9, 3), "the judge's verdict flips with the order"), ((3, 9), "the judge's verdict flips with the order")],
)
def test_a_judge_who_looks_at_the_place_yields_nothing(scores: tuple[float, float], reason: str) -> None:
    judge, heard = judging(*scores)
    pairs, skipped = made(model()[0], judge)
    assert pairs == [] and skipped == {reason: 5} and len(heard) == 10


def test_a_tie_in_one_order_is_a_tie() -> None:
    """5 to 5 in both; or 9 to 2 for red, then 5 to 5."""
    assert made(model()[0], judging(5, 5)[0]) == ([], {"the judge sees a tie": 5})
    replies = iter(['{"first": 9, "second": 2}', '{"first": 5, "second": 5}'])
    pairs, skipped = made(model()[0], saying(lambda request: next(replies))[0], questions=1)
    assert pairs == [] and skipped == {"the judge sees a tie": 1}


def test_one_order_as_the_paper_has_it() -> None:
    """But a tie keeps nothing, where the authors keep the second answer."""
    judge, heard = judging(9, 3)
    pairs, skipped = made(model()[0], judge, both_orders=False)
    assert [pair.chosen for pair in pairs] == ["red"] * 5 and len(heard) == 5 and not skipped
    assert made(model()[0], judging(5, 5)[0], both_orders=False)[1] == {"the judge sees a tie": 5}


@pytest.mark.parametrize("bad", ['{"first": 9}', '{"first": 11, "second": 0}', '{"first": "9", "second": 1}', "9 3"])
def test_a_verdict_that_cannot_be_used_drops_the_pair(bad: str) -> None:
    """In either order; asked three times, counted once."""
    judge, heard = saying(lambda request: bad if request.id.endswith("/1") else '{"first": 9, "second": 1}')
    pairs, skipped = made(model()[0], judge, questions=1)
    assert pairs == [] and skipped.total() == 1 and len(heard) == 4


def test_the_rules_judge_what_they_understand() -> None:
    """Of three questions they know two: the nodule's place (1 against 0), and the record's own (two like mistakes tie).

    The third is foreign: neither order gets a verdict.
    """
    questions = ("Where is the nodule?", "Is it large?", "How is the patient?")
    said = {questions[0]: (NEAR, FAR), questions[1]: ("No", "no no"), questions[2]: ("well", "ill")}
    one, _ = model(
        question=lambda request: questions[request.sampling.seed],
        answer=lambda request: said[text_of(request)][request.sampling.seed],
    )
    pairs, skipped = made(one, Expert(Backend()), questions=3)
    assert [(pair.question, pair.chosen, pair.rejected) for pair in pairs] == [(questions[0], NEAR, FAR)]
    assert skipped == {"the judge sees a tie": 1, "the annotations do not tell": 2}


def test_no_true_answer_is_told_to_anyone() -> None:
    one, asked = model(question=lambda request: "Where is the nodule?")
    judge, heard = prefers("red")
    made(one, judge)
    told = " ".join(turn.text for request in [*asked, *heard] for turn in request.turns)
    assert BY_ID["a/localisation/nodule"].answer not in told and "lung" in told


def test_rules_of_other_records_know_nothing() -> None:
    about = asking("a/detection")
    one, _ = model(question=lambda request: "Where is the nodule?", answer=lambda r: (NEAR, FAR)[r.sampling.seed])
    rules = Rules([record("a", completeness="unknown")])
    assert list(selftrain(about, rules, one, Expert(Backend()))) == []
    assert about.skipped["the annotations do not tell"] == 2


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def lucid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model's likeliest tokens are no words: it describes every image as a lung."""
    raw = local.Local._raw

    def described(self: local.Local, request: Request, row: Any, text: str, cut: bool) -> Raw:
        return raw(self, request, row, "A lung." if text_of(request) == DESCRIBE else text, cut)

    monkeypatch.setattr(local.Local, "_raw", described)


FEW = ("--questions", 2, "--describe-tokens", 24, "--ask-tokens", 8, "--answer-tokens", 6)


def test_the_command_writes_pairs(tmp_path: Path, tiny_folder: Path, lucid: None, capsys: Any) -> None:
    """A judge who likes long answers."""

    def reply(request: Request) -> str:
        first, second = (min(len(text), 100) / 10 for text in answers(request))
        return json.dumps({"first": first, "second": second})

    folder = folder_of(tmp_path / "data")
    words = ("--model", tiny_folder, *FEW, "--images", 3)
    assert command("curate selftrain", folder, *words, expert=saying(reply, name="judge")[0]) == 0
    file = folder / "out" / "pairs.jsonl"
    pairs = read_pairs(file)
    assert 0 < len(pairs) <= 6 and {pair.record for pair in pairs} <= {"a", "b", "c"}
    assert all(image_path(pair, file).is_file() and len(pair.chosen) > len(pair.rejected) for pair in pairs)
    about = json.loads((folder / "out" / "pairs.jsonl.run.json").read_text())
    assert about["config"]["ask_top_k"] == 300 and about["config"]["answer_top_k"] == 100
    assert about["left_out"]["test split"] == 8 and "judge" in about["asked"]
    assert f"{len(pairs)} pairs in {file}" in shown(capsys)


def test_rules_that_understand_no_question_make_no_pair(
    tmp_path: Path, tiny_folder: Path, lucid: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A random model asks nothing that could be understood."""
    folder = folder_of(tmp_path / "data")
    assert command("curate selftrain", folder, "--model", tiny_folder, *FEW) == 1
    told = shown(capsys)
    assert "no pair could be made: " in told and "x the annotations do not tell" in told
