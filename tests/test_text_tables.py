"""Tables in the terminal: at every width whole, and aligned."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from unveil.core.text_tables import lines

COLUMNS = ["", "n", "base", "sft"]
ROWS = [
    ["category accuracy", "45", "0.00 [0.00, 0.15]", "0.13 [0.05, 0.25]"],
    ["unparsable", "928", "0.08 [0.06, 0.10]", "-"],
]


def test_a_table_that_fits_stands_as_it_is() -> None:
    assert lines(COLUMNS, ROWS, 80) == [
        "                     n               base                sft",
        "────────────────────────────────────────────────────────────",
        "category accuracy   45  0.00 [0.00, 0.15]  0.13 [0.05, 0.25]",
        "unparsable         928  0.08 [0.06, 0.10]                  -",
    ]


def test_where_there_is_less_room_intervals_stand_below_their_values() -> None:
    """60 columns do not fit into 52: each interval gets a line of its own, and the values still one above the other."""
    assert lines(COLUMNS, ROWS, 52) == [
        "                     n          base           sft",
        "──────────────────────────────────────────────────",
        "category accuracy   45          0.00          0.13",
        "                        [0.00, 0.15]  [0.05, 0.25]",
        "unparsable         928          0.08             -",
        "                        [0.06, 0.10]",
    ]


def test_where_there_is_little_room_a_row_becomes_a_list() -> None:
    assert lines(COLUMNS, ROWS, 30) == [
        "category accuracy",
        "  n     45",
        "  base  0.00 [0.00, 0.15]",
        "  sft   0.13 [0.05, 0.25]",
        "unparsable",
        "  n     928",
        "  base  0.08 [0.06, 0.10]",
        "  sft   -",
    ]


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40])
def test_nothing_is_cut(width: int) -> None:
    """Twelve models with long names, in two writings; every name, figure and limit is there at each width."""
    names = [f"model-{i}-检查" for i in range(12)]
    rows = [[name, str(900 + i), f"0.{10 + i} [0.01, 0.9{i % 10}]"] for i, name in enumerate(names)]
    wide = [["category accuracy", *(row[2] for row in rows)]]
    for columns, body in ((["", "n", "accuracy\nof all"], rows), (["", *names], wide)):
        found = lines(columns, body, width)
        assert max(map(cell_len, found)) <= width
        told = " ".join(" ".join(found).split())
        assert all(name in told and row[2].split()[0] in told for name, row in zip(names, rows, strict=True))
        assert told.count("[0.01,") == 12 and "…" not in told


def test_words_stand_on_the_left_and_figures_on_the_right() -> None:
    """The second column mostly holds words, the third figures with one reason among them."""
    rows = [["a", "mean IoU", "0.5"], ["b", "unparsable", "none: no items"], ["c", "-", "12"]]
    assert lines(["", "metric", "test split"], rows, 80)[2:] == [
        "a  mean IoU               0.5",
        "b  unparsable  none: no items",
        "c  -                       12",
    ]


def test_titles_of_several_lines_end_together() -> None:
    assert lines(["", "n", "answered\nwhere sure"], [["m", "3", "0.5"]], 80)[:2] == [
        "        answered",
        "   n  where sure",
    ]
