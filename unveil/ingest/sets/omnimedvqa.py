"""OmniMedVQA: multiple choice about the images of many public sets, a JSON list for each of them.

All questions are test questions. Options stand in ``option_A`` and so on, of which there are two to four.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil.core.records import Record
from unveil.ingest.asked import Album, AskedRow, begins, check_first, question, spelled, taken, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Incomplete, Rejected

KEYS = ("question", "gt_answer", "image_path")
LETTERS = ("A", "B", "C", "D", "E")
#: How the kind of image is called; one entry of ``Chest CT Scan.json`` has the second name.
MODALITY = ("modality_type", "modality")


def found(folder: Folder) -> list[Path]:
    """The lists of questions."""
    return folder.showing(_asks, ".json")


def _asks(path: Path) -> bool:
    return begins(path, *KEYS)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album = Album(folder)
    for path in filter(folder.asked, found(folder)):

        def take(row: int, item: dict[str, Any], path: Path = path) -> None:
            file = folder.relative(path)
            check_first(file, row, item, KEYS)
            place = album.find(text(item["image_path"]), path.parent)
            options = [said for letter in LETTERS if (said := text(item.get(f"option_{letter}")))]
            with album.about(place):
                asked = question(
                    *(folder, file, item["question"], item["gt_answer"]),
                    id=item.get("question_id"),
                    choices=options,
                    language="en",
                )
                album.add(place, AskedRow(file, row, asked, "test", {"modality": text(spelled(item, *MODALITY))}))

        yield from taken(folder, path, take)
    yield from album.records()


FORMAT = Format(
    "omnimedvqa",
    read,
    "JSON lists whose questions have gt_answer and image_path",
    found,
    (".json",),
    DataSet(
        "omnimedvqa",
        "OmniMedVQA",
        "twelve modalities",
        ("questions", "choices", "splits"),
        "unknown",
        "open",
        None,
        "https://huggingface.co/datasets/foreverbeliever/OmniMedVQA",
        "Hu et al., OmniMedVQA: A New Large-Scale Comprehensive Evaluation Benchmark for Medical LVLM, 2024, "
        "arXiv 2402.09181",
        (
            Download("**/QA_information/**/*.json", "the questions, a file for each set"),
            Download("**/Images/**/*", "the images of the sets that are open"),
        ),
        benchmark=True,
        notes=(
            "All questions are for testing: there is no training split.",
            "Questions were written from templates on the labels of public sets, whose licences differ.",
            "Sets under restricted access have questions here and no images: their rows are rejected and counted.",
        ),
    ),
)
