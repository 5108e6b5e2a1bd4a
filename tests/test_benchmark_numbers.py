"""Answers that are numbers: which one is read, and how far off it is."""

from __future__ import annotations

import pytest

from tests.helpers.outcomes import dialogue, predicted, record
from unveil.evaluate.benchmarks import numbers
from unveil.evaluate.metrics import cases


@pytest.mark.parametrize(
    "text, value",
    [
        ("12", 12.0),
        ("There are 12 cells.", 12.0),
        ("about 1,500 cells", 1500.0),
        ("6,5 years", 6.5),
        ("-3.5", -3.5),
        ("T2", None),
        ("COVID-19 in 2 lobes", 2.0),
        ("3-4", None),
        ("between 3 and 4", None),
        ("none", None),
        ("1.2.3", None),
    ],
)
def test_one_number_is_read(text: str, value: float | None) -> None:
    assert numbers.number(text) == value


def test_the_error_is_that_of_answers_that_hold_one_number() -> None:
    """Counts: |10 - 12| and |12 - 12| of two patients, mean 1, and one answer without a number; measures: |7 - 6.5|. A
    question about a name takes no part."""
    rows = [record(name=name, patient=f"p{name}") for name in "abcde"]
    how = {"a": "12", "b": "12", "c": "12", "d": "6.5", "e": "T2 hyperintensity"}
    said = {"a": "10 cells", "b": "12", "c": "many", "d": "7", "e": "2"}
    asked = [dialogue("open", how[r.id], name=r.id, of=r.id) for r in rows]
    asked = [type(d)(**{**vars(d), "question": "How old?" if d.id == "d" else "How many cells?"}) for d in asked]
    missed = numbers.misses(cases(rows, asked, [predicted(d, said[d.id]) for d in asked]))
    assert [(row.counts, row.error) for row in missed] == [(True, 2.0), (True, 0.0), (True, None), (False, 0.5)]
    found = numbers.figures(missed, 500, 0)
    counts = found["counting_mae"]
    assert (counts["value"], counts["n"], counts["unread"], counts["low"]) == (1.0, 2, 1, None)
    assert counts["reason"] == "fewer than 6 clusters"
    alone = found["regression_mae"]
    assert (alone["value"], alone["low"], alone["reason"]) == (0.5, None, "one cluster only")


def test_what_cannot_be_told_says_why() -> None:
    """No answer with a number has no error, never 0; and errors that are all alike have no interval."""
    rows = [numbers.Miss(name, True, None) for name in "ab"]
    assert numbers.figures(rows, 50, 0)["counting_mae"]["reason"] == "no answer holds one number"
    rows = [numbers.Miss(name, True, 2.0) for name in "ab"]
    found = numbers.figures(rows, 50, 0)["counting_mae"]
    assert (found["value"], found["low"], found["reason"]) == (2.0, None, "all clusters alike")
    assert numbers.figures([], 50, 0) == {}
    found = numbers.figures([numbers.Miss(name, True, float(name in "abc")) for name in "abcdef"], 2000, 0)
    assert (found["counting_mae"]["low"], found["counting_mae"]["high"]) == pytest.approx((1 / 6, 5 / 6))
