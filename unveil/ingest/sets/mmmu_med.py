"""MMMU's subjects of health and medicine, as the Hub distributes them: a folder of Parquet files for each subject.

Answers of test are withheld, so that validation is what figures are measured on. A question with several images, or one
whose options are images, is rejected, since a record is one image.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core.records import Record, Split
from unveil.core.untrusted import quoted
from unveil.ingest import parquet
from unveil.ingest.asked import Album, AskedRow, question, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.hub import Classes
from unveil.ingest.published import measured
from unveil.ingest.reading import AnnotationError, Incomplete, Rejected

SUBJECTS = (
    "basic_medical_science",
    "clinical_medicine",
    "diagnostics_and_laboratory_medicine",
    "pharmacy",
    "public_health",
)
#: What a file is called in which split: the five examples of dev are to learn from.
SPLITS: dict[str, Split] = {"dev": "train", "validation": "val", "test": "test"}
#: Where an image stands in a text.
PLACE = re.compile(r"\s*<image (\d+)>\s*")
WITHHELD = "?"


def found(folder: Folder) -> list[Path]:
    """The Parquet files in folders that are called as the subjects."""
    return [path for path in folder.files(".parquet") if path.parent.name.lower() in SUBJECTS and _split(path)]


def _split(path: Path) -> Split | None:
    return SPLITS.get(path.name.lower().partition("-")[0])


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album = Album(folder)
    for path in filter(folder.asked, found(folder)):
        yield from parquet.enter(folder, [path], album, _taking(_split(path)))
    published = {asked.split for rows in album.rows.values() for asked in rows}
    for record in album.records():
        yield measured(record, published) if isinstance(record, Record) else record


def _taking(own: Split | None) -> parquet.Taking:
    def take(
        folder: Folder, file: str, row: int, item: Mapping[str, Any], split: Split | None, classes: Classes
    ) -> AskedRow:
        more = [name for name, cell in item.items() if re.fullmatch(r"image_\d+", name) and cell]
        words, options = text(item.get("question")), _options(item.get("options"))
        places = {n for part in (words, *options) for n in PLACE.findall(part)}
        if more or len(places) > 1 or any(PLACE.search(option) for option in options):
            raise AnnotationError("several images, of which a question can have one")
        if text(item.get("answer")) == WITHHELD:
            raise AnnotationError("its answer is withheld")
        asked = PLACE.sub(" ", words).strip()
        return AskedRow(
            file, row, question(folder, file, asked, item.get("answer"), None, item.get("id"), options, "en"), own
        )

    return take


def _options(value: Any) -> list[str]:
    """The options of a cell, which holds them as Python writes a list; none where a question is open."""
    try:
        options = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise AnnotationError(f"options are a list of texts, not {quoted(value)}") from error
    if options is None:
        return []
    if not isinstance(options, list) or not all(isinstance(one, str) for one in options):
        raise AnnotationError(f"options are a list of texts, not {quoted(value)}")
    return [f"{chr(ord('A') + n)}: {one}" for n, one in enumerate(options)]


FORMAT = Format(
    "mmmu-med",
    read,
    "Parquet files in folders that are called as MMMU's subjects of health and medicine",
    found,
    (".parquet",),
    DataSet(
        "mmmu-med",
        "MMMU (Health & Medicine)",
        "several modalities",
        ("questions", "choices", "splits"),
        "unknown",
        "open",
        None,
        "https://huggingface.co/datasets/MMMU/MMMU",
        "Yue et al., MMMU: A Massive Multi-discipline Multimodal Understanding and Reasoning Benchmark for Expert AGI, "
        "2024, arXiv 2311.16502",
        (
            Download("**/validation-*.parquet", "the questions of each subject, with their images"),
            Download("**/dev-*.parquet", "five examples of each subject", needed=False),
            Download("**/test-*.parquet", "test questions, whose answers are withheld", needed=False),
        ),
        benchmark=True,
        notes=(
            "Answers of test are withheld, so that the questions published for validation are the test split.",
            "Of thirty subjects five are read: Basic Medical Science, Clinical Medicine, Diagnostics and Laboratory "
            "Medicine, Pharmacy, Public Health.",
            "Questions with several images are rejected and counted.",
        ),
    ),
)
