"""Calibration errors, curves and thresholds: counted by hand, and as scikit-learn has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from unveil.evaluate import reliability, selective
from unveil.evaluate.reliability import Confident


def judged(*answers: tuple[float, int], clusters: tuple[int, ...] | None = None) -> Confident:
    confidence, right = zip(*answers, strict=True)
    numbers = clusters if clusters is not None else range(len(answers))
    return Confident(np.array(confidence, float), np.array(right, float), np.array(list(numbers)))


def error(of: Confident, edges) -> float:
    return float(reliability.calibration_error(of.gaps(edges).sum(0), len(of)))


FOUR = judged((0.95, 1), (0.95, 0), (0.55, 1), (0.4, 0))


def test_calibration_error_by_hand():
    """Ten bins. 0.9 to 1: two answers, sure 0.95, right 0.5; 0.5 to 0.6: one, 0.55, right; 0.3 to 0.4: one, 0.4, wrong.
    2/4 * 0.45 + 1/4 * 0.45 + 1/4 * 0.4 = 0.4375."""
    edges = reliability.equal_width(10)
    assert error(FOUR, edges) == pytest.approx(0.4375)
    rows = reliability.reliability(FOUR, edges)
    assert [(row["n"], round(row["confidence"], 3), row["accuracy"]) for row in rows] == [
        (1, 0.4, 0), (1, 0.55, 1), (2, 0.95, 0.5)
    ]  # fmt: skip
    assert [round(row["high"], 3) for row in rows] == [0.4, 0.6, 1.0], "a bin has its upper edge and not its lower one"


def test_bins_of_equal_mass_by_hand():
    """Two bins of the four: up to the median 0.75, and above. (|1 - 0.95| + |1 - 1.9|) / 4 = 0.2375."""
    edges = reliability.equal_mass(FOUR.confidence_N, 2)
    assert list(edges) == pytest.approx([0.4, 0.75, 0.95])
    assert error(FOUR, edges) == pytest.approx((abs(1 - 0.95) + abs(1 - 1.9)) / 4)


def test_risk_and_coverage_by_hand():
    """Both of 0.95 are answered together: risk 1/2 at a coverage of 1/2, 1/3 at 3/4, 2/4 at 1. The area is the mean
    over answers: (2 * 1/2 + 1/3 + 1/2) / 4 = 11/24."""
    coverage, risk = reliability.curve(*reliability.by_level(FOUR))
    assert list(coverage) == [0.5, 0.75, 1] and list(risk) == pytest.approx([1 / 2, 1 / 3, 1 / 2])
    assert reliability.aurc(*reliability.by_level(FOUR)) == pytest.approx(11 / 24)
    surest = judged((0.9, 1), (0.8, 1), (0.7, 0))  # 0, 0, 1/3
    assert reliability.aurc(*reliability.by_level(surest)) == pytest.approx(1 / 9)


def test_a_threshold_is_the_lowest_that_is_right_as_often_as_is_asked():
    """Right of the first so many: 1, 1, 2/3, 3/4, 3/5. For 0.75 four are answered, for 0.8 two, for less than 0.6 all;
    of three and more none are right nine times in ten."""
    five = judged((0.9, 1), (0.8, 1), (0.7, 0), (0.6, 1), (0.5, 0))
    assert reliability.threshold(five, 0.75, 1) == (0.6, 4)
    assert reliability.threshold(five, 0.8, 1) == (0.8, 2)
    assert reliability.threshold(five, 0.6, 1) == (0.5, 5)
    assert reliability.threshold(five, 0.9, 3) is None
    assert reliability.threshold(five, 0.75, 5) is None


answers = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=60)


@given(answers, st.sampled_from(["uniform", "quantile"]))
def test_bins_are_scikit_learn_s(found, strategy):
    """The same bins with the same means, whichever way they are made."""
    of = judged(*found)
    if len(set(of.right_N)) < 2:
        return  # which scikit-learn takes for one class
    edges = reliability.equal_width() if strategy == "uniform" else reliability.equal_mass(of.confidence_N)
    right, sure = calibration_curve(of.right_N, of.confidence_N, n_bins=15, strategy=strategy)
    rows = reliability.reliability(of, edges)
    np.testing.assert_allclose([row["accuracy"] for row in rows], right)
    np.testing.assert_allclose([row["confidence"] for row in rows], sure)
    by_bins = sum(row["n"] / len(of) * abs(row["accuracy"] - row["confidence"]) for row in rows)
    assert error(of, edges) == pytest.approx(by_bins)


@given(answers)
def test_the_resamples_of_one_cluster_each_are_the_figures_of_those_answers(found):
    """Each resample's area, from sums by cluster and level, is that of the answers drawn, written out."""
    of = judged(*found, clusters=tuple(i % 3 for i in range(len(found))))
    _, areas = reliability.resampled(of, [of.sums(of.right_N)], 5, 7)
    from unveil.core import bootstrap

    for w, area in zip(np.concatenate(list(bootstrap.weights(of.clusters, 5, 7))), areas, strict=True):
        drawn = [i for i, c in enumerate(of.cluster_N) for _ in range(int(w[c]))]
        again = judged(*[found[i] for i in drawn])
        assert reliability.aurc(*reliability.by_level(again)) == pytest.approx(area)


def test_levels_are_joined_where_there_are_many():
    level, count = reliability.levels(np.linspace(0, 1, 5000), 1000)
    assert count == 1000 and level[0] == 999 and level[-1] == 0 and set(np.bincount(level)) == {5}


# ------------------------------------------------------------------------------------------------------------ figures


def many(rng, n: int = 300, sharp: float = 1.0) -> Confident:
    confidence = rng.uniform(0.5, 1, n)
    return Confident(confidence, (rng.random(n) < confidence**sharp).astype(float), np.arange(n) // 2)


def test_brier_is_scikit_learn_s_and_isotonic_calibration_helps():
    """A model that is right as often as its confidence cubed says is surer than right; calibrated on 2,000 others it is
    about right."""
    rng = np.random.default_rng(0)
    of, fitted = many(rng, 2000, 3.0), many(rng, 2000, 3.0)
    found = selective.figures(of, {}, fitted, "", 200, 0)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(of.right_N, of.confidence_N))
    assert found["ece"]["value"] > 0.15 and found["isotonic"]["ece"]["high"] < 0.1
    assert found["isotonic"]["brier"]["value"] < found["brier"]["value"] and found["isotonic"]["n"] == 2000
    assert found["brier"]["low"] < found["brier"]["value"] < found["brier"]["high"]
    assert found["brier"]["n"] == 2000 and found["brier"]["clusters"] == 1000
    assert len(found["curve"]) == 50 and found["curve"][-1] == [1, pytest.approx(1 - of.right_N.mean())]


def test_what_is_answered_at_the_threshold_of_validation():
    """Validation: 30 right of 0.9, 30 wrong of 0.6: the threshold for 0.8 is the 0.6 up to where 30 / (30 + k) >= 0.8,
    which splits equals, so 0.9. Asked: 4 of 0.9, of which 3 are right, and 6 of 0.7: coverage 0.4, right 0.75."""
    fitted = judged(*[(0.9, 1)] * 30, *[(0.6, 0)] * 30)
    of = judged(*[(0.9, 1)] * 3, (0.9, 0), *[(0.7, 1)] * 6)
    found = selective.figures(of, {}, fitted, "", 100, 0)["selective"][0]
    assert (found["target"], found["threshold"], found["chosen_on"]) == (0.8, 0.9, 30)
    assert found["coverage"]["value"] == pytest.approx(0.4) and found["abstained"]["value"] == pytest.approx(0.6)
    assert found["abstained"]["low"] == pytest.approx(1 - found["coverage"]["high"])
    assert found["accuracy"]["value"] == pytest.approx(0.75) and found["accuracy"]["n"] == 4
    unsure = selective.figures(judged((0.5, 1), (0.5, 0)), {}, fitted, "", 100, 0)["selective"][0]
    assert unsure["coverage"]["value"] == 0 and unsure["accuracy"]["value"] is None
    assert unsure["accuracy"]["reason"] == "nothing is answered"


def test_what_cannot_be_computed_has_a_reason():
    of = judged((0.9, 1), (0.6, 0), clusters=(0, 0))
    found = selective.figures(of, {}, None, "no validation", 50, 0)
    assert found["isotonic"] == {"reason": "no validation"}
    assert [row["reason"] for row in found["selective"]] == ["no validation"] * 3
    assert found["ece"]["low"] is None and found["ece"]["reason"] == "one cluster only"
    right = judged(*[(0.9, 1)] * 25)
    assert selective.figures(of, {}, right, "", 50, 0)["isotonic"] == {
        "reason": "all 25 answers of the validation split are right: there is nothing to fit"
    }
    wrong = judged(*[(0.9, 0)] * 25)
    found = selective.figures(of, {}, wrong, "", 50, 0)
    assert "25 answers of the validation split are wrong" in found["isotonic"]["reason"]
    assert found["selective"][0]["reason"].startswith("at no threshold 20 answers")


def test_what_never_varies_has_an_exact_interval():
    """All right in 20 clusters: at least 0.025^(1/20) = 0.832."""
    found = selective.figures(judged(*[(1.0, 1)] * 20), {}, None, "-", 50, 0)
    assert (found["accuracy"]["low"], found["accuracy"]["high"]) == (pytest.approx(0.832, abs=1e-3), 1)
    assert found["ece"]["value"] == 0 and found["ece"]["high"] == pytest.approx(0.168, abs=1e-3)
