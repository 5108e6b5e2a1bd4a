"""The judge of relevance: what it is asked, once for equal answers, and what becomes of a judge that is down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records_in
from tests.helpers.cases import saying, text_of
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import Case, grade
from unveil.core.jsonl import write_jsonl
from unveil.curate.mau import MauOptions, mau
from unveil.experts import judge as judging
from unveil.experts.options import ExpertOptions
from unveil.experts.requests import ExpertError, Request
from unveil.gate import GateError
from unveil.rl import engines, grpo
from unveil.rl.aar import rewards_of
from unveil.rl.run import JudgeError
from unveil.train.loop import TrainingError


def down(request: Request) -> str:
    raise ExpertError("nobody answers")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    records = records_in(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, MauOptions()))
    return tmp_path


def cases(data: Path, *texts: str) -> list[Case]:
    """Answers to the first image's diagnosis."""
    record = records_in(data)[0]
    dialogue = next(d for d in mau([record], MauOptions()) if d.kind == "diagnosis")
    view = View(BOX_FORMATS["unit"], record.size, record.size)
    return [grade(dialogue, record, t, view, ["nodule"]) for t in texts]


def test_equal_answers_are_asked_about_once(data: Path) -> None:
    expert, asked = saying(lambda request: '{"score": 0.7}')
    found = judging.scores(expert, cases(data, "a nodule", "a cyst", "a nodule"), data / "dialogues.jsonl")
    assert found == [0.7, 0.7, 0.7] and len(asked) == 2
    assert "a nodule" in text_of(asked[0]) and "Recognition: nodule" in text_of(asked[0]), "answer and truth"
    assert asked[0].picture is not None


def test_a_judge_that_says_nothing_of_use_gives_no_verdict(data: Path) -> None:
    """Asked three times, then None: neither 0 nor the rules' opinion."""
    expert, asked = saying(lambda request: '{"score": 7}')
    found = judging.scores(expert, cases(data, "a nodule"), data / "dialogues.jsonl")
    assert found == [None] and len(asked) == 3


def test_a_judge_that_is_down_is_told_apart(data: Path) -> None:
    files: dict[str, Any] = {"records": data / "records.jsonl", "dialogues": data / "dialogues.jsonl"}
    judge = engines.judge_of(grpo.Config(out=data / "out", **files), saying(down)[0])
    assert judge is not None
    with pytest.raises(JudgeError, match="the judge cannot be asked: nobody answers"):
        judge(cases(data, "a nodule"))
    assert engines.judge_of(grpo.Config(out=data / "out", **files)) is None


def test_a_judge_elsewhere_needs_open_data_before_the_first_step(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these records nobody has said who may see them, so training does not begin; a judge here may be asked."""
    files: dict[str, Any] = {"records": data / "records.jsonl", "dialogues": data / "dialogues.jsonl"}
    monkeypatch.setenv("SOME_KEY", "any")
    far = ExpertOptions(expert="https://far.test/v1", expert_model="m", allow_remote=True, key_variable="SOME_KEY")
    config = grpo.Config(out=data / "out", judge=far, **files)
    with pytest.raises(GateError, match=r"records must not leave, so nothing was sent"):
        engines.judge_of(config)
    assert engines.judge_of(replace(config, judge=replace(far, expert="http://127.0.0.1:9/v1"))) is not None


def test_what_is_left_out_is_watched() -> None:
    usual = ("relevance", "localisation=0.5", "vision")
    assert rewards_of(usual, ("alr",)) == ("relevance", "localisation=0", "vision")
    assert rewards_of(usual, ()) == usual
    with pytest.raises(TrainingError, match="leaves no reward"):
        rewards_of(usual, ("alr", "vrr", "relevance"))
