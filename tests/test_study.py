"""A study's figures are means over seeds with Student's interval, and its document keeps what stands around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unveil.core import provenance
from unveil.core.records import RecordError
from unveil.pipelines import study, study_looking, study_tables
from unveil.pipelines.plans import METRICS, PLANS, UMED_LVLM, Plan

PLAN = PLANS["preferences"]
BEGIN, END = PLAN.marks


def scores(folder: Path, **values: float) -> Path:
    models = {name: {"metrics": {m: {"value": v} for m in METRICS}} for name, v in values.items()}
    provenance.write_json(folder / "scores.json", {"models": models})
    return folder


def test_the_interval_is_students() -> None:
    """Of 1, 2 and 3: mean 2, standard deviation 1, t with two degrees of freedom 4.3027, half width 4.3027 / sqrt(3) =
    2.4842."""
    found = study.mean([1.0, 2.0, 3.0])
    assert (found.value, found.n) == (2.0, 3)
    assert (
        found.high - found.value == pytest.approx(2.4842, abs=1e-4) == pytest.approx(found.value - found.low, abs=1e-4)
    )


def test_claims_are_about_what_a_study_trains() -> None:
    """And the baselines are in one study only, beside the rewards that one of them is compared with."""
    for plan in PLANS.values():
        assert {name for better, than, _ in plan.claims for name in (better, than)} == {"base", "sft", *plan.variants}
    trained = {name: set(plan.variants) for name, plan in PLANS.items()}
    assert trained["baselines"] & trained["rewards"] == {"aar"} and not trained["baselines"] & trained["preferences"]


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


def test_seeds_that_all_say_the_same_show_nothing() -> None:
    """0.3 - 0.2 and 0.5 - 0.4 differ by rounding alone: their spread is none, not a sure one."""
    found = study.mean([0.3 - 0.2, 0.5 - 0.4])
    assert found.verdict == "not shown" and study_tables._cell(vars(found), True) == "+0.100"
    apart = study.mean([0.1, 0.1001])
    assert apart.verdict == "yes" and study_tables._cell(vars(apart)) == "0.100 [0.099, 0.101]"


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "results.md"
    document.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n")
    study_tables.write_part(document, "new", PLAN.marks)
    assert document.read_text() == f"# Before\n{BEGIN}\nnew\n{END}\nafter\n"
    document.write_text("nothing")
    with pytest.raises(RecordError, match="the marks"):
        study_tables.write_part(document, "new", PLAN.marks)
    assert document.read_text() == "nothing"


def test_runs_that_are_there_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the runs' scores to study.json and the document."""
    document = tmp_path / "results.md"
    document.write_text(f"{BEGIN}{END}")
    monkeypatch.setattr(
        study, "_run", lambda config, plan, out, seed, _: scores(out / str(seed), sft=0.5 + seed / 10, base=0.1)
    )
    config = study.Config(name="preferences", seeds=(1, 2), out=tmp_path, document=document)
    about = json.loads(study.main(config).read_text())
    assert about["values"]["sft"]["iou"]["value"] == pytest.approx(0.65)
    assert "| fine-tuning helps | sft − base |" in document.read_text()


def test_the_papers_figures_stand_beside() -> None:
    """Where the paper has one; the table of a study without such figures has no such column."""
    figures = {m: vars(study.Mean(0.5, 0.4, 0.6, 2)) for m in METRICS}
    about: dict[str, Any] = {
        "metrics": METRICS,
        "seeds": [1, 2],
        "patients": 4,
        "model": "tiny",
        "values": {"sft": figures},
    }
    about["values"]["aar-without-relevance"] = figures
    lines = study_tables._models({**about, "published": UMED_LVLM})
    assert "| sft | 0.67 | 0.500 [0.400, 0.600] |" in "\n".join(lines)
    assert "| aar-without-relevance | – | 0.500 [0.400, 0.600] |" in "\n".join(lines)
    assert {line.count("|") for line in lines if line.startswith("|")} == {len(METRICS) + 3}
    plain = study_tables._models({**about, "published": {}})
    assert "| sft | 0.500 [0.400, 0.600] |" in "\n".join(plain) and "paper" not in "\n".join(plain)


def test_a_share_stays_within_0_and_1() -> None:
    """Of 0.8 and 1.0: 0.9, half width 12.706 * 0.1 = 1.27; of 0.4, 0.5, 0.6: half width 0.2484, as it is."""
    assert study._share([0.8, 1.0]) == {"value": pytest.approx(0.9), "low": 0.0, "high": 1.0, "n": 2}
    assert study._share([0.4, 0.5, 0.6])["low"] == pytest.approx(0.5 - 0.2484, abs=1e-4)


@pytest.mark.parametrize("seeds", [(1,), (1, 1), ()])
def test_one_seed_is_no_study(seeds: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="at least two"):
        study.main(study.Config(name="rewards", seeds=seeds, out=tmp_path))


def test_no_jobs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="--jobs: one at least"):
        study.main(study.Config(name="rewards", jobs=0, out=tmp_path))


def test_a_seed_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    config = study.Config(name="preferences", model=str(tmp_path / "nothing"), patients=4)
    with pytest.raises(RecordError, match=r"seed-7 ended with 1; the end of .*seed-7\.log"):
        study._run(config, PLAN, tmp_path, 7)
    assert "nothing" in (tmp_path / "seed-7.log").read_text()


LACK = study.Setting("lack", "two kinds", ("--withhold", "a", "b"), "label", ("a", "b"))


def outcomes(folder: Path, groups: dict[str, list[tuple[str, float]]]) -> Path:
    """By model, the labels of test images, one or several with "+", and the IoU of each one's diagnosis."""
    rows = [
        {**EMPTY, "model": model, "id": str(i), "labels": labels.split("+"), "sums": {"iou": [iou, 1.0]}}
        for model, found in groups.items()
        for i, (labels, iou) in enumerate(found)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


EMPTY: dict[str, Any] = {
    "record": "r", "cluster": "r", "kind": "diagnosis", "modality": "CT", "status": "ok", "right": None, "iou": None,
    "failures": [],
}  # fmt: skip


def test_what_training_lacks_is_told_by_the_images_that_have_it(tmp_path: Path) -> None:
    """Images with a (0.8), with a and b (0.4, counted once) and with b (0.3): their mean is 0.5; c does not count."""
    folder = outcomes(tmp_path, {"sft": [("a", 0.8), ("a+b", 0.4), ("b+c", 0.3), ("c", 0.0)]})
    scores(folder, sft=0.9)
    assert study._values(folder, LACK) == {"sft": {"iou": pytest.approx(0.5)}}
    modality = study.Setting("m", "a modality", ("--withhold", "CT"), "modality", ("CT",))
    assert study._values(folder, modality) == {"sft": {"iou": pytest.approx(0.375)}}
    assert study._values(folder)["sft"]["iou"] == 0.9
    assert study._values(folder, study.Setting("half", "half", ("--train-share", "0.5")))["sft"]["iou"] == 0.9


def test_with_and_without_what_lacks_side_by_side(tmp_path: Path) -> None:
    """Over two seeds: taught 0.6 and 0.8; without 0.1 and 0.3, with rewards 0.2 and 0.4, which is 0.1 more in each."""
    main = [outcomes(tmp_path / f"m{v}", {"sft": [("a", v)], "aar": [("a", v)]}) for v in (0.6, 0.8)]
    own = [outcomes(tmp_path / f"o{v}", {"sft": [("a", v)], "aar": [("a", v + 0.1)]}) for v in (0.1, 0.3)]
    found = study._varied(LACK, PLANS["rewards"], main, own)
    row = found["metrics"]["iou"]
    assert set(found["metrics"]) == {"iou"}  # the others have no value in these groups
    assert [row[name]["value"] for name in ("taught", "sft", "aar", "difference")] == pytest.approx(
        [0.7, 0.2, 0.3, 0.1]
    )
    about = {"settings": [found], "metrics": METRICS}
    assert "| two kinds (a, b) | mean IoU |" in "\n".join(study_tables._settings(about))


def test_a_setting_that_a_model_was_left_out_of_is_named(tmp_path: Path) -> None:
    whole = outcomes(tmp_path / "whole", {"sft": [("a", 0.6)], "aar": [("a", 0.6)]})
    lacking = outcomes(tmp_path / "lacking", {"sft": [("a", 0.6)]})
    with pytest.raises(RecordError, match="lacking: aar was left out there"):
        study._varied(LACK, PLANS["rewards"], [whole, whole], [whole, lacking])


def test_right_names_by_place(tmp_path: Path) -> None:
    """Images at IoU 0, 0.2, 0.2 and 0.8, named wrong, wrong, half right and right, of sft in each of two seeds."""
    rows = [(0.0, 0.0), (0.2, 0.0), (0.2, 0.5), (0.8, 1.0)]
    lines = [
        {"model": model, "id": str(i), **EMPTY, "labels": [], "sums": {"iou": [iou, 1.0], "accuracy": [right, 1.0]}}
        for model in ("sft", "aar")
        for i, (iou, right) in enumerate(rows)
    ]
    for seed in "12":
        (tmp_path / seed).mkdir()
        (tmp_path / seed / "outcomes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = study._by_place([tmp_path / "1", tmp_path / "2"], PLANS["rewards"])
    told = {row["place"]: (row["sft"]["images"], row["sft"]["share"] and row["sft"]["share"]["value"]) for row in found}
    assert told == {
        "not met": (2, 0.0), "up to 0.25": (4, 0.25), "0.25 to 0.5": (0, None), "0.5 to 0.75": (0, None),
        "0.75 and more": (2, 1.0),
    }  # fmt: skip
    assert "| 0.25 to 0.5 | –, n 0 | –, n 0 |" in "\n".join(study_tables._by_place({"by_place": found}))


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no moon; there are unseen-categories"):
        study.main(study.Config(name="rewards", settings=("moon",), out=tmp_path))


def test_settings_are_options_of_the_main_job() -> None:
    """Each variation parses as a command, and names groups that the synthetic images have."""
    from unveil.cli import parse
    from unveil.pipelines import run
    from unveil.synthetic.dataset import ABNORMALITIES, MODALITIES

    for setting in PLANS["rewards"].settings:
        _, config = parse(["run", "--compare", "aar", *setting.words])
        assert isinstance(config, run.Config) and (config.withhold or config.train_share < 1)
        assert set(setting.of) <= {*ABNORMALITIES, *MODALITIES} and config.withhold == setting.of


def test_what_would_learn_of_all_records_is_not_compared_where_some_are_withheld() -> None:
    """By default only rewards are left; asked for by name, a preference method is refused."""
    from unveil.pipelines import run
    from unveil.pipelines.run import variants_of

    assert variants_of(run.Config()) == ("aar", "dpo", "mmedpo")
    assert variants_of(run.Config(withhold=("cyst",), compare=("aar-tightened",))) == ("aar-tightened",)
    assert variants_of(run.Config(withhold=("cyst",))) == variants_of(run.Config(train_share=0.5)) == ("aar",)
    with pytest.raises(RecordError, match="dpo would learn of all records"):
        variants_of(run.Config(withhold=("cyst",), compare=("aar", "dpo")))


# ------------------------------------------------------------------------------------------------------------- looking

LOOKING = PLANS["looking"]


def section(**models: float) -> dict[str, Any]:
    """What score tells of models, by how much each loses; the lesion alone is worth nothing of accuracy."""

    def of(value: float) -> dict[str, Any]:
        shares = {share: {"value": value} for share in ("changed", "due_changed", "due_right", "undue_changed")}
        return {"metrics": {"iou": {"drop": {"value": value}}}, **shares}

    return {
        "models": {m: {shown: of(v) for shown in study_looking.CONDITIONS} for m, v in models.items()},
        "lesion": {m: {"more_than_elsewhere": {"iou": {"value": v}}, "gain_of_lesion": {}} for m, v in models.items()},
    }


def test_what_looking_costs_is_compared_within_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two seeds rewards lose 0.3 and 0.5 with the lesion hidden, without the vision reward 0.2 and 0.4: 0.1 more
    in each, which all seeds say alike. A measure that nobody has is not told. The base model is not asked."""
    document = tmp_path / "results.md"
    document.write_text("{}{}".format(*LOOKING.marks))
    lost = {"seed-1": 0.3, "seed-2": 0.5}
    models = {"base": 0.1, "sft": 0.5, "aar": 0.5, "aar-without-vrr": 0.5}

    def run(config: study.Config, plan: Plan, out: Path, seed: int, _: None) -> Path:
        return scores(out / f"seed-{seed}", **models)

    def looked(folder: Path, names: list[str], restart: bool) -> Any:
        assert names == ["sft", "aar", "aar-without-vrr"] and not restart
        worth = lost[folder.name]
        told = section(**{"sft": worth, "aar": worth, "aar-without-vrr": worth - 0.1})
        return study_looking.values(told, names)

    monkeypatch.setattr(study, "_run", run)
    monkeypatch.setattr(study_looking, "looked", looked)
    config = study.Config(name="looking", seeds=(1, 2), out=tmp_path, document=document)
    about = json.loads(study.main(config).read_text())["looking"]
    assert about["values"]["aar"]["hidden_iou"]["value"] == pytest.approx(0.4)
    assert "only_iou" not in about["values"]["aar"]
    (claim,) = [c for c in about["claims"] if c["than"] == "aar-without-vrr"]
    assert claim["differences"]["hidden_iou"]["value"] == pytest.approx(0.1)
    assert "| mean IoU: lost with the lesion hidden | 0.400 [" in document.read_text()
    assert "aar − aar-without-vrr" in document.read_text()


def test_each_model_is_asked_once_in_each_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the run's own settings, into a folder beside it; the files go to score by model."""
    asked, given = [], []
    monkeypatch.setattr(study_looking.provenance, "stage", lambda command, config, *_: asked.append(config))

    def score(config: Any) -> Path:
        given.append(config)
        return provenance.write_json(tmp_path / "s.json", {"sections": {"looking": section(sft=0.1, dpo=0.2)}})

    monkeypatch.setattr(study_looking.score, "main", score)
    found = study_looking.looked(tmp_path / "seed-1", ["sft", "dpo"])
    assert found["dpo"]["hidden_iou"] == 0.2
    assert [(c.name, c.image) for c in asked] == [(m, s) for m in ("sft", "dpo") for s in study_looking.CONDITIONS]
    assert {c.out.parents[1] for c in asked} == {tmp_path / "seed-1-looking"} == {given[0].out}
    assert given[0].sensitivity["dpo"] == tuple(c.out for c in asked if c.name == "dpo")
    assert given[0].predictions["sft"] == tmp_path / "seed-1" / "sft" / "predictions.jsonl"


def test_claims_of_looking_are_about_what_the_study_trains() -> None:
    assert {name for better, than, _ in study_looking.LOOKING for name in (better, than)} == {"sft", *LOOKING.variants}
