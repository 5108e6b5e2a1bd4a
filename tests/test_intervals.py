"""The bootstrap over clusters: intervals, pairs, and what has none."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from unveil.core.grading import Outcome, ScoreError
from unveil.evaluate.intervals import PairingError, differences, estimates, plain_mean, sums
from unveil.evaluate.metrics import METRICS, RATIOS, metric


def outcome(name: str, cluster: str, **of: tuple[float, float]) -> Outcome:
    return Outcome(name, "r", cluster, "closed", None, (), "ok", None, None, (), sums=of)


def closed(rights: list[int], clusters: list[str] | None = None) -> list[Outcome]:
    clusters = clusters or [f"patient:d:{i}" for i in range(len(rights))]
    return [outcome(str(i), c, closed=(r, 1)) for i, (r, c) in enumerate(zip(rights, clusters, strict=True))]


def many(items: int, seed: int = 0) -> list[Outcome]:
    """Random outcomes, four to a patient, that take part in every metric."""
    rng = np.random.default_rng(seed)
    return [
        outcome(
            str(i),
            f"patient:d:{i // 4}",
            **{r: (float(v), 1.0) for r, v in zip(RATIOS, rng.random(len(RATIOS)), strict=True)},
        )
        for i in range(items)
    ]


def test_values_are_those_of_the_plain_metrics():
    rows = many(40)
    found = estimates(rows, resamples=10)
    assert list(found) == list(METRICS)
    for name, e in found.items():
        value, n = metric(name, rows)
        assert (e.value, e.n, e.clusters) == (pytest.approx(value), n, 10)
        assert e.low <= e.high


def test_the_whole_metric_is_computed_again():
    """F1 is a ratio of sums: 2 of 2 and 0 of 8 give 2/10, not the mean of 1 and 0. Two clusters, drawn with
    replacement: both alike (1 or 0) or one of each (2/10). Three patients of each: all alike with 1/64, so that the
    interval reaches from one with a hit and five without (2/42) to the other way round (10/18)."""
    rows = [outcome(f"1{i}", f"a{i}", f1_50=(2, 2)) for i in range(3)]
    rows += [outcome(f"2{i}", f"b{i}", f1_50=(0, 8)) for i in range(3)]
    found = estimates(rows, resamples=5000)["f1_50"]
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 2 / 42, 10 / 18))


def test_groups_count_alike_in_a_plain_mean_whatever_their_size():
    """300 answers with 1/2 and 100 with 9/10: 0.7, where all together have 0.6; the standard error is half of
    sqrt(0.25 / 300 + 0.09 / 100) = 0.0416, the interval 0.7 -+ 0.041."""
    large, small = closed([0, 1] * 150), closed([*[1] * 9, 0] * 10, [f"patient:e:{i}" for i in range(100)])
    found = plain_mean([large, small], "closed", seed=1)
    assert (found.value, found.n, found.clusters, found.fewest) == (pytest.approx(0.7), 400, 400, 100)
    assert found.low == pytest.approx(0.659, abs=0.006) and found.high == pytest.approx(0.741, abs=0.006)


def test_a_plain_mean_with_a_group_of_one_cluster_has_no_interval():
    found = plain_mean([closed([0, 1]), [outcome("x", "alone", closed=(1, 1))]], "closed")
    assert (found.value, found.low, found.reason) == (0.75, None, "one cluster only")


def test_interval_agrees_with_theory():
    """400 independent answers, half right: standard error sqrt(0.25 / 400) = 0.025, interval 0.5 -+ 0.049."""
    found = estimates(closed([0, 1] * 200), seed=1)["closed"]
    assert found.low == pytest.approx(0.451, abs=0.006) and found.high == pytest.approx(0.549, abs=0.006)


def test_duplicating_every_sample_of_each_patient_leaves_the_interval_unchanged():
    """Sums double, ratios stay. Were samples drawn instead of patients, the interval would shrink by sqrt(2)."""
    rows = closed([0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1])
    twice = rows + [dataclasses.replace(o, id=f"{o.id} again") for o in rows]
    alone = [dataclasses.replace(o, cluster=f"image:{o.id}") for o in twice]
    once, doubled, wrong = (estimates(r, seed=5)["closed"] for r in (rows, twice, alone))
    assert (doubled.low, doubled.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert doubled.n == 2 * once.n and doubled.clusters == once.clusters
    assert wrong.high - wrong.low < 0.85 * (once.high - once.low)


def test_same_seed_same_interval_whatever_the_order():
    rows = closed([0, 1, 1, 0, 1, 0, 1, 1])
    assert estimates(rows, seed=7) == estimates(rows[::-1], seed=7)
    assert estimates(many(80), seed=7) != estimates(many(80), seed=8)


def test_blocks_do_not_change_the_result(monkeypatch):
    rows = many(80)
    whole = estimates(rows, resamples=50)
    monkeypatch.setattr("unveil.core.bootstrap._BLOCK", 60)  # three resamples of 20 clusters at once
    for name, e in estimates(rows, resamples=50).items():
        assert (e.low, e.high) == pytest.approx((whole[name].low, whole[name].high))


def test_one_cluster_has_no_interval():
    found = estimates(closed([0, 1], ["patient:d:1"] * 2))["closed"]
    assert (found.value, found.low, found.high, found.n, found.clusters) == (0.5, None, None, 2, 1)
    assert found.reason == "one cluster only"


def test_an_empty_group_is_absent_and_not_zero():
    found = estimates(closed([0, 1]))
    assert (found["iou"].value, found["iou"].n, found["iou"].reason) == (None, 0, "no items")
    half = [outcome("1", "a", sensitivity=(1, 1)), outcome("2", "b", sensitivity=(1, 1))]
    assert estimates(half)["detection"].value is None
    assert estimates([outcome("1", "a", f1_50=(0, 0))])["f1_50"].reason == "nothing to count"


def test_resamples_without_an_item_are_left_out_and_counted():
    """2 of 4 clusters have an item; a resample misses both with (1/2)^4: valid are 15/16 of the resamples. Of 6 among
    240 a resample misses all with (234/240)^240 = 0.0023; in more than 2.5 % of the others all drawn are alike."""
    rows = closed([0, 1]) + [outcome(f"x{i}", f"z{i}", iou=(1, 1)) for i in range(2)]
    found = estimates(rows)["closed"]
    assert found.clusters == 2 and found.valid == pytest.approx(15 / 16, abs=0.02)
    rows = closed([0, 1] * 3) + [outcome(f"x{i}", f"z{i}", iou=(1, 1)) for i in range(234)]
    found = estimates(rows)["closed"]
    assert found.valid == pytest.approx(0.9977, abs=0.003) and (found.low, found.high) == (0, 1)


@pytest.mark.parametrize("patients", [2, 3, 4, 5, 6])
def test_percentiles_of_fewer_than_six_patients_are_no_interval(patients: int):
    """They lie between the values of single patients, all of which lie on one side of the truth as often as 2 / 2^C: of
    two patients every other interval would miss it. What all patients agree on has its exact interval all the same."""
    values = [0, *[1] * (patients - 1)]
    found = estimates(closed(values))["closed"]
    assert found.value == pytest.approx(1 - 1 / patients)
    assert (found.low is None) == (patients < 6) and (found.reason == "fewer than 6 clusters") == (patients < 6)
    apart = differences(closed([1] * patients), closed(values))["closed"]
    assert (apart.low is None) == (patients < 6) and not apart.excludes_zero
    assert estimates(closed([1] * patients))["closed"].low is not None


def test_differences_are_paired():
    """First: 10 of 20. The second is right there and in 6 more: no resample falls below 0, so the interval is apart
    from 0 (a resample misses all 6 with (14/20)^20 < 0.001), though each interval alone is some 0.4 wide."""
    first = [1] * 10 + [0] * 10
    second = [1] * 16 + [0] * 4
    found = differences(closed(first), closed(second))["closed"]
    assert found.value == pytest.approx(0.3) and found.n == found.clusters == 20
    assert found.low > 0 and found.excludes_zero
    assert estimates(closed(first))["closed"].high > estimates(closed(second))["closed"].low
    opposite = differences(closed(second), closed(first))["closed"]
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))


def test_does_the_interval_exclude_zero():
    """10 of 10 against 0 of 10: the difference is 1 everywhere, which may be so in p = 0.025^(1/10) = 0.69 of the
    clusters and -1 in the rest: 2p - 1 = 0.38 at least. A model against itself: 0 everywhere, and 1 - p = 0.31 either
    way cannot be ruled out."""
    worse, better = closed([0] * 10), closed([1] * 10)
    apart = differences(worse, better)["closed"]
    assert (apart.low, apart.high, apart.differing) == (pytest.approx(0.383, abs=1e-3), 1, 10) and apart.excludes_zero
    assert differences(better, worse)["closed"].excludes_zero
    same = differences(better, better)["closed"]
    assert (same.value, same.low, same.high) == pytest.approx((0, -0.3085, 0.3085), abs=1e-4)
    assert (same.differing, same.excludes_zero) == (0, False)
    assert not differences(closed([0, 1] * 5), closed([1, 0] * 5))["closed"].excludes_zero
    assert not differences(worse, better)["iou"].excludes_zero


@pytest.mark.parametrize("patients", [2, 3, 4, 5, 6])
def test_no_verdict_from_fewer_clusters_than_can_give_one(patients: int):
    """Six that all differ one way have p = 2 / 2^6 = 0.03 by the sign test; five have 0.06."""
    found = differences(closed([0] * patients), closed([1] * patients))["closed"]
    assert found.value == 1 and found.excludes_zero == (found.low > 0) == (patients == 6)


@pytest.mark.parametrize(("better", "told"), [(5, False), (6, True)])
def test_clusters_that_do_not_differ_tell_nothing(better: int, told: bool):
    """Of 20 patients five or six are answered better and none worse. No resample of 2000 falls below 0, and fewer than
    2.5 % miss all five ((15/20)^20 = 0.3 %), but a sign test of five cannot tell, at whatever spread."""
    found = differences(closed([0] * 20), closed([1] * better + [0] * (20 - better)))["closed"]
    assert found.low > 0 and (found.clusters, found.differing) == (20, better)
    assert found.excludes_zero == told


def test_what_always_or_never_happens_has_a_width():
    """0 of 4 and 4 of 4: 0.025^(1/4) = 0.398. A second item of a patient adds no patient."""
    never, always = (estimates(closed([v] * 8, [f"patient:d:{i // 2}" for i in range(8)]))["closed"] for v in (0, 1))
    assert (never.low, never.high, never.n, never.clusters) == (0, pytest.approx(0.602, abs=1e-3), 8, 4)
    assert (always.low, always.high) == (pytest.approx(0.398, abs=1e-3), 1)


def test_the_mean_of_two_ratios_that_never_move():
    """Sensitivity 1 in 4 patients (from 0.398), specificity 0 in 9 (up to 1 - 0.664 = 0.336): their mean 0.5 may be
    lower by half of 0.602 and higher by half of 0.336. Where specificity moves, its distance is added as squares."""
    ill = [outcome(f"i{i}", f"i{i}", sensitivity=(1, 1)) for i in range(4)]
    well = [outcome(f"w{i}", f"w{i}", specificity=(0, 1)) for i in range(9)]
    found = estimates([*ill, *well])["detection"]
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.199, 0.668), abs=1e-3)
    assert (found.n, found.clusters, found.fewest) == (13, 13, 4)
    moving = [outcome(f"w{i}", f"w{i}", specificity=(i % 2, 1)) for i in range(40)]
    alone, both = estimates(moving)["specificity"], estimates([*ill, *moving])["detection"]
    assert both.low == pytest.approx(both.value - np.hypot((alone.value - alone.low) / 2, 0.602 / 2), abs=0.02)
    assert both.high == pytest.approx(both.value + (alone.high - alone.value) / 2, abs=0.02)


def test_clusters_without_anything_to_count_are_none():
    """F1 of one patient with a box, and of nine normal ones without: only the first says something."""
    rows = [outcome("a", "a", f1_50=(0, 2)), *(outcome(f"n{i}", f"n{i}", f1_50=(0, 0)) for i in range(9))]
    assert estimates(rows)["f1_50"].reason == "one cluster only"


def test_clusters_behind_a_figure_have_something_to_count():
    """F1 of 25 patients: 8 have a box, and 17 are normal without one, where 0 of 0 is found. Where the second model
    says a box on all of the normal ones, both still rest on 8: what is 0 there in all may be up to 1 - 0.025^(1/8) =
    0.369 either way."""
    ill = [outcome(f"i{i}", f"i{i}", f1_50=(0, 1)) for i in range(8)]
    silent, loud = ([*ill, *(outcome(f"n{i}", f"n{i}", f1_50=(0, boxes)) for i in range(17))] for boxes in (0, 1))
    assert [estimates(rows)["f1_50"].fewest for rows in (silent, loud)] == [8, 25]
    found = differences(silent, loud)["f1_50"]
    assert (found.n, found.clusters, found.fewest) == (25, 25, 8)
    assert (found.low, found.high) == pytest.approx((-0.369, 0.369), abs=1e-3)


def test_a_metric_that_one_model_lacks_has_no_difference():
    """No box said on normal images: F1 is 0 of 0 for one, 0 of 2 for the other."""
    silent = [outcome(str(i), str(i), f1_50=(0, 0)) for i in range(2)]
    loud = [outcome(str(i), str(i), f1_50=(0, 1)) for i in range(2)]
    found = differences(silent, loud)["f1_50"]
    assert (found.value, found.reason) == (None, "nothing to count")


def test_only_the_same_questions_are_paired():
    rows = closed([0, 1, 1])
    with pytest.raises(PairingError, match="second model lacks 2"):
        differences(rows, rows[:2])
    with pytest.raises(PairingError, match="first model lacks 0, 1"):
        differences(rows[2:], rows)
    with pytest.raises(PairingError, match="more than once"):
        differences(rows, rows + rows[:1])
    with pytest.raises(PairingError, match="cluster"):
        differences(rows, closed([0, 1, 1], ["patient:d:0"] * 3))
    with pytest.raises(ScoreError, match="no outcomes"):
        estimates([])
    with pytest.raises(ScoreError, match="at least one resample"):
        estimates(rows, resamples=0)


def test_sums_by_cluster():
    """Cluster a: 1 + 0 of 2 in two items; b: 1 of 1."""
    table = sums(closed([1, 1, 0], ["a", "b", "a"]))
    column = RATIOS.index("closed")
    assert table.numerators_CR[:, column].tolist() == [1, 1]
    assert table.denominators_CR[:, column].tolist() == table.items_CR[:, column].tolist() == [2, 1]


def test_two_thousand_resamples_are_quick():
    """A thousand items, every metric: under two seconds."""
    rows = [dataclasses.replace(o, cluster=o.id) for o in many(1000)]
    started = time.perf_counter()
    estimates(rows, resamples=2000)
    assert time.perf_counter() - started < 2
