"""Texts that are cut and rewritten, whose letters know where they stood at first."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.aligned import Aligned, composed, joined

#: Letters that become one with others: marks of Latin, Hebrew, Japanese and Indian scripts, and Hangul.
LETTERS = st.text(
    "ab \n\u00e9\u0301\u0308\u0323\u05b7\u3099\u304b\u1100\u1161\u11a8\uac00\u09c7\u09be\u0cc6\u0cc2\u212b"
)


def test_by_hand() -> None:
    """Of "a cat; a dog" the part "cat; a" with "feline" for "cat" ends with the letters 5, 6 and 7; the new word has
    all of its letters from 2 to 5."""
    text = Aligned.of("a cat; a dog").part(2, 8).sub(re.compile("cat"), lambda found: "feline")
    assert text.text == "feline; a"
    assert text.span(0, 1) == text.span(2, 6) == (2, 5)
    assert text.span(6, 9) == (5, 8) and text.span(3, 7) == (2, 6)


def test_parts_together() -> None:
    """Sign and all: a span from one part to the next has what lies between."""
    text = Aligned.of("one two three")
    both = joined("; ", [text.part(0, 3), text.part(8, 13)])
    assert both.text == "one; three" and both.span(0, 3) == (0, 3) and both.span(5, 10) == (8, 13)
    assert both.span(2, 6) == (2, 9)
    assert joined("; ", []).text == ""


@given(st.text("ab,\n"), st.sampled_from(["a+", ",", "b|,b"]), st.sampled_from(["", "a", "xyz"]))
def test_rewriting_is_that_of_re(text: str, pattern: str, new: str) -> None:
    """And letters that stay are found where they were."""
    found = Aligned.of(text).sub(re.compile(pattern), lambda match: new)
    assert found.text == re.sub(pattern, new, text)
    assert len(found.starts) == len(found.ends) == len(found.text)
    assert all(text[a:b] == c or c in new for c, a, b in zip(found.text, found.starts, found.ends, strict=True))


@given(st.one_of(st.text(), LETTERS))
def test_composing_is_that_of_unicode(text: str) -> None:
    """Each letter comes from letters that are the same when decomposed, and none is lost."""
    found = composed(text)
    assert found.text == unicodedata.normalize("NFC", text)
    spans = sorted({*zip(found.starts, found.ends, strict=True)})
    assert "".join(text[a:b] for a, b in spans) == text


@pytest.mark.parametrize("start", [0, 3])
def test_a_part_that_does_not_change_keeps_its_letters(start: int) -> None:
    text = Aligned.of("abcdef")
    assert text.rewritten(start, start + 3, text.text[start : start + 3]) == text.part(start, start + 3)


def test_long_texts_take_time_in_proportion() -> None:
    """A letter with its mark a hundred thousand times: each is composed, and found, in one pass."""
    found = composed("e\u0301" * 100_000)
    assert found.text == "\u00e9" * 100_000 and found.span(99_999, 100_000) == (199_998, 200_000)
