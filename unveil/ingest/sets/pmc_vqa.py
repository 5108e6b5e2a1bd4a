"""PMC-VQA: multiple choice about figures of biomedical articles, written by a language model, in two versions.

The first names the answer by its text and its letter, the second by its letter alone, and has the figure's caption.
Early files call the column of the answer ``Anwser``. Options carry their letter, which is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unveil.core.records import Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest import rows
from unveil.ingest.asked import Album, AskedRow, chosen, question, unlettered
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Rejected

FIRST: dict[str, Split] = {"train.csv": "train", "test.csv": "test", "test_clean.csv": "test"}
SECOND: dict[str, Split] = {"train_2.csv": "train", "test_2.csv": "test"}
CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
LETTERS = ("A", "B", "C", "D")
NEEDED = ("Figure_path", "Question", *CHOICES)
#: What the column of the answer is called, rightly and in early files.
ANSWER = ("Answer", "Anwser")
#: Where figures are looked for, in this order.
FOLDERS = ("figures", "images")


def found(folder: Folder) -> list[Path]:
    """The tables that begin with the set's columns."""
    return [path for path in folder.named(*FIRST, *SECOND) if _begins(path)]


def _begins(path: Path) -> bool:
    with path.open("rb") as file:
        return b"Figure_path" in file.readline(2**12)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every figure of which a question is asked."""
    paths = [path for path in found(folder) if folder.asked(path)]
    if len({path.name.lower() in FIRST for path in paths}) > 1:
        raise IngestError(
            f"both versions are here ({listed(folder.relative(path) for path in paths)}), which share figures: "
            "--annotations *_2.csv takes the second, a pattern for one of the others the first"
        )
    folder.note("questions and answers that a language model has written from captions, not people")
    album = Album(folder)
    for path in paths:
        file, split = folder.relative(path), (FIRST | SECOND)[path.name.lower()]
        for row, cells in rows.rows(folder, path, NEEDED):
            if not any(name in cells for name in ANSWER):
                raise IngestError(f"{file}: the column Answer is missing; it has {listed(cells)}")
            try:
                album.add(_figure(folder, cells["Figure_path"], path), _asked(folder, file, row, cells, split))
            except AnnotationError as error:
                yield Rejected(file, row, str(error))
    yield from album.records()


def _asked(folder: Folder, file: str, row: int, cells: dict[str, str], split: Split) -> AskedRow:
    choices = [cells[name] for name in CHOICES]
    answer = next(cells[name] for name in ANSWER if name in cells)
    options, letter = unlettered(choices), cells.get("Answer_label") or (answer if _second(file) else "")
    if letter:
        if letter.upper() not in LETTERS:
            raise AnnotationError(f"the answer's letter is A, B, C or D, not {quoted(letter)}")
        place = LETTERS.index(letter.upper())
        if answer != letter and chosen(answer, options) != options[place]:
            raise AnnotationError(f"the answer's letter {letter} is not that of its text {quoted(answer)}")
        answer = options[place]
    caption = cells.get("Caption", "")
    known = {"sections": {"caption": caption}} if caption else {}
    return AskedRow(
        file, row, question(folder, file, cells["Question"], answer, choices=options, language="en"), split, known
    )


def _second(file: str) -> bool:
    return file.rpartition("/")[2].lower() in SECOND


def _figure(folder: Folder, name: str, table: Path) -> Path:
    """The figure in the first of the folders that has it, else wherever it is."""
    for place in FOLDERS:
        try:
            return folder.find(f"{place}/{name}", table.parent)
        except AnnotationError:
            continue
    return folder.find(name, table.parent)


FORMAT = Format(
    "pmc-vqa",
    read,
    "train.csv and test.csv, or train_2.csv and test_2.csv, with the column Figure_path",
    found,
    (".csv",),
    DataSet(
        "pmc-vqa",
        "PMC-VQA",
        "figures of articles",
        ("questions", "choices", "splits"),
        "unknown",
        "open",
        None,
        "https://huggingface.co/datasets/xmcmic/PMC-VQA",
        "Zhang et al., PMC-VQA: Visual Instruction Tuning for Medical Visual Question Answering, 2023, "
        "arXiv 2305.10415",
        (
            Download("**/{train,test,test_clean,train_2,test_2}.csv", "the questions, of one version"),
            Download("**/{figures,images}/*.jpg", "the figures: images.zip, or images_2.zip for the second version"),
        ),
        benchmark=True,
        notes=(
            "Questions, choices and answers were written by a language model from captions; test_clean.csv is the part "
            "of the first version's test that people have looked at.",
            "Licences are those of the articles; oa_comm_use_file_list.csv of PubMed Central says which allow "
            "commercial use.",
        ),
    ),
)
