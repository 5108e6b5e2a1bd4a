"""Writes the table of the page on data that tells what the columns of a user's table may hold, and their usual names.

python -m scripts.columns

The rest of the page is written by hand. A test compares the page with what would be written.
"""

from __future__ import annotations

from pathlib import Path

from unveil.ingest.columns import BOXES, MEANINGS, ONE_BOX, ROLES, WEAK

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- written by python -m scripts.columns -->", "<!-- end of what is written -->"
HEAD = ("| role | what the column holds | usual names |", "|---|---|---|")


def page(text: str) -> str:
    """The page with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the marks around the table are missing: {BEGIN} and {END}")
    rows = [f"| `{role}` | {MEANINGS[role]} | {_names(role)} |" for role in ROLES]
    return "\n".join([f"{before}{BEGIN}", "", *HEAD, *rows, "", f"{END}{after}"])


def _names(role: str) -> str:
    if role == "box":
        four = [" ".join(names) for names, _ in BOXES]
        return f"{' · '.join(four)}, with or without bbox before each; or {', '.join(ONE_BOX)}"
    weak = f"; where none of these is there, {', '.join(WEAK[role])}" if role in WEAK else ""
    return ", ".join(ROLES[role]) + weak


def find_page() -> Path:
    """The page that holds the table."""
    return next(path for path in sorted(DOCS.rglob("*.md")) if BEGIN in path.read_text(encoding="utf-8"))


def main() -> None:
    """Writes the page."""
    path = find_page()
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
