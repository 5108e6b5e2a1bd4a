"""A folder of images for Hugging Face ``datasets``: a folder per split with images and ``metadata.jsonl``.

It is made for publication. Images are written anew from their pixels, so that nothing a file tells beside them goes
along; patients, studies, images and records stand under keyed pseudonyms (``pseudonyms``). Beside them stand a dataset
card (``card``) and Croissant metadata (``croissant``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unveil.core import jsonl, pseudonyms
from unveil.core.lesion_region import place
from unveil.core.records import SPLITS, Finding, Question, Record, Split
from unveil.export import card, croissant
from unveil.export.left_out import LeftOut
from unveil.export.output import ExportError
from unveil.export.pictures import Exported, Images, put

#: What Hugging Face calls the splits; images in no split have a folder of their own.
FOLDERS: dict[Split | None, str] = {"train": "train", "val": "validation", "test": "test", None: "unsplit"}
#: Digits of a pseudonym, of 64.
DIGITS = 16

Row = dict[str, Any]


def names(records: Iterable[Record], key: bytes) -> dict[str, str]:
    """For each record's id a pseudonym, by which its image is called."""
    return {record.id: pseudonyms.pseudonym(key, f"record:{record.id}")[:DIGITS] for record in records}


def write(
    folder: Path,
    pictures: Sequence[Exported],
    images: Images,
    left_out: LeftOut,
    key: bytes,
    reports: bool,
    about: card.About,
) -> int:
    """Writes them into a folder; returns how many images there are. ``reports`` tells whether texts go along."""
    if not reports:
        pictures = [replace(picture, record=without_texts(picture.record)) for picture in pictures]
    pictures = put(pictures, lambda picture: folder / FOLDERS[picture.record.split], images, left_out)
    rows: dict[str, list[Row]] = {}
    for split in (*SPLITS, None):
        if found := [row_of(p, key) for p in pictures if p.record.split == split]:
            rows[FOLDERS[split]] = found
    rows = without_empty(rows)
    files = {name: metadata(folder / name, of_split, rows) for name, of_split in rows.items()}
    records = [picture.record for picture in pictures]
    partial = folder / "README.md"
    partial.write_text(card.text(records, {name: len(found) for name, found in rows.items()}, about), encoding="utf-8")
    partial = folder / "croissant.json"
    partial.write_text(croissant.text(records, folder, files, rows, about), encoding="utf-8")
    return len(pictures)


def without_texts(record: Record) -> Record:
    """A record without what may hold anything: report, phrases and questions."""
    findings = tuple(replace(finding, phrase=None, translations={}) for finding in record.findings)
    return replace(record, findings=findings, report=None, sections={}, language=None, questions=())


def row_of(picture: Exported, key: bytes) -> Row:
    """What is told of an image."""
    record = picture.record
    placed = [(finding, box) for finding in record.findings if (box := place(finding)) is not None]

    def hidden(kind: str, name: str | None) -> str:
        return pseudonyms.pseudonym(key, f"{kind}:{record.source.dataset}:{name}")[:DIGITS] if name else ""

    return {
        "file_name": picture.name,
        "width": record.width,
        "height": record.height,
        "dataset": record.source.dataset,
        "licence": record.source.licence or "",
        "benchmark": record.source.benchmark or "",
        "modality": record.modality or "",
        "patient": hidden("patient", record.patient),
        "study": hidden("study", record.study),
        "completeness": record.completeness,
        "findings": [finding.label for finding in record.findings],
        "objects": {
            "bbox": [[round(v, 4) for v in (x1, y1, x2 - x1, y2 - y1)] for _, (x1, y1, x2, y2) in placed],
            "category": [finding.label for finding, _ in placed],
            "mask": [_counts(finding) for finding, _ in placed],
            "phrase": [finding.phrase or "" for finding, _ in placed],
        },
        "questions": [_question(question) for question in record.questions],
        "report": record.report or "",
        "sections": [{"heading": name, "text": text} for name, text in record.sections.items()],
        "language": record.language or "",
    }


def _counts(finding: Finding) -> str:
    """The run lengths of a mask, whose size is the image's; "" without one."""
    return str(finding.mask["counts"]) if finding.mask else ""


def _question(question: Question) -> Row:
    return {
        "question": question.text,
        "answer": question.answer,
        "kind": question.kind,
        "choices": list(question.choices),
        "language": question.language or "",
    }


def without_empty(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows without the columns that are empty in all of them, whose type nobody could tell."""
    every = [row for found in rows.values() for row in found]
    empty = {name for name in (every[0] if every else ()) if not any(row[name] for row in every)}
    inner = {
        name
        for name in ("mask", "phrase", "bbox", "category")
        if not any(value for row in every for value in row["objects"][name])
    }
    empty |= {"objects"} if "bbox" in inner else set()

    def kept(row: Row) -> Row:
        row = {name: value for name, value in row.items() if name not in empty}
        if "objects" in row:
            row["objects"] = {name: value for name, value in row["objects"].items() if name not in inner}
        return row

    return {name: [kept(row) for row in found] for name, found in rows.items()}


def metadata(folder: Path, rows: Sequence[Row], every: Mapping[str, Sequence[Row]]) -> Path:
    """Writes the table of a split: JSON lines, or Parquet where some split has nothing in a list that others fill:
    JSON would not tell the type of what is empty, and ``datasets`` asks that it be the same everywhere."""
    if len({frozenset(_filled(found)) for found in every.values()}) == 1:
        path = folder / "metadata.jsonl"
        jsonl.write_jsonl(path, rows)
        return path
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ExportError(
            "a split has no findings, boxes or questions where another has some, which only Parquet can tell: "
            "pip install 'unveil[parquet]'"
        ) from error
    path = folder / "metadata.parquet"
    parquet.write_table(
        pyarrow.Table.from_pylist(list(rows), _schema([row for part in every.values() for row in part])), path
    )
    return path


def _filled(value: Any, path: str = "") -> set[str]:
    """Where in JSON values a list has something in it."""
    if isinstance(value, dict):
        return set[str]().union(*(_filled(inner, f"{path}.{name}") for name, inner in value.items()))
    if isinstance(value, list) and value:
        return {path}.union(*(_filled(inner, f"{path}[]") for inner in value))
    return set()


def _schema(every: Sequence[Row]) -> Any:
    """The types of the columns, from all rows together."""
    import pyarrow

    return pyarrow.Table.from_pylist(list(every)).schema
