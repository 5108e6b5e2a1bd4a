"""Writes the page of the data sets that are read as they are distributed, from the table that readers are in.

python -m scripts.datasets_page

A test compares the page with what would be written.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from unveil.ingest.catalogue import DataSet, Format
from unveil.ingest.datasets import ACCESS, COMPLETENESS
from unveil.ingest.formats import FORMATS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "datasets.md"
HEAD = """# Data sets

<!-- written by python -m scripts.datasets_page: change the rows in unveil/ingest/sets/ -->

Point `--data` at the folder as it was downloaded and unpacked: nothing is renamed or converted by hand.
`unveil datasets` lists these rows on the screen, and `unveil datasets NAME --check DIR` says what of one is missing.
A licence that was not found at its source is left open; it is not guessed.
None of these data comes with this program, and what you may do with them is between you and their makers.
"""


def page() -> str:
    """The whole page."""
    sets = [(form, form.about) for form in FORMATS.values() if form.about]
    forms = [form for form in FORMATS.values() if not form.about]
    rows = [
        f"| [`{form.name}`](#{form.name}) | {about.modality} | {about.access} | {', '.join(about.gives)} |"
        for form, about in sets
    ]
    table = ["| `--format` | images | access | what records hold |", "|---|---|---|---|", *rows]
    others = ["| `--format` | what is read |", "|---|---|", *(f"| `{f.name}` | {f.help} |" for f in forms)]
    parts = [
        HEAD,
        *table,
        "",
        *(short for form, about in sets for line in section(form, about) for short in _broken(line)),
    ]
    return (
        "\n".join(
            [*parts, "## Forms", "", "What is annotated in one of these is read, whatever set it is.", "", *others]
        )
        + "\n"
    )


def section(form: Format, about: DataSet) -> Iterator[str]:
    """One set."""
    yield from (f"## {form.name}", "", f"**{about.title}.** {about.citation}.", "")
    yield from (f"- from <{about.source}>", f"- access: {ACCESS[about.access]}")
    yield f"- licence: {about.licence or 'not found at its source'}"
    yield f"- annotation {COMPLETENESS[about.completeness]}"
    if about.benchmark:
        yield "- others publish figures on its test split: its images stay there, and training refuses them"
    yield f"- told by {form.looked_for}"
    yield from (f"- {note}" for note in about.notes)
    yield from ("", "| file | what it holds |", "|---|---|")
    for part in about.parts:
        yield f"| `{part.pattern}` | {part.what}{'' if part.needed else ' (may be left out)'} |"
    yield from (
        "",
        "<!-- not run: it needs the data set -->",
        "```bash",
        f"unveil run --data DIR --format {form.name}",
        "```",
        "",
    )


def _broken(line: str) -> list[str]:
    """A line of prose as several, none of more than 120 characters where it has spaces; rows of tables stay whole."""
    if line.startswith("|") or len(line) <= 120:
        return [line]
    return textwrap.wrap(line, 120, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
