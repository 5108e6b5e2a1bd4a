"""PathVQA: questions about pathology images of textbooks and a library, in two layouts.

As Parquet from the Hub, or as published: pickles of the questions, which are read as plain values only and never run,
beside the images of each split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unveil.core.records import Record
from unveil.core.untrusted import listed, quoted
from unveil.ingest import parquet, pickles
from unveil.ingest.asked import Album, AskedRow, question, text
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected

PICKLES = ("train_qa.pkl", "val_qa.pkl", "test_qa.pkl")
NEEDED = ("image", "question", "answer")


def found(folder: Folder) -> list[Path]:
    """The pickles of the questions, else the Parquet files of a copy that is called so."""
    return folder.named(*PICKLES) or parquet.mirror(folder, "pathvqa")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image of which a question is asked."""
    album = Album(folder)
    files = [path for path in found(folder) if folder.asked(path)]
    for path in files:
        if path.suffix.lower() == ".pkl":
            yield from _enter(folder, path, album)
    yield from parquet.enter(folder, (path for path in files if path.suffix.lower() == ".parquet"), album)
    yield from album.records()


def _enter(folder: Folder, path: Path, album: Album) -> Iterator[Rejected]:
    """The questions of a pickle, whose images are those of its split: two splits may have one of the same name."""
    file, name = folder.relative(path), path.stem.removesuffix("_qa")
    content = pickles.plain(path)
    if not isinstance(content, list):
        raise IngestError(f"{file}: a list of questions is needed, it holds {quoted(content)}")
    for row, item in enumerate(content, 1):
        try:
            if not isinstance(item, dict):
                raise AnnotationError(f"a question with {listed(NEEDED)} is needed, not {quoted(item)}")
            if missing := [name for name in NEEDED if name not in item]:
                said = f"has no {listed(missing)}; it has {listed(item) or 'nothing'}"
                raise IngestError(f"{file}: row 1 {said}") if row == 1 else AnnotationError(f"the row {said}")
            place = album.find(f"images/{name}/{text(item['image'])}", path.parent.parent.parent)
            asked = question(folder, file, item["question"], item["answer"], id=item.get("id"))
            album.add(place, AskedRow(file, row, asked, SPLIT_NAMES[name]))
        except AnnotationError as error:
            yield Rejected(file, row, str(error))


FORMAT = Format(
    "pathvqa",
    read,
    "train_qa.pkl, val_qa.pkl and test_qa.pkl beside images/, or Parquet with a card that names PathVQA",
    found,
    (".pkl", ".parquet"),
    DataSet(
        "pathvqa",
        "PathVQA",
        "pathology",
        ("questions", "splits"),
        "unknown",
        "dua",
        None,
        "https://huggingface.co/datasets/flaviagiammarino/path-vqa",
        "He et al., PathVQA: 30000+ Questions for Medical Visual Question Answering, 2020, arXiv 2003.10286",
        (
            Download("**/{*.parquet,*_qa.pkl}", "the questions, in Parquet with the images"),
            Download("**/images/*/*.jpg", "the images, where the questions are pickles", needed=False),
        ),
        benchmark=True,
        notes=(
            "The copy on the Hub says MIT; the authors say that images and captions are their publishers': research "
            "only, and not to be passed on.",
            "The copy on the Hub has its texts in small letters; scores of the two copies may differ.",
            "No answer type is stated; closed is what is answered by yes or no.",
        ),
    ),
)
