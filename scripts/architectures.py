"""Writes the table of docs/reference/architectures.md: rows of families, what is built for tests, what was measured.

python -m scripts.architectures

The rest of the page is written by hand. A test compares the page with what would be written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unveil.testing.models import ENTRIES, Entry
from unveil.vlm.families import FAMILIES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "architectures.md"
MEASURED = ROOT / "bench" / "results" / "architectures.json"
BEGIN, END = "<!-- written by python -m scripts.architectures -->", "<!-- end of what is written -->"
HEAD = (
    "| model | `model_type` | boxes | path | what it needed | image tokens | two answers | four questions |",
    "|---|---|---|---|---|---|---|---|",
)
OTHERS = (
    "| others | any | as the user says | plain rows | features of images and the head are computed apart where the "
    "comparison allows it, else the model runs as a whole | – | – | – |"
)


def page(text: str, measured: dict[str, Any]) -> str:
    """The page with its table written anew; ``measured`` is what `bench.architectures` found, by entry."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE}: the marks around the table are missing: {BEGIN} and {END}")
    rows = [_row(entry, measured.get(name)) for name, entry in ENTRIES.items()]
    return "\n".join([f"{before}{BEGIN}", "", *HEAD, *rows, OTHERS, "", f"{END}{after}"])


def figures() -> dict[str, Any]:
    """What `bench.architectures` found last, by entry."""
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))["families"]
    return found


def _row(entry: Entry, found: dict[str, Any] | None) -> str:
    family = FAMILIES.get(entry.model_type)
    boxes = f"`{family.box_format}`" if family and family.box_format else "as the user says"
    cells = [entry.title, f"`{entry.model_type}`", boxes, _path(entry), entry.needed, *_measured(found)]
    return f"| {' | '.join(cells)} |"


def _path(entry: Entry) -> str:
    family = FAMILIES.get(entry.model_type)
    if family is None or family.shares == "rows" or not entry.tree:
        return "plain rows"
    if family.shares == "fork":
        return "tree, forked states"
    return "tree of answers only" if family.both_ways == "prompt" else "tree"


def _measured(found: dict[str, Any] | None) -> list[str]:
    """Image tokens and the two factors, each with that of the tree alone in brackets."""
    if found is None:
        return ["–"] * 3
    races = (found["two_answers"], found["four_questions"])
    return [f"{found['image_tokens']:,}", *(f"{race['ratio']:.1f} ({race['tree_ratio']:.1f})" for race in races)]


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), figures()), encoding="utf-8")


if __name__ == "__main__":
    main()
