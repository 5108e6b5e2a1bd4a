"""VQA-RAD: questions of clinicians about radiology images, in four layouts.

As published (OSF): one file of all questions, of which those whose phrase type begins with "test" are the test split.
As MEVF split it: ``trainset.json`` and ``testset.json``. As exported from the Hub with a copy of the image for each
question: ``train.json`` and ``test.json``, whose paths are written as on Windows; where only one copy of each image was
kept, ``qa_images.csv`` tells which. Or as Parquet from the Hub, without types of answers.

Questions were dealt to the splits, not images: nearly all test images are training images too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil.core.records import Record, Split
from unveil.core.untrusted import listed
from unveil.ingest import parquet, rows
from unveil.ingest.asked import Album, AskedRow, begins, question, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import Incomplete, IngestError, Rejected

#: The layouts, that of the source first: names of files, and keys at their beginning that tell them.
LAYOUTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("vqa_rad*public.json",), ("image_name", "question", "answer")),
    (("trainset.json", "testset.json"), ("image_name", "question", "answer", "image_organ")),
    (("train.json", "test.json"), ("image_path", "question", "answer", "question_type", "answer_type")),
)
#: Which image a path of the exported layout means, where one copy of each was kept.
SAME = "qa_images.csv"


def found(folder: Folder) -> list[Path]:
    """The files of the questions, of the first layout that is there, else the Parquet files of a copy called so."""
    for names, keys in LAYOUTS:
        if files := [path for path in folder.named(*names) if begins(path, *keys)]:
            return files
    return parquet.mirror(folder, "vqa-rad")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album, kept = Album(folder), _kept(folder)
    files = [path for path in found(folder) if folder.asked(path)]
    if any(path.suffix.lower() == ".parquet" for path in files):
        yield from parquet.enter(folder, files, album)
        files = []
    for path in files:
        whole = True

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            nonlocal whole
            file = folder.relative(path)
            if whole and (missing := {"question", "answer"} - item.keys()):
                raise IngestError(f"{file}: a question has no {listed(sorted(missing))}; it has {listed(item)}")
            whole = False
            written = text(item.get("image_name")) or text(item.get("image_path"))
            place = album.find(kept.get(written, written), path.parent)
            with album.about(place):
                cells = (item.get("question"), item.get("answer"), item.get("answer_type"), item.get("qid"))
                album.add(place, AskedRow(file, row, question(folder, file, *cells), _split(path, item)))

        yield from taken(folder, path, take)
    yield from album.records()


def _split(path: Path, item: dict[str, Any]) -> Split | None:
    """By the file's name; in the file of all questions by their phrase type."""
    if path.stem.lower().removesuffix("set") in SPLIT_NAMES:
        return SPLIT_NAMES[path.stem.lower().removesuffix("set")]
    if "phrase_type" not in item:
        return None
    return "test" if text(item["phrase_type"]).lower().startswith("test") else "train"


def _kept(folder: Folder) -> dict[str, str]:
    """The image that was kept for each path as the questions write it."""
    columns = ("image_path_in_json", "exported_image")
    tables = (rows.rows(folder, path, columns) for path in folder.named(SAME))
    return {row[columns[0]]: row[columns[1]] for table in tables for _, row in table}


FORMAT = Format(
    "vqa-rad",
    read,
    "VQA_RAD Dataset Public.json with image_name, MEVF's trainset.json and testset.json, or train.json and test.json "
    "with image_path",
    found,
    (".json", ".csv", ".parquet"),
    DataSet(
        "vqa-rad",
        "VQA-RAD",
        "CT, MR, X-ray",
        ("questions", "splits"),
        "unknown",
        "open",
        "CC0 1.0",
        "https://osf.io/89kps/",
        "Lau et al., A dataset of clinically generated visual questions and answers about radiology images, 2018, "
        "doi 10.1038/sdata.2018.251",
        (
            Download("**/*.{json,parquet}", "the questions, in Parquet with the images"),
            Download("**/*.jpg", "315 images", needed=False),
            Download("**/qa_images.csv", "which image a question means, where one copy was kept", needed=False),
        ),
        benchmark=True,
        notes=(
            "Questions were dealt to the splits, not images: 202 of the 203 test images are training images too.",
            "`unveil check` joins the copies and `--splits none` deals whole images anew; a figure on the published "
            "split is no figure on unseen images.",
            "The copy on the Hub states no answer type; closed is then what is answered by yes or no, which is "
            "another set of questions than the CLOSED ones of the source.",
        ),
    ),
)
