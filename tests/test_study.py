"""A study's figures are means over seeds with Student's interval, and its document keeps what stands around them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unveil import runs, study
from unveil.records import RecordError
from unveil.study import METRICS, PLANS, StudyConfig

PLAN = PLANS["preferences"]
BEGIN, END = PLAN.marks


def scores(folder: Path, **values: float) -> Path:
    models = {name: {"metrics": {m: {"value": v} for m in METRICS}} for name, v in values.items()}
    runs.write_json(folder / "scores.json", {"models": models})
    return folder


def test_the_interval_is_students() -> None:
    """Of 1, 2 and 3: mean 2, standard deviation 1, t with two degrees of freedom 4.3027, half width 4.3027 / sqrt(3) =
    2.4842."""
    found = study.mean([1.0, 2.0, 3.0])
    assert (found.value, found.n) == (2.0, 3)
    assert (
        found.high - found.value == pytest.approx(2.4842, abs=1e-4) == pytest.approx(found.value - found.low, abs=1e-4)
    )


def test_differences_are_taken_within_each_seed(tmp_path: Path) -> None:
    """Seeds differ by 0.3, but dpo is 0.1 to 0.12 above sft in each: that is shown. MMedPO is above sft once and below
    it once: that is not. What a seed lacks is not claimed of."""
    folders = [
        scores(tmp_path / "1", base=0.1, sft=0.2, dpo=0.3, mmedpo=0.25, selftrain=0.1),
        scores(tmp_path / "2", base=0.2, sft=0.5, dpo=0.61, mmedpo=0.45),
        scores(tmp_path / "3", base=0.3, sft=0.5, dpo=0.62, mmedpo=0.5),
    ]
    rows = {
        (c["better"], c["than"]): c["differences"]["iou"] for c in study.claims([*map(study._values, folders)], PLAN)
    }
    assert rows["dpo", "sft"]["value"] == pytest.approx(0.11) and rows["dpo", "sft"]["verdict"] == "yes"
    assert rows["mmedpo", "sft"]["verdict"] == "not shown"
    assert study.Mean(-0.2, -0.3, -0.1, 3).verdict == "no, the contrary"
    assert not any("selftrain" in pair for pair in rows)


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "results.md"
    document.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n")
    study.write_part(document, "new", PLAN)
    assert document.read_text() == f"# Before\n{BEGIN}\nnew\n{END}\nafter\n"
    document.write_text("nothing")
    with pytest.raises(RecordError, match="the marks"):
        study.write_part(document, "new", PLAN)
    assert document.read_text() == "nothing"


def test_runs_that_are_there_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the runs' scores to study.json and the document."""
    document = tmp_path / "results.md"
    document.write_text(f"{BEGIN}{END}")
    monkeypatch.setattr(
        study, "_run", lambda config, plan, out, seed: scores(out / str(seed), sft=0.5 + seed / 10, base=0.1)
    )
    config = StudyConfig(seeds=(1, 2), out=tmp_path, document=document)
    about = json.loads(study.preferences(config).read_text())
    assert about["values"]["sft"]["iou"]["value"] == pytest.approx(0.65)
    assert "| fine-tuning helps | sft − base |" in document.read_text()


@pytest.mark.parametrize("seeds", [(1,), (1, 1), ()])
def test_one_seed_is_no_study(seeds: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="at least two"):
        study.rewards(StudyConfig(seeds=seeds, out=tmp_path))


def test_a_seed_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    config = StudyConfig(model=str(tmp_path / "nothing"), patients=4)
    with pytest.raises(RecordError, match=r"seed 7 ended with 1; the end of .*seed-7\.log"):
        study._run(config, PLAN, tmp_path, 7)
    assert "nothing" in (tmp_path / "seed-7.log").read_text()
