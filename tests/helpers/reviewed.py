"""Rows of a file and what readers have decided about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unveil.core.decisions import Annotation, Decision, Subject, hash_of
from unveil.core.jsonl import read_jsonl, to_line, write_jsonl
from unveil.core.records import Dialogue, Finding, Pair, Prediction, Record
from unveil.curate import corrections

Reviewed = Record | Dialogue | Pair | Prediction
KINDS: dict[str, Subject] = {"Record": "record", "Dialogue": "dialogue", "Pair": "pair", "Prediction": "prediction"}


def said(
    row: Record | Dialogue | Pair | Prediction, verdict: Any = "accept", reviewer: str = "anna", **known: Any
) -> Decision:
    """A decision about a row as it is."""
    usual: dict[str, Any] = {"revision": 1, "time": "2026-05-01T10:00:00+00:00"}
    usual["sha256"] = hash_of(to_line(row).encode())
    about = row.id if isinstance(row, Record) else row.record
    return Decision(row.id, KINDS[type(row).__name__], about, reviewer, verdict, **usual | known)


def marks(record: Record) -> tuple[Annotation, ...]:
    """The findings of a record as they are shown."""
    return tuple(Annotation(f.label, f.box, finding=n) for n, f in enumerate(record.findings))


def corrected(folder: Path, rows: Sequence[Any], decisions: Sequence[Decision], **options: Any) -> list[Any]:
    """What `unveil curate corrections` makes of rows that lie in a file of the folder."""
    kind = type(rows[0])
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "data/rows.jsonl", rows)
    write_jsonl(folder / "reviews.jsonl", decisions)
    given = {f"{KINDS[kind.__name__]}s": folder / "data/rows.jsonl"} | options
    config = corrections.Config(
        reviews=(folder / "reviews.jsonl",), out=folder / "corrected/rows.jsonl", restart=True, **given
    )
    return list(read_jsonl(corrections.main(config), Pair if kind is Prediction else kind))


def changes(folder: Path) -> dict[str, dict[str, Any]]:
    """What has become of each decided row, by its id."""
    lines = (folder / "corrected/rows.changes.jsonl").read_text().splitlines()
    return {row["item"]: row for row in map(json.loads, lines)}


def where(*findings: Finding) -> list[Any]:
    return [(finding.label, finding.box) for finding in findings]
