"""Outcomes and metrics, each number derived by hand."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest

from unveil.core.box_formats import SYNTAXES, View, mark, render
from unveil.core.grading import NO_FINDING, ScoreError, overlap, tokens
from unveil.core.records import KINDS, Dialogue, Finding, Kind, Prediction, Question, Record, RecordError, write_jsonl
from unveil.curate.mau import mau
from unveil.evaluate import metrics
from unveil.evaluate.metrics import METRICS, RATIOS, counts, groups, metric, outcomes
from unveil.evaluate.score import constant, score

SIZE = 100
A, B, C = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0), (80.0, 0.0, 90.0, 10.0)


def record(*findings: tuple, name: str = "r", complete: bool = True, modality: str = "X-ray", **more) -> Record:
    found = tuple(Finding(label, box) for label, box in findings)
    completeness = "exhaustive" if complete else "partial"
    return Record(name, f"{name}.png", SIZE, SIZE, modality, findings=found, completeness=completeness, **more)


def dialogue(
    kind: Kind, answer: str = "", target: str | None = None, name: str = "d", of: str = "r", **more
) -> Dialogue:
    return Dialogue(name, of, f"{of}.png", more.pop("split", "test"), kind, "?", answer, target, **more)


def predicted(d: Dialogue, answer: str, **more) -> Prediction:
    return Prediction(d.id, d.record, d.kind, answer, more.pop("syntax", "json-pixels"), (SIZE, SIZE), "m", **more)


def outcome(r: Record, d: Dialogue, answer: str, **more):
    return outcomes([r], [d], [predicted(d, answer, **more)])[0]


def diagnosis(*findings: tuple) -> str:
    """An answer in three steps, with boxes as the model writes them."""
    where = "; ".join(str([int(v) for v in box]) for _, box in findings)
    return f"Detection: abnormal.\nLocalisation: {where}.\nRecognition: {'; '.join(n for n, _ in findings)}."


NORMAL = "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."


# ------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        # the golden tests of LLaVA-Med's evaluator, with the verdict that is required
        ("No", "The lungs appear normal.", False),
        ("No", "Nodule present, abnormal", False),
        ("Yes", "Yes and no, cannot tell", False),
        ("No", "Yes and no, cannot tell", False),
        ("Yes", "eyes are visible", False),
        ("No", "None", False),
        # those of MedEvalKit
        ("no", "The lungs are normal", False),
        ("yes", "Yes, abnormal nodule", True),
        ("yes", "Yes, this is not normal", True),
        ("Yes", "yes.", True),
        # that of lmms-eval: "abnormal" is neither a no nor a yes
        ("Yes", "abnormal", False),
        ("No", "abnormal", False),
        ("No", "Yes", False),
        # closed answers that are not yes or no
        ("Left", "Left", True),
        ("T2", "t2.", True),
        ("Left", "right", False),
    ],
)
def test_closed_questions_need_the_word(gold, answer, right):
    assert outcome(record(), dialogue("closed", gold), answer).right is right


@pytest.mark.parametrize(
    "answer", ["The lungs appear normal.", "Yes and no, cannot tell", "eyes are visible", "None", ""]
)
def test_a_closed_answer_that_is_neither_is_unparsable(answer):
    """Unknown is wrong, stays in the denominator, and its rate is a number of its own."""
    found = outcome(record(), dialogue("closed", "Yes"), answer)
    assert (found.status, found.right, found.failures) == ("unparsable", False, ("unparsable",))
    assert metric("closed", [found]) == (0, 1)
    assert metric("parse_failures", [found]) == (1, 1)


def test_no_doubt_changes_nothing():
    """ "on the left, no doubt" against "Left" has the verdict of "on the left"."""
    d = dialogue("closed", "Left")
    assert outcome(record(), d, "on the left, no doubt").right is outcome(record(), d, "on the left").right is False


@pytest.mark.parametrize(
    ("reference", "answer", "precision", "recall", "f1"),
    [
        ("left lung", "left left left left", 1 / 4, 1 / 2, 1 / 3),  # repetitions are clipped
        ("left lung", "the left lung shows opacity", 2 / 5, 1, 4 / 7),  # not in another order
        ("left lung", "", 0, 0, 0),  # the same structure when a side is empty
        ("left lung", "right kidney", 0, 0, 0),
        ("left lung", "Left  LUNG.", 1, 1, 1),
    ],
)
def test_token_overlap(reference, answer, precision, recall, f1):
    assert overlap(answer, reference) == pytest.approx((precision, recall, f1))


def test_exact_match_is_0_or_1():
    """LLaVA-Med's "exact match" of this pair is 1/2 (overlap over length); the answer is another text: 0."""
    found = outcome(record(), dialogue("open", "left lung"), "the left lung shows opacity")
    assert [metric(m, [found])[0] for m in ("exact", "open_recall", "open_f1")] == [0, 1, pytest.approx(4 / 7)]


def test_normalisation():
    """All periods go, a decimal point and a sign that matters stay; units may touch their number; no number words."""
    assert tokens("." * 40) == []
    assert tokens("3.5 cm") == tokens("3.5cm.") == ["3.5", "cm"]
    assert tokens("3.5") != tokens("35")
    assert tokens("None") == ["none"] != tokens("0")
    assert tokens("ekg/ecg") == ["ekg", "ecg"]
    assert tokens("T2-weighted") == ["t2", "weighted"]
    assert tokens("< 3 cm") != tokens("> 3 cm") and tokens("HER2+") != tokens("HER2-")
    assert tokens("左肺") == ["左", "肺"]


def test_scoring_twice_gives_the_same():
    d = dialogue("open", "two nodules of 3.5 cm")
    assert outcome(record(), d, "none") == outcome(record(), d, "none")


def test_an_empty_answer_is_counted():
    found = outcome(record(), dialogue("open", "left lung"), "  ", cut=True)
    assert found.empty and found.cut and found.right is False
    assert counts([found])["empty"] == counts([found])["cut"] == 1


def test_a_gold_without_words_takes_no_part():
    found = outcome(record(), dialogue("open", "..."), "left")
    assert found.right is None and found.left_out == ("open",)
    assert metric("open_recall", [found]) == metric("question_accuracy", [found]) == (None, 0)


# --------------------------------------------------------------------------------------------------------- diagnosis


def of_diagnosis(r: Record, answer: str):
    return outcome(r, dialogue("diagnosis", of=r.id), answer)


def test_a_right_diagnosis():
    found = of_diagnosis(record(("mass", A), ("cyst", B)), diagnosis(("Mass", A), ("cyst", B)))
    assert found.right and found.failures == () and found.iou == 1
    for name in ("accuracy", "iou", "iou50", "f1_50", "f1_50_named", "diagnosis_sensitivity"):
        assert metric(name, [found])[0] == 1
    assert metric("question_accuracy", [found]) == (None, 0)


def test_names_by_multiset():
    """True: mass, mass, cyst. Said: mass, cyst, cyst. In common: one mass and one cyst, 2 of max(3, 3)."""
    r = record(("mass", A), ("mass", B), ("cyst", C))
    found = of_diagnosis(r, diagnosis(("mass", A), ("cyst", B), ("cyst", C)))
    assert metric("accuracy", [found])[0] == pytest.approx(2 / 3)
    assert metric("f1_50", [found])[0] == 1 and metric("f1_50_named", [found])[0] == pytest.approx(2 / 3)
    assert found.failures == ("wrong name",)


def test_a_surplus_name_costs():
    """One mass; said are mass and cyst: 1 of max(2, 1)."""
    assert metric("accuracy", [of_diagnosis(record(("mass", A)), diagnosis(("mass", A), ("cyst", B)))])[0] == 0.5


def test_the_first_step_counts():
    """A normal image called abnormal without a finding, and findings that are right under the verdict "normal"."""
    alarm = of_diagnosis(record(), "Detection: abnormal.\nLocalisation: none.\nRecognition: nothing abnormal.")
    assert alarm.right is False and alarm.failures == ("false alarm",)
    odd = of_diagnosis(record(("mass", A)), diagnosis(("mass", A)).replace("abnormal", "normal"))
    assert odd.right is False and metric("accuracy", [odd])[0] == 1 and metric("diagnosis_sensitivity", [odd])[0] == 0


def test_places_by_hand():
    """Said: A, and (50,50,60,54) in B, IoU 40/100. True: A, B, C. Mean IoU 1.4 / 3, hits 1/3, F1 2 x 1 / (2 + 3)."""
    r = record(("mass", A), ("cyst", B), ("node", C))
    found = of_diagnosis(r, diagnosis(("mass", A), ("cyst", (50, 50, 60, 54))))
    assert metric("iou", [found])[0] == found.iou == pytest.approx(1.4 / 3)
    assert metric("iou50", [found])[0] == pytest.approx(1 / 3)
    assert metric("f1_50", [found])[0] == metric("f1_50_named", [found])[0] == pytest.approx(2 / 5)
    assert found.failures == ("wrong place", "missed")


def test_an_iou_of_one_half_is_a_hit():
    """(0,0,10,5) in (0,0,10,10): 50/100, inclusive."""
    assert metric("iou50", [of_diagnosis(record(("mass", A)), diagnosis(("mass", (0, 0, 10, 5))))])[0] == 1


@pytest.mark.parametrize(
    ("said", "failures"),
    [
        ([("mass", B)], ["wrong place"]),
        ([("cyst", A)], ["wrong name"]),
        ([("cyst", B)], ["missed", "false alarm"]),
        ([("mass", A), ("cyst", B)], ["false alarm"]),
        ([("cyst", A), ("mass", B)], ["wrong name", "false alarm"]),
    ],
)
def test_failures_of_a_diagnosis(said, failures):
    """One mass at A. The place comes first; what remains is paired by name; the rest is missed or a false alarm."""
    found = of_diagnosis(record(("mass", A)), diagnosis(*said))
    assert list(found.failures) == failures and found.right is False


def test_two_findings_in_one_place_answered_in_another_order():
    found = of_diagnosis(record(("mass", A), ("cyst", A)), diagnosis(("cyst", A), ("mass", A)))
    assert found.failures == () and metric("f1_50_named", [found])[0] == 1


@pytest.mark.parametrize("answer", ["", "I cannot say.", "4 of them, 3 cm, 2 and 1"])
def test_an_unparsable_diagnosis_scores_nothing_and_is_one_failure(answer):
    """Not [0, 0, 0, 0]: no box at all, also for a finding that touches the corner."""
    found = of_diagnosis(record(("mass", A)), answer)
    assert found.status == "unparsable" and found.failures == ("unparsable",)
    for name in ("accuracy", "iou", "iou50", "f1_50", "diagnosis_sensitivity"):
        assert metric(name, [found]) == (0, 1)
    assert counts([found])["unparsable"] == {"diagnosis": 1}


def test_an_inverted_box_is_malformed():
    found = of_diagnosis(record(("mass", A)), "Detection: abnormal.\nLocalisation: [9, 9, 1, 1].\nRecognition: mass.")
    assert found.malformed == 1 and found.iou == 0 and found.failures == ("wrong place",)
    assert metric("accuracy", [found])[0] == 1


def test_false_alarms_on_normal_images_lower_the_corpus_f1():
    """Image 1: hit. Image 2: normal, one box said. 2 x 1 / (1 + 1 + 1 + 0) = 2/3; mean IoU is of image 1 alone."""
    hit = of_diagnosis(record(("mass", A)), diagnosis(("mass", A)))
    alarm = of_diagnosis(record(name="n"), diagnosis(("mass", A)))
    assert metric("f1_50", [hit, alarm]) == (pytest.approx(2 / 3), 2)
    assert metric("iou", [hit, alarm]) == (1, 1)
    assert metric("diagnosis_detection", [hit, alarm]) == (0.5, 2)
    assert alarm.failures == ("false alarm",) and alarm.labels == (NO_FINDING,)
    right = of_diagnosis(record(name="n"), NORMAL)
    assert right.right and metric("f1_50", [right]) == (None, 1)


def test_incomplete_annotation_proves_no_false_alarm():
    """A partial record with a mass: the surplus cyst costs mean IoU (1/2) but is neither an alarm nor in F1. Without
    any finding it has no verdict at all."""
    surplus = of_diagnosis(record(("mass", A), complete=False), diagnosis(("mass", A), ("cyst", B)))
    assert surplus.failures == () and surplus.right and surplus.iou == 0.5
    nothing = of_diagnosis(record(name="n", complete=False), diagnosis(("cyst", B)))
    assert nothing.right is None and nothing.failures == ()
    rows = [surplus, nothing]
    assert metric("f1_50", rows) == metric("diagnosis_specificity", rows) == (None, 0)
    assert counts(rows)["left_out"] == {"f1_50": 2, "f1_50_named": 2, "diagnosis_specificity": 1}


def test_findings_without_boxes_count_by_name():
    found = of_diagnosis(record(("mass", None)), "Detection: abnormal.\nLocalisation: none.\nRecognition: mass.")
    assert found.right and found.iou is None and metric("accuracy", [found]) == (1, 1)
    assert metric("iou", [found]) == metric("f1_50", [found]) == (None, 0)
    mixed = record(("mass", None), ("cyst", B))
    found = of_diagnosis(mixed, diagnosis(("cyst", B), ("mass", A)))
    assert found.right and found.left_out == ("iou", "iou50", "f1_50", "f1_50_named")
    found = outcome(mixed, dialogue("localisation", target="mass"), "[0, 0, 10, 10]")
    assert found.right is None and found.left_out == ("localisation_iou",)


# --------------------------------------------------------------------------------------------------- other questions


def test_detection_is_balanced():
    """Three abnormal images, two found, one unparsable, which lowers sensitivity; one normal, right: (2/3 + 1) / 2."""
    abnormal = [record(("mass", A), name=f"a{i}") for i in range(3)]
    rows = [
        outcome(r, dialogue("detection", "Yes.", of=r.id), said)
        for r, said in zip(abnormal, ("Yes.", "yes", "Perhaps."), strict=True)
    ]
    rows.append(outcome(record(name="n"), dialogue("detection", "No.", of="n"), "No."))
    assert metric("sensitivity", rows) == (pytest.approx(2 / 3), 3)
    assert metric("detection", rows) == (pytest.approx(5 / 6), 4)
    assert [o.failures for o in rows] == [(), (), ("unparsable",), ()]
    assert metric("detection", rows[:3]) == (None, 3)


def test_detection_that_contradicts_its_record_is_an_error():
    with pytest.raises(ScoreError, match="made from these records"):
        outcome(record(("mass", A)), dialogue("detection", "No."), "No.")


def test_a_negative_of_a_partial_record_proves_nothing():
    found = outcome(record(complete=False), dialogue("detection", "No."), "Yes.")
    assert found.right is None and found.left_out == ("specificity",) and found.failures == ()


@pytest.mark.parametrize(
    ("answer", "right", "iou", "failures"),
    [
        ("[0, 0, 10, 10]", True, 1, ()),
        ("[0, 0, 10, 4]", False, 0.4, ("wrong place",)),
        ("None.", False, 0, ("missed",)),
        ("Here!", False, 0, ("unparsable",)),
    ],
)
def test_localisation(answer, right, iou, failures):
    found = outcome(record(("mass", A), ("cyst", B)), dialogue("localisation", target="mass"), answer)
    assert (found.right, found.iou, found.failures) == (right, pytest.approx(iou), failures)
    assert found.labels == ("mass",) and metric("localisation_iou", [found]) == (pytest.approx(iou), 1)


def test_refusal_of_what_is_absent():
    """Three questions about an absent cyst: "none" is right, a box is a false alarm, silence is no refusal: 1/3."""
    d = dialogue("localisation", target="cyst")
    rows = [outcome(record(("mass", A)), d, said) for said in ("There is no cyst.", "[1, 1, 5, 5]", "")]
    assert metric("localisation_refusal", rows) == (pytest.approx(1 / 3), 3)
    assert [o.failures for o in rows] == [(), ("false alarm",), ("unparsable",)]
    assert metric("localisation_iou", rows) == (None, 0)


@pytest.mark.parametrize(
    ("region", "answer", "right", "failures"),
    [
        (A, "Mass (round).", True, ()),
        (A, "a cyst", False, ("wrong name",)),
        (A, "Nothing abnormal.", False, ("missed",)),
        (C, "Nothing abnormal.", True, ()),
        (C, "cyst", False, ("false alarm",)),
    ],
)
def test_recognition(region, answer, right, failures):
    r = record(("mass", A), ("cyst", B))
    found = outcome(r, dialogue("recognition", target=mark(region)), answer)
    assert (found.right, found.failures) == (right, failures)
    assert metric("recognition" if region == A else "recognition_refusal", [found]) == (right, 1)


def test_question_accuracy_is_over_all_kinds_with_a_verdict():
    """Right: localisation at IoU 1. Wrong: closed. No verdict: detection on a partial record. Diagnosis is apart."""
    r, p = record(("mass", A)), record(name="p", complete=False)
    asked = [
        (dialogue("localisation", target="mass", name="1"), "[0, 0, 10, 10]"),
        (dialogue("closed", "yes", name="2"), "no"),
        (dialogue("detection", "No.", name="3", of="p"), "No."),
        (dialogue("diagnosis", name="4"), diagnosis(("mass", A))),
    ]
    rows = outcomes([r, p], [d for d, _ in asked], [predicted(d, text) for d, text in reversed(asked)])
    assert metric("question_accuracy", rows) == (0.5, 2)
    assert metric("parse_failures", rows) == (0, 4)


# ------------------------------------------------------------------------------------------------------------- files


def test_order_does_not_matter():
    r = record(("mass", A))
    asked = [dialogue("closed", gold, name=gold) for gold in ("yes", "no", "left")]
    said = [predicted(d, d.answer) for d in asked]
    for shuffled in itertools.permutations(said):
        assert [o.right for o in outcomes([r], asked, shuffled)] == [True] * 3


@pytest.mark.parametrize("syntax", sorted(SYNTAXES))
def test_the_truth_scores_full_marks_in_every_syntax(syntax):
    """Every answer of the rules, written as a model would write it, is right; boxes lose to the grid only."""
    boxed = record(("mass", (10.0, 10.0, 50.0, 50.0)), ("large cyst", (50.0, 40.0, 90.0, 95.0)), name="a")
    records = [boxed, record(name="n", questions=(Question("Is it CT?", "No", "closed"), Question("Plane?", "axial")))]
    asked = list(mau(records))
    view = View(SYNTAXES[syntax], (SIZE, SIZE), (336, 448))
    said = [Prediction(d.id, d.record, d.kind, render(d.answer, view), syntax, view.frame, "truth") for d in asked]
    rows = outcomes(records, asked, said)
    found = {name: metric(name, rows)[0] for name in METRICS}
    assert {d.kind for d in asked} == set(KINDS) and all(o.right and not o.failures for o in rows)
    assert found.pop("parse_failures") == 0
    assert found.pop("iou") > 0.9 and found.pop("localisation_iou") > 0.9
    assert set(found.values()) == {1}


def test_groups_by_modality_and_label():
    rows = [
        of_diagnosis(record(("mass", A), ("cyst", B)), NORMAL),
        of_diagnosis(record(name="n", modality="CT"), NORMAL),
    ]
    assert {k: len(v) for k, v in groups(rows, "label").items()} == {NO_FINDING: 1, "cyst": 1, "mass": 1}
    assert list(groups(rows, "modality")) == ["CT", "X-ray"]


def test_every_ratio_is_used_and_an_empty_group_has_no_value():
    assert {r for ratios in METRICS.values() for r in ratios} == set(RATIOS)
    assert all(metric(name, []) == (None, 0) for name in METRICS)


def test_files_that_do_not_belong_together():
    r, d = record(), dialogue("closed", "yes")
    p = predicted(d, "yes")
    cases = [
        ([r], [d], [p, p], "more than once"),
        ([r], [d, dialogue("closed", "yes", name="e")], [p], "1 of 2 dialogues have none .e."),
        ([r], [d], [p, predicted(dialogue("closed", name="e"), "")], "without a dialogue: e"),
        ([record(name="other")], [d], [p], "not among the records"),
        ([r], [d], [predicted(dialogue("open"), "yes")], "open answer"),
        ([r], [d], [predicted(d, "yes", syntax="guess")], "unknown box syntax 'guess'"),
        ([r], [d], [], "no predictions"),
        ([r], [], [p], "no dialogues"),
        ([], [d], [p], "no records"),
    ]
    for records, dialogues, predictions, why in cases:
        with pytest.raises(ScoreError, match=why):
            outcomes(records, dialogues, predictions)


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
    assert result["differences"]["sft-base"]["iou"]["value"] == 1
    assert result["differences"]["sft-base"]["iou"]["excludes_zero"] is False, "two patients are no proof"
    assert result["models"]["base"]["counts"]["failures"] == {"missed": 2}
    constant = result["baselines"]["majority"]
    assert constant["metrics"]["iou"]["value"] == pytest.approx(100 / 225)
    assert constant["differences"]["sft"]["iou"]["value"] == pytest.approx(125 / 225)
    assert result["bootstrap"]["cluster"] == "patient" and result["splits"] == ["test"]
    assert len(result["files"]) == 4 and all(len(h) == 64 for h in result["files"].values())
    assert set(result["models"]["sft"]["by"]["label"]) == {"mass", "cyst", NO_FINDING}


def test_the_constant_points_at_the_mean_box_of_the_name():
    """Training: masses at (0,0,10,10) and (0,0,20,20) of 100, a cyst at B. Asked for the cyst it says B, for a node,
    which it has not seen, the mean of all three: (50/3, 50/3, 30, 30). The image is twice as wide: x doubles."""
    always = constant([record(("mass", A), ("mass", (0.0, 0.0, 20.0, 20.0)), ("cyst", B), split="train")])
    names, wide = ["cyst", "mass", "node"], dataclasses.replace(record(), width=200)
    said = {n: always.case(dialogue("localisation", target=n), wide, names).parsed.boxes[0] for n in names}
    assert said["mass"] == pytest.approx((0, 0, 30, 15)) and said["cyst"] == pytest.approx((100, 50, 120, 60))
    assert said["node"] == pytest.approx((100 / 3, 50 / 3, 60, 30)) and always.label == "mass"
    assert not always.answers(dialogue("closed")) and always.answers(dialogue("diagnosis"))
    assert constant([record(("mass", A), split="test")]) is None


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
    with pytest.raises(ScoreError, match=r"no .*empty.jsonl"):
        scored(files, sft=files / "empty.jsonl")
    with pytest.raises(RecordError, match="no such file"):
        scored(files, sft=files / "nowhere.jsonl")
    with pytest.raises(ScoreError, match="no predictions"):
        scored(files)


def test_vocabulary_comes_from_all_records():
    assert metrics.vocabulary([record(("mass", A)), record(("cyst", B), ("mass", C))]) == ["cyst", "mass"]
