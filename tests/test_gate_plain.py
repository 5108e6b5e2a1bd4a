"""A text as the gate searches it, and the map back to the original."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.gate.finding import find
from unveil.gate.plain import hidden, plain


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("ＭＲＮ １２３", "MRN 123"),
        ("2019–04—03", "2019-04-03"),
        ("Jo\u200bhn\u00ad \u2060Ro\u200fe", "John Roe"),
        ("Müller, Łukasz, Straße", "Muller, Lukasz, Strasse"),
        ("Z\u0336o\u0308e", "Zoe"),
        ("٠٣/٠٤/٢٠١٩ and ०३", "03/04/2019 and 03"),
        ("Јоhn Rоe", "John Roe"),  # two Cyrillic letters in each of these words
        ("МВС123", "MBC123"),
        ("Иванов", "Иванов"),
        ("a\u00a0b\u2003c\t d", "a b c d"),
        ("&#74;ohn &amp; J%6Fhn", "John & John"),
        ("50%20 and 80%95", "50 and 80%95"),
        (r"Jos\u00e9\nRoe", "Jose Roe"),
        ("**John** Ro*e* `x`", "John Roe x"),
        ("J<b>oh</b>n Roe<br>MRN", "John Roe MRN"),
        ("<!-- John -->", " John "),
        ("john_roe", "john roe"),
        ("/home/john_roe/a_b.png", "/home/john_roe/a_b.png"),
        ("seen by J o h n  R o e", "seen by John Roe"),
        ("slices 1 2 3 4 5 6", "slices 1 2 3 4 5 6"),
        ("R-o-e-s", "Roes"),
        ("123-\n45-6789", "123-45-6789"),
        ("John\nRoe", "John Roe"),
        ("Sex: F\nAge: 3\n\nLungs", "Sex: F\nAge: 3\n Lungs"),
    ],
)
def test_what_looks_the_same_is_searched_as_the_same(text: str, searched: str) -> None:
    assert plain(text).text == searched


@pytest.mark.parametrize(
    ("text", "part", "original"),
    [
        ("a ＭＲＮ b", "MRN", "ＭＲＮ"),
        ("x Jo\u200bhn y", "John", "Jo\u200bhn"),
        ("x &#74;ohn y", "John", "&#74;ohn"),
        ("x Straße 5", "Strasse", "Straße"),
        ("it is J o h n there", "John", "J o h n"),
        ("a Ro**e** b", "Roe", "Ro**e"),
    ],
)
def test_a_place_is_told_in_the_original(text: str, part: str, original: str) -> None:
    searched = plain(text)
    at = searched.text.index(part)
    start, end = searched.span(at, at + len(part))
    assert text[start:end] == original


@given(st.text(max_size=60))
def test_every_place_lies_within_the_original(text: str) -> None:
    searched = plain(text)
    for at in range(len(searched.text)):
        start, end = searched.span(at, at + 1)
        assert 0 <= start < end <= len(text)
    assert list(searched.starts) == sorted(searched.starts)


def test_base64_and_reversed_words_are_looked_into() -> None:
    """Three identifiers that nobody reads as they stand; a long word of medicine is no Base64."""
    coded = base64.b64encode(b"MRN 4471290, born 3 April 1951").decode()
    assert [inside for *_, inside in hidden(plain(f"see {coded}"))] == ["MRN 4471290, born 3 April 1951"]
    assert [found.rule.endswith("encoded") for found in find(f"see {coded}")] == [True]
    assert find("eoR nhoJ yb nees")
    assert not find("hepatosplenomegaly, cholangiocarcinoma, otorhinolaryngologically")
