"""Rewards of one's own: in which form they are called, and that what is wrong with one is said before anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import write_both
from tests.helpers.updating import updated, write_open
from unveil import cli
from unveil.core.answered import Answered
from unveil.core.plugins import PluginError
from unveil.rl import experience, grpo
from unveil.rl.own_rewards import FIGURES, FormError, check_name, read
from unveil.rl.rewards import REWARDS, UNUSABLE, Reward, RewardError, named, spread, watched

# ------------------------------------------------------------------------------------------------------------ the form


class Called:
    def __call__(self, answered: Answered) -> float:
        return 1.0


async def late(completions: list[str], **kwargs: Any) -> list[float]:
    return [1.0] * len(completions)


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (lambda answered: 1.0, "answered"),
        (lambda answered, scale=2.0: 1.0, "answered"),
        (lambda answer, *rest, **known: 0.0, "answered"),
        (lambda *args: 0.0, "answered"),
        (Called(), "answered"),
        (lambda completions: [], "texts"),
        (lambda completions, **kwargs: [], "texts"),
        (lambda prompts, completions, answer, **kwargs: [], "texts"),
        (lambda completions, *, answered, kind: [], "texts"),
        (lambda completions, answer, threshold=0.5: [], "texts"),
    ],
)
def test_the_form_is_told_by_the_signature(function: Callable[..., Any], form: str) -> None:
    assert read(function).form == form


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: 1.0, r"its signature is \(\)"),
        (lambda answered, truth: 1.0, r"its signature is \(answered, truth\)"),
        (lambda *, answered: 1.0, "its signature is"),
        (lambda completions, solution, **kwargs: [], "solution.*; there are prompts, completions, answered, id,"),
        (lambda completion_ids, **kwargs: [], "completion_ids.*; there are prompts, completions, answered, id,"),
        (late, "it is asynchronous"),
    ],
)
def test_what_cannot_be_called_shows_what_can(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(FormError, match=why) as told:
        read(function)
    assert "there are" in str(told.value) or "def reward(answered)" in str(told.value)


# ------------------------------------------------------------------------------------------------------------ the name


@pytest.mark.parametrize("name", ["length", UNUSABLE, "total", "of", "hits", "groups", "val_score", "short_alike"])
def test_a_name_that_a_run_uses_is_no_reward_s(name: str) -> None:
    """``groups`` since ``groups_alike`` is told of all rewards, ``short_alike`` since it is told of ``short``."""
    with pytest.raises(FormError, match="in a run this name, or one"):
        check_name(name)


def test_names_of_ours_are_free_and_so_are_those_of_functions() -> None:
    for name in (*REWARDS, "hits@0.5", "mine.length"):
        check_name(name)


def test_what_is_told_of_a_reward_is_what_no_other_may_be_called() -> None:
    found = watched({"own": np.ones((1, 2))}, np.ones((1, 2), bool))
    told = found.keys() | spread({name: total / of for name, (total, of) in found.items()}).keys()
    assert told == {"own", *(f"own_{figure}" for figure in FIGURES)}


def test_a_function_in_a_file_is_refused_for_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def error_squared(answered):\n    return 1.0\n")
    with pytest.raises(RewardError, match=r"reward mine\.error_squared: in a run this name, or one"):
        named(f"{tmp_path}/mine.py:error_squared", 1.0)


# ----------------------------------------------------------------------------------------------------------- the trial


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_both(tmp_path_factory.mktemp("data"), 9)


def options(data: Path, tmp_path: Path, body: str, **more: Any) -> grpo.Config:
    """A run with a reward of one's own, and of a model that is not there."""
    (tmp_path / "mine.py").write_text(body)
    usual: dict[str, Any] = {"out": tmp_path / "out", "model": str(tmp_path / "no model")}
    usual |= {"rewards": (f"{tmp_path}/mine.py:f", "form")}
    return grpo.Config(records=data / "records.jsonl", dialogues=data / "dialogues.jsonl", **{**usual, **more})


def tried(config: grpo.Config) -> tuple[Reward, list[str]]:
    """The first reward after its trial, and what was said of it."""
    said: list[str] = []
    return experience.tried(config, False, said.append)[0][0], said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("def f(answered):\n    return answered.txt\n", r"raised AttributeError\(.*\) \(mine.py, line 2\)"),
        ("def f(answered):\n    return 'good'\n", "gave 'good', not a finite number or None"),
        ("def f(answered):\n    return float('nan')\n", "gave nan, not a finite number or None"),
        ("def f(answered):\n    return [1.0]\n", r"gave \[1.0\], not a finite number or None"),
        ("def f(answer, truth):\n    return 1.0\n", r"its signature is \(answer, truth\); a reward is `def reward"),
        ("def f(completions, **kwargs):\n    return 1.0\n", "gave 1.0, not a list with a number for each completion"),
        ("def f(completions, **kwargs):\n    return [1.0]\n", "gave 1 values for 2 answers"),
        ("def f(completions, **kwargs):\n    return ['x' for c in completions]\n", "gave 'x', not a finite number"),
        ("def f(completions, **kwargs):\n    return [1 / 0]\n", r"ZeroDivisionError.*\(mine.py, line 2\)"),
        ("def f(answered):\n    raise KeyError('x' * 9999)\n", r"raised KeyError\('x+…? \(mine.py, line 2\)$"),
        (
            "def f(completions, **kwargs):\n    return kwargs['solution']\n",
            r"KeyError\('solution'\) \(mine.py, line 2\); there are prompts, completions, answered, id,",
        ),
        ("def f(answered)\n    return 1.0\n", r"cannot be imported: SyntaxError: .*\(mine.py, line 1\)"),
        ("import not_installed\n", "cannot be imported: ModuleNotFoundError: No module named 'not_installed'"),
    ],
)
def test_what_is_wrong_is_said_before_the_model_is_looked_for(
    body: str, why: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """In a line: the reward, the question, what happened and where."""
    config = options(data, tmp_path, body)
    with pytest.raises((RewardError, PluginError), match=why) as told:
        tried(config)
    assert "mine" in str(told.value) and len(str(told.value)) < 700
    words = ["--records", config.records, "--dialogues", config.dialogues, "--out", config.out, "--model", config.model]
    assert cli.main(["train", "grpo", *map(str, words), "--rewards", config.rewards[0]]) == 1
    shown = capsys.readouterr().err
    assert "error: " in shown and "mine" in shown and "Traceback" not in shown


def test_true_answers_are_tried(data: Path, tmp_path: Path) -> None:
    """With their own text, parsed, right in all that is judged, of both kinds of questions; attention if it is read."""
    body = """
SEEN = []
def f(answered):
    SEEN.append(answered)
    assert answered.usable and answered.text == answered.dialogue.answer
    assert answered.outcome.right and answered.relevance is None
    return 1.0
"""
    reward, said = tried(options(data, tmp_path, body, rewards=(f"{tmp_path}/mine.py:f", "vision=0")))
    seen = reward.function.function.__globals__["SEEN"]  # type: ignore[union-attr]
    assert {one.dialogue.kind for one in seen} == {"diagnosis", "localisation"} and not said
    abnormal = next(one for one in seen if one.dialogue.kind == "diagnosis" and one.record.findings)
    assert set(abnormal.attention) == {f.label for f in abnormal.record.findings}
    tried(options(data, tmp_path, body.replace("SEEN.append", "assert answered.attention is None, str")))


def test_what_fails_alike_with_texts_and_with_chats_is_told_once(data: Path, tmp_path: Path) -> None:
    body = "def f(completions, **kwargs):\n    return [1 / 0]\n"
    with pytest.raises(RewardError) as told:
        tried(options(data, tmp_path, body))
    why = "r0/diagnosis: reward mine.f raised ZeroDivisionError('division by zero') (mine.py, line 2)"
    assert str(told.value) == why and isinstance(told.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.5", []),
        ("True", []),
        ("None", ["warning: reward mine.f gave None, that is no verdict, for all of 6 true answers"]),
        ("-2.5", ["note: reward mine.f gave -2.5 for a true answer; rewards mostly go from 0 to 1"]),
        ("7", ["note: reward mine.f gave 7 for a true answer; rewards mostly go from 0 to 1"]),
    ],
)
def test_odd_values_are_told(value: str, said: list[str], data: Path, tmp_path: Path) -> None:
    _, found = tried(options(data, tmp_path, f"def f(answered):\n    return {value}\n"))
    assert len(found) == len(said) and all(a.startswith(b) for a, b in zip(found, said, strict=True))


# ---------------------------------------------------------------------------------------------------------- TRL's form


def group(data: Path, tmp_path: Path) -> list[Answered]:
    """Two answers to one question."""
    body = "SEEN = []\ndef f(answered):\n    SEEN.append(answered)\n    return 1.0\n"
    reward, _ = tried(options(data, tmp_path, body))
    return reward.function.function.__globals__["SEEN"][:2]  # type: ignore[union-attr]


def test_columns_are_lists(data: Path, tmp_path: Path) -> None:
    """A column of dialogues.jsonl, prompts and completions, and what our own form is given."""
    body = """
def f(prompts, completions, answer, kind, answered, **kwargs):
    assert prompts == kwargs["question"] and completions == answer and len({*kwargs["id"]}) == 1
    return [len(text) / 100 if one.record.id else None for text, one in zip(completions, answered)]
"""
    answers = group(data, tmp_path)
    reward, _ = tried(options(data, tmp_path, body))
    assert reward.of(answers) == [len(answers[0].text) / 100] * 2
    assert reward.of(answers[:1]) == [len(answers[0].text) / 100]


def test_what_is_not_asked_for_is_not_given(data: Path, tmp_path: Path) -> None:
    reward, _ = tried(options(data, tmp_path, "def f(completions):\n    return [0.25 for _ in completions]\n"))
    assert reward.of(group(data, tmp_path)) == [0.25, 0.25]


def test_chats_are_given_to_who_cannot_take_texts(data: Path, tmp_path: Path) -> None:
    """As TRL gives them where a data set's prompts are chats. Strings are tried first: most can take them."""
    body = """
def f(prompts, completions, **kwargs):
    assert prompts[0][0]["role"] == "user" and completions[0][0]["role"] == "assistant"
    return [len(completion[0]["content"]) / 100 for completion in completions]
"""
    answers = group(data, tmp_path)
    reward, _ = tried(options(data, tmp_path, body))
    assert reward.of(answers) == [len(answers[0].text) / 100] * 2
    with pytest.raises(RewardError, match=r"TypeError.*; with completions as chats: .*KeyError.*line 4"):
        tried(options(data, tmp_path, body.replace('"content"', '"contents"')))


@pytest.mark.parametrize(
    "values", [[0.5, None], (0.5, None), np.array([0.5, np.nan]), torch.tensor([0.5, 0.25]), [torch.tensor(0.5), 1]]
)
def test_values_of_any_library_will_do(values: Any, data: Path, tmp_path: Path) -> None:
    """None is no verdict; NaN is no number."""
    reward = Reward("own", read(lambda completions: values))
    answers = group(data, tmp_path)
    if isinstance(values, np.ndarray):
        with pytest.raises(RewardError, match="gave nan"):
            reward.of(answers)
    else:
        first, second = reward.of(answers)
        assert first == 0.5 and (math.isnan(second) if values[1] is None else second == float(values[1]))


def test_a_run_with_a_reward_in_trls_form(tiny_folder: Path, tmp_path: Path) -> None:
    """The same run as with the same reward in our form."""
    write_open(tmp_path)
    (tmp_path / "trl.py").write_text(
        "def varied(completions, **kwargs):\n    return [len(c) % 7 / 6 for c in completions]\n"
    )
    ours, log = updated("grpo", tmp_path, tiny_folder, tmp_path / "ours", batch_size=7)
    trls, same = updated(
        "grpo", tmp_path, tiny_folder, tmp_path / "trls", batch_size=7, rewards=(f"{tmp_path}/trl.py:varied",)
    )
    assert torch.equal(ours[0], trls[0]) and log[0]["reward"] == same[0]["reward"] > 0
    assert named(f"{tmp_path}/trl.py:varied", 1.0).name == "trl.varied"


# ------------------------------------------------------------------------------------------ rewards that never differ


def told(recipe: str, tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture, **more: Any) -> tuple[str, Any]:
    """What a run says, and run.json."""
    write_open(tmp_path)
    (tmp_path / "same.py").write_text("def zero(answered):\n    return 0.0\n\n\ndef one(answered):\n    return 1.0\n")
    out = tmp_path / "out"
    updated(recipe, tmp_path, tiny_folder, out, **more)
    return " ".join(capsys.readouterr().err.split()), json.loads((out / "run.json").read_text())["informative_updates"]


@pytest.mark.parametrize("recipe", ["grpo", "ppo"])
def test_rewards_that_never_differ_are_told(
    recipe: str, tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    """After ten updates once, and at the end; run.json counts the updates in which they did."""
    given = {"batch_size": 3, "epochs": 4.0, "learning_rate": 1e-9}
    rewards = (f"{tmp_path}/same.py:zero", f"{tmp_path}/same.py:one")
    said, apart = told(recipe, tmp_path, tiny_folder, capsys, rewards=rewards, **given)
    early = "warning: nothing is learnt so far: in 10 updates all answers to a question always earned the same"
    assert said.count(f"{early} (same.zero, same.one)") == 1
    assert "warning: nothing was learnt: in 12 updates all answers" in said
    assert apart == {"of": 12, "total": 0, "same.zero": 0, "same.one": 0}


def test_one_of_several_that_never_differs_is_told(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    """The others do: only that one is named. One that is only watched, with weight 0, is no matter."""
    rewards = (f"{tmp_path}/mine.py:varied", f"{tmp_path}/same.py:one", f"{tmp_path}/same.py:zero=0")
    said, apart = told("grpo", tmp_path, tiny_folder, capsys, batch_size=7, rewards=rewards)
    assert "the reward same.one teaches nothing: in 1 update it was always the same" in said
    assert "nothing was learnt" not in said and "same.zero" not in said
    assert apart == {"of": 1, "total": 1, "mine.varied": 1, "same.one": 0}


def test_rewards_that_differ_are_not_told(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture) -> None:
    said, apart = told("grpo", tmp_path, tiny_folder, capsys, batch_size=7)
    assert "warning" not in said and apart == {"of": 1, "total": 1, "mine.varied": 1}
