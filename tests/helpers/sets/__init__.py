"""Small folders in the layouts of the data sets, a module for each, and how tests read them."""

from __future__ import annotations

from pathlib import Path

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import Summary, ingest


def read(folder: Path, out: Path, options: Options | None = None) -> tuple[dict[str, Record], Summary]:
    """The records by the names of their images, without endings."""
    summary = ingest(folder, "auto", out, options)
    return {Path(r.image).stem: r for r in read_jsonl(summary.records_file, Record)}, summary
