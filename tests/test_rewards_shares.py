"""What the rewards of a group add up to, by hand, however they are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import logged
from tests.helpers.answered import COMBINATIONS, totals
from unveil.rl.rewards import (
    Combination,
    Reward,
    spread,
    watched,
)

# -------------------------------------------------------------------------------------------------------------- the sum

NOBODY = Reward("nobody's", lambda answered: None)
PLACE, LOOK = Reward("place", NOBODY.function), Reward("look", NOBODY.function)
TOPIC = Reward("topic", NOBODY.function, scaled=False)


def added(
    how: Combination, usable: Sequence[Sequence[bool]] | None = None, **parts: tuple[Reward, list[list[float]]]
) -> list[list[float]]:
    """What parts, each a reward and its values, add up to; usable if not said otherwise."""
    values = {reward.name: np.array(rows, float) for reward, rows in parts.values()}
    shape = next(iter(values.values())).shape
    can = np.ones(shape, bool) if usable is None else np.array(usable)
    return totals(values, [reward for reward, _ in parts.values()], can, how).tolist()


def test_over_the_largest_by_hand() -> None:
    """Of 0.2, 0.4, 0 the largest is 0.4: 1/2, 1, 0. A group of nothing stays at 0. Each group has its own largest."""
    rows = [[0.2, 0.4, 0.0], [0.0, 0.0, 0.0], [0.5, 1.0, 1.0]]
    assert added("max", a=(PLACE, rows)) == [[0.5, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 1.0, 1.0]]


def test_the_largest_in_size_by_hand() -> None:
    """-3 over -1 would be 3, and better than 1: over 3, -1 and -3 are -1/3 and -1. Of 2 and -4 it is 4 as well."""
    rows = [[-1.0, -3.0], [2.0, -4.0]]
    assert added("max", a=(PLACE, rows)) == [[-1 / 3, -1.0], [1 / 2, -1.0]]


def test_the_relevance_is_not_scaled() -> None:
    """Twice (1/2, 1) and the relevance, (0.6, 0.3): 1.6 and 2.3."""
    twice = Reward("place", NOBODY.function, 2.0)
    assert added("max", a=(twice, [[0.2, 0.4]]), b=(TOPIC, [[0.6, 0.3]]))[0] == pytest.approx([1.6, 2.3])


def test_over_the_spread_by_hand() -> None:
    """1, 3: mean 2 and deviation 1. All alike: 0. The relevance too."""
    assert added("z", a=(PLACE, [[1.0, 3.0], [0.3, 0.3]])) == [[-1.0, 1.0], [0.0, 0.0]]
    assert added("z", a=(PLACE, [[1.0, 3.0]]), b=(TOPIC, [[0.3, 0.1]]))[0] == pytest.approx([0.0, 0.0])


def test_all_alike_has_no_spread_after_rounding() -> None:
    """The mean of three 0.1 is 0.10000000000000002: no spread all the same."""
    assert added("z", a=(PLACE, [[0.1] * 3])) == [[0.0] * 3]


def test_the_plain_sum_by_hand() -> None:
    minus = Reward("look", NOBODY.function, -0.5)
    assert added("sum", a=(PLACE, [[0.2, 0.4]]), b=(minus, [[0.2, 1.0]]))[0] == pytest.approx([0.1, -0.1])


@pytest.mark.parametrize("how", COMBINATIONS)
def test_weight_0_only_watches(how: Combination) -> None:
    idle = Reward("look", NOBODY.function, 0.0)
    alone = added(how, a=(PLACE, [[0.2, 0.4, 0.1]]))
    assert added(how, a=(PLACE, [[0.2, 0.4, 0.1]]), b=(idle, [[5.0, math.nan, -5.0]])) == alone


def test_no_verdict_counts_as_the_group_s_mean() -> None:
    """Of 0.2, none, 0.4: 0.3, so neither gains nor loses. Where no answer has one, nothing is added."""
    none = math.nan
    assert added("sum", a=(PLACE, [[0.2, none, 0.4]]))[0] == pytest.approx([0.2, 0.3, 0.4])
    assert added("max", a=(PLACE, [[0.2, none, 0.4]]))[0] == pytest.approx([0.5, 0.75, 1.0])
    assert added("z", a=(PLACE, [[1.0, none, 3.0]]))[0] == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    assert added("sum", a=(PLACE, [[none, none]]), b=(LOOK, [[1.0, 2.0]])) == [[1.0, 2.0]]


def test_unusable_answers_by_hand() -> None:
    """A cut answer that was in the right place scores 0 in every part, so the largest of its group is 0.5, not 1.

    The others' 1 and 0.2 remain; its own 0 is their least or below. Below 0 it sinks with them: to -1, the least.
    """
    cut = [[True, False, True]]
    assert added("max", cut, a=(PLACE, [[0.5, 1.0, 0.1]]))[0] == pytest.approx([1.0, 0.0, 0.2])
    assert added("sum", cut, a=(PLACE, [[-1.0, 1.0, 0.1]]))[0] == pytest.approx([-1.0, -1.0, 0.1])
    assert added("sum", [[False, False]], a=(PLACE, [[1.0, 0.5]])) == [[0.0, 0.0]]


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], list[Reward], np.ndarray]:
    """Values of some rewards with weights of either sign, none among them, and who can be used."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    one = st.one_of(st.sampled_from([0.0, 1.0, math.nan]), st.integers(-20, 20).map(lambda n: n / 10))
    count = shape[0] * shape[1]

    def table(of: st.SearchStrategy) -> np.ndarray:
        return np.array(draw(st.lists(of, min_size=count, max_size=count))).reshape(shape)

    rewards = [
        Reward(f"r{i}", NOBODY.function, draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0])), draw(st.booleans()))
        for i in range(draw(st.integers(1, 3)))
    ]
    return {r.name: table(one) for r in rewards}, rewards, table(st.booleans())


@pytest.mark.parametrize("how", COMBINATIONS)
@given(groups())
def test_what_cannot_be_used_is_never_above_what_can(
    how: Combination, found: tuple[dict[str, np.ndarray], list[Reward], np.ndarray]
) -> None:
    parts, rewards, usable = found
    got = totals(parts, rewards, usable, how)
    assert np.isfinite(got).all()
    for values, can in zip(got, usable, strict=True):
        assert values[~can].max(initial=-np.inf) <= min(0.0, values[can].min(initial=np.inf))


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 1.0, math.nan])
def test_a_group_in_which_all_score_the_same(how: Combination, value: float) -> None:
    """All get the same, to the last bit; and beside it another group is what it is alone."""
    parts = [[value] * 7, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]
    got = added(how, a=(PLACE, parts), b=(TOPIC, parts))
    assert len(set(got[0])) == 1
    assert got[1] == added(how, a=(PLACE, parts[1:]), b=(TOPIC, parts[1:]))[0]


def test_what_is_watched_by_hand() -> None:
    """Of 0, 1/2, 1 and one without a verdict: mean 1/2, deviation sqrt(1/6), zero a third of the three.

    The first group is told apart, the second has one verdict only.
    """
    parts = {"place": np.array([[0.0, 0.5], [1.0, math.nan]]), "look": np.full((2, 2), math.nan)}
    hand = {"place": 0.5, "place_spread": 0.40825, "place_zero": 1 / 3, "place_none": 1 / 4, "place_alike": 1 / 2}
    hand |= {"look_none": 1.0, "look_alike": 1.0}
    assert spread(logged(watched(parts, np.ones((2, 2), bool)))) == pytest.approx(hand, abs=1e-5)


def test_only_answers_that_can_be_used_are_told_apart() -> None:
    """0.5 against the 0 of an answer that was cut, and 0.5 against 0.5: the reward has told nothing apart."""
    found = watched({"own": np.array([[0.5, 0.0], [0.5, 0.5]])}, np.array([[True, False], [True, True]]))
    assert logged(found)["own_alike"] == 1.0


def test_a_spread_of_none_is_0() -> None:
    found = logged(watched({"own": np.full((3, 7), 0.1)}, np.ones((3, 7), bool)))
    assert spread(found)["own_spread"] == 0.0
