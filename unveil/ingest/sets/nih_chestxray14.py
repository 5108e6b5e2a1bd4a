"""NIH ChestX-ray14: radiographs of the chest with labels that a program read out of reports, and boxes on a few.

Boxes count in the PNG of 1024 x 1024 pixels, whatever the size of the original that a row tells. That a report names no
finding does not make an image one without: nothing is concluded from an unmarked place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from unveil.core import geometry, pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.conventions import framed
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Incomplete, Rejected, boxed, number, parse_all
from unveil.ingest.rows import rows

ENTRIES, BOXES = "Data_Entry_2017*.csv", "BBox_List_2017*.csv"
IMAGE, LABELS, PATIENT, FOLLOW_UP = "Image Index", "Finding Labels", "Patient ID", "Follow-up #"
LABEL, CORNER = "Finding Label", ("Bbox [x", "y", "w", "h]")
NOTHING = "No Finding"
#: Width and height of the picture that boxes count in.
FRAME = (1024, 1024)
#: What the table of boxes calls otherwise than that of labels.
ALSO_CALLED = {"Infiltrate": "Infiltration"}

Boxes = Mapping[str, list[tuple[int, dict[str, str]]]]


def found(folder: Folder) -> list[Path]:
    """The tables of labels."""
    return folder.named(ENTRIES)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that has labels, with its boxes."""
    boxes: dict[str, list[tuple[int, dict[str, str]]]] = {}
    of_boxes = ""
    for path in folder.named(BOXES):
        of_boxes = folder.relative(path)
        for line, cells in rows(folder, path, (IMAGE, LABEL, *CORNER)):
            boxes.setdefault(cells[IMAGE], []).append((line, cells))
    if not of_boxes:
        folder.note(f"there is no {BOXES}: no finding has a box")
    seen: set[Path] = set()
    named: set[str] = set()
    for path in filter(folder.asked, found(folder)):
        file = folder.relative(path)
        for line, cells in rows(folder, path, (IMAGE, LABELS, PATIENT, FOLLOW_UP)):
            name = cells[IMAGE]
            named.add(name)
            try:
                place = folder.find(name, path.parent)
                seen.add(place)
                yield from _record(folder, cells, place, boxes, of_boxes)
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(file, line, f"image {quoted(name)}: {error}", 1 + len(boxes.get(name, ())))
    for name in boxes.keys() - named:
        yield Rejected(of_boxes, boxes[name][0][0], f"image {quoted(name)} has no labels", len(boxes[name]))
    yield from folder.unlisted(seen)


def _record(
    folder: Folder, cells: Mapping[str, str], place: Path, boxes: Boxes, of_boxes: str
) -> Iterator[Record | Rejected]:
    image = folder.open(place)
    marked = boxes.get(cells[IMAGE], [])
    placed, bad = parse_all(marked, lambda row: _boxed(folder, row, image), of_boxes)
    yield from bad
    labels = [label for text in cells[LABELS].split("|") if (label := text.strip())]
    if not labels:
        raise AnnotationError(f"{LABELS} is empty; a row without a finding says {NOTHING}")
    with_box = {finding.label for finding in placed}
    others = [Finding(label) for label in labels if label != NOTHING and label not in with_box]
    if unlike := with_box.difference(labels):
        folder.note("boxes of labels that their images do not have: kept", f"{image.file}, {min(unlike)}")
    split = folder.split(place)
    if placed:
        folder.note(f"images with boxes in {f'the split {split}' if split else 'no split'}", image.file)
    patient, visit = cells[PATIENT] or None, cells[FOLLOW_UP]
    yield folder.record(
        image,
        [*placed, *others],
        "unknown",
        bool(bad),
        patient=patient,
        sex=cells.get("Patient Sex") or cells.get("Patient Gender"),
        age=cells.get("Patient Age"),
        study=f"{patient}-{visit}" if patient and visit else None,
        split=split,
    )


def _boxed(folder: Folder, row: Mapping[str, str], image: Image) -> Finding:
    x, y, width, height = (number(row[name], "the box") for name in CORNER)
    box = framed(geometry.from_xywh(x, y, width, height), FRAME, image, folder.note)
    return boxed(ALSO_CALLED.get(row[LABEL], row[LABEL]), box, image)


FORMAT = Format(
    "nih-chestxray14",
    read,
    "Data_Entry_2017….csv",
    found,
    (".csv",),
    DataSet(
        "nih-chestxray14",
        "NIH ChestX-ray14",
        "X-ray",
        ("labels", "boxes", "patients", "splits"),
        "unknown",
        "open",
        None,
        "https://nihcc.app.box.com/v/ChestXray-NIHCC",
        "Wang et al., ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on Weakly-Supervised "
        "Classification and Localization of Common Thorax Diseases, 2017, arXiv 1705.02315",
        (
            Download("**/Data_Entry_2017*.csv", "the labels and patients"),
            Download("**/BBox_List_2017*.csv", "984 boxes on 880 images", needed=False),
            Download("**/*.png", "112,120 images, as images_001/images/*.png … or in one folder"),
            Download("**/train_val_list.txt", "the published split", needed=False),
            Download("**/test_list.txt", "the published split", needed=False),
        ),
        benchmark=True,
        notes=(
            "Labels were read out of reports by a program, and radiologists find many of them wrong: an image without "
            "one is not known to be free of findings.",
            "RSNA's pneumonia set and ChestMNIST hold the same images: `unveil check --against` tells which.",
        ),
    ),
)
