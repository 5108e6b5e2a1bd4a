"""FLARE-MLLM-2D: nineteen sets of eight modalities, with six kinds of tasks as questions.

Each set is a folder with ``imagesTr``, or a zip of it, ``imagesVal``, and a list of questions for each split. Keys are
spelled in several ways. Boxes stand as numbers in the text of an answer, in pixels of the image: they become findings,
whose phrase is the question, since it alone says what they are. Their form was seen in one set only, with one box. A
row with several images is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unveil.core import digests
from unveil.core.box_formats import PIXELS, View, neutral
from unveil.core.records import Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest import archive
from unveil.ingest.asked import Album, AskedRow, Marked, begins, question, spelled, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.columns import key
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import ABSENT
from unveil.ingest.published import SPLIT_NAMES, measured, split_in
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed
from unveil.ingest.sources import UNPACKED

NAMES = ("*_questions_train.json", "*_questions_val.json", "*_questions_test.json")
TASK = ("TaskType", "task_type", "task")
IMAGE = ("ImageName", "image_name", "image", "image_path", "ImagePath", "file_name", "filename")
QUESTION, ANSWER = ("Question", "question", "prompt"), ("Answer", "answer")
ID, CHOICES = ("ID", "qid", "QuestionID"), ("choices", "options")
ZIPS = ("imagesTr.zip", "imagesVal.zip", "imagesTs.zip")
#: What a box is called whose answer gives it no name.
FINDING = "finding"


def found(folder: Folder) -> list[Path]:
    """The lists of questions whose rows name a kind of task."""
    return [path for path in folder.named(*NAMES) if any(begins(path, task) for task in TASK)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album, images = Album(folder), _Images(folder)
    for path in filter(folder.asked, folder.named(*NAMES) if found(folder) else ()):

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            file, needed = folder.relative(path), {"ImageName": IMAGE, "Question": QUESTION, "Answer": ANSWER}
            if row == 1 and (missing := [name for name, names in needed.items() if spelled(item, *names) is None]):
                raise IngestError(f"{file}: a row has no {listed(missing)}, in no spelling; it has {listed(item)}")
            place, made = images.find(spelled(item, *IMAGE), path)
            with album.about(place):
                album.add(place, _asked(folder, file, row, item, split_in(file)), made)

        yield from taken(folder, path, take)
    published = {asked.split for rows in album.rows.values() for asked in rows}
    for record in album.records("unknown", lambda image, rows: _marked(folder, image, rows)):
        yield measured(record, published) if isinstance(record, Record) else record


def _asked(folder: Folder, file: str, row: int, item: Mapping[str, Any], split: Split | None) -> AskedRow:
    task, answer = key(text(spelled(item, *TASK))), spelled(item, *ANSWER)
    detects, several = "detect" in task, "multi" in task
    if isinstance(answer, list):
        answer = json.dumps(answer) if detects else "; ".join(map(text, answer))  # as FLARE itself has it
    choices = spelled(item, *CHOICES)
    options = list(map(text, choices)) if isinstance(choices, list) and not several else []
    known = {"modality": text(spelled(item, "Modality"))} | ({"report": text(answer)} if "report" in task else {})
    kind = "closed" if "classification" in task and not several else "open"  # of several, none is the one that is right
    asked = question(folder, file, spelled(item, *QUESTION), answer, kind, spelled(item, *ID), options)
    own = SPLIT_NAMES.get(text(spelled(item, "Split")).lower(), split)
    return AskedRow(file, row, asked, own, known, detects)


def _marked(folder: Folder, image: Image, rows: Sequence[AskedRow]) -> Marked:
    """The questions, with the boxes of detections as findings and as neutral markup."""
    told = Marked([])
    view = View(PIXELS, (image.width, image.height), (image.width, image.height))
    for row in rows:
        assert row.question
        if not row.marks:
            told.asked.append(row)
            continue
        boxes, wrong = view.read(row.question.answer)
        if wrong:
            reason = f"a box that is none in {image.width} x {image.height} pixels: {quoted(row.question.answer)}"
            told.rejected.append(Rejected(row.file, row.row, reason, misfit="outside"))
            continue
        if boxes and not folder.options.default_label:
            folder.note(f"boxes whose answer gives no name are called {FINDING} (--default-label)", image.file)
        found = [boxed(folder.options.default_label or FINDING, box, image) for box in boxes]
        told.findings += [replace(finding, phrase=row.question.text) for finding in found]
        told.asked.append(replace(row, question=replace(row.question, answer=neutral(row.question.answer, view))))
    return told


class _Images:
    """The images of the folder, and those of the zips beside the questions, which are unpacked when one is needed."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.zips = {path: path.parent for path in folder.named(*ZIPS)}
        self._unpacked: dict[Path, Folder] = {}

    def find(self, named: Any, path: Path) -> tuple[Path, str | None]:
        """The image of a row, and what it is called if it was in a zip. Sets call their images alike: where a set's
        folder has images or zips, the row means one of these. Raises ``AnnotationError``."""
        names = named if isinstance(named, list) else [named]
        if len(names) != 1:
            raise AnnotationError("several images, of which a question can have one" if names else "no image")
        name, own = text(names[0]), path.parent
        try:
            place = self.folder.find(name, own)
            if place.is_relative_to(own) or not (own in self.folder.index.holding or own in self.zips.values()):
                return place, None
            other = self.folder.relative(place)
            absent = AnnotationError(f"{ABSENT} {quoted(name)}: {other} is that of another set")
        except AnnotationError as error:
            absent = error
        for packed in (packed for packed, parent in self.zips.items() if parent == own):
            inside = self._inside(packed)
            try:
                place = inside.find(name)
            except AnnotationError:
                continue
            return place, f"{self.folder.relative(packed)}/{inside.relative(place)}"
        raise absent

    def _inside(self, packed: Path) -> Folder:
        if packed not in self._unpacked:
            if self.folder.out is None:
                raise IngestError(f"{self.folder.relative(packed)}: there is no folder to unpack it to")
            place = self.folder.out / f"{UNPACKED}{digests.sha256(packed)[:8]}"
            if not place.is_dir():
                archive.unpack(packed, place)
            self._unpacked[packed] = Folder.of(place, replace(self.folder.options, images=None))
        return self._unpacked[packed]


FORMAT = Format(
    "flare-mllm-2d",
    read,
    "*_questions_train.json and *_questions_val.json, whose rows name a task",
    found,
    (".json", ".zip"),
    DataSet(
        "flare-mllm-2d",
        "FLARE-MLLM-2D",
        "eight modalities",
        ("labels", "boxes", "phrases", "questions", "choices", "reports", "splits"),
        "unknown",
        "dua",
        None,
        "https://huggingface.co/datasets/FLARE-MedFM/FLARE-Task5-MLLM-2D",
        "MICCAI FLARE 2025 and 2026, Task 5: multimodal large language models for 2D images",
        (
            Download("**/*_questions_{train,val}.json", "the questions of each set"),
            Download("**/{imagesTr.zip,imagesTr/*}", "the images to train on"),
            Download("**/{imagesVal.zip,imagesVal/*}", "those of the validation", needed=False),
        ),
        notes=(
            "Nineteen sets with licences of their own, which were not found in one place.",
            "Rows with several images are rejected and counted.",
            "Answers of the test images are withheld, so that the images published for validation are the test split.",
            "Boxes have no name in the answers: the question is their phrase. --default-label names those of a set.",
        ),
    ),
)
