"""Options of a run with rewards: which rewards, what they weigh, and what is refused at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records_in, write_dialogues
from unveil.core.jsonl import write_jsonl
from unveil.rl.experience import (
    parts,
)
from unveil.rl.options import RlOptions
from unveil.rl.rewards import RewardError, named
from unveil.train.loop import TrainingError


def options(folder: Path, **more: Any) -> RlOptions:
    return RlOptions(out=folder / "out", records=folder / "records.jsonl", dialogues=folder / "dialogues.jsonl", **more)


# ------------------------------------------------------------------------------------------------------------- rewards


def test_rewards_and_their_weights(tmp_path: Path) -> None:
    found = parts(options(tmp_path, rewards=("vision", "localisation=0.5", "form=0", "hits@0.6=-1.5", "relevance=2")))
    assert [(r.name, r.weight) for r in found] == [
        ("vision", 1), ("localisation", 0.5), ("form", 0), ("hits@0.6", -1.5), ("relevance", 2),
    ]  # fmt: skip
    assert [r.scaled for r in found] == [True, True, True, True, False]


def test_the_usual_rewards_are_those_of_the_paper(tmp_path: Path) -> None:
    assert parts(options(tmp_path)) == [named(name, 1.0) for name in ("relevance", "localisation", "vision")]


def test_a_file_s_function_with_a_weight(tmp_path: Path) -> None:
    """One name in two files is two rewards. A sign of equality in a file's name is no weight where one follows."""
    (tmp_path / "mine.py").write_text("def same(answered):\n    return 0.25\n")
    (tmp_path / "a=1.py").write_text("def same(answered):\n    return 0.5\n")
    found = parts(options(tmp_path, rewards=(f"{tmp_path}/a=1.py:same=0.5", f"{tmp_path}/mine.py:same")))
    assert [(r.name, r.weight) for r in found] == [("a=1.same", 0.5), ("mine.same", 1)]


@pytest.mark.parametrize("again", ["vision", "vision=0.5", "vision=0"])
def test_a_reward_that_stands_there_twice_is_refused(again: str, tmp_path: Path) -> None:
    """By its name, whatever the weights: one of them would be lost."""
    with pytest.raises(RewardError, match=r"^--rewards: one of vision, relevance, vision stands there twice$"):
        parts(options(tmp_path, rewards=("vision", "relevance", again)))


def test_functions_of_one_name_in_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """In two folders: both are mine.same. Thresholds that differ are two rewards."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("def same(answered):\n    return 0.25\n")
    with pytest.raises(RewardError, match=r"one of mine.same, mine.same stands there twice"):
        parts(options(tmp_path, rewards=(f"{tmp_path}/a/mine.py:same", f"{tmp_path}/b/mine.py:same")))
    assert len(parts(options(tmp_path, rewards=("hits@0.5", "hits@0.6")))) == 2


@pytest.mark.parametrize("rewards", [(), ("vision=0",), ("vision=0", "relevance=0.0", "form=-0")])
def test_weights_of_0_teach_nothing(rewards: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--rewards: all weights are 0, so there is nothing to learn from"):
        parts(options(tmp_path, rewards=rewards))


@pytest.mark.parametrize("target", [0.0, -0.1])
def test_a_target_of_kl_is_above_0(target: float, tmp_path: Path) -> None:
    """The coefficient follows kl / target."""
    with pytest.raises(TrainingError, match="--kl-target must be above 0"):
        parts(options(tmp_path, kl_target=target))
    assert parts(options(tmp_path, kl_target=0.1)) == parts(options(tmp_path))


@pytest.mark.parametrize("answers", [1, 0])
def test_one_answer_has_nobody_to_be_compared_with(answers: int, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"--answers {answers}: answers are compared with others"):
        parts(options(tmp_path, answers=answers))


@pytest.mark.parametrize("name", ["luck", "luck=0.5", "=0.5"])
def test_unknown_rewards_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="no reward"):
        parts(options(tmp_path, rewards=("relevance", name)))


@pytest.mark.parametrize("weight", ["1.2.3", ".", "-.", "", "much", "nan", "inf"])
def test_a_weight_is_a_finite_number(weight: str, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match=rf"^'vision={weight}': a weight is a number, as in form=0.5$"):
        parts(options(tmp_path, rewards=("relevance", f"vision={weight}")))


# ----------------------------------------------------------------------------------------------------------- questions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six records: r0 to r2 train, r3 validation, r4 and r5 test; a nodule and a cyst, a nodule, nothing, and again."""
    write_dialogues(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records_in(tmp_path))
    return tmp_path
