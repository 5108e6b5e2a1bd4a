"""How the records of an ingest lie on the disk: in one file, in parts, or as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unveil.core import shards
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Record

Kind = Literal["jsonl", "shards", "parquet"]
#: The files by which an output counts as made, in whatever way.
FIRST = ("records.jsonl", "records-00001.jsonl", "records.parquet")


@dataclass(frozen=True)
class Storage:
    """Records as one JSONL file, as ``shards`` of some rows each, or as one ``parquet`` file."""

    kind: Kind = "jsonl"
    rows: int = 100_000

    def file(self, out: Path) -> Path:
        """What the records are called when they are read; of shards the name without numbers."""
        return out / ("records.parquet" if self.kind == "parquet" else "records.jsonl")

    def put(self, lines: Path, out: Path) -> None:
        """Makes the records of a JSONL file those of ``out``, and removes what lies there in another form."""
        whole, columns = out / "records.jsonl", out / "records.parquet"
        if self.kind == "parquet":
            write_jsonl(columns, read_jsonl(lines, Record))
        elif self.kind == "shards":
            with lines.open("rb") as file:
                shards.write(whole, file, self.rows)
        else:
            lines.replace(whole)
        if self.kind != "jsonl":
            whole.unlink(missing_ok=True)
        if self.kind != "parquet":
            columns.unlink(missing_ok=True)
        if self.kind != "shards":
            shards.remove(whole)
