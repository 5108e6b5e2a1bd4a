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
