"""R2Gen's ``annotation.json``: reports by split, each with the images that were read for it (2010.16056).

A study that has several images stands under one report. Each image becomes a record with that report, and the question
for the report stands at the first of them alone, so that a study counts once however many views it has.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core import pixels
from unveil.core.records import SPLITS, Question, Record, Split
from unveil.core.report_sections import refers_to_prior, sentences
from unveil.core.untrusted import listed, quoted
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, IngestError, Rejected
from unveil.ingest.streamed import members

NAME = "annotation.json"
QUESTION = "What are the findings of this study?"
#: Bytes at the beginning of the file that hold its first entry.
LOOKED_AT = 2**16


@dataclass(frozen=True)
class ReportOfStudy:
    """One entry: a report and the images that it is of."""

    split: Split
    row: int
    """From 1, counted within its split."""
    id: str
    report: str
    images: tuple[str, ...]
    """As the file names them, relative to the folder ``images``."""
    entry: dict[str, Any]


def files(folder: Folder, *, with_patients: bool) -> list[Path]:
    """The files of this form whose entries name a patient, or those whose entries do not."""
    return [
        path
        for path in folder.named(NAME)
        if _keys(path) >= {"image_path", "report"} and ("subject_id" in _keys(path)) == with_patients
    ]


def _keys(path: Path) -> set[str]:
    with path.open("rb") as file:
        return set(re.findall(r'"(\w+)"\s*:', file.read(LOOKED_AT).decode("utf-8", "replace")))


def entries(folder: Folder, path: Path, *needed: str) -> Iterator[ReportOfStudy | Rejected]:
    """Every entry of the three lists, or why it cannot be used; ``needed`` are further keys.

    Raises ``IngestError`` where there are no such lists.
    """
    file, there, strange = folder.relative(path), list[str](), False
    for name, items, value in members(folder, path):
        there.append(quoted(value) if name is None else name)
        rows = enumerate(items or (), 1)
        split = next((split for split in SPLITS if split == name), None)
        if split is None:
            strange = strange or items is not None
            deque(rows, maxlen=0)
            continue
        if value is not None:
            raise IngestError(f"{file}: {split} is no list, but {quoted(value)}")
        for row, item in rows:
            try:
                yield _entry(split, row, item.value, needed)
            except AnnotationError as error:
                yield Rejected(file, row, f"{split}: {error}")
    if "train" not in there or strange:
        raise IngestError(f"{file}: lists of train, val and test are needed; it has {listed(there) or 'none'}")


def _entry(split: Split, row: int, entry: Any, needed: tuple[str, ...]) -> ReportOfStudy:
    if not isinstance(entry, dict):
        raise AnnotationError(f"an object with id, report and image_path is needed, not {quoted(entry)}")
    if missing := [name for name in ("id", "report", "image_path", *needed) if not entry.get(name)]:
        raise AnnotationError(f"{listed(missing)} is missing; the entry has {listed(entry)}")
    images = entry["image_path"]
    if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
        raise AnnotationError(f"image_path is a list of files, not {quoted(images)}")
    if entry.get("split", split) != split:
        raise AnnotationError(f"the entry says that it is of the split {quoted(entry['split'])}")
    report = str(entry["report"]).strip()
    if not report:
        raise AnnotationError("the report is empty")
    return ReportOfStudy(split, row, str(entry["id"]), report, tuple(images), entry)


def records(
    folder: Folder, path: Path, item: ReportOfStudy, study: str, patient: str | None, asked: set[str]
) -> Iterator[Record | Rejected]:
    """A record for each image of an entry; the report is asked for at the first image of a study that is not among
    those ``asked`` already."""
    if any(map(refers_to_prior, sentences(item.report))):
        folder.note("reports that compare with earlier images, which are not given", f"{item.split}: {item.id}")
    for name in item.images:
        try:
            place = folder.find(name, path.parent / "images", path.parent / "files", path.parent)
            image = folder.open(place)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), item.row, f"{item.split}: {error}")
            continue
        questions = () if study in asked else (Question(QUESTION, item.report, "open", study, language="en"),)
        asked.add(study)
        yield folder.record(
            *(image, (), "unknown", False),
            patient=patient, study=study, split=item.split, report=item.report, language="en", questions=questions,
        )  # fmt: skip
