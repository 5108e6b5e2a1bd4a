"""Weights of pairs: how scores become weights by each reading of the paper, and how agents agree on a score."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.cases import BY_ID, KNOWN, command, folder_of, record, saying, shown, text_of
from unveil import cli
from unveil.core.box_formats import mark
from unveil.core.jsonl import write_jsonl
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.pairs import read_pairs
from unveil.core.records import Pair, RecordError, image_path
from unveil.curate import relevance as weigh
from unveil.curate.candidates import pair_of
from unveil.curate.relevance import Consensus, scored, severity, weighted, weights
from unveil.curate.rules import Rules
from unveil.experts.expert import Expert
from unveil.experts.expert import RuleBackend as Backend
from unveil.experts.requests import Request

# ------------------------------------------------------------------------------------------------------------- weights


def test_the_spread_by_hand() -> None:
    """0, 0.4, 0.5, 0.6, 1: mean 0.5, variance 0.52 / 5 = 0.104, so 0.1 is sqrt(0.1) x 0.1 / sqrt(0.104) = 0.098058.

    The two at the ends would be 1 -+ 0.49 and are clipped.
    """
    assert weights([0, 0.4, 0.5, 0.6, 1]) == pytest.approx([0.75, 0.901942, 1, 1.098058, 1.25], abs=1e-6)
    assert weights([10, 14, 15, 16, 20]) == pytest.approx(weights([0, 0.4, 0.5, 0.6, 1])), "whatever the unit"


def test_two_scores_are_clipped_at_both_ends() -> None:
    """One standard deviation from the mean is sqrt(0.1) = 0.32 > 0.25."""
    assert weights([0.5, 0.6]).tolist() == [0.75, 1.25]


def test_the_literal_reading_gives_every_relevance_one_weight() -> None:
    """(s - 1) / sqrt(0.1) <= 0 for s <= 1. A score of 1.3 would be 0.949, one of 1.4 is over 1.25."""
    assert weights([0, 0.3, 0.9, 1], "literal").tolist() == [0.75] * 4
    assert weights([1.2, 1.3, 1.4], "literal") == pytest.approx([0.75, 0.948683, 1.25], abs=1e-6)


def test_raw_scores_are_weights() -> None:
    assert weights([0, 0.3, 1], "raw").tolist() == [0, 0.3, 1]


@pytest.mark.parametrize("scores", [[0.3], [0.1 + 0.2, 0.3, 0.3], [1.0] * 7])
def test_equal_scores_weigh_one(scores: list[float]) -> None:
    assert weights(scores).tolist() == [1.0] * len(scores)


def test_no_scores_no_weights() -> None:
    for reading in ("spread", "literal", "raw"):
        assert weights([], reading).shape == (0,)  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_weights_keep_the_order(scores: list[float]) -> None:
    made = weights(scores)
    assert ((made >= 0.75) & (made <= 1.25)).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(made[order]) >= -1e-12).all()


# ----------------------------------------------------------------------------------------------------------- consensus


def pair(name: str, **more: Any) -> Pair:
    one = Pair(name, "a", "a.png", "train", "open", "What is seen?", "a nodule", f"wrong {name}")
    return replace(one, **more)


def agent(*scores: float | None) -> tuple[Expert, list[Request]]:
    """One who gives one score after the other, always the last one in the end; None is no usable reply."""
    rest = list(scores)

    def reply(request: Request) -> str:
        score = rest.pop(0) if len(rest) > 1 else rest[0]
        return "I cannot tell." if score is None else json.dumps({"score": score})

    return saying(reply, repeats=False)


def last_scores(asked: Sequence[Request]) -> list[str]:
    """What each request says of the score before."""
    texts = [text_of(request) for request in asked]
    return [text.partition("A colleague gave it ")[2][:4] for text in texts]


def test_agents_in_turn_see_the_last_score_and_only_it() -> None:
    """0.2, 0.9; then 0.6, 0.6: the last words of both agree."""
    (first, asked), (second, heard) = agent(0.2, 0.6), agent(0.9, 0.6)
    found = scored([pair("p")], [first, second], None)
    assert found == {"p": Consensus((0.2, 0.9, 0.6, 0.6), 0.6, True)}
    assert last_scores(asked) == ["", "0.90"] and last_scores(heard) == ["0.20", "0.60"]
    every = [*asked, *heard]
    assert all(r.picture is None and len(r.turns) == 1 and text_of(r).count("colleague gave") <= 1 for r in every)
    assert all("wrong p" in text_of(r) and "a nodule" not in text_of(r) for r in every), "nor the truth"


def test_agreement_is_of_the_last_word_of_each() -> None:
    """Three agents: 0.5, 0.7, 0.7 do not agree; once the first says 0.7 too, nobody else is asked."""
    agents, heard = zip(*(agent(*scores) for scores in ((0.5, 0.7), (0.7,), (0.7,))), strict=True)
    found = scored([pair("p")], agents, None)
    assert found["p"] == Consensus((0.5, 0.7, 0.7, 0.7), 0.7, True)
    assert [len(asked) for asked in heard] == [2, 1, 1]


def test_who_keeps_a_score_repeats_it_as_it_was_shown() -> None:
    """2 / 3 is shown as 0.67, and 0.67 is the same score."""
    (first, _), (second, heard) = agent(2 / 3), agent(0.67)
    assert scored([pair("p")], [first, second], None)["p"] == Consensus((0.67, 0.67), 0.67, True)
    assert last_scores(heard) == ["0.67"]


def test_who_never_agree_count_by_their_mean() -> None:
    """Five rounds of 0.2 and 0.8, and no sixth: mean 0.5. Two rounds on request."""
    (first, asked), (second, heard) = agent(0.2), agent(0.8)
    found = scored([pair("p")], [first, second], None)
    assert found["p"] == Consensus((0.2, 0.8) * 5, pytest.approx(0.5), False)  # type: ignore[arg-type]
    assert len(asked) == len(heard) == 5
    assert len(scored([pair("p")], [first, second], None, rounds=2)["p"].history) == 4


def test_one_agent_is_asked_once() -> None:
    one, asked = agent(0.4)
    assert scored([pair("p"), pair("q")], [one], None) == dict.fromkeys("pq", Consensus((0.4,), 0.4, True))
    assert len(asked) == 2 and scored([], [one], None) == {}


def test_a_pair_without_a_score_is_left_out_and_counted() -> None:
    """q gets none from the second agent: it is not asked about again, and has no weight."""

    def silent(request: Request) -> str:
        return "?" if "wrong q" in text_of(request) else '{"score": 0.9}'

    (first, asked), (second, heard) = agent(0.4, 0.4, 0.9), saying(silent, repeats=False)
    skipped: Counter[str] = Counter()
    pairs = [pair("p"), pair("q")]
    found = scored(pairs, [first, second], None, skipped=skipped)
    assert list(found) == ["p"] and found["p"].final == 0.9 and skipped.total() == 1
    assert [request.id for request in asked] == ["p", "q", "p"] and [r.id for r in heard] == ["p", "q"]
    assert [p.id for p in weighted(pairs, found)] == ["p"]


@pytest.mark.parametrize("reply", ['{"score": 1.01}', '{"score": -0.1}', '{"score": NaN}', '{"score": "1"}', "1", "{}"])
def test_a_score_is_a_number_from_0_to_1(reply: str) -> None:
    one, asked = saying(lambda request: reply)
    assert scored([pair("p")], [one], None) == {} and len(asked) == 3


# ------------------------------------------------------------------------------------------------- weights of the pairs


def test_text_and_visual_pairs_are_normalised_apart() -> None:
    """Scores of 0.1 and 0.3 are clipped at both ends; sources that are sure of their maps by 0.9, 0.9 weigh one."""
    hidden = Noise(LesionMap(whole=True), 0, confidence=0.9)
    pairs = [
        pair("p"),
        pair("v", rejected_noise=hidden),
        pair("q"),
        pair("w", rejected_noise=hidden),
        pair("gone"),
    ]
    found = {name: Consensus((s,), s, True) for name, s in {"p": 0.1, "q": 0.3}.items()}
    assert [(p.id, p.weight) for p in weighted(pairs, found)] == [("p", 0.75), ("v", 1), ("q", 1.25), ("w", 1)]
    raw = [(p.id, p.weight) for p in weighted(pairs, found, "raw")]
    assert raw == [("p", 0.1), ("v", 0.9), ("q", 0.3), ("w", 0.9)]
    sure = [
        replace(p, rejected_noise=replace(hidden, confidence=c)) for p, c in zip(pairs, [1, 0, 0, 1, 0], strict=True)
    ]
    assert [p.weight for p in weighted(sure, {})] == pytest.approx([1.25, 0.75, 0.75, 1.25, 0.75])
    assert list(weighted([], {})) == []


@pytest.mark.parametrize(
    ("name", "rejected", "expected"),
    [
        ("a/detection", "No.", 1.0),
        ("b/detection", "Yes.", 0.8),
        ("a/localisation/nodule", "<box 50.00 50.00 60.00 60.00>", 0.5),
        (f"a/recognition/{mark((10, 10, 30, 30))}", "mass.", 0.7),
        ("a/diagnosis", "???", 0.1),
        # the nodule is called a mass, the cyst is overlooked, and there is one that is not there: 0.7, 1, 0.8
        (
            "a/diagnosis",
            "Detection: abnormal.\nLocalisation: <box 10 10 30 30>; <box 1 60 9 70>.\nRecognition: mass; mass.",
            2.5 / 3,
        ),
        ("a/seen", "wrong", 0.5),
    ],
)
def test_the_severity_of_mistakes_by_hand(name: str, rejected: str, expected: float) -> None:
    """Missed 1, invented 0.8, misnamed 0.7, misplaced 0.5, unparsable 0.1; words alone tell nothing: 0.5."""
    dialogue = BY_ID[name]
    assert severity(pair_of(dialogue, "x", dialogue.answer, rejected, "m"), KNOWN) == pytest.approx(expected)
    if dialogue.kind not in ("closed", "open"):
        other = pair_of(dialogue, "x", "a better answer that is no true one", rejected, "m")
        assert severity(other, KNOWN) == pytest.approx(expected), "the annotations are the truth"


# --------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    folder = folder_of(tmp_path / "data")
    expert = "curate hallucinate", folder, "--origin", "written"
    assert command(*expert) == 0
    return folder / "out" / "pairs.jsonl"


def relevance(file: Path, out: Path, *words: object) -> int:
    files = ["--pairs", file, "--records", file.parent.parent / "records.jsonl", "--out", out]
    return cli.main(["curate", "relevance", *map(str, [*files, *words])])


def asked_of(expert: Expert, file: Path, out: Path, **more: Any) -> Path:
    """Weights by an expert that stands for each agent."""
    files: dict[str, Any] = {"pairs": file, "records": file.parent.parent / "records.jsonl", "out": out}
    return weigh.main(weigh.Config(**files, **more), expert)


def test_the_command_weighs_pairs(pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the rules, what is overlooked or invented weighs more than what is misplaced."""
    out = tmp_path / "elsewhere" / "weighed.jsonl"
    assert relevance(pairs_file, out) == 0
    before, after = read_pairs(pairs_file), read_pairs(out)
    assert [replace(p, weight=1.0, image="") for p in after] == [replace(p, image="") for p in before]
    assert all(image_path(p, out).is_file() for p in after)
    by_id = {p.id: p.weight for p in after}
    assert by_id["a/detection/hallucinated"] == 1.25 and by_id["a/localisation/nodule/hallucinated"] == 0.75
    about = json.loads(out.with_name("weighed.jsonl.run.json").read_text())
    assert about["scores"]["a/detection/hallucinated"] == [1.0] and about["asked"]["rules"]["asked"] == len(after)
    assert f"{len(after)} pairs in {out}; weights 0.75 to 1.25" in shown(capsys)
    assert relevance(pairs_file, out, "--reading", "literal", "--restart") == 0
    assert {p.weight for p in read_pairs(out)} == {0.75}


def test_agents_are_asked_in_turn_until_they_agree(
    pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first gives 0.25, the second 0.75, then both 0.25; how often they agreed is told."""
    count = len(read_pairs(pairs_file))
    expert, _ = agent(*[0.25] * count, *[0.75] * count, 0.25)
    out = asked_of(expert, pairs_file, tmp_path / "weighed.jsonl", agents=("local:x", "local:y"), rounds=3)
    assert f"the agents agreed on {count} of {count}" in shown(capsys)
    about = json.loads(out.with_name("weighed.jsonl.run.json").read_text())
    assert set(map(tuple, about["scores"].values())) == {(0.25, 0.75, 0.25, 0.25)}


def test_each_agent_is_bound_by_its_name(pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert relevance(pairs_file, tmp_path / "weighed.jsonl", "--agents", "rules", "local:./nowhere") == 1
    assert "./nowhere: no such folder" in shown(capsys)
    assert relevance(pairs_file, tmp_path / "weighed.jsonl", "--agents", "rules", "rules") == 0
    assert "the agents agreed on" in shown(capsys)


def test_bad_input(pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "weighed.jsonl"
    assert relevance(pairs_file.with_name("gone.jsonl"), out) == 1
    assert "gone.jsonl: no such file" in shown(capsys)
    (pairs_file.parent / "empty.jsonl").write_text("")
    assert relevance(pairs_file.with_name("empty.jsonl"), out) == 1
    assert "empty.jsonl: there are no pairs" in shown(capsys)
    write_jsonl(pairs_file, [replace(read_pairs(pairs_file)[0], record="gone")])
    assert relevance(pairs_file, out) == 1
    assert "a/detection/hallucinated: its record 'gone' is not in the records' file" in shown(capsys)
    with pytest.raises(RecordError, match="no pair could be scored: 1 x there is no JSON object in it"):
        asked_of(agent(None)[0], pairs_file, out)
    assert not out.exists()


def test_rules_of_a_record_that_is_not_there_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"^p: its record 'a' is not in the records' file"):
        scored([pair("p")], [Expert(Backend())], Rules([record("x")]))
