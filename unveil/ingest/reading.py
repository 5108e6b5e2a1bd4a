"""What all readers share: their options, what they yield, and how an image of a folder becomes a record.

A reader is a generator over a folder. It yields a ``Record`` for every image that can be used and a ``Rejected`` for
every image or annotation that cannot, so one bad row neither stops a run nor passes silently. It raises ``IngestError``
only where nothing at all can be read.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from unveil import geometry, pixels, runs
from unveil.records import Access, Completeness, Finding, Record, Source, Split
from unveil.untrusted import quoted

#: File endings of images; readers look at no others, so masks in .npy or notes in .txt are never taken for images.
#: Volumes (NIfTI) are not among them: a record is one image, so a volume is cut into slices before.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".ima")

#: What publishers call the three splits, in folder names, file names and columns.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class IngestError(ValueError):
    """A folder or an option that a reader cannot work with at all; the message says what to do."""


class AnnotationError(ValueError):
    """One annotation, or one image's annotations, that cannot be used; becomes the reason of a ``Rejected``."""


@dataclass(frozen=True)
class Rejected:
    """Something that was not taken over, and why.

    ``file`` is relative to the data folder. ``row`` counts from 1: the line of a text file, the object of an XML file
    or the entry of a JSON list; None where the whole file or image is meant.
    """

    file: str
    row: int | None
    reason: str


@dataclass(frozen=True)
class Options:
    """What the files themselves do not say. Options of other formats than the one read have no effect."""

    dataset: str | None = None
    """Name of the data set, the first part of every record's id; the folder's name if not given."""
    version: str | None = None
    """Version of the data set, kept with every record."""
    licence: str | None = None
    """Licence of the data set, kept with every record."""
    access: Access = "open"
    """Who may see the data; anything but open is kept from external services."""
    modality: str | None = None
    """Modality of all images, such as CT or X-ray; a csv file may name it per row."""
    completeness: Completeness | None = None
    """Whether annotations name everything there is to find, so that an image without any is a true negative. Not given:
    exhaustive for voc, coco and yolo, whose trainers take unmarked area as background; for csv unknown, except for
    images that a row declares free of findings. An image that loses an annotation here is partial in any case."""
    splits: Literal["published", "none"] = "published"
    """Take the splits that files or folder names publish, or none, so that they are dealt anew."""
    patient_pattern: str | None = None
    """Regular expression searched for in an image's path below the data folder; its group named patient, else its first
    group, is the patient. No match means that the patient is unknown."""
    study_pattern: str | None = None
    """The same for the study; the group is named study."""
    annotations: str | None = None
    """Pattern, such as annotations/*_train.json, of the annotation files to read below the data folder; not given: all
    that fit the format."""
    decode: bool = True
    """Decode every image once, so that a truncated file is rejected now and not met while training; else only headers
    are read, which suits millions of images that are checked later."""
    voc_corners: Literal["half_open", "one_based"] = "half_open"
    """What voc corners count: half_open edges from 0, as labelImg, CVAT and Roboflow write, or one_based inclusive
    pixels as in the original VOC sets, where (1, 1, 1, 1) is the first pixel."""
    missing_labels: Literal["reject", "negative"] = "reject"
    """What a yolo image without a label file is: rejected, since nobody said that it was looked at, or a negative
    image, as ultralytics reads it. An empty label file is a negative image in any case."""
    delimiter: str = ","
    """What stands between the fields of a csv file."""
    image_column: str = "image"
    """Column of the image's path or name, with or without its ending; several rows of one image are joined."""
    label_column: str = "label"
    """Column of the finding's name. A column that is named otherwise than by default must exist, others may."""
    box_columns: tuple[str, ...] = ("x1", "y1", "x2", "y2")
    """Four columns with a number each, or one column with four numbers. A label without numbers is a finding without
    box, and a row without both says that its image has no finding."""
    box_convention: Literal["xyxy", "xywh", "centre", "yxyx"] = "xyxy"
    """Order of the four numbers: two corners, corner and extent, centre and extent, or corners with y first."""
    box_units: Literal["pixels", "normalised", "percent"] = "pixels"
    """Units of the four numbers: pixels, or shares of the image's width and height, 0 to 1 or 0 to 100."""
    default_label: str | None = None
    """Name of findings whose row has a box and no label."""
    negative_labels: tuple[str, ...] = ("no finding", "no findings")
    """Labels that say that there is nothing to find, in any case of letters."""
    patient_column: str = "patient"
    """Column of the patient; goes before the pattern."""
    study_column: str = "study"
    """Column of the study; goes before the pattern."""
    modality_column: str = "modality"
    """Column of the modality; goes before the option."""
    split_column: str = "split"
    """Column of the published split: train, val (valid, validation, dev) or test."""
    body_part_column: str = "body_part"
    """Column of the body part of the finding."""
    side_column: str = "side"
    """Column of the side of the finding."""
    report_column: str = "report"
    """Column of the image's report."""
    question_column: str = "question"
    """Column of a question about the image; such a row may name a finding or not."""
    answer_column: str = "answer"
    """Column of the question's true answer."""
    answer_type_column: str = "answer_type"
    """Column that says closed for a question with a few possible answers; without it, yes and no are closed."""


Reader = Callable[[Path, Options], Iterator[Record | Rejected]]


@dataclass(frozen=True)
class Image:
    """An image that can be read: its resolved path, its path below the data folder, its size in pixels."""

    path: Path
    file: str
    width: int
    height: int
    sha256: str
    modality: str | None = None
    """As its own header says (DICOM)."""


@dataclass(frozen=True)
class Folder:
    """A data folder and its images, walked once."""

    root: Path
    options: Options

    @cached_property
    def images(self) -> list[Path]:
        return files(self.root, *IMAGE_SUFFIXES)

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """Images by file name and by file name without its ending, in small letters."""
        index: dict[str, list[Path]] = defaultdict(list)
        for path in self.images:
            name = path.name.lower()
            for key in (name, name.removesuffix(path.suffix.lower())):
                index[key].append(path)
        return index

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        given = {"patient": self.options.patient_pattern, "study": self.options.study_pattern}
        return {name: compiled(text, f"{name}_pattern") for name, text in given.items() if text is not None}

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def find(self, name: str, *near: Path) -> Path:
        """The image that an annotation calls ``name``: below ``near`` or the root, or else the only one so called."""
        name = name.strip().replace("\\", "/")  # exporters on Windows
        if not name:
            raise AnnotationError("the image's name is empty")
        for folder in (*(f for f in near if f.is_relative_to(self.root)), self.root):
            if _exists(path := pixels.inside(folder / name, self.root)):
                return path
        tail = name.lower()
        fits = [p for p in self.by_name.get(tail.rsplit("/", 1)[-1], []) if self._ends(p, tail)]
        if len(fits) != 1:
            several = ", ".join(self.relative(p) for p in fits[:3])
            raise AnnotationError(f"several images are called {name!r} ({several})" if fits else f"no image {name!r}")
        return fits[0]

    def _ends(self, path: Path, tail: str) -> bool:
        full = "/" + self.relative(path).lower()
        return full.endswith("/" + tail) or full.removesuffix(path.suffix.lower()).endswith("/" + tail)

    def open(self, path: Path) -> Image:
        """Size and hash of an image file; raises ``pixels.ImageError`` where it cannot be used or leads outside."""
        path = pixels.inside(path, self.root)
        header = pixels.probe(path)
        if header.frames > 1:
            raise pixels.ImageError(f"{path}: holds {header.frames} frames; export the annotated ones as images")
        if self.options.decode:
            pixels.read(path)
        return Image(path, self.relative(path), header.width, header.height, runs.sha256(path), header.modality)

    def record(
        self, image: Image, findings: Sequence[Finding], usual: Completeness, lost: bool, **known: Any
    ) -> Record:
        """The record of an image. ``usual`` is the completeness of its format; ``lost`` tells that some of its
        annotations were rejected: then its unmarked area is not known to be free of findings, whatever was promised."""
        chosen = self.options
        dataset = dataset_name(self.root, chosen)
        known = {name: value for name, value in known.items() if value is not None}
        return Record(
            id=f"{dataset}/{image.file}",
            image=str(image.path),
            width=image.width,
            height=image.height,
            modality=known.pop("modality", chosen.modality or image.modality),
            patient=known.pop("patient", self._captured("patient", image.file)),
            study=known.pop("study", self._captured("study", image.file)),
            findings=tuple(findings),
            completeness=known.pop("completeness", "partial" if lost else chosen.completeness or usual),
            source=Source(dataset, chosen.version, chosen.licence, chosen.access, image.file, image.sha256),
            **known,
        )

    def _captured(self, name: str, file: str) -> str | None:
        """What the pattern of a patient or a study finds in a file's path."""
        found = self._patterns[name].search(file) if name in self._patterns else None
        if found is None:
            return None
        return found[name] if name in found.re.groupindex else found[1] if found.re.groups else found[0]

    def unlisted(self, seen: Iterable[Path]) -> Iterator[Rejected]:
        """Images that no annotation names, in the folders of those that one does name (others may hold masks)."""
        seen = set(seen)
        folders = {path.parent for path in seen}
        for path in self.images:
            if path.parent in folders and path not in seen:
                yield Rejected(self.relative(path), None, "no annotation names this image")


Entry = TypeVar("Entry")


def parse_all(
    entries: Iterable[tuple[int, Entry]], parse: Callable[[Entry], Finding], file: str
) -> tuple[list[Finding], list[Rejected]]:
    """Every (row, entry) as a finding, or as a ``Rejected`` where ``parse`` finds it wrong."""
    good, bad = [], []
    for row, entry in entries:
        try:
            good.append(parse(entry))
        except (AnnotationError, geometry.BoxError, geometry.MaskError) as error:
            bad.append(Rejected(file, row, str(error)))
    return good, bad


def outlined(label: str, polygons: Sequence[Sequence[float]], image: Image) -> Finding:
    """A finding from polygons (flat x, y, … in pixels): their common mask and the smallest box around their corners."""
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise AnnotationError(f"a polygon needs three or more x, y pairs, not {len(polygon)} numbers")
    xs, ys = [x for p in polygons for x in p[::2]], [y for p in polygons for y in p[1::2]]
    if not all(map(math.isfinite, xs + ys)):
        raise AnnotationError("a polygon needs finite numbers")
    # The bounds are checked before anything is drawn: drawing needs memory in proportion to the coordinates.
    box = geometry.checked((min(xs), min(ys), max(xs), max(ys)), image.width, image.height)
    mask = geometry.mask_from_polygons(polygons, image.width, image.height)
    if not geometry.decode_mask(mask).any():
        raise AnnotationError("the polygon covers no pixel")
    return Finding(label, box, mask)


def boxed(label: str, box: Sequence[float], image: Image, **attributes: str | None) -> Finding:
    """A finding with a checked box in pixels and those attributes that are known."""
    known = {name: value for name, value in attributes.items() if value}
    return Finding(label, geometry.checked(box, image.width, image.height), attributes=known)


def same_size(stated: tuple[int, int], image: Image, where: str) -> None:
    """Refuses annotations of another size than the image: they were made on another version of it."""
    if stated != (image.width, image.height):
        sizes = f"{stated[0]} x {stated[1]}, the image has {image.width} x {image.height}"
        raise AnnotationError(f"{where} says {sizes}: annotated on another version of the image")


def number(text: Any, name: str = "value") -> float:
    """A finite number, from text or JSON."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(f"{name} needs a number, not {quoted(text)}") from error
    if not math.isfinite(value):
        raise AnnotationError(f"{name} needs a finite number, not {quoted(text)}")
    return value


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name that no file system takes, such as one that is too long
        raise AnnotationError(f"not a file name: {error}") from error


def text_of(path: Path) -> str:
    """The text of a small file in UTF-8, with or without a byte-order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"the file is not UTF-8 text: {error}") from error


def files(root: Path, *suffixes: str) -> list[Path]:
    """All files with one of the endings below ``root``, sorted; hidden files and folders are left out (such as the
    resource forks of macOS), links to folders are not followed."""
    found = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        found += [Path(folder, n) for n in names if n.lower().endswith(suffixes) and not n.startswith(".")]
    return sorted(found)


def annotation_files(root: Path, options: Options, *suffixes: str) -> list[Path]:
    """The files that may hold annotations: those of the option's pattern, else all with one of the endings."""
    found = files(root, *suffixes)
    if options.annotations is None:
        return found
    chosen = [path for path in found if path.relative_to(root).match(options.annotations)]
    if not chosen:
        raise IngestError(f"{root}: no {' or '.join(suffixes)} file fits the pattern {options.annotations!r}")
    return chosen


def split_in(file: str, options: Options) -> Split | None:
    """The split that a path names in one of its words, the nearest to the file first: train/images/a.png is train."""
    if options.splits == "none":
        return None
    words = re.split(r"[^a-z]+", file.lower())
    return next((SPLIT_NAMES[word] for word in reversed(words) if word in SPLIT_NAMES), None)


def dataset_name(root: Path, options: Options) -> str:
    return options.dataset or root.name


def compiled(pattern: str, name: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise IngestError(f"{name} {pattern!r} is not a regular expression: {error}") from error


def relocated(record: Record, folder: Path) -> Record:
    """The record with its image's path relative to ``folder`` where the image lies below it, else absolute."""
    path = Path(record.image)
    return dataclasses.replace(record, image=path.relative_to(folder).as_posix()) if folder in path.parents else record
