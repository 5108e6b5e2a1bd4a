"""The study of reviews counts errors among the first decisions, and compares orders and models within each seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from unveil.core.options import OptionError
from unveil.core.records import Dialogue, Finding, Record
from unveil.pipelines import study, study_review, study_tables
from unveil.synthetic.label_errors import LabelError

ERRORS: dict[str, LabelError] = {"a": "wrong label", "b": "missing box", "c": "missing box"}


def test_errors_are_counted_per_hundred_decisions() -> None:
    """Of a, x, b, y two are errors: 50 per 100, and of the first two 50; of both kinds a half of those there are, or
    all."""
    order = ["a", "x", "b", "y", "c"]
    assert study_review._found(order, ERRORS, 4) == 50 == study_review._found(order, ERRORS, 2)
    assert study_review._by_kind(order[:3], ERRORS) == {"wrong label": 1.0, "missing box": 0.5}


def seed(queue: float, random: float, iou: float) -> dict[str, object]:
    """What one seed found: errors per 100 of both orders, and mean IoU after the queue; 0.5 after all others."""
    scores = {arm: dict.fromkeys(study_review.METRICS, 0.5) for arm in study_review.ARMS}
    scores["queue"]["iou"] = iou
    found = {"queue": queue, "random": random}
    by_kind = {name: {"missing box": 0.5} for name in found}
    return {
        "images": 100, "errors": {"missing box": 20}, "budget": 10,
        "found": found, "found_by_kind": by_kind, "scores": scores,
    }  # fmt: skip


def test_differences_are_taken_within_each_seed() -> None:
    """40 and 20 against 20 and 10 per 100: 15 more on average; IoU 0.1 and 0.12 higher."""
    about = study_review.told([seed(40, 20, 0.6), seed(20, 10, 0.62), seed(32, 17, 0.61)], study.mean)
    assert about["found"]["queue"]["more_than_random"]["value"] == pytest.approx(15)
    [apart] = [row for row in about["differences"] if (row["better"], row["than"]) == ("queue", "random")]
    assert apart["metrics"]["iou"]["value"] == pytest.approx(0.11) and apart["metrics"]["iou"]["verdict"] == "yes"
    assert apart["metrics"]["accuracy"]["verdict"] == "not shown"
    text = study_tables.review_text(about | {"seeds": [1, 2, 3], "patients": 9, "model": "tiny"})
    assert "| queue | 30.667 [" in text and "100 to 100 training images, of which 20% to" in text


def test_all_models_are_asked_the_same_test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what is asked about an image hangs on the names of all: with its training image called otherwise, a
    question for a name that is absent would be another one."""

    def record(name: str, label: str, split: str) -> Record:
        finding = Finding(label, (1.0, 1.0, 20.0, 20.0))
        return Record(name, f"{name}.png", 64, 64, split=split, findings=(finding,), completeness="exhaustive")  # type: ignore[arg-type]

    monkeypatch.setattr(study_review, "_trained", lambda trial, folder: None)
    monkeypatch.setattr(study_review, "_answered", lambda trial, folder: folder)
    trial = study_review.ReviewTrial(tmp_path, 0, 3, "tiny")
    truth = [record("t", "ulcer", "train"), record("u", "nodule", "train"), record("q", "polyp", "test")]
    study_review._asked(trial, tmp_path / "true", truth)
    asked = {}
    for arm, labels in (("corrected", ("ulcer", "nodule")), ("uncorrected", ("polyp", "polyp"))):
        study_review._arm(trial, arm, truth, [record("t", labels[0], "train"), record("u", labels[1], "train")])
        rows = list(study_review.jsonl.read_jsonl(tmp_path / arm / "dialogues.jsonl", Dialogue))
        asked[arm] = [row for row in rows if row.split == "test"]
        assert {row.record for row in rows if row.split == "train"} == {"t", "u"}
    assert asked["corrected"] == asked["uncorrected"] != []


def test_options_that_it_has_not_are_refused() -> None:
    with pytest.raises(OptionError, match="--jobs: not of `unveil study review`"):
        study.main(study.Config(name="review", jobs=2))
