"""Which difference a test set could show, in a plain sentence.

A paired difference with a standard error s, that of its bootstrap, is told from 0 in 80 % of all test sets of this size
where it truly is (1.96 + 0.84) s (two-sided 5 %; ``Difference.detectable``). A single figure is known to half the width
of its interval. Of fewer than ``bootstrap.MANY`` clusters the bootstrap's spread is too small, and no verdict is given
whatever it is: then nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unveil.core.bootstrap import MANY
from unveil.evaluate.changes import behind, changes
from unveil.evaluate.report_tables import HEADLINES, MEASURES, figure

#: So many measures are named.
MOST = 3


def power(scores: Mapping[str, Any]) -> str:
    """What this test set could show of the last model against the first, or else how well one model's figures are
    known; empty where neither can be told."""
    about = changes(scores)
    if not about["models"]:
        return ""
    first, last, unit = about["models"][0], about["last"], about["unit"]
    apart = scores["differences"].get(last, {}).get(first, {})
    sizes = {key: cell["detectable"] for key, cell in _enough(apart).items() if cell.get("detectable")}
    if sizes:
        clusters = max(behind(apart[key]) for key in sizes)
        return (
            f"With {clusters} {unit}, a true difference between {last} and {first} of {_listed(sizes)} would be told "
            "from 0 four times in five (power 80 %, two-sided 5 %)."
        )
    cells = _enough(scores["models"][last]["metrics"])
    known = {key: (c["high"] - c["low"]) / 2 for key, c in cells.items() if c["low"] is not None}
    if not known:
        return ""
    clusters = max(behind(cells[key]) for key in known)
    return f"With {clusters} {unit}, figures of {last} are known to within {_listed(known)} on either side."


def _enough(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The headlines with enough clusters behind them."""
    return {key: cell for key in HEADLINES if (cell := cells.get(key)) and behind(cell) >= MANY}


def _listed(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{_size(key, size)} in {MEASURES[key].name}" for key, size in list(sizes.items())[:MOST])


def _size(key: str, size: float) -> str:
    """Shares in percentage points."""
    return f"{100 * size:.1f} points" if MEASURES[key].unit == "share" else figure(size, "ratio")
