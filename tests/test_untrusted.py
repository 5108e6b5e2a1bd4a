"""JSON that Python's own reader takes, or gives up on in a way of its own, is one error here; values stay short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.untrusted import MAX_DEPTH, JsonError, listed, parse_json, printable, quoted, read_json, shortened

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.booleans(), st.booleans())
def test_all_that_is_json_is_read(value: Any, ascii: bool, lenient: bool) -> None:
    """Also letters outside the first plane, which JSON may write as two escapes."""
    text = json.dumps(value, ensure_ascii=ascii)
    assert parse_json(text, lenient=lenient) == parse_json(b"\xef\xbb\xbf" + text.encode(), lenient=lenient) == value


BAD_EVERYWHERE = [
    ("", "not JSON: Expecting value"),
    ("{} {}", "not JSON: Extra data"),
    (b"\xff", "not UTF-8"),
    ('{"a": [{"b": 1, "c": 2, "b": 3}]}', "the key 'b' stands twice"),
    ("[" * 100_000, "nested more than 64 deep"),
    ('{"a":' * 65 + "1" + "}" * 65, "nested more than 64 deep"),
    ("9" * 5000, "digits"),
]
BAD_IN_A_ROW = [
    ("9" * 101, "a number of 101 digits"),
    ("[NaN]", "'NaN' is not finite"),
    ("-Infinity", "'-Infinity' is not finite"),
    ("1e999", "'1e999' is not finite"),
    (r'{"\uD800": 1}', r"half a character \('\\ud800'\)"),
    (r'["\udc00\ud83d"]', r"half a character"),
]


@pytest.mark.parametrize(("text", "message"), BAD_EVERYWHERE)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_no_json(text: str | bytes, message: str, lenient: bool) -> None:
    with pytest.raises(JsonError, match=message):
        parse_json(text, lenient=lenient)


@pytest.mark.parametrize(("text", "message"), BAD_IN_A_ROW)
def test_what_only_a_lenient_reader_takes(text: str, message: str) -> None:
    for given_as in (text, text.encode()):
        with pytest.raises(JsonError, match=message):
            parse_json(given_as)
        parse_json(given_as, lenient=True)


@pytest.mark.parametrize("number", ["1e308", "-1E+307", "0.1e-999", f"0.{'3' * 300}", "9" * 100, f"1{'0' * 99}e99"])
def test_a_number_of_bytes_is_that_of_text(number: str) -> None:
    """Where all numbers are short, bytes are read without a look at each; these are the longest that are taken."""
    assert parse_json(number) == parse_json(number.encode()) == json.loads(number)


@pytest.mark.parametrize("number", ["1e309", "[-1E+309]", f"1{'0' * 400}.0", "9" * 101, f"-{'9' * 100}", "[1e0400]"])
def test_a_number_that_is_too_long_is_one_in_bytes(number: str) -> None:
    with pytest.raises(JsonError, match=r"not finite|digits"):
        parse_json(number.encode())


def test_nesting_up_to_the_limit_is_read() -> None:
    """Brackets side by side, and within texts, are no depth."""
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse_json(deep)) == deep
    assert parse_json(json.dumps([[]] * 1000)) == [[]] * 1000
    assert parse_json('"' + "[" * 1000 + '"') == "[" * 1000


def test_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(JsonError, match=r"a\.json: not JSON"):
        read_json(tmp_path / "a.json")


def test_a_long_object_is_not_written_out() -> None:
    class Counted:
        written = 0

        def __repr__(self) -> str:
            Counted.written += 1
            return "x"

    assert quoted({n: Counted() for n in range(10**4)}).endswith("…}") and Counted.written < 100


@pytest.mark.parametrize("value", ["x" * 10**6, "\x00" * 10**6, b"x" * 10**6, [1] * 10**6, {"x" * 99: 1}, ("'",) * 999])
def test_values_are_quoted_briefly(value: Any) -> None:
    """The beginning and what closes it: 'xxx…', so that a list of messages can be told apart by their fixed words."""
    said = quoted(value)
    assert len(said) <= 80 and "…" in said and said[-1] == repr(value)[-1] and said[:20] == repr(value)[:20]


def test_short_values_stay_as_they_are() -> None:
    assert (quoted("a'b"), quoted(None), quoted([1, "x"])) == ('"a\'b"', "None", "[1, 'x']")
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab…")
    assert listed(["b", 1]) == "b, 1" and len(listed(["x" * 99] * 99)) == 160
    assert printable("é\ud800\udce9") == "é\\ud800\\udce9"
