"""Writes the page of the benchmarks from the table of their rows and from that of the data sets.

python -m scripts.benchmarks_page

A test compares the page with what would be written.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from unveil.evaluate.benchmarks import BENCHMARKS, Benchmark
from unveil.evaluate.benchmarks.results import TITLES
from unveil.ingest.catalogue import DataSet
from unveil.ingest.formats import FORMATS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
HEAD = """# Benchmarks

<!-- written by python -m scripts.benchmarks_page: change the rows in unveil/evaluate/benchmarks/ -->

`unveil benchmark NAME --model MODEL --data DIR` asks a model a benchmark's questions, scores the answers and writes a
page: each figure with the number of questions, a 95 % interval over patients, and what was left out and why.
DIR is the data set as it was downloaded ([data sets](datasets.md)), or `records.jsonl` that `unveil ingest` has made
of it.

- `unveil benchmark --all --model MODEL --data DIR` runs every benchmark whose data set is in a folder below DIR, on
  one page.
- `--dry-run` says which commands would be run.
  `--limit 50` asks 50 questions, in turn of every kind and group; the page says that this is no benchmark figure.
- Without `--model` the questions alone are written.
  `--predictions FILE` scores answers to them that were made elsewhere.
- A model whose `run.json` says that it has learnt from a benchmark's test images is refused;
  `--allow-benchmark-test` measures it all the same, and the page says so
  ([data.md](data.md#benchmarks-stay-benchmarks)).
- *Not in training* on the page are the test questions about images that no published training question shows.
  Of VQA-RAD's 203 test images that is one; a second protocol therefore asks all questions about its test images, which
  training leaves out, and stands on the same page.

## By hand

The same by commands that are run one by one, as `--dry-run` prints them with the names of your files:

<!-- not run: it needs the data set -->
```bash
unveil benchmark vqa-rad --data DIR --out OUT
unveil predict --model MODEL --dialogues OUT/dialogues.jsonl --out OUT/predictions.jsonl
unveil score --records OUT/records.jsonl --dialogues OUT/dialogues.jsonl --out OUT/scores \\
  --predictions MODEL OUT/predictions.jsonl
```

The first line reads the data set and writes the questions; `predict` takes a server too (`--engine`), and `score`
several models. The page is made by `unveil benchmark` alone.
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| [`{row.name}`](#{row.name}) | {row.title} | {', '.join(TITLES[m] for m in row.metrics)} |"
        for row in BENCHMARKS.values()
    ]
    lines = [line for row in BENCHMARKS.values() for line in section(row)]
    parts = [HEAD, "## All", "", "| name | benchmark | metrics |", "|---|---|---|", *rows, ""]
    return "\n".join([*parts, *(short for line in lines for short in _broken(line))]).rstrip() + "\n"


def section(row: Benchmark) -> Iterator[str]:
    """One benchmark."""
    yield from (f"## {row.name}", "", f"**{row.title}.**", "")
    for name in row.sets:
        about = FORMATS[name].about
        assert about
        yield f"- data: [`{name}`](datasets.md#{name}). {terms(about)}"
    if row.protocol:
        yield f"- protocol: {row.protocol}"
    yield f"- split: {row.split}" + (f" ({row.size:,} questions)" if row.size else "")
    yield f"- kinds of questions: {', '.join(row.kinds)}" + (f"; language: {row.language}" if row.language else "")
    yield f"- wording: {row.wording}" + (f" (“{row.suffix}”)" if row.suffix else "")
    yield f"- answers are read: {row.parser}"
    yield f"- metrics: {', '.join(f'{TITLES[m]} (`{m}`)' for m in row.metrics)}"
    if row.group_title:
        yield f"- by {row.group_title} too, with the plain mean"
    if row.published:
        yield f"- beside ours, as published: {', '.join(row.published)}"
    yield from (f"- {note}" for note in row.notes)
    yield ""


def terms(about: DataSet) -> str:
    """Citation, licence and access of a data set."""
    licence = f"licence {about.licence}" if about.licence else "its licence was not found at its source"
    return f"{about.citation}; {licence}; access {about.access}"


def _broken(line: str) -> list[str]:
    """A line of prose as several, none of more than 120 characters where it has spaces."""
    if line.startswith("|") or len(line) <= 120:
        return [line]
    return textwrap.wrap(line, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
