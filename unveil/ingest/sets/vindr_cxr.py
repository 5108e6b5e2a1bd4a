"""VinDr-CXR: radiographs of the chest that several radiologists marked, as PhysioNet and as Kaggle distribute it.

Training images were read by three radiologists each, independently; those of the test split have their consensus and
name nobody. By default what several marked in one place is one finding, which names them; ``--readers`` says otherwise.
Kaggle has the training images alone. Boxes count in the pixels of the DICOM files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unveil.core import pixels
from unveil.core.records import Finding, Record, Split
from unveil.core.untrusted import quoted
from unveil.ingest import consensus
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.labels import no_place
from unveil.ingest.published import measured
from unveil.ingest.reading import AnnotationError, Image, Incomplete, IngestError, Rejected, boxed, number, parse_all
from unveil.ingest.rows import has, rows

IMAGE, LABEL, READER, BOX = "image_id", "class_name", "rad_id", ("x_min", "y_min", "x_max", "y_max")
#: Of Kaggle, whose table has a name that many have, and of PhysioNet, where the test split names no reader.
KAGGLE, LOCAL, GLOBAL = "train.csv", "annotations_*.csv", "image_labels_*.csv"
NOTHING = "No finding"
BLANK = ("", "nan")


@dataclass(frozen=True)
class ReaderRow:
    """What a row says of an image: a label with a box, or without one; ``label`` is ``NOTHING`` for none."""

    file: str
    line: int
    reader: str
    label: str
    box: tuple[str, ...] = ()
    wrong: str = ""
    """Why it says nothing, if it does not."""


def found(folder: Folder) -> list[Path]:
    """The tables of boxes."""
    kaggle = [path for path in folder.named(KAGGLE) if has(folder, path, (IMAGE, LABEL, READER, *BOX))]
    return [path for path in folder.named(LOCAL) if has(folder, path, (IMAGE, LABEL, *BOX))] + kaggle


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a table names, with what all of its readers have marked."""
    tables = found(folder)
    if not tables:
        raise IngestError(f"no {LOCAL} or {KAGGLE} with the columns {', '.join((IMAGE, LABEL, READER, *BOX))}")
    beside = tables[0].parent
    images: dict[str, list[ReaderRow]] = {}
    splits: dict[str, Split] = {}
    tables += [path for path in folder.named(LOCAL) if path not in tables]  # which tell what they miss
    tables = list(filter(folder.asked, tables))
    whole = [path for path in folder.named(GLOBAL) if _split(path) in set(map(_split, tables))]
    for path in [*tables, *whole]:
        split = _split(path)
        for name, row in _global(folder, path) if path not in tables else _local(folder, path):
            images.setdefault(name, []).append(row)
            splits[name] = split
    names = {row.reader for some in images.values() for row in some} - {""}
    rule = consensus.rule_of(folder.options.readers, names, "union")
    if folder.options.readers is None and names:
        folder.note("what several readers marked in one place is one finding; --readers says otherwise")
    published = set(splits.values())
    seen: set[Path] = set()
    for name, some in images.items():
        try:
            place = folder.find(name, beside.parent / str(splits[name]), beside)
            seen.add(place)
            for item in _record(folder, some, place, rule, splits[name]):
                yield measured(item, published) if isinstance(item, Record) else item
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(some[0].file, some[0].line, f"image {quoted(name)}: {error}", len(some))
    yield from folder.unlisted(seen)


def _split(table: Path) -> Split:
    return "test" if table.stem.lower().endswith("test") else "train"


def _local(folder: Folder, path: Path) -> Iterator[tuple[str, ReaderRow]]:
    file = folder.relative(path)
    for line, cells in rows(folder, path, (IMAGE, LABEL, *BOX)):
        box = tuple(cells[name] for name in BOX)
        there = not all(cell.lower() in BLANK for cell in box)
        yield cells[IMAGE], ReaderRow(file, line, cells.get(READER, ""), cells[LABEL], box if there else ())


def _global(folder: Folder, path: Path) -> Iterator[tuple[str, ReaderRow]]:
    """A column for each label, which is 1 where a reader saw it."""
    file = folder.relative(path)
    for line, cells in rows(folder, path, (IMAGE, NOTHING)):
        for label, cell in cells.items():
            if label not in (IMAGE, READER, "") and cell.lower() not in (*BLANK, "0", "0.0"):
                wrong = "" if cell in ("1", "1.0") else f"{quoted(label)} is 0 or 1, not {quoted(cell)}"
                yield cells[IMAGE], ReaderRow(file, line, cells.get(READER, ""), label, wrong=wrong)


def _record(
    folder: Folder, said: Sequence[ReaderRow], place: Path, rule: str, split: Split
) -> Iterator[Record | Rejected]:
    image = folder.open(place)
    readers = {row.reader for row in said}
    if not consensus.has_read(rule, readers):
        folder.note(f"image left out, since {quoted(rule)} has not read it", image.file)
        return
    placed = {(row.reader, row.label) for row in said if row.box}
    marked = [row for row in said if row.wrong or _marks(row, placed)]
    bad: list[Rejected] = []
    findings: list[Finding] = []
    for file in dict.fromkeys(row.file for row in marked):
        entries = [(row.line, row) for row in marked if row.file == file]
        good, wrong = parse_all(entries, lambda row: _finding(row, image), file)
        findings += good
        bad += wrong
    saw = {row.reader for row in marked}
    for row in (row for row in said if row.label == NOTHING and not row.wrong):
        if not no_place(row.box, image, "xyxy", "pixels"):
            bad.append(Rejected(row.file, row.line, f"says {quoted(NOTHING)} and has a box"))
        elif row.reader in saw:
            bad.append(Rejected(row.file, row.line, "says that there is no finding, which the same reader denies"))
    yield from bad
    counted, dropped = consensus.agreed(findings, readers, rule)
    yield folder.record(
        image,
        counted,
        "exhaustive",
        bool(bad) or dropped,
        split=split,
        readers=tuple(sorted(readers - {""})),
    )


def _marks(row: ReaderRow, placed: Collection[tuple[str, str]]) -> bool:
    """Whether a row marks something that no row with a box marks; ``placed`` are readers with labels of these."""
    return row.label != NOTHING and (bool(row.box) or (row.reader, row.label) not in placed)


def _finding(row: ReaderRow, image: Image) -> Finding:
    if row.wrong or not row.label:
        raise AnnotationError(row.wrong or "a row without a label")
    finding = boxed(row.label, [number(cell, "the box") for cell in row.box], image) if row.box else Finding(row.label)
    return replace(finding, readers=(row.reader,) if row.reader else ())


FORMAT = Format(
    "vindr-cxr",
    read,
    "annotations_train.csv, annotations_test.csv, or a train.csv with readers",
    found,
    (".csv",),
    DataSet(
        "vindr-cxr",
        "VinDr-CXR",
        "X-ray",
        ("labels", "boxes", "splits", "readers"),
        "exhaustive",
        "dua",
        None,
        "https://physionet.org/content/vindr-cxr/1.0.0/",
        "Nguyen et al., VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations, 2022, "
        "doi 10.1038/s41597-022-01498-w",
        (
            Download("**/{annotations_train,train}.csv", "the boxes of training; Kaggle calls it train.csv"),
            Download("**/annotations_test.csv", "the consensus on the test images, on PhysioNet only", needed=False),
            Download("**/image_labels_*.csv", "labels of whole images, on PhysioNet only", needed=False),
            Download("**/*.{dicom,dcm,png,jpg}", "the images: train/*.dicom and test/*.dicom"),
        ),
        benchmark=True,
        notes=(
            "No patient is known, so that images of one may be in both splits.",
            "Three radiologists have read each training image: what they agree on is the ceiling of any figure.",
            "Boxes count in the pixels of the DICOM files, which no table states: on smaller copies they are wrong.",
            "Its agreement forbids to pass the data on.",
        ),
    ),
)
