"""RSNA's pneumonia challenge: opacities of the lung in radiographs of the chest, a part of NIH ChestX-ray14.

``patientId`` is the name of an image. An image without a box has no opacity; where the table of classes calls it not
normal, it has a finding of that name without a place, so that nobody takes it for healthy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unveil.core import geometry, pixels
from unveil.core.records import Completeness, Finding, Record
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.conventions import framed
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Incomplete, Rejected, boxed, number, parse_all
from unveil.ingest.rows import rows

LABELS, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
IMAGE, BOX, TARGET, CLASS = "patientId", ("x", "y", "width", "height"), "Target", "class"
OPACITY = "Lung Opacity"
NORMAL = "Normal"
#: Width and height of the picture that boxes count in.
FRAME = (1024, 1024)

Row = tuple[int, Mapping[str, str]]


def found(folder: Folder) -> list[Path]:
    """The table of boxes."""
    return folder.named(LABELS)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that the table names, with all of its rows."""
    classes = {
        cells[IMAGE]: cells[CLASS] for path in folder.named(CLASSES) for _, cells in rows(folder, path, (IMAGE, CLASS))
    }
    if not classes:
        folder.note(f"there is no {CLASSES}: images without an opacity may show something else")
    seen: set[Path] = set()
    for path in filter(folder.asked, found(folder)):
        file = folder.relative(path)
        images: dict[str, list[Row]] = {}
        for line, cells in rows(folder, path, (IMAGE, *BOX, TARGET)):
            images.setdefault(cells[IMAGE], []).append((line, cells))
        for name, some in images.items():
            try:
                place = folder.find(name, path.parent)
                seen.add(place)
                yield from _record(folder, file, some, place, classes.get(name))
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(file, some[0][0], f"image {quoted(name)}: {error}", len(some))
    yield from folder.unlisted(seen)


def _record(
    folder: Folder, file: str, some: Sequence[Row], place: Path, kind: str | None
) -> Iterator[Record | Rejected]:
    image = replace(folder.open(place), patient=None)  # the PatientID of its header is the image's name again
    targets = {row[TARGET] for _, row in some}
    if len(targets) > 1 or not targets <= {"0", "1"}:
        raise AnnotationError(f"{TARGET} is 0 or 1, the same in all rows, not {listed(sorted(targets))}")
    marked = some if targets == {"1"} else [row for row in some if any(row[1][name] for name in BOX)]
    findings, bad = parse_all(marked, lambda row: _finding(folder, row, image), file)
    yield from bad
    # without the classes nobody knows whether an image without an opacity shows something else
    usual: Completeness = "exhaustive" if findings or kind is not None else "unknown"
    if not findings and not bad and kind not in (None, NORMAL):
        findings = [Finding(str(kind))]
    yield folder.record(image, findings, usual, bool(bad))


def _finding(folder: Folder, row: Mapping[str, str], image: Image) -> Finding:
    if row[TARGET] == "0":
        raise AnnotationError(f"{TARGET} is 0, and it has a box")
    x, y, width, height = (number(row[name], name) for name in BOX)
    return boxed(OPACITY, framed(geometry.from_xywh(x, y, width, height), FRAME, image, folder.note), image)


FORMAT = Format(
    "rsna-pneumonia",
    read,
    LABELS,
    found,
    (".csv",),
    DataSet(
        "rsna-pneumonia",
        "RSNA Pneumonia Detection Challenge",
        "X-ray",
        ("labels", "boxes"),
        "exhaustive",
        "dua",
        None,
        "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
        "Shih et al., Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations "
        "of Possible Pneumonia, 2019, doi 10.1148/ryai.2019180041",
        (
            Download(f"**/{LABELS}", "the boxes"),
            Download(f"**/{CLASSES}", "which images without a box are normal", needed=False),
            Download("**/stage_2_train_images/*.dcm", "26,684 images"),
        ),
        notes=(
            "patientId names an image, and the patient is unknown: two images of one may be in two splits.",
            "The images are a part of NIH ChestX-ray14: `unveil check --against` tells which.",
            "Images without an opacity that are not normal have a finding of that name, without a place.",
        ),
    ),
)
