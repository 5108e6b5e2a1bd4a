"""MedXpertQA-MM: hard questions of medical examinations with five options each, as JSONL beside a folder of images.

A question's text repeats its options after "Answer Choices:"; they are taken from ``options`` and the text ends before.
A question that shows several images is rejected, since a record is one image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil.core.records import Record, Split
from unveil.core.untrusted import quoted
from unveil.ingest.asked import Album, AskedRow, begins, check_first, question, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, Rejected

SPLITS: dict[str, Split] = {"dev.jsonl": "train", "test.jsonl": "test"}
KEYS = ("question", "options", "label", "images")
#: What begins the options within a question's text.
OPTIONS = re.compile(r"\s*Answer Choices:.*\Z", re.DOTALL)


def found(folder: Folder) -> list[Path]:
    """The files of the questions."""
    return [path for path in folder.named(*SPLITS) if begins(path, *KEYS)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album = Album(folder)
    for path in filter(folder.asked, found(folder)):

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            file = folder.relative(path)
            check_first(file, row, item, KEYS)
            place = album.find(_image(item["images"]), path.parent)
            with album.about(place):
                album.add(place, AskedRow(file, row, _question(folder, file, item), SPLITS[path.name.lower()]))

        yield from taken(folder, path, take)
    yield from album.records()


def _image(names: Any) -> str:
    if not isinstance(names, list) or not names:
        raise AnnotationError(f"the name of an image is needed, not {quoted(names)}")
    if len(names) > 1:
        raise AnnotationError(f"several images, of which a question can have one: {len(names)}")
    return f"images/{text(names[0])}"


def _question(folder: Folder, file: str, item: dict[str, Any]) -> Any:
    options = item["options"]
    if not isinstance(options, dict) or not options:
        raise AnnotationError(f"options are an object of letters and texts, not {quoted(options)}")
    choices = [f"{letter}: {text(said)}" for letter, said in options.items()]
    asked = OPTIONS.sub("", text(item["question"]))
    return question(folder, file, asked, item["label"], id=item.get("id"), choices=choices, language="en")


FORMAT = Format(
    "medxpertqa-mm",
    read,
    "dev.jsonl and test.jsonl whose questions have options, a label and images",
    found,
    (".jsonl",),
    DataSet(
        "medxpertqa-mm",
        "MedXpertQA-MM",
        "several modalities",
        ("questions", "choices", "splits"),
        "unknown",
        "open",
        "MIT",
        "https://huggingface.co/datasets/TsinghuaC3I/MedXpertQA",
        "Zuo et al., MedXpertQA: Benchmarking Expert-Level Medical Reasoning and Understanding, 2025, arXiv 2501.18362",
        (
            Download("**/test.jsonl", "the questions, from the folder MM"),
            Download("**/dev.jsonl", "five examples, from the folder MM", needed=False),
            Download("**/images/*", "the images: images.zip"),
        ),
        benchmark=True,
        notes=("Questions with several images are rejected and counted.",),
    ),
)
