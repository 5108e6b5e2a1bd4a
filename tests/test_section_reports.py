"""The sections of reports and of hallucination, from predictions to figures and page: faults by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.outcomes import dialogue, predicted, record
from unveil.core import radeval
from unveil.core.grading import ScoreError
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Record
from unveil.core.text_metrics import bleu, bleu_counts
from unveil.evaluate import sections
from unveil.evaluate.metrics import cases, outcomes
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score
from unveil.evaluate.sections import reports
from unveil.evaluate.sections.ratios import differences, estimates, ratio
from unveil.evaluate.sections.section import Scoring
from unveil.evaluate.sums import added

NAMES = ("effusion", "mass", "nodule")
#: References, and what two models say of them.
TRUTH = ["A nodule. No effusion.", "A mass in the left lung.", "No effusion.", "No abnormality is seen."]
GOOD = ["A nodule. No effusion.", "A mass in the right lung.", "No effusion.", "No abnormality is seen."]
BAD = ["A mass. A nodule. Effusion.", "", "An effusion, a large effusion.", "Nothing."]


def asked(answers: Sequence[str] = TRUTH, **more) -> tuple[list[Record], list[Dialogue]]:
    """Each report on an image of its own patient; another image names all findings."""
    rows = [replace(record(name=f"r{i}", complete=False), patient=f"p{i}") for i in range(len(answers))]
    rows += [record(*((name, None) for name in NAMES), name="names")]
    made = [dialogue("report", text, "report", f"d{i}", f"r{i}", **more) for i, text in enumerate(answers)]
    return rows, made


def pairs_of(models: Sequence[str] | dict[str, Any]) -> list[tuple[str, str]]:
    """Each model with those before it."""
    names = list(models)
    return [(b, a) for i, b in enumerate(names) for a in names[:i]]


def figures(
    records: list[Record], dialogues: list[Dialogue], said: dict[str, Sequence[str]], **more: Any
) -> dict[str, Any]:
    kept, tables = sections.Collected(), {}
    for model, texts in said.items():
        keep = kept.of(model)
        rows = [predicted(d, text) for d, text in zip(dialogues, texts, strict=True)]
        for case, prediction in cases(records, dialogues, rows):
            keep(case, prediction)
        tables[model] = added(outcomes(records, dialogues, rows))
    return kept.summaries(Scoring(records, dialogues, pairs_of(said), 200, 0, tables=tables, **more))


def table(said: dict[str, Sequence[str]], truth: Sequence[str] = TRUTH, **more: Any) -> dict[str, Any]:
    return figures(*asked(truth), said, **more)["reports"]


def test_the_table_by_hand() -> None:
    """Found: nodule and mass are true. Bad finds mass, nodule and effusion, nothing, effusion, nothing: 1 of 4 right,
    of 2. Denied: an effusion in two. Bad denies nothing: no precision."""
    found = table({"good": GOOD, "bad": BAD})["tables"]["13a"]
    good, bad = (found["models"][name]["metrics"] for name in ("good", "bad"))
    assert [good[f"{kind}_f1"]["value"] for kind in ("found", "denied")] == [1, 1]
    assert (bad["found_precision"]["value"], bad["found_recall"]["value"]) == (1 / 4, 1 / 2)
    assert bad["found_f1"]["value"] == pytest.approx(2 / 6)
    assert (bad["denied_precision"]["value"], bad["denied_precision"]["reason"]) == (None, "no items")
    assert bad["denied_recall"]["value"] == 0 and bad["denied_f1"]["value"] == 0
    assert found["differences"]["bad"]["good"]["found_f1"]["value"] == pytest.approx(-2 / 3)
    assert found["signature"].startswith("nrefs:1|case:lc") and found["clusters"] == 4


def test_bleu_of_the_table_is_that_of_the_corpus() -> None:
    counts = np.array([bleu_counts(said, true) for said, true in zip(GOOD, TRUTH, strict=True)])
    given = table({"good": GOOD * 2}, TRUTH * 2)["tables"]["13a"]["models"]["good"]["metrics"]["bleu4_sacre"]
    assert given["value"] == pytest.approx(float(bleu(counts.sum(0)))) and given["low"] < given["value"] < given["high"]
    assert given["value"] != pytest.approx(float(bleu(counts).mean()))


def test_a_difference_rests_on_the_model_with_fewer_patients() -> None:
    """Of 50 patients the first model says something of one, the second of all, all of it right. Their difference of 0
    rests on that one patient. Of 20 whose figure the first does not have, and the second has 0, all differ."""
    figures, clusters, every = {"precision": ratio(1, 0)}, [f"p{i:02}" for i in range(50)], np.ones((50, 2))
    one = every * (np.arange(50) == 0)[:, None]
    found = differences(figures, one, every, clusters, 100, 0)["precision"]
    assert (found["value"], found["low"], found["reason"], found["fewest"]) == (0, None, "one cluster only", 1)
    half = every * (np.arange(50) < 30)[:, None]
    wrong = half + [1, 0] * (np.arange(50) >= 30)[:, None]
    found = differences(figures, half, wrong, clusters, 100, 0)["precision"]
    assert found["value"] == pytest.approx(-0.4) and found["differing"] == 20 and found["excludes_zero"]
    assert found["p"] == found["p_holm"] == 1 / 101, "a family of one figure"


def test_all_metrics_have_one_denominator_and_empty_answers_are_in_it() -> None:
    """MedEvalKit leaves empty answers out of some. ROUGE-L of three right ones and an empty one: 3/4."""
    found = table({"m": [TRUTH[0], "", *TRUTH[2:]]})["tables"]["13a"]["models"]["m"]
    assert found["counts"]["empty"] == 1 and found["metrics"]["rougeL"]["value"] == 3 / 4
    whole = ("bleu1_sacre", "bleu4_sacre", "rougeL", "ciderD")
    assert {found["metrics"][name]["n"] for name in whole} == {4}


def test_normal_beside_normal_is_counted_and_not_scored() -> None:
    found = table({"m": ["Lungs are clear."] * 2}, ["No abnormality.", "Normal."])["tables"]["13a"]["models"]["m"]
    assert found["metrics"]["found_f1"]["value"] is None and found["metrics"]["found_f1"]["reason"] == "no items"
    assert found["counts"]["no_finding_in_either"] == 2 and found["counts"]["no_name_in_answer"] == 2


def test_what_has_no_reference_is_told_and_in_no_figure() -> None:
    found = table({"m": ["A nodule.", "A mass."]}, ["A nodule.", " "])
    assert found["without_reference"] == 1 and found["tables"]["13a"]["n"] == 1
    assert found["unmeasured"]["ciderD (13a)"].endswith("there is one only")
    none = table({"m": ["A nodule."]}, [""])
    assert none["tables"] == {} and none["without_reference"] == 1 and none["examples"] == []


def test_chinese_reports_have_a_table_of_their_own() -> None:
    found = table({"m": ["A nodule.", "右肺结节"]}, ["A nodule.", "右肺有结节"])
    assert {cut: of["n"] for cut, of in found["tables"].items()} == {"13a": 1, "zh": 1}
    chinese = found["tables"]["zh"]["models"]["m"]["metrics"]
    assert chinese["rougeL"]["value"] == pytest.approx(8 / 9) and "found_f1" not in chinese
    assert found["unmeasured"]["names found and denied (zh)"] == "the reader of names reads English"


def test_radeval_is_asked_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both normal reports get the value of an empty reading: 2 of 4 cannot be told from one."""
    values = {"radgraph_simple": [1.0] * 4, "radgraph_partial": [1.0, 0.5, 0.0, 0.0], "radgraph_complete": [1.0] * 4}
    monkeypatch.setattr(radeval, "scores", lambda metric, refs, hyps: values)
    found = table({"m": GOOD}, radeval=("radgraph",))["tables"]["13a"]
    assert found["models"]["m"]["metrics"]["radgraph_partial"]["value"] == pytest.approx(1.5 / 4)
    assert found["blind"]["radgraph_partial"] == 2 and found["blind"]["radgraph_simple"] == 0


def test_radeval_with_nothing_to_measure_is_told() -> None:
    """It reads English; and where no report is asked for, silence would be taken for its having been measured."""
    found = table({"m": ["右肺结节", "右肺"]}, ["右肺有结节", "左肺"], radeval=("radgraph",))
    assert found["unmeasured"]["radgraph (zh)"] == "RadEval's metrics read English"
    closed = dialogue("closed", "yes", name="c", of="r0")
    with pytest.raises(ScoreError, match="--radeval radgraph: no question that was answered asks for a report"):
        figures(asked()[0], [closed], {"m": ["yes"]}, radeval=("radgraph",))


def test_names_are_marked() -> None:
    [case] = [
        c for c, _ in cases(*asked(["A nodule. No mass."]), [predicted(asked(["a"])[1][0], "No nodule, a mass.")])
    ]
    marked = [(p["text"], p["mark"]) for p in reports.pieces(case.text, case.reported)]
    assert marked == [("No ", None), ("nodule", "missed"), (", a ", None), ("mass", "invented"), (".", None)]
    truth = reports.pieces(case.dialogue.answer, case.reported, truth=True)
    assert [p["mark"] for p in truth if p["mark"]] == ["found", "denied"]


# ------------------------------------------------------------------------------------------------------ hallucination


def probed(said: Sequence[str], pairs: int = 2) -> dict[str, Any]:
    """Pairs of a question for a nodule that is there and for a mass that is not; answers in the order of questions."""
    rows = [record(("nodule", None), name=f"r{i}", patient=f"p{i}") for i in range(pairs)]
    made = [
        dialogue("closed", gold, name, f"r{i}/{gold}", f"r{i}", pair=f"random/r{i}/0")
        for i in range(pairs)
        for name, gold in (("nodule", "Yes"), ("mass", "No"))
    ]
    found = figures([*rows, record(("mass", None), name="names")], made, {"m": said})
    return {
        key: row["value"] for key, row in found["hallucination"]["probes"]["random"]["models"]["m"]["metrics"].items()
    }


def test_pairs_by_hand() -> None:
    """Yes and no, yes and yes: one pair of two; 2 hits of 3 yes and of 2 that are there."""
    found = probed(["Yes.", "No.", "Yes", "Yes, there is."])
    assert found["paired_accuracy"] == 1 / 2 and found["accuracy"] == 3 / 4
    assert (found["precision"], found["recall"], found["f1"]) == (2 / 3, 1, 4 / 5)
    assert found["yes_ratio"] == 3 / 4 and found["unparsable"] == 0


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_constant_answer_gets_no_pair(word: str) -> None:
    found = probed([word] * 4)
    assert found["paired_accuracy"] == 0 and found["accuracy"] == 1 / 2


def test_all_no_gives_f1_0_without_a_crash() -> None:
    """POPE's code divides by zero. Nothing was called there: no precision."""
    found = probed(["no"] * 4)
    assert (found["f1"], found["recall"], found["precision"]) == (0, 0, None)


def test_normal_is_neither_yes_nor_no() -> None:
    """POPE's parser takes all but no and not for yes."""
    found = probed(["Normal.", "Normal.", "Yes", "No"])
    assert found["unparsable"] == 1 / 2 and found["yes_ratio"] == 1 / 4 and found["accuracy"] == 1 / 2


def test_the_yes_ratio_is_that_of_predictions() -> None:
    """lmms-eval counts the ground truth, which is one half always."""
    assert probed(["yes"] * 4)["yes_ratio"] == 1 and probed(["no"] * 4)["yes_ratio"] == 0


def test_an_unreadable_answer_to_a_positive_lowers_recall() -> None:
    """lmms-eval takes only a no for a miss."""
    assert probed(["perhaps", "no", "yes", "no"])["recall"] == 1 / 2


def test_shuffled_answers_give_the_same_score(tmp_path: Path) -> None:
    """POPE matches by order; here ids do."""
    rows = [record(("nodule", None)), record(("mass", None), name="names")]
    made = [dialogue("closed", gold, "x", gold, pair="random/r/0") for gold in ("Yes", "No")]
    said = [predicted(d, d.answer) for d in made]
    for order in (said, said[::-1]):
        keep = (kept := sections.Collected()).of("m")
        for case, prediction in cases(rows, made, order):
            keep(case, prediction)
        found = kept.summaries(Scoring(rows, made, [], 20, 0))["hallucination"]["probes"]["random"]["models"]["m"]
        assert found["metrics"]["paired_accuracy"]["value"] == 1


def test_half_a_pair_is_named() -> None:
    rows = [record(("nodule", None))]
    with pytest.raises(ScoreError, match=r"random/r/0: a pair has a question for what is there .* not d"):
        figures(rows, [dialogue("closed", "Yes", "nodule", pair="random/r/0")], {"m": ["Yes"]})
    with pytest.raises(ScoreError, match="0: a pair has a question for what is there"):
        figures(rows, [dialogue("closed", "Yes", "nodule", pair="0")], {"m": ["Yes"]})


def test_of_a_part_whole_pairs_are_counted() -> None:
    """--part: of the second pair only one question is answered. It takes no part, so that yes remains half of the true
    answers, and is counted."""
    rows = [record(("nodule", None), name=f"r{i}", patient=f"p{i}") for i in range(2)]
    made = [
        dialogue("closed", gold, gold, f"r{i}/{gold}", f"r{i}", pair=f"random/r{i}/0")
        for i in range(2)
        for gold in ("Yes", "No")
    ][:3]
    (kept := sections.Collected()).of("m")
    for case, prediction in cases(rows, made, [predicted(d, "yes") for d in made]):
        kept.of("m")(case, prediction)
    found = kept.summaries(Scoring(rows, made, [], 20, 0, part=True))["hallucination"]
    table = found["probes"]["random"]
    assert (table["n"], table["models"]["m"]["metrics"]["accuracy"]["value"], found["half_pairs"]) == (2, 0.5, 1)
    with pytest.raises(ScoreError, match=r"random/r1/0: a pair"):
        kept.summaries(Scoring(rows, made, [], 20, 0))


def test_what_a_pair_is_asked_about_is_yes_or_no() -> None:
    rows = [record(("nodule", None))]
    with pytest.raises(ScoreError, match="d: a question of a pair is answered by yes or no"):
        figures(rows, [dialogue("closed", "left", "nodule", pair="random/r/0")], {"m": ["Yes"]})


def chair(said: Sequence[str], truth: Sequence[str] = TRUTH) -> tuple[float | None, ...]:
    found = figures(*asked(truth), {"m": said})["hallucination"]["chair"]["models"]["m"]["metrics"]
    return tuple(found[name]["value"] for name in ("chair_s", "chair_i"))


def test_chair_by_hand() -> None:
    """Bad mentions mass, nodule and effusion, of which only the nodule is there, then twice an effusion that is denied:
    2 of 4 reports, 4 of 5 mentions over the corpus (not a mean of reports)."""
    assert chair(BAD) == (2 / 4, 4 / 5)


def test_no_effusion_adds_nothing_to_either_count() -> None:
    assert chair(["No effusion."] * 4) == (0, None)


def test_what_is_annotated_is_not_invented_and_a_report_without_a_truth_takes_no_part() -> None:
    rows, made = asked(["", ""])
    rows[0] = replace(rows[0], findings=record(("mass", None)).findings, completeness="exhaustive")
    found = figures(rows, made, {"m": ["A mass.", "A mass."]})["hallucination"]["chair"]
    assert found["n"] == 1 and found["models"]["m"]["metrics"]["chair_s"]["value"] == 0


# ---------------------------------------------------------------------------------------------------------- intervals


def test_intervals_are_drawn_over_patients() -> None:
    """Every answer of each patient twice: the same interval. One patient: none."""
    values = np.array([[1.0, 1], [0, 1], [1, 1], [0, 1]])
    figure = {"share": ratio(0, 1)}
    once = estimates(figure, values, list("abcd"), 300, 0)["share"]
    twice = estimates(figure, values.repeat(2, 0), list("aabbccdd"), 300, 0)["share"]
    assert (once["low"], once["high"]) == (twice["low"], twice["high"]) and (once["n"], twice["n"]) == (4, 8)
    alone = estimates(figure, values, list("aaaa"), 300, 0)["share"]
    assert alone["low"] is None and alone["reason"] == "one cluster only"


def test_paired_differences() -> None:
    """The second is right where the first is wrong, for all of 8 patients: +1, exactly, and away from 0."""
    first, second = np.tile([0.0, 1], (8, 1)), np.tile([1.0, 1], (8, 1))
    found = differences({"share": ratio(0, 1)}, first, second, list("abcdefgh"), 100, 0)["share"]
    assert found["value"] == 1 and found["excludes_zero"] and found["differing"] == 8
    same = differences({"share": ratio(0, 1)}, first, first, list("abcdefgh"), 100, 0)["share"]
    assert same["value"] == 0 and not same["excludes_zero"]


# --------------------------------------------------------------------------------------------------------------- page


@pytest.fixture
def scored(tmp_path: Path) -> Inputs:
    """Reports and a pair of questions, scored by the command's own way."""
    rows, made = asked()
    probes = [dialogue("closed", g, "x", g, "r0", pair="random/r0/0") for g in ("Yes", "No")]
    write_jsonl(tmp_path / "records.jsonl", rows)
    write_jsonl(tmp_path / "dialogues.jsonl", [*made, *probes])
    files = {}
    for model, texts in {"base": BAD, "tuned": ["A <b>mass</b>.", *GOOD[1:]]}.items():
        files[model] = tmp_path / f"{model}.jsonl"
        said = zip([*made, *probes], [*texts, "Yes", "Yes"], strict=True)
        write_jsonl(files[model], [predicted(d, text) for d, text in said])
    score(tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl", files, tmp_path, resamples=20)
    return Inputs(
        title="Page",
        records=tmp_path / "records.jsonl",
        dialogues=tmp_path / "dialogues.jsonl",
        scores=tmp_path / "scores.json",
        outcomes=tmp_path / "outcomes.jsonl",
        predictions=files,
        training={},
        rejected=None,
        check=None,
        runs=[],
    )


def test_the_page_shows_both_sections(scored: Inputs, tmp_path: Path) -> None:
    page = write_report(scored, tmp_path / "out").read_text()
    for told in ('id="reports"', 'id="hallucination"', "nrefs:1|case:lc", "Answers without text", "CHAIR_s"):
        assert told in page, told
    assert '<mark class="name-invented">mass</mark>' in page and "<b>mass</b>" not in page, "texts are escaped"
    for section in ("reports", "hallucination"):
        part = page.partition(f'<section id="{section}"')[2].partition("</section>")[0]
        assert re.search(r'<small class="ci">p [01]\.\d+, Holm [01]\.\d+</small>', part), section
    assert "Both questions of a pair right" in page and "Words in common (ROUGE-L)" in page
    assert "<strong>References are texts of patients:</strong> keep this page" in page, "beside the pictures"
    assert "<strong>These are texts of patients:</strong> keep this page, and scores.json" in page, "beside examples"


def test_reports_are_shown_without_boxes(scored: Inputs, tmp_path: Path) -> None:
    page = write_report(scored, tmp_path / "out").read_text()
    assert "<b>Reference:</b>" in page and 'id="show-true"' not in page and "nothing abnormal</b>" not in page
