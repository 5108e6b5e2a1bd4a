"""What a report is written from, and what it says of the data: images, findings, splits, copies, what was rejected."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unveil.core.jsonl import each_line
from unveil.core.records import SPLITS, Record, RecordError, image_path
from unveil.core.untrusted import JsonError, read_json
from unveil.evaluate import report_pictures
from unveil.evaluate.report_pictures import Picture

SHEET = 12  # pictures in the contact sheet


@dataclass(frozen=True)
class Table:
    """A table of plain values; the first column heads its row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Any]]]
    empty: str = ""
    """What a table without a row says."""


def data_section(inputs: Inputs, records: Sequence[Record], seed: int) -> dict[str, Any]:
    check = json_of(inputs.check)
    if check is not None and "issues" not in check:
        raise RecordError(f"{inputs.check}: it has no issues; write it again with `unveil check --json`")
    issues = check["issues"] if check else []
    splits = [s for s in (*SPLITS, None) if any(r.split == s for r in records)]
    return {
        "tables": [
            _tally("Images by modality", splits, [(r.modality or "unknown", r.split) for r in records]),
            _tally(
                "Annotated findings by name",
                splits,
                [(f.label, r.split) for r in records for f in r.findings],
                "No finding is annotated.",
            ),
            _tally("Patients, or what stands for one", splits, {(*_unit(r), r.split) for r in records}),
            _tally("Annotation of findings", splits, [(r.completeness, r.split) for r in records]),
        ],
        "sources": Counter((r.source.dataset, r.source.version, r.source.licence, r.source.access) for r in records),
        "independence": _independence(records),
        "sheet": _sheet(inputs.records, records, seed),
        "rejected": _rejected(inputs.rejected),
        "check": check,
        "issues": issues,
        "errors": [_said(r) for r in issues if r.get("severity") == "error" and not (inputs.dealt and _leak(r))],
        "cured": [_said(r) for r in issues if inputs.dealt and _leak(r)],
    }


def _said(issue: Mapping[str, Any]) -> str:
    return str(issue.get("message", issue.get("name")))


def _leak(issue: Mapping[str, Any]) -> bool:
    """Whether an issue of the check is the same patient, study or image in two splits."""
    return str(issue.get("name")).endswith("_across_splits")


def _tally(
    caption: str, splits: Sequence[str | None], items: Iterable[tuple[Any, ...]], empty: str = "There is no image."
) -> Table:
    """Counts of (what, …, split) with a column for each split and one for the sum, the most frequent first."""
    cells = Counter((item[0], item[-1]) for item in items)
    sums: Counter[str] = Counter()
    for (what, _), n in cells.items():
        sums[what] += n
    rows = [(what, [*(cells[what, s] for s in splits), n]) for what, n in sums.most_common()]
    return Table(caption, [*(s or "no split" for s in splits), "all"], rows, empty)


def _unit(record: Record) -> tuple[str, str]:
    """Whose image it is, in words and by name: a patient's, else a study's, else nobody knows."""
    for kind, value in (("patient", record.patient), ("study", record.study)):
        if value is not None:
            return kind, f"{record.source.dataset}/{value}"
    return "image (patient unknown)", record.id


def _independence(records: Sequence[Record]) -> dict[str, int]:
    """How far the splits are independent: groups that lie in two splits, and images of which nothing is known."""
    splits: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for r in records:
        dataset, whose = r.source.dataset, r.patient or ""  # a study may be a mere number, the same for many patients
        ties = {"patient": (r.patient, dataset), "study": (r.study, f"{dataset}/{whose}"), "group": (r.group, "")}
        for kind, (value, within) in ties.items():
            if value is not None and r.split:
                splits[kind, within, value].add(r.split)
    unknown = sum(r.patient is None and r.study is None for r in records)
    crossing = sum(len(found) > 1 for found in splits.values())
    return {"images": len(records), "unknown": unknown, "crossing": crossing, "groups": len(splits)}


def _sheet(file: Path, records: Sequence[Record], seed: int) -> list[tuple[Record, Picture]]:
    """Random records for the contact sheet, one of each modality in turn."""
    shuffled = [records[i] for i in np.random.default_rng(seed).permutation(len(records))]
    turn: Counter[str | None] = Counter()
    placed: list[tuple[int, int, Record]] = []
    for r in shuffled:
        placed.append((turn[r.modality], len(placed), r))
        turn[r.modality] += 1
    chosen = [r for *_, r in sorted(placed, key=lambda item: item[:2])[:SHEET]]
    boxes = ([(f.label, f.box) for f in r.boxed if f.box] for r in chosen)
    return [
        (r, report_pictures.picture(r, image_path(r, file), b, longest=256)) for r, b in zip(chosen, boxes, strict=True)
    ]


def _rejected(file: Path | None) -> list[dict[str, Any]] | None:
    """Rejected rows by reason, most frequent first; reasons that differ in their numbers only are one."""
    if (rows := rows_of(file)) is None:
        return None
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[re.sub(r"-?\d+(\.\d+)?", "…", str(row.get("reason", "no reason given")))].append(row)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [{"reason": reason, "count": len(of), "example": of[0]} for reason, of in ordered]


@dataclass(frozen=True)
class Inputs:
    """The files that the report is made from. Of what is None, empty or not there the page says that it is missing."""

    title: str
    records: Path
    scores: Path
    outcomes: Path | None
    predictions: dict[str, Path]
    """Model name to predictions.jsonl, in the order shown; the first is what the others are compared with."""
    dialogues: Path
    training: dict[str, Path]
    """Recipe name to metrics.jsonl."""
    rejected: Path | None
    check: Path | None
    runs: list[Path]
    attention: dict[str, Path] = field(default_factory=dict)
    """Model name to attention.jsonl, where that was read."""
    ways_on: Sequence[tuple[str, str, str]] = ()
    """What a reader may do next: what, in words, and the command if there is one."""
    dealt: bool = False
    """Whether whole groups were dealt to splits anew after the check, which cures the leaks that it found."""


def json_of(file: Path | None) -> Any:
    """A JSON file's value; None if there is no such file."""
    if file is None or not file.is_file():
        return None
    try:
        return read_json(file, lenient=True)
    except JsonError as error:
        raise RecordError(f"{error}; write it again with the stage that made it") from error


def rows_of(file: Path | None) -> list[dict[str, Any]] | None:
    """The rows of a JSONL file; None if there is no such file."""
    if file is None or not file.is_file():
        return None
    return [row for _, row in each_line(file, lambda row, _: row, lenient=True)]  # figures of training may be NaN
