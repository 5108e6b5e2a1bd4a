"""What stands in place of what was found."""

from __future__ import annotations

import re

import pytest

from unveil.gate.finding import Found, find
from unveil.gate.surrogates import Surrogates

KEY = bytes(range(32))


def test_a_name_has_one_surrogate_however_it_is_written() -> None:
    ours = Surrogates(KEY)
    assert ours.of("JANE  DOE", "name") == ours.of("Jane^Doe", "name") != ours.of("Jane Roe", "name")
    assert re.fullmatch(r"\[name [0-9a-f]{8}\]", ours.of("Jane Doe", "name"))
    assert Surrogates(KEY[::-1]).of("Jane Doe", "name") != ours.of("Jane Doe", "name")


def test_nothing_of_the_original_is_left() -> None:
    text = "Seen by Dr. Okonjo on 3 April 2019, MRN 4471290: a nodule of 12 mm."
    redacted = Surrogates(KEY).redact(text, find(text))
    assert not re.search("Okonjo|April|2019|4471290", redacted)
    assert redacted.startswith("Seen by Dr. [name ") and redacted.endswith("]: a nodule of 12 mm.")


def test_places_may_overlap_and_stand_in_any_order() -> None:
    """ "abcdef" with 3 to 5 and 1 to 4 found: a, bcd, e, f; one within another adds nothing."""
    ours = Surrogates(KEY)
    places = [Found(3, 5, "x", ""), Found(1, 4, "x", ""), Found(2, 3, "x", "")]
    assert ours.redact("abcdef", places) == f"a{ours.of('bcd', 'x')}{ours.of('e', 'x')}f"


def test_what_has_no_letters_has_a_surrogate_too() -> None:
    assert Surrogates(KEY).of("☎", "x") != Surrogates(KEY).of("☏", "x")


def test_a_short_key_is_refused_and_no_key_is_shown() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Surrogates(b"short")
    assert "key" not in repr(Surrogates(KEY))
