"""Metrics of diagnoses: names, places and failures, each number derived by hand."""

from __future__ import annotations

import pytest

from tests.helpers.outcomes import NORMAL, A, B, C, diagnosis, dialogue, of_diagnosis, outcome, record
from unveil.core.grading import NO_FINDING
from unveil.evaluate.metrics import counts, metric


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
