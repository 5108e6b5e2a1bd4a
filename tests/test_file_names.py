"""Names of exported files: unique, and leading nowhere."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.records import Record, Source
from unveil.export.file_names import LONGEST, safe, stems


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/1", "a_1"),
        ("../../etc/passwd", "etc_passwd"),
        ("/absolute/a", "absolute_a"),
        ("C:\\ward\\a", "C_ward_a"),
        ("größe 1", "größe_1"),
        ("胸部", "胸部"),
        ("..", "image"),
        ("", "image"),
        ("classes", "image_classes"),
        ("-rf", "rf"),
        ("a\nb\0c", "a_b_c"),
        ("v1.2", "v1_2"),
    ],
)
def test_a_name_is_made_safe(text: str, name: str) -> None:
    assert safe(text) == name


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_whatever_a_file_is_called(files: list[str]) -> None:
    """One part, of letters that no system takes for anything else, no two equal but for case."""
    rows = [Record(str(n), "a.png", 1, 1, source=Source("s", file=file)) for n, file in enumerate(files)]
    found = list(stems(rows).values())
    assert all(re.fullmatch(r"\w[\w+-]*", name) and len(name.encode()) < LONGEST + 10 for name in found)
    assert len({name.casefold() for name in found}) == len(files)


def test_names_equal_but_for_case_or_ending_are_numbered() -> None:
    files = ["a/1.png", "b/1.png", "A/1.PNG", "a/1.jpg", "a_1.png"]
    rows = [Record(str(n), "x", 1, 1, source=Source("s", file=file)) for n, file in enumerate(files)]
    assert list(stems(rows).values()) == ["a_1", "b_1", "A_1-2", "a_1-3", "a_1-4"]


def test_rows_of_one_file_go_on_counting_where_the_last_one_was() -> None:
    """300 rows, as of a table with its images: a few looks for each, not 45,000 in all."""
    rows = [Record(str(n), "x", 1, 1, source=Source("s", file="train.parquet")) for n in range(300)]
    looks = 0

    def count(_: object, event: str, called: Any) -> None:
        nonlocal looks
        looks += event == "c_call" and called.__name__ == "casefold"

    sys.setprofile(count)
    try:
        found = list(stems(rows).values())
    finally:
        sys.setprofile(None)
    assert found[0] == "train" and found[-1] == "train-300" and looks < 300 * 10
