"""Resamples of clusters, and intervals of what they never vary: by hand, and by another library's exact test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from unveil.core import bootstrap


def test_weights_are_draws_with_replacement() -> None:
    """Every resample draws as many clusters as there are; each is missed by (1 - 1/5)^5 = 0.328 of the resamples."""
    (drawn_BC,) = bootstrap.weights(5, 4000, seed=1)
    assert drawn_BC.shape == (4000, 5) and (drawn_BC.sum(1) == 5).all()
    assert (drawn_BC == 0).mean(0) == pytest.approx(0.328, abs=0.03)


@pytest.mark.parametrize("kept", [0, 150])
@pytest.mark.parametrize("block", [1, 12, 4_000_000])
def test_resampled_sums_by_hand(block: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of clusters with 1, 10, 100 the digits of a sum say how often each was drawn; three in all, whatever is held at
    once or kept for later, and each table is summed over the same resamples."""
    monkeypatch.setattr(bootstrap, "_BLOCK", block)
    monkeypatch.setattr(bootstrap, "_KEPT", kept)
    bootstrap._drawn.cache_clear()
    clusters = np.array([1.0, 10.0, 100.0])
    sums_B, both_B2 = bootstrap.resampled([clusters, np.stack([clusters, np.ones(3)], 1)], 50, seed=2)
    assert sums_B.shape == (50,) and both_B2.shape == (50, 2)
    drawn = [[int(digit) for digit in f"{int(total):03d}"] for total in sums_B]
    assert all(sum(times) == 3 for times in drawn) and len({tuple(times) for times in drawn}) > 5
    assert (both_B2[:, 0] == sums_B).all() and (both_B2[:, 1] == 3).all()


def test_a_seed_draws_the_same_clusters_whatever_is_kept_or_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """And they are those of plain draws, of which each row is counted; a cluster may be drawn more than 255 times."""
    rows = np.random.default_rng(4).integers(300, size=(40, 300))
    plain_BC = np.stack([np.bincount(row, minlength=300) for row in rows])
    for kept in (0, 12_000):
        for block in (700, 4_000_000):
            monkeypatch.setattr(bootstrap, "_KEPT", kept)
            monkeypatch.setattr(bootstrap, "_BLOCK", block)
            bootstrap._drawn.cache_clear()
            for _ in range(2):
                assert (np.concatenate(list(bootstrap.weights(300, 40, seed=4))) == plain_BC).all()
    monkeypatch.setattr(bootstrap, "_counts", lambda *of: iter([np.array([[0, 299], [298, 1]])]))
    assert [w.tolist() for w in bootstrap.weights(2, 2, seed=9)] == [[[0.0, 299.0], [298.0, 1.0]]]


@pytest.mark.parametrize("clusters", [1, 2, 5, 20, 300])
def test_what_always_or_never_happens_has_the_exact_binomial_interval(clusters: int) -> None:
    never = binomtest(0, clusters).proportion_ci(method="exact")
    always = binomtest(clusters, clusters).proportion_ci(method="exact")
    assert bootstrap.exact(0.0, clusters) == pytest.approx((never.low, never.high))
    assert bootstrap.exact(1.0, clusters) == pytest.approx((always.low, always.high))


@pytest.mark.parametrize(("clusters", "told"), [(2, False), (5, False), (6, True), (40, True)])
def test_a_constant_difference_is_told_where_a_sign_test_tells_it(clusters: int, told: bool) -> None:
    """2 / 2^5 = 0.0625 and 2 / 2^6 = 0.031. One cluster in p = 0.025^(1/5) = 0.478 at least, the rest at -1: 2p - 1."""
    low, high = bootstrap.exact(1.0, clusters, low=-1.0)
    assert (binomtest(clusters, clusters).pvalue < 0.05) == bootstrap.beyond_zero(low, high) == told
    assert told == (clusters >= bootstrap.TELLING)
    assert bootstrap.exact(-1.0, clusters, low=-1.0) == pytest.approx((-high, -low))
    if clusters == 5:
        assert low == pytest.approx(2 * 0.4782 - 1, abs=1e-4)


def test_no_difference_anywhere_is_not_known_to_be_none() -> None:
    """In 20 clusters: p = 0.832, so up to 0.168 of the clusters may differ by 1 in either direction."""
    assert bootstrap.exact(0.0, 20, low=-1.0) == pytest.approx((-0.1684, 0.1684), abs=1e-4)


def test_which_resamples_never_move() -> None:
    assert bootstrap.unmoved(0.3, np.array([0.1 + 0.2, 0.3])), "rounding is no spread"
    assert not bootstrap.unmoved(0.3, np.array([0.3, 0.4]))
    assert not bootstrap.beyond_zero(None, None) and not bootstrap.beyond_zero(0.0, 0.1)
