"""Vision: attention on what is named and is there counts, by hand."""

from __future__ import annotations

import pytest

from tests.helpers.answered import AT_BOTH, AT_NODULE, CYST, NODULE, UNPLACED, answered, at, looking, seen
from unveil.core.records import Finding
from unveil.rl.rewards import (
    vision,
    vision_lift,
)


def test_vision_by_hand() -> None:
    """The word nodule pays 0.5 to the first patch, the word cyst 0.4 to the last, half of which is the cyst's: 0.2."""
    assert vision(seen(NODULE, attention=AT_BOTH)) == pytest.approx(0.5)
    assert vision(seen(CYST, attention=AT_BOTH, names="cyst")) == pytest.approx(0.2)
    assert vision(seen(NODULE, CYST, attention=AT_BOTH, names="nodule; cyst")) == pytest.approx(0.35)


def test_vision_of_what_is_not_named() -> None:
    """Nothing for a category that is there and not named: of two, half of the other's; none named, 0."""
    only = {"nodule": AT_BOTH["nodule"]}
    assert vision(seen(NODULE, CYST, attention=only)) == pytest.approx(0.25)
    assert vision(seen(NODULE, attention={}, names="none")) == 0


def test_vision_of_what_is_named_and_not_there() -> None:
    """Nothing for it, and it counts: 0.5 of one, then of two and of three; a wrong name alone, 0.

    So naming all three scores 0.7 / 3 where two are there, less than the 0.35 of these.
    """
    only = {"nodule": AT_BOTH["nodule"]}
    assert vision(seen(NODULE, attention=only, names="nodule; mass")) == pytest.approx(0.5 / 2)
    assert vision(seen(NODULE, attention=only, names="mass; nodule; cyst")) == pytest.approx(0.5 / 3)
    assert vision(seen(NODULE, CYST, attention=AT_BOTH, names="nodule; cyst; mass")) == pytest.approx(0.7 / 3)
    assert vision(seen(CYST, attention=only)) == 0


def test_vision_of_attention_to_what_is_not_there() -> None:
    """The cyst's word looks at the nodule as well, to no avail."""
    both = looking(nodule=(0.5, 0.2, 0.2, 0.1), cyst=(1.0, 0.0, 0.0, 0.0))
    assert vision(seen(NODULE, attention=both, names="nodule; cyst")) == pytest.approx(0.5 / 2)


def test_vision_of_a_name_that_is_said_twice() -> None:
    """Right or wrong, it is one category: (0.5 + 0) / 2."""
    assert vision(seen(NODULE, attention=AT_BOTH, names="nodule; nodule; mass; mass")) == pytest.approx(0.5 / 2)


def test_vision_of_a_category_in_two_places() -> None:
    """One word for both: 0.5 for the first patch, 0.1 for the last, and their category counts once."""
    again = Finding("nodule", (50.0, 50.0, 100.0, 100.0))
    assert vision(seen(NODULE, again, attention=AT_BOTH)) == pytest.approx(0.6)
    both = seen(NODULE, again, CYST, attention=AT_BOTH, names="nodule; cyst")
    assert vision(both) == pytest.approx((0.6 + 0.2) / 2)


def test_vision_knows_a_name_by_its_letters() -> None:
    """The annotation's Nodule is what answers call nodule."""
    assert vision(seen(Finding("Nodule", AT_NODULE), attention=AT_BOTH)) == pytest.approx(0.5)


def test_vision_without_a_verdict() -> None:
    """Attention was not read; there is no finding, or nobody knows; a box is missing; no diagnosis was asked for."""
    assert vision(seen(NODULE, attention=None)) is None
    assert vision(seen(attention=AT_BOTH)) is None
    assert vision(seen(attention=AT_BOTH, complete=False)) is None
    assert vision(seen(UNPLACED, attention=AT_BOTH)) is None
    assert vision(answered("localisation", at(AT_NODULE), NODULE, target="nodule", attention=AT_BOTH)) is None


def test_vision_lift_by_hand() -> None:
    """0.5 on a quarter of the image is 2 times chance, 0.2 on an eighth 1.6 times; what is not named is left out."""
    assert vision_lift(seen(NODULE, CYST, attention=AT_BOTH)) == pytest.approx((2 + 1.6) / 2)
    assert vision_lift(seen(NODULE, CYST, attention={"cyst": AT_BOTH["cyst"]})) == pytest.approx(1.6)
    even = looking(nodule=(0.25,) * 4, cyst=(0.25,) * 4)
    assert vision_lift(seen(NODULE, CYST, attention=even)) == pytest.approx(1)


def test_vision_lift_without_a_verdict() -> None:
    assert vision_lift(seen(NODULE, attention=None)) is None
    assert vision_lift(seen(NODULE, attention={})) is None
    assert vision_lift(seen(CYST, attention={"nodule": AT_BOTH["nodule"]})) is None
    assert vision_lift(seen(attention=AT_BOTH)) is None
