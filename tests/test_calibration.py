"""The section of calibration: what it keeps of answers, what it says where something is missing, and the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.outcomes import A, dialogue, predicted, record
from unveil.core.grading import ScoreError
from unveil.core.joined import case
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Prediction, RecordError
from unveil.core.truths import Truth
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score
from unveil.evaluate.score_table import show_scores
from unveil.evaluate.sections.calibration import keep

CHOICES = ("mass", "cyst", "nodule")
LN = math.log


def kept(d, answer="", of=None, **more):
    r = of or record()
    p = predicted(d, answer, **more)
    return keep(case(d, {r.id: Truth(r, ["mass"])}, p), p)


def test_multiple_choice_by_hand():
    """Probabilities 0.3, 0.1, 0.1 of all that could be said: 0.6, 0.2, 0.2 of the options; the second is true.
    Brier 0.6^2 + 0.8^2 + 0.2^2 = 1.04."""
    found = kept(dialogue("choice", "B. cyst", choices=CHOICES), "C", options=(LN(0.3), LN(0.1), LN(0.1)))
    assert found[:2] == ("choice", "image:r") and found.right == 0 and found.true == 1
    assert (found.confidence, found.brier, found.mass) == pytest.approx((0.6, 1.04, 0.5))


def test_equally_likely_options_are_right_by_chance():
    """Logits in half precision are often equal. Which of two options stands first says nothing: either is right by
    half, as it is among the metrics, and each of three by a third."""
    for true in ("yes", "no"):
        assert kept(dialogue("closed", true), options=(LN(0.3), LN(0.3))).right == 0.5
    alike = kept(dialogue("choice", "B. cyst", choices=CHOICES), "C", options=(LN(0.2),) * 3)
    assert (alike.right, alike.confidence) == pytest.approx((1 / 3, 1 / 3))
    assert kept(dialogue("choice", "C. nodule", choices=CHOICES), "C", options=(LN(0.3), LN(0.3), LN(0.1))).right == 0


@pytest.mark.parametrize(("true", "right"), [("yes", False), ("No.", True), ("否", True)])
def test_yes_and_no_by_hand(true, right):
    """Yes 0.2, no 0.6: no with 0.75. The text is not asked. Brier over both is twice that of the confidence."""
    found = kept(dialogue("closed", true), "Yes.", options=(LN(0.2), LN(0.6)))
    assert (found.group, found.right) == ("yes_no", right) and found.confidence == pytest.approx(0.75)
    assert found.brier == pytest.approx(2 * (0.75 - right) ** 2)


def test_detection_is_judged_by_the_findings_and_only_where_all_are_known():
    there, none, unknown = record(("mass", A)), record(), record(complete=False)
    given = {"options": (LN(0.8), LN(0.1))}
    assert kept(dialogue("detection"), of=there, **given).right == 1
    assert kept(dialogue("detection"), of=none, **given).right == 0
    assert kept(dialogue("detection"), of=unknown, **given) is None


def test_free_answers_are_as_sure_as_their_tokens_are_on_average():
    """Tokens of 0.5 and 0.125: the geometric mean is 0.25."""
    tokens = ((2, LN(0.5)), (5, LN(0.125)))
    found = kept(dialogue("open", "axial"), "axial", tokens=tokens)
    assert found.group == "free" and found.right and found.confidence == pytest.approx(0.25)
    assert math.isnan(kept(dialogue("open", "axial"), "axial").confidence)
    assert kept(dialogue("diagnosis"), "x", tokens=((1, -0.1),)) is None
    assert kept(dialogue("closed", "Left"), "Left") is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"options": (-1.0, -2.0)}, "d: 2 log-probabilities of 3 options; predict it again"),
        ({"options": (-1.0, -2.0, 0.5)}, "d: an option has no log-probability"),
        ({"options": (-1.0, -math.inf, -1.0)}, "d: an option has no log-probability"),
        ({"options": (-1.0, math.nan, -1.0)}, "d: an option has no log-probability"),
        ({"tokens": ((1, -0.1), (3, -0.1))}, "d: its tokens end at 3, its answer at 1"),
        ({"tokens": ((0, math.nan), (1, -0.1))}, "d: a token's log-probability is"),
        ({"tokens": ((0, -0.1), (1, 2.0))}, "d: a token's log-probability is"),
    ],
)
def test_spoilt_confidences_are_named(more, why):
    with pytest.raises(ScoreError, match=why):
        kept(dialogue("choice", "B. cyst", choices=CHOICES), "A", **more)
    with pytest.raises(ScoreError, match="2 log-probabilities of 0 options"):
        kept(dialogue("open", "axial"), "A", options=(-1.0, -2.0))


# --------------------------------------------------------------------------------------------------------------- score


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """30 patients of test and 30 of validation. Each has a yes-or-no question, answered with a confidence of 0.9 and
    rightly but for every third, and one of multiple choice, which is always right and has no options in base."""
    folder = tmp_path_factory.mktemp("calibration")
    records, asked = [], []
    rows: dict[tuple[str, str], list[Prediction]] = {("test", "sft"): [], ("val", "sft"): [], ("test", "base"): []}
    for split in ("test", "val"):
        for i in range(30):
            name = f"{split}{i}"
            records.append(record(("mass", A), name=name, patient=name, split=split))
            yes = dialogue("closed", "no" if i % 3 else "yes", name=f"{name}/c", of=name, split=split)
            which = dialogue("choice", "B. cyst", name=f"{name}/m", of=name, split=split, choices=CHOICES)
            asked += [yes, which]
            odds = {"options": (LN(0.09), LN(0.81))}
            rows[split, "sft"] += [predicted(yes, "no", **odds), predicted(which, "B", options=(-3.0, -0.1, -3.0))]
            if split == "test":
                rows["test", "base"] += [predicted(yes, "no"), predicted(which, "A")]
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", asked)
    for (split, model), given in rows.items():
        write_jsonl(folder / f"{model}-{split}.jsonl", given)
    return folder


def scored(files: Path, validation: bool = True, **more):
    models = {"base": files / "base-test.jsonl", "sft": files / "sft-test.jsonl"}
    chosen_on = {"sft": files / "sft-val.jsonl"} if validation else {}
    read = files / "records.jsonl", files / "dialogues.jsonl"
    return score(*read, models, files / "out", resamples=100, validation=chosen_on)


def test_the_section_in_scores(files, capsys):
    """Yes or no: sure 0.9, right 2/3: ECE 0.9 - 2/3 = 0.2333, Brier 2/3 * 0.01 + 1/3 * 0.81 = 0.2767; calibrated on
    validation, where 2/3 are right too, ECE 0 and Brier 2/9. Nothing is right in 0.8 of validation. Multiple
    choice: all right, also on validation, where nothing can be fitted."""
    result = scored(files)
    found = result["sections"]["calibration"]["models"]
    again = "the predictions do not tell how sure the model was: predict again"
    assert found["base"] == {g: {"questions": 30, "n": 0, "reason": again} for g in ("yes_no", "choice")}
    yes_no, choice = found["sft"]["yes_no"], found["sft"]["choice"]
    assert yes_no["accuracy"]["value"] == pytest.approx(2 / 3) and (yes_no["yes"], yes_no["no"]) == (10, 20)
    assert yes_no["ece"]["value"] == pytest.approx(0.9 - 2 / 3) and yes_no["ece"]["n"] == 30
    assert yes_no["brier"]["value"] == pytest.approx(2 / 3 * 0.01 + 1 / 3 * 0.81)
    assert yes_no["mass"]["value"] == pytest.approx(0.9) and yes_no["aurc"]["value"] == pytest.approx(1 / 3)
    assert yes_no["isotonic"]["ece"]["value"] == pytest.approx(0, abs=1e-9)
    assert yes_no["isotonic"]["brier"]["value"] == pytest.approx(2 / 9)
    assert all("at no threshold" in row["reason"] for row in yes_no["selective"])
    assert choice["isotonic"]["reason"].startswith("all 30 answers of the validation split are right")
    assert choice["selective"][-1]["coverage"]["value"] == 1
    metrics = {name: of["metrics"]["choice_likelihood"] for name, of in result["models"].items()}
    assert metrics["sft"]["value"] == 1 and metrics["base"]["value"] is None and metrics["base"]["reason"] == "no items"
    show_scores(result)
    told = capsys.readouterr().err
    assert "sft: yes-or-no questions" in told and "likeliest option" in told
    assert "base: yes-or-no questions" not in told, "a row of dashes says nothing"
    said = "calibration, yes-or-no questions: 30 of 30 answers of base do not tell how sure it was: left out"
    assert said in " ".join(told.split())


def test_without_validation_nothing_is_chosen(files):
    found = scored(files, validation=False)["sections"]["calibration"]["models"]["sft"]["yes_no"]
    assert found["isotonic"] == {"reason": "no answers of the validation split are given"}
    assert {row["reason"] for row in found["selective"]} == {"no answers of the validation split are given"}
    assert found["ece"]["value"] == pytest.approx(0.9 - 2 / 3)


def test_too_little_of_validation_is_said(files, tmp_path):
    """Options in four of its answers only."""
    rows = list(read_jsonl(files / "sft-val.jsonl", Prediction))
    write_jsonl(tmp_path / "v.jsonl", [p if i < 8 else replace(p, options=()) for i, p in enumerate(rows)])
    read = files / "records.jsonl", files / "dialogues.jsonl"
    models = {"sft": files / "sft-test.jsonl"}
    found = score(*read, models, tmp_path, resamples=50, validation={"sft": tmp_path / "v.jsonl"})
    reason = found["sections"]["calibration"]["models"]["sft"]["choice"]["isotonic"]["reason"]
    assert reason == "4 answers of the validation split of 30 that tell how sure the model was: 20 are needed"


def test_a_file_with_no_number_for_a_probability_is_refused(files, tmp_path):
    lines = (files / "sft-test.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row["options"][0] = math.nan
    (tmp_path / "nan.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]))
    read = files / "records.jsonl", files / "dialogues.jsonl"
    with pytest.raises(RecordError, match=r"nan\.jsonl"):
        score(*read, {"sft": tmp_path / "nan.jsonl"}, tmp_path)


def test_the_page_has_tables_and_charts(files, tmp_path):
    scored(files)
    inputs = Inputs(
        "A title", files / "records.jsonl", files / "out" / "scores.json", None,
        {name: files / f"{name}-test.jsonl" for name in ("base", "sft")}, files / "dialogues.jsonl", {}, None, None, [],
    )  # fmt: skip
    page = " ".join(write_report(inputs, tmp_path / "page.html").read_text().split())
    section = page.partition('<section id="calibration"')[2].partition("</section>")[0]
    assert "base: 30 questions, but the predictions do not tell how sure the model was" in section
    assert "Reliability diagram of sft; confidence 0.90: right 0.67 of 30" in section
    assert "all 30 answers of the validation split are right" in section and "at no threshold 20 answers" in section
    assert section.count('role="img"') == 4 and "nan" not in section
    assert 'href="#calibration"' in page
