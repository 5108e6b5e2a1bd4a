"""Tables of a few rows beside their images, and what the csv reader makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import ingest

HEADER = "image,label,x1,y1,x2,y2\n"


class Found(NamedTuple):
    records: dict[str, Record]
    rejected: list[dict[str, Any]]
    notes: list[str]

    def boxes(self, name: str) -> list[tuple[str, Any]]:
        return [(finding.label, finding.box) for finding in self.records[name].findings]

    def completeness(self) -> dict[str, str]:
        return {name: record.completeness for name, record in self.records.items()}


def draw(path: Path, seed: int, size: tuple[int, int] = (60, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, size[::-1], np.uint8)).save(path)


def write(data: Path, text: str, name: str = "t.csv", **how: Any) -> Path:
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    (data / name).write_text(text, **how)
    return data


def read(data: Path, **options: Any) -> Found:
    """Of a few rows, one that is bad on purpose is more than a tenth."""
    out = data.parent / "out"
    summary = ingest(data, "csv", out, Options(**{"allow_rejected": 1.0} | options))
    records = {record.id.partition("/")[2]: record for record in read_jsonl(summary.records_file, Record)}
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    return Found(records, rejected, list(summary.notes))
