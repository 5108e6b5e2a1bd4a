"""What all readers share: their options, what they yield, and how an annotation becomes a finding.

A reader is a generator over a ``folder.Folder``. It yields a ``Record`` for every image that can be used and a
``Rejected`` for every image or annotation that cannot, so one bad row neither stops a run nor passes silently; where
annotations of an image were lost and another record of it may not know, an ``Incomplete`` as well. It raises
``IngestError`` only where nothing at all can be read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from unveil.core import geometry, image_files
from unveil.core.options import OneOf
from unveil.core.path_types import InputFolder
from unveil.core.records import Access, Completeness, Finding
from unveil.core.untrusted import quoted


class IngestError(ValueError):
    """A folder or an option that a reader cannot work with at all; the message says what to do."""


class AnnotationError(ValueError):
    """One annotation, or one image's annotations, that cannot be used; becomes the reason of a ``Rejected``."""


def _box_formats() -> Iterator[str]:
    from unveil.core.box_formats import BOX_FORMATS, PIXELS

    yield from (*BOX_FORMATS, PIXELS.name)


TextBoxes = Annotated[str, OneOf(_box_formats)]

#: A box that leads outside its image, or that has no area or no numbers.
Misfit = Literal["", "outside", "shape"]


@dataclass(frozen=True)
class Rejected:
    """Something that was not taken over, and why."""

    file: str
    """Relative to the data folder."""
    row: int | None
    """From 1: the line of a text file, the object of an XML file or the entry of a JSON list; None where the whole
    file or image is meant."""
    reason: str
    """Why it was not taken over."""
    rows: int = 1
    """How many annotation rows are lost with it; 0 for an image that nobody annotated."""
    misfit: Misfit = ""
    """Whether a box does not fit its image, and how."""


@dataclass(frozen=True)
class Incomplete:
    """An image some of whose annotations were lost: no record of it is complete, whatever else names it.

    ``file`` is the image's path as in ``Source.file``.
    """

    file: str


@dataclass
class Note:
    """What a user should know of how the folder was read: how often, and the first place."""

    text: str
    example: str = ""
    count: int = 1

    def __str__(self) -> str:
        often = f"{self.count} times, such as " if self.count > 1 else ""
        return f"{self.text} ({often}{self.example})" if self.example else self.text


@dataclass(frozen=True)
class Options:
    """What the files themselves do not say. Options of other formats than the one read have no effect."""

    seldom: ClassVar[tuple[str, ...]] = (
        *("dataset", "dataset_version", "licence", "study_pattern", "links", "encoding", "orientation", "decode"),
        *("voc_corners", "missing_labels", "allow_rejected", "delimiter", "label_separator", "label_names"),
        *("readers", "default_label", "negative_labels", "mask_pattern", "components", "anatomy", "text_boxes"),
        *("slices", "plane", "window"),
    )

    dataset: str | None = None
    """Name of the data set, the first part of every record's id; the folder's name if not given."""
    dataset_version: str | None = None
    """Version of the data set, kept with every record."""
    licence: str | None = None
    """Licence of the data set, kept with every record."""
    access: Access | None = None
    """Who may see the data. Only what is said to be open ever leaves for another machine, and an agreement (dua) or
    credentials that were needed keep it here; not given: nobody knows, and it stays here too."""
    modality: str | None = None
    """Modality of all images, such as CT or X-ray; a csv file may name it per row."""
    completeness: Completeness | None = None
    """Whether annotations name everything there is to find, so that an image without any is a true negative. Not given:
    for a named data set as its makers say; exhaustive where all objects of an image are listed (voc, coco, yolo, masks,
    nnU-Net's label maps, annotation programs, objects of the Hub's forms); elsewhere unknown, but for images that a row
    declares free of findings. An image that loses an annotation here is partial in any case."""
    splits: Literal["published", "none"] = "published"
    """Take the splits that files or folder names publish, or none, so that they are dealt anew."""
    patient_pattern: str | None = None
    """Regular expression searched for in an image's path below the data folder; its group named patient, else its first
    group, is the patient. No match means that the patient is unknown."""
    study_pattern: str | None = None
    """The same for the study; the group is named study."""
    patients_from: Literal["dicom"] | None = None
    """Where nothing else tells an image's patient: dicom takes the PatientID of its header as a keyed hash. The key is
    unveil.key beside records.jsonl, which only you can read; the id itself is never written."""
    annotations: str | None = None
    """Pattern, such as annotations/*_train.json, of the annotation files to read below the data folder, in whatever
    folder there; one that begins with /, such as /labels.csv, starts at the data folder. Not given: all that fit the
    format."""
    images: InputFolder | None = None
    """Folder of the images, where they lie apart from the annotations; no image is looked for anywhere else then."""
    links: Literal["folders", "all", "none"] = "folders"
    """Which links that lead out of the folder are followed: those to folders, also those to single files, or none."""
    encoding: str | None = None
    """Encoding of text files that are neither UTF-8 nor marked as UTF-16, such as latin-1, cp1252 or gbk."""
    orientation: Literal["shown", "stored"] = "shown"
    """Which picture boxes are written on where an EXIF tag turns it and no stated size tells: the one that viewers
    show, or the one that is stored."""
    decode: bool = True
    """Decode every image once, so that a truncated file is rejected now and not met while training; else only headers
    are read, which suits millions of images that are checked later."""
    voc_corners: Literal["half_open", "one_based"] = "half_open"
    """What voc corners count: half_open edges from 0, as labelImg, CVAT and Roboflow write, or one_based inclusive
    pixels as in the original VOC sets, where (1, 1, 1, 1) is the first pixel."""
    missing_labels: Literal["reject", "negative"] = "reject"
    """What a yolo image without a label file is: rejected, since nobody said that it was looked at, or a negative
    image, as ultralytics reads it. An empty label file is a negative image in any case."""
    box_units: Literal["pixels", "normalised", "percent"] | None = None
    """Units of a box's four numbers: pixels, or shares of the image's width and height, 0 to 1 or 0 to 100. Not given:
    shares for yolo, else pixels; a set whose boxes then look like shares is asked about."""
    box_convention: Literal["xyxy", "xywh", "centre", "yxyx"] | None = None
    """Order of a box's four numbers: two corners, corner and extent, centre and extent, or corners with y first. Not
    given: xywh for coco, centre for yolo, for csv what the columns are called, else xyxy."""
    allow_rejected: float = 0.1
    """Largest share of the annotation rows that may be rejected for one reason. More stops the run, for then the rows
    are rarely to blame; a single rejected row does not."""
    columns: tuple[str, ...] = ()
    """csv: which column holds what, such as image=file_name label=finding box=x_min,y_min,x_max,y_max; box is four
    columns with a number each, or one. What is not named is found by its usual name, in any case and with or without
    spaces and underscores; side= says that there is none. Also study, patient, sex, age, modality, split, report,
    report_findings, impression, phrase, body_part, side, question, answer, answer_type, choices, language, reader,
    confidence, and width and height, the image's size."""
    delimiter: str | None = None
    """csv: what stands between the fields, a character or comma, semicolon, tab, pipe; not given: what the first lines
    show."""
    label_separator: str | None = None
    """csv: what stands between several labels in one cell; "" if nothing does. Not given: | and lists in brackets are
    taken apart, and ; or , where all parts are also labels of other cells."""
    label_names: tuple[str, ...] = ()
    """csv, cell-boxes: names of labels that are numbers or codes, such as 0=normal 1=pneumonia. masks, nifti, dicom:
    names of the values of masks and label maps, grey or colours, such as 1=liver 255,0,0=vessel."""
    readers: str | None = None
    """What becomes of an image that several readers marked: keep all their findings, the union of those at the same
    place (IoU 0.5), what all of them marked, the majority's, wbf (weighted boxes fusion), or the name of the one reader
    who counts."""
    default_label: str | None = None
    """Name of findings that have a place and no label."""
    mask_pattern: str | None = None
    """masks: where the masks of an image lie below the data folder, such as gt/{image}_*.png or {label}/{image}.png,
    where {image} is the image's name without its ending and {label} names what the mask shows. Not given: in folders
    called masks, or under the image's name with _mask or _segmentation behind it."""
    components: Literal["each", "whole"] | None = None
    """Whether each part of a mask whose pixels touch is a finding, or the whole mask. Not given: each of a label map in
    NIfTI, whose values stand for kinds; else whole, since a mask, a segment or a region in DICOM stands for a thing."""
    negative_labels: tuple[str, ...] = ("no finding", "no findings", "no abnormality", "normal", "healthy", "negative")
    """Labels that say that there is nothing to find, in any case and with or without spaces and underscores. Unless
    this option is given, csv takes all of these, and voc, coco and yolo, where a cell in a box may be called normal,
    only no finding and its like."""
    anatomy: bool = False
    """slake: take boxes of organs as findings too, so that questions are asked about their places. They then count as
    findings everywhere, in what is asked about abnormalities too."""
    text_boxes: TextBoxes | None = None
    """Conversations: how boxes are written in their texts, a box format of models such as json-1000 or qwen2-vl, or
    pixels of the image. Not given: texts stay as they are, and no box is taken from them."""
    slices: str = "largest"
    """Of volumes and series, which slices become images: largest is for each finding the one where it is largest,
    every:3 every third slice that is marked, all every slice of what is annotated, also those without a mark, key those
    that a DICOM key object selection names."""
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """Along which plane NIfTI volumes are cut; DICOM slices stay as they are stored."""
    window: tuple[float, float] | None = None
    """Lowest and highest value that slices show, such as -160 240 of Hounsfield units. Not given: of DICOM the file's
    own, else -160 240 for CT, and the 1st to 99th percentile of each slice for all others."""


@dataclass(frozen=True)
class Image:
    """An image that can be read: its path, its path as a record names it, the frame that its annotations count in."""

    path: Path
    file: str
    width: int
    height: int
    sha256: str
    """Of the file's bytes; "" where it is yet to be looked at: then it is hashed, and decoded if the options say so."""
    modality: str | None = None
    """As its own header says (DICOM)."""
    patient: str | None = field(default=None, repr=False)
    """The PatientID of its own header (DICOM); never written as it stands."""
    turn: int = 1
    """The EXIF orientation by which annotations are yet to be turned, since they were written on the stored picture."""
    sex: str | None = field(default=None, repr=False)
    """The PatientSex of its own header (DICOM), as it stands there."""
    age: str | None = field(default=None, repr=False)
    """The PatientAge of its own header (DICOM), or as it follows from the dates there."""

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown, which are those of its record."""
        return (self.width, self.height) if self.turn < 5 else (self.height, self.width)


class Traced(Finding):
    """A finding with a mask that the file gives as run lengths, which count pixels whatever the units of boxes are."""


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
            bad.append(Rejected(file, row, str(error), misfit=misfit(error)))
    return good, bad


def misfit(error: Exception | str) -> Misfit:
    """How the box of an annotation does not fit its image, if that is what is wrong with it."""
    if isinstance(error, geometry.OutsideError):
        return "outside"
    return "shape" if isinstance(error, geometry.BoxError) else ""


def outlined(label: str, polygons: Sequence[Sequence[float]], image: Image) -> Finding:
    """A finding from polygons (flat x, y, … in pixels): their common mask and the smallest box around their corners."""
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise AnnotationError(f"a polygon needs three or more x, y pairs, not {len(polygon)} numbers")
    xs, ys = [x for p in polygons for x in p[::2]], [y for p in polygons for y in p[1::2]]
    if not all(map(math.isfinite, xs + ys)):
        raise AnnotationError("a polygon needs finite numbers")
    # The bounds are checked before anything is drawn: drawing needs memory in proportion to the coordinates. Outlines
    # are drawn by hand, over the edge too, and are cut there.
    slack = max(5.0, 0.01 * max(image.width, image.height))
    box = geometry.checked((min(xs), min(ys), max(xs), max(ys)), image.width, image.height, slack)
    mask = geometry.mask_from_polygons(polygons, image.width, image.height)
    if not geometry.decode_mask(mask).any():
        raise AnnotationError("the polygon covers no pixel")
    return Finding(label, box, mask)


def boxed(label: str, box: Sequence[float], image: Image, **attributes: str | None) -> Finding:
    """A finding with a checked box in pixels and those attributes that are known."""
    known = {name: value for name, value in attributes.items() if value}
    return Finding(label, geometry.checked(box, image.width, image.height), attributes=known)


def number(text: Any, name: str = "value") -> float:
    """A finite number, from text or JSON."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(f"{name} needs a number, not {quoted(text)}") from error
    if not math.isfinite(value):
        raise AnnotationError(f"{name} needs a finite number, not {quoted(text)}")
    return value


def list_of(value: Any, name: str) -> list[Any]:
    """A list out of JSON; none where nothing stands there."""
    if not isinstance(value or [], list):
        raise AnnotationError(f"{name} is a list, not {quoted(value)}")
    return value or []


def compiled(pattern: str, name: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise IngestError(f"{name} {pattern!r} is not a regular expression: {error}") from error


def turned(finding: Finding, image: Image) -> Finding:
    """A finding of the stored picture on the one that is shown."""
    if image.turn == 1:
        return finding
    box = finding.box and geometry.upright(finding.box, image.turn, image.width, image.height)
    mask = finding.mask and geometry.encode_mask(image_files.upright(geometry.decode_mask(finding.mask), image.turn))
    return replace(finding, box=box, mask=mask)
