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
from unveil.core.measures import MEASURES
from unveil.evaluate.changes import behind, changes
from unveil.evaluate.report_tables import HEADLINES, figure

#: So many measures are named.
MOST = 3


def power(scores: Mapping[str, Any]) -> str:
    """What this test set could show of the last model against the first, or else how well one model's figures are
    known; empty where neither can be told."""
    compared = changes(scores)
    if not compared["models"]:
        return ""
    first, last, unit = compared["models"][0], compared["last"], compared["unit"]
    apart = scores["differences"].get(last, {}).get(first, {})
    sizes = _first({key: cell["detectable"] for key, cell in _enough(apart).items() if cell.get("detectable")})
    if sizes:
        about = (
            f"With {_clusters(apart, sizes)} {unit}, a true difference between {last} and {first} of {_listed(sizes)}"
        )
        return f"{about} would be told from 0 four times in five (power 80 %, two-sided 5 %)."
    cells = _enough(scores["models"][last]["metrics"])
    known = _first({key: (c["high"] - c["low"]) / 2 for key, c in cells.items() if c["low"] is not None})
    if not known:
        return ""
    return (
        f"With {_clusters(cells, known)} {unit}, figures of {last} are known to within {_listed(known)} on either side."
    )


def _enough(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The headlines with enough clusters behind them."""
    return {key: cell for key in HEADLINES if (cell := cells.get(key)) and behind(cell) >= MANY}


def _clusters(cells: Mapping[str, Any], named: Mapping[str, float]) -> str:
    """How many clusters stand behind the figures that are named: one number, or from the fewest to the most."""
    counts = [behind(cells[key]) for key in named]
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def _first(sizes: Mapping[str, float]) -> dict[str, float]:
    return dict(list(sizes.items())[:MOST])


def _listed(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{_size(key, size)} in {MEASURES[key].name}" for key, size in sizes.items())


def _size(key: str, size: float) -> str:
    """Shares in percentage points."""
    return f"{100 * size:.1f} points" if MEASURES[key].unit == "share" else figure(size, "ratio")
