"""Outcomes and metrics of single questions, and what all metrics share, each number derived by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tests.helpers.outcomes import NORMAL, SIZE, A, B, C, diagnosis, dialogue, of_diagnosis, outcome, predicted, record
from unveil.core.box_formats import BOX_FORMATS, View, mark, render
from unveil.core.grading import NO_FINDING, ScoreError
from unveil.core.records import KINDS, Prediction, Question
from unveil.core.words import overlap, tokens
from unveil.curate.mau import MauOptions, mau
from unveil.evaluate.metrics import METRICS, RATIOS, counts, groups, metric, outcomes

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


@pytest.mark.parametrize("box_format", sorted(BOX_FORMATS))
def test_the_truth_scores_full_marks_in_every_box_format(box_format):
    """Every answer of the rules, written as a model would write it, is right; boxes lose to the grid only."""
    boxed = record(("mass", (10.0, 10.0, 50.0, 50.0)), ("large cyst", (50.0, 40.0, 90.0, 95.0)), name="a")
    boxed = replace(boxed, findings=(replace(boxed.findings[0], phrase="Large mass."), *boxed.findings[1:]))
    choice = Question("Which?", "CT", choices=("MR", "CT"))
    own = (Question("Is it CT?", "No", "closed"), Question("Plane?", "axial"), choice)
    boxed = replace(boxed, report="A mass. A large cyst.")
    records = [boxed, replace(record(name="n", questions=own), report="No mass.")]
    asked = list(mau(records, MauOptions(report_sections=("report",))))
    view = View(BOX_FORMATS[box_format], (SIZE, SIZE), (336, 448))
    said = [Prediction(d.id, d.record, d.kind, render(d.answer, view), box_format, view.frame, "truth") for d in asked]
    said = [replace(p, options=(-2.0, -0.1)) if p.kind == "choice" else p for p in said]  # the second is true
    rows = outcomes(records, asked, said)
    found = {name: metric(name, rows)[0] for name in METRICS}
    assert {d.kind for d in asked} == set(KINDS)
    assert all((o.right or o.kind == "report") and not o.failures for o in rows)
    assert found.pop("parse_failures") == 0
    assert all((found.pop(name) or 0) > 0.9 for name in ("iou", "localisation_iou", "grounding_iou"))
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
        ([r], [d], [p, predicted(dialogue("closed", name="e"), "")], "1 of 2 predictions are without a dialogue .e."),
        ([record(name="other")], [d], [p], "1 of 1 dialogues are about records that are not there .r."),
        ([r], [d], [predicted(dialogue("open"), "yes")], "the prediction is of kind open"),
        ([r], [d], [predicted(d, "yes", box_format="guess")], "unknown box format 'guess'"),
        ([r], [d], [], "predictions: there is not one row"),
        ([r], [], [p], "dialogues: there is not one row"),
        ([], [d], [p], "records: there is not one row"),
    ]
    for records, dialogues, predictions, why in cases:
        with pytest.raises(ScoreError, match=why):
            outcomes(records, dialogues, predictions)
