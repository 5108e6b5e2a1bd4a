"""How much of the corpus the gate finds, and how much it stops that identifies nobody.

    python -m scripts.gate_corpus.measure --half open
    python -m scripts.gate_corpus.measure --half held --names presidio --json figures.json

The third half, "fresh", was made after rules and finder by others who had seen neither.

An identifier counts as found where each of its secrets is touched by a place that was found. A picture counts as found
where the gate would not let it pass. Rules are written with the open half at hand; the held half is for measuring only.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from scipy.stats import binomtest

from scripts.gate_corpus import pictures
from scripts.gate_corpus.fresh import pictures as fresh_pictures
from scripts.gate_corpus.rows import Planted, fresh, rows
from unveil.core.provenance import write_json
from unveil.core.records import Record, Source
from unveil.gate import delimiters, finders
from unveil.gate.finding import find
from unveil.gate.gate import Gate, Item
from unveil.gate.known import Known


@dataclass(frozen=True)
class Config:
    """Measure the gate on its corpus."""

    half: Literal["open", "held", "fresh"] = "open"
    """Which half."""
    names: str | None = None
    """A name finder beside our own rules, as --names of the commands."""
    images: bool = False
    """Measure the pictures too, which takes minutes."""
    texts: bool = True
    """Measure the texts."""
    seed: int = 0
    """Of the corpus."""
    json: Path | None = None
    """File for the figures."""


#: A record of a set that may be shared: what is measured are its texts.
OPEN = Record("corpus/1", "1.png", 64, 64, source=Source("corpus", licence="CC0-1.0", access="open"))


@dataclass
class Tally:
    """Of so many cases so many are found, or stopped."""

    hits: int = 0
    cases: int = 0

    def add(self, hit: bool) -> None:
        self.hits += hit
        self.cases += 1

    @property
    def share(self) -> float:
        return self.hits / self.cases if self.cases else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, exact (Clopper and Pearson)."""
        found = binomtest(self.hits, self.cases).proportion_ci()
        return float(found.low), float(found.high)

    def text(self) -> str:
        low, high = self.interval
        return f"{self.hits:5}/{self.cases:<5} {self.share:6.1%} [{low:.1%}, {high:.1%}]"


Table = dict[str, Tally]


def records_of(row: Planted) -> list[Record]:
    """The row's record and those of the other patients of its file."""
    known: dict[str, Any] = dict(row.known or {})
    if not known:
        return []
    source = Source("corpus", licence="CC0-1.0", access="open", file=known["source_file"] or None)
    own = Record(known["id"], known["image"], 64, 64, patient=known["patient"], study=known["study"], source=source)
    others = [
        Record(f"other-{n}", f"other-{n}.png", 64, 64, patient=patient) for n, patient in enumerate(known["others"])
    ]
    return [own, *others]


def found(row: Planted, names: Callable[[str], Any] | None) -> bool:
    """Whether all of a row's secrets are touched by what is found; of a clean row, whether anything is."""
    records = records_of(row)
    places = find(row.text, Known.of(records), records[0] if records else None, names)
    if not row.secrets:
        return bool(places)
    return all(any(p.start < end and start < p.end for p in places) for start, end in _spans(row))


def _spans(row: Planted) -> Iterator[tuple[int, int]]:
    for secret in row.secrets:
        start = row.text.index(secret)
        yield start, start + len(secret)


def texts(config: Config) -> dict[str, Table]:
    """By group and kind: what is found of identifiers, and what is stopped of clean sentences."""
    names = finders.finder(config.names) if config.names else None
    tables: dict[str, Table] = {name: defaultdict(Tally) for name in ("form", "group", "kind", "without a finder")}
    gate, began, length = Gate(), time.process_time(), 0
    for row in fresh() if config.half == "fresh" else (row for row in rows(config.seed) if row.half == config.half):
        length += 1
        if row.secrets:
            leaves = not isinstance(gate.passed(Item(row.id, OPEN, (row.text,))), str)
            tables["without a finder"]["texts with an identifier that leave"].add(leaves)
        hit = neutralised(row) if row.group == "injection" else found(row, names)
        tables["group"][row.group].add(hit)
        tables["kind"][f"{row.group}: {row.kind}"].add(hit)
        if row.group not in ("clean", "injection"):
            tables["form"]["names" if row.form == "name" else "forms other than names"].add(hit)
            tables["form"]["all identifiers"].add(hit)
    print(f"{1e3 * (time.process_time() - began) / length:.2f} ms of computing for a text")
    return tables


def neutralised(row: Planted) -> bool:
    """Whether no token of an injection stands in the quoted text, and no line begins as it was planted.

    Orders in plain words and replies in JSON stay what they are, data: what obeys them is caught by schema and canary.
    """
    quoted = delimiters.quoted(row.text)
    lines = [line.strip() for line in quoted.splitlines()]
    tokens = [secret for secret in row.secrets if not secret[:1].isalnum() and secret[:1] not in "#*-=_{"]
    return not any(token in quoted for token in tokens) and not any(
        line.startswith(secret) for line in lines for secret in row.secrets
    )


def images(config: Config) -> dict[str, Table]:
    """By kind: what is stopped of pictures that identify, and of those that name nobody."""
    tables: dict[str, Table] = {"images": defaultdict(Tally), "image kinds": defaultdict(Tally)}
    with tempfile.TemporaryDirectory() as made:
        if config.half == "fresh":
            fresh_pictures.main(made)
        else:
            pictures.write(Path(made), config.seed)
        lines = [json.loads(line) for line in (Path(made) / "images.jsonl").read_text().splitlines()]
        began, count = time.process_time(), 0
        for line in (line for line in lines if line.get("half", "fresh") == config.half):
            count += 1
            hit = stopped(Path(made) / line["file"])
            group = "identifying" if line["identifying"] else line["kind"].partition(":")[0]
            tables["images"][group].add(hit)
            tables["image kinds"][line["kind"]].add(hit)
        print(f"{(time.process_time() - began) / count:.2f} s of computing in this process for a picture")
    return tables


def stopped(path: Path) -> bool:
    """Whether the gate would not let an image pass."""
    return Gate().look_at(path)[0] != "leaves"


def show(tables: dict[str, Table]) -> None:
    """Each table with its totals."""
    for name, table in tables.items():
        print(f"\n{name}")
        for what, tally in table.items():
            print(f"  {what:58} {tally.text()}")


def main(config: Config) -> None:
    """Measures, prints and writes."""
    tables = (texts(config) if config.texts else {}) | (images(config) if config.images else {})
    show(tables)
    if config.json:
        plain = {n: {w: {"hits": t.hits, "cases": t.cases} for w, t in table.items()} for n, table in tables.items()}
        write_json(config.json, {"half": config.half, "names": config.names, "seed": config.seed, **plain})


if __name__ == "__main__":
    main(tyro.cli(Config))
