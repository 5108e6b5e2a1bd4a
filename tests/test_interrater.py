"""Agreement between readers by published examples and by hand; what differs and what stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unveil.core.decisions import Annotation, Decision
from unveil.core.interrater import ReaderAgreement, agreement, cohen, fleiss, table
from unveil.core.readings import Readings, by_item, difference

#: Fleiss 1971, table 1: 30 patients, six psychiatrists each; depression, personality disorder, schizophrenia, neurosis,
#: other.
DIAGNOSES = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""

A, B = Annotation("mass", (0.0, 0.0, 10.0, 10.0)), Annotation("nodule", (50.0, 50.0, 60.0, 60.0))


def said(item: str, reviewer: str, verdict: Any = "accept", **known: Any) -> Decision:
    time = known.pop("time", f"2026-01-01T00:00:0{len(reviewer)}")
    return Decision(item, "record", item, reviewer, verdict, known.pop("revision", 1), "0", time, **known)


def figures(*decisions: Decision) -> dict[str, ReaderAgreement]:
    return {f"{one.what}, {one.statistic}": one for one in agreement(by_item(decisions))}


def test_fleiss_by_his_own_table() -> None:
    """The categories were used 26, 26, 30, 55 and 43 times; kappa is 0.430 [paper]."""
    counts = np.array([[int(digit) for digit in patient] for patient in DIAGNOSES.split()], float)
    assert counts.shape == (30, 5) and counts.sum(0).tolist() == [26, 26, 30, 55, 43]
    agreed = ((counts**2).sum(1) - 6) / 30
    assert round(float(fleiss(np.array(agreed.sum()), np.array(30.0), counts.sum(0))), 3) == 0.430


def test_the_same_table_as_decisions() -> None:
    """Six readers, of whom it does not matter who said what; verdicts stand for the diagnoses."""
    verdicts = ("accept", "reject", "edit", "unsure", "phi")
    decisions = []
    for patient, counts in enumerate(DIAGNOSES.split()):
        words = [verdict for verdict, n in zip(verdicts, counts, strict=True) for _ in range(int(n))]
        decisions += [said(f"p{patient}", f"r{n}", word) for n, word in enumerate(words)]
    found = figures(*decisions)["verdict, Fleiss' kappa"]
    assert found.value == pytest.approx(0.430, abs=5e-4) and (found.n, found.readers) == (30, 6)
    assert found.low is not None and found.high is not None and 0.25 < found.low < 0.43 < found.high < 0.6


def test_cohen_by_his_own_table() -> None:
    """Cohen 1960, table 1, as numbers of 200: observed 140 of 200, expected 0.30 + 0.09 + 0.02, kappa 0.29 / 0.59."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]], float)
    assert float(cohen(table)) == pytest.approx((0.70 - 0.41) / (1 - 0.41))
    verdicts = ("accept", "reject", "edit")
    cells = [(i, j) for i in range(3) for j in range(3) for _ in range(int(table[i, j]))]
    decisions = [
        d for n, (i, j) in enumerate(cells) for d in (said(f"{n}", "a", verdicts[i]), said(f"{n}", "b", verdicts[j]))
    ]
    found = figures(*decisions)["verdict, Cohen's kappa"]
    assert round(found.value or 0, 3) == 0.492 and found.n == 200


def test_one_reading_is_none_and_a_skipped_item_was_not_read() -> None:
    """Of four items one was read by anna alone and one skipped by ben: two count, two do not. Those are alike: 1."""
    both = [said(item, who, verdict) for item, verdict in (("1", "accept"), ("2", "reject")) for who in ("anna", "ben")]
    found = figures(*both, said("3", "anna"), said("4", "anna"), said("4", "ben", "skip"))
    kappa = found["verdict, Cohen's kappa"]
    assert (kappa.value, kappa.n, kappa.alone) == (1.0, 2, 2)
    columns, [row, *_] = table(list(found.values()))
    assert dict(zip(columns, row, strict=True))["read by one alone"] == "2"


def test_a_kappa_that_is_not_defined_has_no_value() -> None:
    """Both always accept: nothing could be expected otherwise."""
    found = figures(said("1", "anna"), said("1", "ben"))["verdict, Cohen's kappa"]
    assert found.value is None and found.why == "all readings are of one category"


def test_boxes_of_two_readers() -> None:
    """Image 1: (0, 0, 10, 10) against (0, 0, 10, 8) is 0.8, and a box that only ben has drawn 0. Image 2: 0.25 of one
    box, called otherwise. Three boxes: (0.8 + 0 + 0.25) / 3, one of three at one place, under one name."""
    lower, quarter = replace(A, box=(0.0, 0.0, 10.0, 8.0)), Annotation("cyst", (0.0, 0.0, 5.0, 5.0))
    found = figures(
        *(said("1", "anna", "edit", after=(A,)), said("1", "ben", "edit", after=(lower, B))),
        *(said("2", "anna", "edit", after=(A,)), said("2", "ben", "edit", after=(quarter,))),
        *(said("3", "anna", "edit", after=()), said("3", "ben", "edit", after=())),
    )
    iou, share = found["place, mean IoU"], found["place, share of IoU >= 0.5"]
    assert iou.value == pytest.approx(1.05 / 3) and iou.n == 3 and share.value == pytest.approx(1 / 3)
    assert (found["name, share alike at one place"].value, found["name, share alike at one place"].n) == (1.0, 1)
    assert iou.low is None and iou.why == "fewer than 6 clusters"


def test_images_of_one_patient_are_drawn_together() -> None:
    """Twelve images of one patient tell no interval; of twelve patients they do."""
    decisions = [
        said(f"{n}", who, "reject" if n % 3 == 0 or (who == "b" and n == 1) else "accept")
        for n in range(12)
        for who in ("a", "b")
    ]
    items = by_item(decisions)
    assert agreement(items, lambda record: "patient")[0].why == "one cluster only"
    apart = agreement(items)[0]
    assert apart.low is not None and apart.value is not None and apart.low < apart.value


@pytest.mark.parametrize(
    ("mine", "theirs", "differ"),
    [
        ({}, {}, ""),
        ({}, {"verdict": "reject"}, "verdict"),
        ({"after": (A, B)}, {"after": (B, replace(A, label="Mass "))}, ""),
        ({"after": (A,)}, {"after": (replace(A, label="cyst"),)}, "names"),
        ({"after": (A,)}, {"after": (replace(A, box=(0.0, 0.0, 10.0, 4.0)),)}, "places"),
        ({"after": (A,)}, {"after": (replace(A, box=None),)}, "places"),
        ({"before": (A,)}, {"after": (replace(A, box=(0.0, 0.0, 10.0, 5.0)),)}, ""),
        ({"texts": {"report": "A  mass."}}, {"texts": {"report": "A mass."}}, ""),
        ({"texts": {"report": "A mass."}}, {"texts": {"report": "No mass."}}, "text"),
        ({"subject": "pair"}, {"subject": "pair", "preferred": "chosen"}, ""),
        ({"subject": "pair"}, {"subject": "pair", "preferred": "rejected"}, "preferred side"),
    ],
)
def test_in_what_two_decisions_differ(mine: dict[str, Any], theirs: dict[str, Any], differ: str) -> None:
    one, other = (replace(said("1", who), **known) for who, known in (("a", mine), ("b", theirs)))
    assert difference(one, other) == difference(other, one) == differ


def test_whose_word_stands() -> None:
    """Of readers who agree the last one's; of those who differ nobody's, until somebody decides between them."""
    anna, ben = said("1", "anna", time="1"), said("1", "ben", time="2")
    assert Readings("1", (anna, ben)).decision == ben and Readings("1", (anna, ben)).share == 1
    differing = Readings("1", (anna, replace(ben, verdict="reject")))
    assert differing.decision is None and differing.open_dispute == "verdict" and differing.share == 0
    carla = said("1", "carla", "reject", adjudicates=("anna", "ben"))
    [decided] = by_item([*differing.readings, carla]).values()
    assert decided.decision == carla and decided.dispute == "verdict" and decided.open_dispute == ""
    assert decided.share == pytest.approx(2 / 3)
