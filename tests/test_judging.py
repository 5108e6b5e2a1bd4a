"""Answers judged by a language model: both orders, each answer once, agreement of two judges, and who may be asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.helpers.cases import blocks_of, saying, shown, text_of
from tests.helpers.outcomes import dialogue, predicted, record
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.evaluate.judging import JudgedPrediction, agreement, differences, judged, kappa, requests_of, summary
from unveil.experts.expert import Expert
from unveil.experts.requests import Request

RECORDS = {name: record(name=name, patient=name) for name in "abcd"}
ROWS = [
    replace(dialogue("open", "left lung", name=f"{name}/q", of=name), question=f"Where, in {name}?") for name in "abcd"
]
DIALOGUES = {one.id: one for one in ROWS}


def judge(*, first_wins: bool = False, useless: str = "never"):
    """A judge that finds right what holds "lung"; one that ``first_wins`` finds all right that stands first."""

    def reply(request: Request) -> str:
        texts, told = blocks_of(request)[1:], request.turns[0].text
        answer_first = told.index("The answer:") < told.index("The reference:")
        answer = texts[0 if answer_first else 1]
        if useless in told:
            return "I cannot say"
        return json.dumps({"right": answer_first if first_wins else "lung" in answer})

    return saying(reply)


def answers(*texts: str):
    return [predicted(one, text) for one, text in zip(ROWS, texts, strict=True)]


def verdicts(expert: Expert, **models) -> dict[str, list[str]]:
    found = judged(expert, models, DIALOGUES, RECORDS)
    return {name: [row.verdict for row in found if row.model == name] for name in models}


def test_both_orders_and_each_answer_once() -> None:
    """Of 8 answers of two models one is empty, and two of the second are the first's: 5 are asked about, in two orders;
    neither image, id nor patient goes along."""
    expert, asked = judge()
    a, b = answers("the left lung", "heart", "", "lung"), answers("the left lung", "lung", "liver", "lung")
    assert verdicts(expert, a=a, b=b) == {
        "a": ["right", "wrong", "empty", "right"],
        "b": ["right", "right", "wrong", "right"],
    }
    assert len(asked) == requests_of({"a": a, "b": b}) == 10 and all(one.picture is None for one in asked)
    assert "a/q" not in text_of(asked[0]) and "left lung" in text_of(asked[0])


def test_a_verdict_that_hangs_on_the_order_is_no_right() -> None:
    """A judge that prefers what stands first: all answers are right once and wrong once; none counts as right."""
    expert, _ = judge(first_wins=True)
    found = judged(expert, {"m": answers("lung", "lung", "lung", "x")}, DIALOGUES, RECORDS)
    told = summary(found, 100, 0)["m"]
    assert told["verdicts"] == {"order": 4} and told["right"]["value"] == 0 and told["n"] == 4


def test_an_answer_without_a_verdict_is_left_out_and_counted() -> None:
    """The judge says nothing of use about b: 2 of 3 are right, n is 3; an empty answer is wrong, and stays in."""
    expert, _ = judge(useless="in b?")
    found = judged(expert, {"m": answers("lung", "lung", "", "lung")}, DIALOGUES, RECORDS)
    told = summary(found, 200, 0)["m"]
    assert told["verdicts"] == {"right": 2, "none": 1, "empty": 1} and told["n"] == 3
    assert told["right"]["value"] == pytest.approx(2 / 3) and told["right"]["reason"] == "fewer than 6 clusters"


def made(*right: bool) -> list[JudgedPrediction]:
    return [JudgedPrediction("m", str(i), str(i), "right" if one else "wrong") for i, one in enumerate(right)]


def test_kappa_is_scikit_learns() -> None:
    """Both right 3, first only 1, second only 1, neither 2: seen 5/7, chance (4 x 4 + 3 x 3) / 49: 10/24 = 5/12."""
    a, b = (1, 1, 1, 1, 0, 0, 0), (1, 1, 1, 0, 1, 0, 0)
    told = agreement(made(*map(bool, a)), made(*map(bool, b)), 200, 0)
    assert told["kappa"]["value"] == pytest.approx(cohen_kappa_score(a, b)) == pytest.approx(5 / 12)
    assert told["n"] == 7 and told["agree"]["value"] == pytest.approx(5 / 7)
    assert -1 <= told["kappa"]["low"] < 5 / 12 < told["kappa"]["high"] <= 1


def test_kappa_of_judges_that_always_say_the_same_is_none() -> None:
    assert np.isnan(kappa(np.array([[4.0, 0.0, 0.0, 0.0]]))).all()
    told = agreement(made(True, True), made(True, True), 10, 0)
    assert told["kappa"]["value"] is None and told["agree"]["value"] == 1
    none = agreement(made(True), [], 10, 0)
    assert (none["kappa"]["reason"], none["n"], none["agree"]["value"]) == ("no items", 0, None)


def test_only_answers_with_both_verdicts_are_compared() -> None:
    first = [*made(True, False), JudgedPrediction("m", "x", "x", "none"), JudgedPrediction("m", "y", "y", "empty")]
    second = [*made(True, True), JudgedPrediction("m", "x", "x", "right"), JudgedPrediction("m", "y", "y", "empty")]
    assert agreement(first, second, 10, 0)["n"] == 2


def test_models_are_compared_on_the_same_answers() -> None:
    """30 patients with a verdict on both models: b is right on 20, a on 10 of these, never on others: +1/3 with a
    standard error of sqrt(1/3 x 2/3 / 30) = 0.086. The 31st has no verdict on b and the 32nd none on a: in neither."""

    def row(model: str, i: int, verdict: str) -> JudgedPrediction:
        return JudgedPrediction(model, f"q{i}", f"p{i}", verdict)  # type: ignore[arg-type]

    a = [row("a", i, "right" if i < 10 or i == 30 else "none" if i == 31 else "wrong") for i in range(32)]
    b = [row("b", i, "right" if i < 20 or i == 31 else "none" if i == 30 else "order") for i in range(32)]
    told = differences([*a, *b], 2000, 0)
    assert list(told) == ["b"] and list(told["b"]) == ["a"]
    one = told["b"]["a"]
    assert (one["n"], one["clusters"], one["differing"], one["excludes_zero"]) == (30, 30, 10, True)
    assert one["value"] == pytest.approx(1 / 3)
    assert one["high"] - one["low"] == pytest.approx(2 * 1.96 * 0.086, rel=0.15)
    assert differences(a, 10, 0) == {}
    assert differences([row("a", 0, "none"), row("b", 0, "right")], 10, 0)["b"]["a"]["value"] is None


# -------------------------------------------------------------------------------------------------------- the command


def test_a_kappa_that_never_moves_has_no_interval_and_agreement_has_its_exact_one() -> None:
    """Both say of 19 patients that they are right and of one that it is wrong. As likely as 0.832 (0.025^(1/20)) they
    agree; a kappa of 2 x 0.832 - 1 = 0.66 would follow where half are right: here 1 - 0.168 / 0.095 = -0.77."""
    told = agreement(made(*[True] * 19, False), made(*[True] * 19, False), 100, 0)
    assert told["kappa"]["value"] == 1 and told["kappa"]["low"] is None
    assert told["kappa"]["reason"] == "all clusters alike"
    assert (told["agree"]["value"], told["agree"]["high"]) == (1, 1)
    assert told["agree"]["low"] == pytest.approx(0.025 ** (1 / 20))


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    write_jsonl(tmp_path / "records.jsonl", RECORDS.values())
    write_jsonl(tmp_path / "dialogues.jsonl", ROWS)
    write_jsonl(tmp_path / "m.jsonl", answers("lung", "heart", "lung", "lung"))
    files = ["--records", "records.jsonl", "--dialogues", "dialogues.jsonl", "--predictions", "m", "m.jsonl"]
    return ["judge", *(str(tmp_path / w) if "." in w else w for w in files), "--out", str(tmp_path / "out")]


def test_the_command_writes_verdicts_and_figures(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """3 of 4 right; the second judge, who prefers what stands first, finds none right: kappa 0."""
    command, config = cli.parse(words)
    file = command.load().main(config, judge()[0], saying_second())
    told = json.loads(file.read_text())
    assert [models["m"]["right"]["value"] for models in told["models"]] == [0.75, 0]
    assert told["agreement"]["kappa"]["value"] == 0 and told["judges"] == ["scripted", "second"]
    lines = [json.loads(line) for line in (file.parent / "judged.jsonl").read_text().splitlines()]
    assert len(lines) == 8 and {row["judge"] for row in lines} == {"scripted", "second"}
    run = json.loads((file.parent / "run.json").read_text())
    assert run["asked"]["scripted"]["asked"] == 8
    said = "Cohen's kappa of both judges: 0.00 (n 4); they agree on 0.25 (n 4) of answers"
    assert said in " ".join(shown(capsys).split())


def test_the_command_tells_how_far_two_models_are_apart(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """3 of 4 right against 1 of 4."""
    file = Path(words[words.index("m") + 1]).with_name("second.jsonl")
    write_jsonl(file, answers("lung", "heart", "heart", "heart"))
    at = words.index("--out")
    command, config = cli.parse([*words[:at], "second", str(file), *words[at:]])
    told = json.loads(command.load().main(config, judge()[0]).read_text())
    assert told["differences"][0]["second"]["m"]["value"] == -0.5
    assert "second - m 4 -0.50" in " ".join(shown(capsys).split())


def test_the_command_shows_no_judge_what_a_model_thought(words: list[str]) -> None:
    """It thinks of the lung and answers the heart: wrong in both orders."""
    thoughts = [f"<unused94>lung?<unused95>Final Answer: {place}" for place in ("heart", "lung", "heart", "heart")]
    rows = [replace(row, box_format="medgemma-1.5") for row in answers(*thoughts)]
    write_jsonl(Path(words[words.index("m") + 1]), rows)
    command, config = cli.parse(words)
    expert, asked = judge()
    told = json.loads(command.load().main(config, expert).read_text())
    assert told["models"][0]["m"]["right"]["value"] == 0.25
    assert asked and not any("unused" in text_of(one) for one in asked)


def saying_second() -> Expert:
    expert = judge(first_wins=True)[0]
    expert.backend.name = "second"
    return expert


def test_the_rules_are_no_judge(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 1 and "the rules compare words, as `unveil score` does" in shown(capsys)


def test_data_that_are_not_open_stay_here(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine is asked through the gate as by other commands: nobody has said who may see these records."""
    monkeypatch.setenv("SOME_KEY", "any")
    far = ["--expert", "https://far.test/v1", "--expert-model", "m", "--allow-remote", "--key-variable", "SOME_KEY"]
    assert cli.main([*words, *far]) == 1 and "must not leave, so nothing was sent" in shown(capsys)


def test_nothing_to_judge_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--kinds", "closed", "--expert", "local:m"]) == 1
    assert "no answer to a question of the kinds closed" in shown(capsys)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (lambda rows: rows[:3], "second.jsonl: predictions are incomplete: 1 of 4 dialogues have none (d/q)"),
        (
            lambda rows: [replace(row, shown="blank") for row in rows],
            "answers to images that were taken away (4 blank)",
        ),
        (lambda rows: [replace(row, record="z") for row in rows], "a/q, b/q, c/q, d/q: answers about other images"),
    ],
)
def test_answers_that_would_not_compare_are_refused(words: list[str], capsys, second, told: str) -> None:
    """Half of what the first model has answered, images that were not shown, images of another set."""
    file = Path(words[words.index("m") + 1]).with_name("second.jsonl")
    write_jsonl(file, second(answers("lung", "heart", "lung", "lung")))
    at = words.index("--out")
    assert cli.main([*words[:at], "second", str(file), *words[at:], "--expert", "local:m"]) == 1
    assert told in shown(capsys)


def test_records_of_another_set_are_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(words[words.index("--records") + 1], [record(name="z")])
    assert cli.main([*words, "--expert", "local:m"]) == 1
    assert "4 of 4 dialogues are about records that are not there (a, b, c, d)" in shown(capsys)
