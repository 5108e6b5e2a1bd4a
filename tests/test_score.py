"""Predictions in files are scored, a constant answer beside them; what does not belong together is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.helpers.outcomes import NORMAL, A, B, C, diagnosis, dialogue, predicted, record
from unveil import cli
from unveil.core import joined
from unveil.core.grading import NO_FINDING, ScoreError
from unveil.core.jsonl import write_jsonl
from unveil.core.records import KINDS, Question, RecordError
from unveil.core.truths import Truth
from unveil.evaluate.baselines import constant
from unveil.evaluate.changes import changes
from unveil.evaluate.score import score
from unveil.evaluate.score_table import show_scores


@pytest.fixture
def files(tmp_path):
    """Training: masses at A and at (0,0,20,20). Test: a mass at A, a cyst at A, a normal image, of three patients."""
    records = [
        record(("mass", A), name="t1", split="train"),
        record(("mass", (0.0, 0.0, 20.0, 20.0)), name="t2", split="train"),
        record(("mass", A), name="a", split="test", patient="1"),
        record(("cyst", A), name="b", split="test", patient="2"),
        record(name="n", split="test", patient="3"),
    ]
    asked = [dialogue("diagnosis", name=f"{r.id}/diagnosis", of=r.id, split=r.split) for r in records]
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", asked)
    tests = [d for d in asked if d.split == "test"]
    write_jsonl(tmp_path / "base.jsonl", [predicted(d, NORMAL) for d in tests])
    write_jsonl(tmp_path / "sft.jsonl", [predicted(d, diagnosis(("mass", A))) for d in reversed(tests)])
    return tmp_path


def scored(files, **models):
    return score(files / "records.jsonl", files / "dialogues.jsonl", models, files / "out", seed=3, resamples=200)


def test_scores_of_two_models_and_a_constant(files):
    """sft names 1 of 2 right, IoU 1, alarm on the normal image; base finds nothing: differences 1/2 and 1. The
    constant is the mass at the mean box (0,0,15,15): IoU 100/225 with A."""
    result = scored(files, base=files / "base.jsonl", sft=files / "sft.jsonl")
    assert json.loads((files / "out" / "scores.json").read_text()) == result
    sft, base = (result["models"][m]["metrics"] for m in ("sft", "base"))
    assert (sft["accuracy"]["value"], sft["iou"]["value"], sft["diagnosis_specificity"]["value"]) == (0.5, 1, 0)
    assert (base["iou"]["value"], base["diagnosis_specificity"]["value"], base["closed"]["value"]) == (0, 1, None)
    assert sft["accuracy"]["n"] == sft["accuracy"]["clusters"] == 2
    assert result["differences"]["sft"]["base"]["iou"]["value"] == 1
    assert result["differences"]["sft"]["base"]["iou"]["excludes_zero"] is False, "two patients are no proof"
    assert result["models"]["base"]["counts"]["failures"] == {"missed": 2}
    constant = result["baselines"]["majority"]
    assert constant["metrics"]["iou"]["value"] == pytest.approx(100 / 225)
    assert constant["differences"]["sft"]["iou"]["value"] == pytest.approx(125 / 225)
    assert result["bootstrap"]["cluster"] == "patient" and result["splits"] == ["test"]
    assert len(result["files"]) == 4 and all(len(h) == 64 for h in result["files"].values())
    assert set(result["sections"]["subgroups"]["by"]["label"]) == {"mass", "cyst", NO_FINDING}


def test_the_constant_points_at_the_mean_box_of_the_name():
    """Training: masses at (0,0,10,10) and (0,0,20,20) of 100, a cyst at B. Asked for the cyst it says B, for a node,
    which it has not seen, the mean of all three: (50/3, 50/3, 30, 30). The image is twice as wide: x doubles."""
    always = constant([record(("mass", A), ("mass", (0.0, 0.0, 20.0, 20.0)), ("cyst", B), split="train")])
    assert always is not None
    names = ["cyst", "mass", "node"]
    wide = Truth(dataclasses.replace(record(), width=200), names)
    said = {n: always.case(dialogue("localisation", target=n), wide).parsed.boxes[0] for n in names}
    assert said["mass"] == pytest.approx((0, 0, 30, 15)) and said["cyst"] == pytest.approx((100, 50, 120, 60))
    assert said["node"] == pytest.approx((100 / 3, 50 / 3, 60, 30)) and always.label == "mass"
    assert not always.answers(dialogue("closed")) and always.answers(dialogue("diagnosis"))
    assert constant([record(("mass", A), split="test")]) is None


def test_the_constant_of_a_set_without_boxes_answers_what_it_can():
    """Training: yes twice and no once, in Chinese 否, and a label without a place. Places have no constant."""
    asked = (*(Question("?", a, "closed", language="en") for a in ("yes", "no", "yes")), Question("?", "否", "closed"))
    boxless = dataclasses.replace(record(("mass", None), split="train"), questions=asked, language="zh")
    always = constant([boxless])
    assert always is not None and (always.abnormal, always.label, always.boxes) == (True, "mass", {})
    said = {d.language: always.case(d, Truth(boxless, ["mass"])).text for d in (
        dialogue("closed", language="en"), dialogue("closed", language="zh"))}  # fmt: skip
    assert said == {"en": "yes", "zh": "否"}
    assert {kind for kind in KINDS if always.answers(dialogue(kind, language="en"))} == {
        "closed", "detection", "recognition"
    }  # fmt: skip
    assert constant([dataclasses.replace(boxless, split="test")]) is None


def test_outcomes_are_written_one_a_line(files):
    scored(files, sft=files / "sft.jsonl")
    rows = [json.loads(line) for line in (files / "out" / "outcomes.jsonl").read_text().splitlines()]
    assert [(o["model"], o["id"]) for o in rows] == [("sft", f"{r}/diagnosis") for r in "abn"]
    assert sum(o["sums"]["accuracy"][0] for o in rows if "accuracy" in o["sums"]) == 1


def test_score_refuses_incomplete_and_empty_files(files):
    lines = (files / "sft.jsonl").read_text().splitlines(keepends=True)
    (files / "part.jsonl").write_text("".join(lines[:2]))
    (files / "empty.jsonl").write_text("")
    with pytest.raises(ScoreError, match=r"part.jsonl: predictions are incomplete: 1 of 3"):
        scored(files, sft=files / "part.jsonl")
    with pytest.raises(ScoreError, match=r"empty\.jsonl: there is not one row"):
        scored(files, sft=files / "empty.jsonl")
    with pytest.raises(RecordError, match="no such file"):
        scored(files, sft=files / "nowhere.jsonl")
    with pytest.raises(ScoreError, match="no predictions"):
        scored(files)


def test_a_name_that_stands_twice_is_refused(tmp_path, capsys):
    """Formerly the first file was left out without a word."""
    (tmp_path / "a.jsonl").write_text("")
    file, out = str(tmp_path / "a.jsonl"), tmp_path / "out"
    given = ["--records", file, "--dialogues", file, "--predictions", "sft", file, "dpo", file, "sft", file]
    assert cli.main(["score", *given, "--out", str(out)]) == 2 and not out.exists()
    assert "the name sft stands twice: each file needs one of its own" in capsys.readouterr().err


def test_differences_are_told_by_both_names(files, capsys):
    """Whose hyphens are their own: "a-b" less "c" and "a" less "b-c" are two differences."""
    names = ("c", "b-c", "a", "a-b")
    result = scored(files, **{name: files / ("sft.jsonl" if "a" in name else "base.jsonl") for name in names})
    assert {name: list(others) for name, others in result["differences"].items()} == {
        "b-c": ["c"], "a": ["c", "b-c"], "a-b": ["c", "b-c", "a"]
    }  # fmt: skip
    assert [result["differences"][name]["c"]["iou"]["value"] for name in names[1:]] == [0, 1, 1]
    show_scores(scored(files, **{"qwen-vl": files / "base.jsonl", "qwen-vl-sft": files / "sft.jsonl"}))
    assert "qwen-vl-sft - qwen-vl" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("splits", "title"),
    [(["test"], "Test split: value"), (["val"], "Val split: value"), (["test", None], "Splits test, none: value")],
)
def test_the_table_names_the_splits_that_were_scored(splits, title, files, capsys):
    models = {name: files / f"{name}.jsonl" for name in ("base", "sft")}
    show_scores({**scored(files, **models), "splits": splits})
    assert title in capsys.readouterr().err


def test_vocabulary_comes_from_all_records():
    assert joined.vocabulary([record(("mass", A)), record(("cyst", B), ("mass", C))]) == ("cyst", "mass")


def test_languages_and_a_guess_among_options(tmp_path, capsys):
    """Of 2 and of 4 options a guess is right in (1/2 + 1/4) / 2. English and Chinese questions have figures of their
    own; where all are of one language, as in the other tests, there is no such table."""
    asked = [
        dialogue("choice", "A. x", name="1", choices=("x", "y"), language="en"),
        dialogue("choice", "B. y", name="2", choices=("x", "y", "z", "u"), language="zh"),
    ]
    write_jsonl(tmp_path / "records.jsonl", [record()])
    write_jsonl(tmp_path / "dialogues.jsonl", asked)
    write_jsonl(tmp_path / "base.jsonl", [predicted(d, "A") for d in asked])
    result = scored(tmp_path, base=tmp_path / "base.jsonl")
    model = result["models"]["base"]
    assert model["metrics"]["choice"]["value"] == 0.5
    by = result["sections"]["subgroups"]["by"]
    assert {key: of["models"]["base"]["choice"]["value"] for key, of in by["language"].items()} == {"en": 1, "zh": 0}
    assert list(by) == ["language"], "where all are in one group, there are no groups"
    assert result["baselines"]["chance"] == {"choice": 0.375, "n": 2} and "reason" in result["baselines"]["majority"]
    (row,) = [row for row in changes(result)["rows"] if row["key"] == "choice"]
    assert row["constant"] == 0.375
    for models in (["base"], ["base", "sft", "aar"]):  # one in rows, several in columns
        show_scores(scored(tmp_path, **dict.fromkeys(models, tmp_path / "base.jsonl")))
        told = capsys.readouterr().err
        assert "choice" in told and "phrase" not in told, "nothing was asked about phrases"


def test_answers_of_the_validation_split_are_those_of_a_scored_model_and_of_that_split(files):
    read = files / "records.jsonl", files / "dialogues.jsonl"
    base = {"base": files / "base.jsonl"}
    with pytest.raises(ScoreError, match="no model of that name"):
        score(*read, base, files / "out", validation={"sft": files / "sft.jsonl"})
    with pytest.raises(ScoreError, match="answers of the validation split are needed, not of test"):
        score(*read, base, files / "out", validation=base)
