"""DeepLesion: lesions of all kinds in CT, each measured by two diameters on its key slice.

Slices are PNG of 16 bits, of which Hounsfield units are the values less 32768; they are written anew as each row's
window shows them. A box is the extent of the two diameters and 5 pixels around them, so that it may lead over the edge.
The pseudo-mask is the quadrilateral of the diameters' ends. Many lesions of a slice are not marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from unveil.core import geometry, image_files, pixels
from unveil.core.records import Finding, ImagePlane, Record, Split
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, Image, Incomplete, Rejected, number, outlined, parse_all
from unveil.ingest.rows import rows

NAME = "DL_info.csv"
BOX, ENDS, DIAMETERS = "Bounding_boxes", "Measurement_coordinates", "Lesion_diameters_Pixel_"
TYPE, NOISY, SPACING, SIZE = "Coarse_lesion_type", "Possibly_noisy", "Spacing_mm_px_", "Image_size"
WINDOW, SPLIT, FILE = "DICOM_windows", "Train_Val_Test", "File_name"
PATIENT, STUDY = "Patient_index", "Study_index"
COLUMNS = (FILE, PATIENT, STUDY, ENDS, BOX, DIAMETERS, TYPE, NOISY, SPACING, SIZE, WINDOW, SPLIT)

#: What the coarse types mean. Third parties disagree whether 1 is bone or lung: this is the order that is the more
#: likely one, to be compared with the FAQ that comes with the download.
TYPES = {
    -1: "lesion",
    1: "bone lesion",
    2: "abdominal lesion",
    3: "mediastinal lesion",
    4: "liver lesion",
    5: "lung lesion",
    6: "kidney lesion",
    7: "soft tissue lesion",
    8: "pelvic lesion",
}
SPLITS: dict[str, Split] = {"1": "train", "2": "val", "3": "test"}
#: What is subtracted from a stored value to get Hounsfield units, and between which of them most of a slice lies.
OFFSET, HU = 32768, (-3072, 4095)
#: Pixels that a box is wider than what it was drawn around, on each side.
PADDING = 5

Row = tuple[int, Mapping[str, str]]


def found(folder: Folder) -> list[Path]:
    """The table of lesions."""
    return folder.named(NAME)


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every slice that the table names, with all of its rows."""
    for path in filter(folder.asked, found(folder)):
        file = folder.relative(path)
        slices: dict[str, list[Row]] = {}
        for line, cells in rows(folder, path, COLUMNS):
            slices.setdefault(cells[FILE], []).append((line, {name: cells[name] for name in COLUMNS[1:]}))
        places = _places(folder, slices)
        for name, lesions in slices.items():
            try:
                yield from _record(folder, file, lesions, _place(folder, name, places, path))
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(file, lesions[0][0], f"image {quoted(name)}: {error}", len(lesions))


def _places(folder: Folder, names: Mapping[str, object]) -> dict[str, list[Path]]:
    """The files of the slices, of the many thousand that have no row beside them."""
    wanted = {_below(name) for name in names}
    places: dict[str, list[Path]] = {}
    for path in folder.images:
        if (key := f"{path.parent.name}/{path.name}") in wanted:
            places.setdefault(key, []).append(path)
    return places


def _below(name: str) -> str:
    """000001_01_01_109.png lies in the folder of its series, as 109.png."""
    series, _, number = name.rpartition("_")
    return f"{series}/{number}"


def _place(folder: Folder, name: str, places: Mapping[str, list[Path]], table: Path) -> Path:
    """A slice in the folder of its series, or under its whole name."""
    several = places.get(_below(name), [])
    if len(several) > 1:
        raise AnnotationError(f"lies in several places ({listed(map(folder.relative, several))})")
    return several[0] if several else folder.find(name, table.parent)


def _record(folder: Folder, file: str, lesions: Sequence[Row], place: Path) -> Iterator[Record | Rejected]:
    first = lesions[0][1]
    window = _window(first)
    if any(_window(row) != window for _, row in lesions):
        folder.note("slices whose rows name several windows: shown by the first", folder.relative(place))
    splits = {row[SPLIT] for _, row in lesions}
    if len(splits) > 1 or not splits <= SPLITS.keys():
        raise AnnotationError(f"{SPLIT} is one of {listed(SPLITS)}, not {listed(splits)}")
    called = folder.relative(place)
    # of a trial only the size counts
    shown = place if folder.trial else folder.make(called, _shown(place, window))
    image = folder.open(shown, file=called)
    across, down, *_ = _numbers(first, SPACING, 2)
    if sorted(_numbers(first, SIZE, 2)[:2]) != sorted((image.width, image.height)):
        raise AnnotationError(f"{SIZE} is {first[SIZE]}, not {image.width} x {image.height}: another version of it?")
    findings, bad = parse_all(lesions, lambda row: _finding(row, image, (across + down) / 2), file)
    yield from bad
    if any(finding.attributes.get("possibly_noisy") for finding in findings):
        folder.note("lesions that the set calls possibly noisy, which others leave out: kept, with this word", called)
    yield folder.record(
        image,
        findings,
        "partial",
        bool(bad),
        patient=first[PATIENT] or None,
        sex=first.get("Patient_gender"),
        age=first.get("Patient_age"),
        study=f"{first[PATIENT]}-{first[STUDY]}" if first[PATIENT] and first[STUDY] else None,
        split=SPLITS[splits.pop()],
        plane=ImagePlane(window=window, spacing=(down, across)),
    )


def _shown(path: Path, window: tuple[float, float]) -> np.ndarray:
    """The slice as the window shows it, uint8 (H, W)."""
    stored = image_files.read(path, windowed=False).array
    if stored.ndim != 2 or stored.dtype.itemsize < 2:
        raise AnnotationError("its values have 8 bits, not 16: a program has cut them; take the PNG as distributed")
    values = stored.astype(np.int32) - OFFSET
    if np.mean((values >= HU[0]) & (values <= HU[1])) < 0.5:
        raise AnnotationError(
            f"most values less {OFFSET} are no Hounsfield units: they go from {values.min()} to {values.max()}"
        )
    return pixels.stretch(values, window)


def _finding(row: Mapping[str, str], image: Image, spacing: float) -> Finding:
    numbers = _numbers(row, BOX, 4)
    box = geometry.checked(numbers, image.width, image.height, PADDING + 1)
    kind = number(row[TYPE] or -1, TYPE)
    if kind not in TYPES:
        raise AnnotationError(f"{TYPE} is one of {listed(map(str, TYPES))}, not {quoted(row[TYPE])}")
    long, short, *_ = _numbers(row, DIAMETERS, 2)
    words = {"long_axis_mm": f"{long * spacing:.1f}", "short_axis_mm": f"{short * spacing:.1f}"}
    if row[NOISY] == "1":
        words["possibly_noisy"] = "yes"
    return Finding(TYPES[int(kind)], box, _pseudo_mask(_numbers(row, ENDS, 8), image), words)


def _pseudo_mask(ends: Sequence[float], image: Image) -> dict[str, object] | None:
    """The quadrilateral of the ends of the long axis, v0 v1 and v2 v3, and of the short one, v4 v5 and v6 v7; None
    where it covers no pixel."""
    around = [*ends[0:2], *ends[4:6], *ends[2:4], *ends[6:8]]
    try:
        return outlined("", [around], image).mask
    except (AnnotationError, geometry.BoxError):
        return None


def _window(row: Mapping[str, str]) -> tuple[float, float]:
    """The lowest and the highest value shown: not level and width."""
    low, high, *_ = _numbers(row, WINDOW, 2)
    if not low < high:
        raise AnnotationError(f"{WINDOW} is lowest, highest, not {quoted(row[WINDOW])}")
    return low, high


def _numbers(row: Mapping[str, str], name: str, least: int) -> list[float]:
    """The numbers of a cell, with commas between them and spaces or none."""
    parts = re.split(r"[,\s]+", row[name].strip(" ,[]"))
    if len(parts) < least:
        raise AnnotationError(f"{name} needs {least} numbers, not {quoted(row[name])}")
    return [number(part, name) for part in parts]


FORMAT = Format(
    "deeplesion",
    read,
    "DL_info.csv beside Images_png/",
    found,
    (".csv",),
    DataSet(
        "deeplesion",
        "DeepLesion",
        "CT",
        ("labels", "boxes", "masks", "patients", "splits"),
        "partial",
        "open",
        None,
        "https://nihcc.app.box.com/v/DeepLesion",
        "Yan et al., DeepLesion: automated mining of large-scale lesion annotations and universal lesion detection "
        "with deep learning, 2018, doi 10.1117/1.JMI.5.3.036501",
        (
            Download("**/DL_info.csv", "the lesions"),
            Download("**/Images_png/*/*.png", "the slices, 56 zips; batch_download_zips.py fetches them"),
        ),
        benchmark=True,
        notes=(
            "Many lesions are not marked, so nothing may be concluded from an unmarked place.",
            "A box is the extent of two diameters and 5 pixels around them: IoU measures agreement with that, and not "
            "with the outline of the lesion.",
            "Masks are quadrilaterals of the diameters' ends, no outlines.",
            "Only lesions of val and test have a type; the others are called lesion.",
            "What the types mean was not found at the source: compare it with the FAQ that comes with the download.",
            "Lesions that are possibly noisy are kept with a word that says so; figures of others leave them out.",
        ),
    ),
)
