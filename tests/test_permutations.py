"""The paired permutation test: by hand, against scipy, exact and drawn; Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from unveil.core.grading import Outcome
from unveil.evaluate.intervals import differences
from unveil.evaluate.permutations import holm, p_of_figures, p_values
from unveil.evaluate.sections.ratios import ratio
from unveil.evaluate.sums import sums


def closed(values, clusters=None) -> list[Outcome]:
    """Answers to closed questions that are worth these values, each of a patient of its own unless said."""
    names = clusters or [f"p{i:03d}" for i in range(len(values))]
    return [
        Outcome(f"q{i:03d}", "r", cluster, "closed", None, (), "ok", None, None, (), sums={"closed": (float(v), 1.0)})
        for i, (v, cluster) in enumerate(zip(values, names, strict=True))
    ]


def p(first, second, swaps=2000, seed=0, metric="closed") -> float:
    return p_values(sums(first), sums(second), swaps, seed)[metric]


def test_three_patients_who_all_differ_have_a_quarter():
    """Of 2^3 swaps, none and all make the difference as large: p = 2/8. Of 5 patients 2/32, of one 1."""
    assert p(closed([0] * 3), closed([1] * 3)) == 2 / 8
    assert p(closed([0] * 5), closed([1] * 5)) == 2 / 32
    assert p(closed([0]), closed([1])) == 1


def test_patients_who_do_not_differ_do_not_count():
    """Three differ, of 300: as above. Where none differs, every swap is as large: 1."""
    same = [1] * 297
    assert p(closed([0] * 3 + same), closed([1] * 3 + same)) == 2 / 8
    assert p(closed(same), closed(same)) == 1


def test_answers_of_a_patient_are_swapped_together():
    """Six answers of two patients: 2/4, not 2/64."""
    whose = ["a", "a", "a", "b", "b", "b"]
    assert p(closed([0] * 6, whose), closed([1] * 6, whose)) == 2 / 4


@pytest.mark.parametrize("seed", [1, 2])
def test_as_scipy_has_it(seed):
    """Ten paired values, all 2^10 swaps on both sides: scipy's paired permutation test of the mean difference."""
    rng = np.random.default_rng(seed)
    a, b = rng.random(10), rng.random(10) + 0.15

    def mean(x, y, axis=-1):
        return np.mean(y - x, axis=axis)

    theirs = permutation_test((a, b), mean, permutation_type="samples", vectorized=True, n_resamples=2**10)
    assert p(closed(a), closed(b)) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_drawn_swaps_come_near_to_scipys_and_are_repeated_by_their_seed():
    """Of 40 patients 20,000 swaps are drawn on each side: a p of about 0.1 has a standard error of 0.002 then."""
    rng = np.random.default_rng(5)
    a, b = rng.random(40), rng.random(40) + 0.1

    def mean(x, y, axis=-1):
        return np.mean(y - x, axis=axis)

    theirs = permutation_test(
        (a, b), mean, permutation_type="samples", vectorized=True, n_resamples=20_000, random_state=3
    )
    first, second = closed(a), closed(b)
    assert p(first, second, 20_000) == pytest.approx(theirs.pvalue, abs=0.015)
    assert p(first, second, 500, seed=7) == p(first, second, 500, seed=7) != p(first, second, 500, seed=8)


def test_figures_of_sums_have_the_same_p():
    """A figure of a section is any function of sums: the mean of answers has the p that the metric has, exact and
    drawn. The precision of who says nothing has none."""
    mean, precision = {"mean": ratio(1, 0).of}, {"precision": ratio(1, 2).of}
    for many in (8, 40):
        first, second = (np.array([(1.0, i % k == 0, 0.0) for i in range(many)]) for k in (2, 3))
        found = p_of_figures(mean | precision, first, second, 2000, 0)
        assert set(found) == {"mean"}
        assert found["mean"] == pytest.approx(p(closed(first[:, 1]), closed(second[:, 1])), abs=0.05 * (many > 12))
    right = np.ones((3, 3))
    assert p_of_figures(precision, right, right - [0, 1, 0], 10, 0) == {"precision": 2 / 8}
    assert p_of_figures(precision, right, 0 * right, 10, 0) == {}


def test_a_swap_that_leaves_nothing_to_count_is_as_large():
    """The first model's only yes is right, the second's only one, of another patient, wrong. Of four swaps two leave
    the difference as it is, and two one of the models without a yes."""
    first, second = np.array([(1.0, 1.0, 1.0), (1.0, 0.0, 0.0)]), np.array([(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)])
    assert p_of_figures({"precision": ratio(1, 2).of}, first, second, 10, 0) == {"precision": 1}


def test_the_smallest_drawn_p_is_one_of_all_swaps_and_itself():
    """30 patients, all better: none of 99 swaps is likely to be as large: 1/100."""
    assert p(closed([0] * 30), closed([1] * 30), 99) == 1 / 100


def f1(values) -> list[Outcome]:
    """Twice the hits, and all boxes, of images of a patient each."""
    return [
        Outcome(f"q{i}", "r", f"p{i}", "diagnosis", None, (), "ok", None, None, (), sums={"f1_50": pair})
        for i, pair in enumerate(values)
    ]


def test_a_ratio_of_sums_is_computed_again_from_swapped_sums():
    """F1 of 2/2 + 0/1 = 2/3 against 0/2 + 0/1 = 0. Swaps of the two patients: of neither and of both 2/3; of the first
    alone −2/3; of the second, which is the same for both, nothing changes. So all are as large: 1. With a second
    patient of 2/2 against 0/2: 1 against 0, and one of the two swapped 1/2 against 1/2: p = 2/4."""
    assert p(f1([(2.0, 2.0), (0.0, 1.0)]), f1([(0.0, 2.0), (0.0, 1.0)]), metric="f1_50") == 1
    assert p(f1([(2.0, 2.0), (2.0, 2.0)]), f1([(0.0, 2.0), (0.0, 2.0)]), metric="f1_50") == 2 / 4


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, of which none may be smaller than one
    before it: 0.04, 0.06, 0.06, 0.06. No p exceeds 1."""
    found = holm({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.02})
    assert list(found) == ["c", "a", "d", "b"]
    assert found == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06})
    assert holm({"a": 0.7, "b": 0.9}) == {"a": 1, "b": 1} and holm({}) == {}


def test_a_difference_has_its_p_its_p_among_all_and_what_could_be_shown():
    """One metric alone is a family of one. 10 of 20 patients are better by 1: the standard error of the mean is
    sqrt(0.25 / 20) = 0.112, times 2.8 is 0.313. Where the models have the same answers there is no spread."""
    found = differences(closed([0] * 20), closed([1, 0] * 10), resamples=4000)["closed"]
    assert found.p == found.p_holm == 2 / 2**10
    assert found.detectable == pytest.approx(2.8016 * np.sqrt(0.25 / 20), rel=0.05)
    same = differences(closed([0, 1]), closed([0, 1]), resamples=100)
    assert same["closed"].detectable is None and same["closed"].p == 1 and same["iou"].p is None
