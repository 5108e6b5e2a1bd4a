"""What parsed JSON is made into by the types of fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from unveil.core.schema import Unfit, maker
from unveil.evaluate.exchange.reading import Elsewhere

Words = Literal["a", "b"]


def test_several_lists_of_words_are_one():
    made = maker(Words | Literal["c"])
    assert [made(word) for word in "abc"] == ["a", "b", "c"]
    for strange in ("d", None):
        with pytest.raises(Unfit, match="one of 'a', 'b', 'c' is needed"):
            made(strange)
    assert maker(Elsewhere)({"format": "auto"}) == Elsewhere()


def test_only_what_may_be_none_is_made_of_none():
    assert maker(Words | None)(None) is None and maker(Words | None)("a") == "a"


def test_a_value_of_either_of_two_types_cannot_be_told():
    with pytest.raises(TypeError, match="no value can be told"):
        maker(int | Path)


def test_rows_of_plain_values_are_made_as_each_by_itself():
    """Of (end, log-probability): whole numbers become floats, and a value that does not fit is told by its place."""
    make = maker(tuple[tuple[int, float], ...])
    assert make([[1, -0.5], [2, -0.25]]) == ((1, -0.5), (2, -0.25)) and make([]) == ()
    [(_, whole)] = make([[1, 0]])
    assert type(whole) is float
    for wrong, where in (([[1, 0.5], [2]], "[1]"), ([[1, 0.5], [True, 0.5]], "[1][0]"), ([1], "[0]")):
        with pytest.raises(Unfit) as told:
            make(wrong)
        assert told.value.where == where
    assert maker(tuple[float, ...])([1, 2.5]) == (1.0, 2.5)
    with pytest.raises(Unfit, match="str is needed, not 1"):
        maker(tuple[str, ...])(["a", 1])
