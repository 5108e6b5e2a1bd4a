"""What flows between the stages: records, dialogues and predictions (`jsonl` writes and reads them).

A ``Record`` is one image with everything that is known about it. Readers in ``ingest`` make records and are the only
code that knows VOC from COCO; nobody downstream does. Boxes are float xyxy in absolute pixels of the record's image,
origin at the top left, half-open; ``Record.width`` and ``Record.height`` name that frame.

A ``Dialogue`` is a question about a record with its true answer. Its texts hold boxes in the neutral markup of
``answers`` and so do not depend on a model. A ``Prediction`` is what one model answered, with everything that is needed
to parse it again without that model.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from unveil.core.geometry import Box
from unveil.core.lesion_noise import Noise
from unveil.core.subjects import Sex

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Completeness = Literal["exhaustive", "partial", "unknown"]
Access = Literal["open", "dua", "credentialed"]

#: What a dialogue asks. The first five come from findings (``curate mau``), a report from the record's own report, then
#: three from a record's own questions.
#: In the last one nothing is asked: its answer is the question that the model itself is to put.
Kind = Literal[
    "detection", "localisation", "recognition", "diagnosis", "grounding", "report", "closed", "choice", "open",
    "self-question",
]  # fmt: skip
#: The kinds that have a true answer.
KINDS: tuple[Kind, ...] = (
    *("detection", "localisation", "recognition", "diagnosis", "grounding", "report", "closed", "choice", "open"),
)
#: The kinds whose answers give places, the one that tells most first.
WITH_BOXES: tuple[Kind, ...] = ("diagnosis", "localisation", "grounding")


#: What a model is shown in place of an image, to tell whether it looks at it.
Shown = Literal[
    "own", "blank", "noise", "shuffled", "other-patient", "lesion-hidden", "elsewhere-hidden", "lesion-only"
]


class RecordError(ValueError):
    """A file that does not hold what it should; the message names the file, the line and what to do."""


@dataclass(frozen=True)
class Source:
    """Where an image comes from."""

    dataset: str
    """Name of the data set."""
    version: str | None = None
    """Version of the data set."""
    licence: str | None = None
    """Licence of the data set."""
    access: Access | None = None
    """Who may see the data; None where nobody has said so: it is then kept from other machines."""
    file: str | None = None
    """The image file, relative to the data folder."""
    sha256: str | None = None
    """SHA-256 of the image file's bytes."""
    published: Split | None = None
    """The split that the data set publishes the image in; what it is used for here is the record's ``split``."""
    benchmark: str | None = None
    """Name of the benchmark in whose test split the image is: nothing may be learnt from it."""


@dataclass(frozen=True)
class ImagePlane:
    """Where a slice lies in the patient, as DICOM's Image Plane Module has it (PS3.3 C.7.6.2).

    The point (x, y) of the image in pixels, whose first pixel reaches from 0 to 1, lies at
    ``origin + (x - 0.5) spacing[1] across + (y - 0.5) spacing[0] down``.
    """

    file: str | None = None
    """The file that the image was cut from, as ``Record.image`` is given: a volume, or one instance of a series."""
    frame: int | None = None
    """Its frame in that file: of a volume the slice along the plane, as ``image_files.read`` counts it; from 0."""
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """Along which plane a volume was cut."""
    window: tuple[float, float] | None = None
    """The lowest and the highest value that are shown, such as Hounsfield units."""
    spacing: tuple[float, float] | None = None
    """Millimetres from row to row and from column to column."""
    origin: tuple[float, float, float] | None = None
    """The middle of the first pixel in millimetres towards the patient's left, back and head (LPS)."""
    across: tuple[float, float, float] | None = None
    """The direction in which columns are counted, a unit vector in the same axes."""
    down: tuple[float, float, float] | None = None
    """The direction in which rows are counted."""


@dataclass(frozen=True)
class Finding:
    """One annotated object: what it is and where."""

    label: str
    """Its name."""
    box: Box | None = None
    """Left, top, right, bottom in pixels of the image, half-open."""
    mask: dict[str, Any] | None = None
    """COCO run-length code ``{"size": [height, width], "counts": str}`` (see ``geometry``)."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Words about it; ``body_part`` and ``side`` are used in answers."""
    phrase: str | None = None
    """A sentence that says what is seen there, such as one of the report: what a grounding question asks for. Findings
    of one phrase are its places."""
    translations: dict[str, str] = field(default_factory=dict)
    """The phrase in further languages, by their ISO 639-1 codes."""
    readers: tuple[str, ...] = ()
    """Who saw it, where it is known."""


@dataclass(frozen=True)
class Question:
    """A question that came with the image."""

    text: str
    """The question."""
    answer: str
    """Its true answer."""
    kind: Literal["closed", "open"] = "open"
    """A closed question's answer is one of a few given words, such as yes and no."""
    id: str | None = None
    """Its name in the data set."""
    choices: tuple[str, ...] = ()
    """The answers to choose from, without letters before them, of which the true answer is one."""
    language: str | None = None
    """Its ISO 639-1 code, such as en or zh; None where nobody has said so."""
    follows: str | None = None
    """The name of the question before it in the same conversation, without which it may not be understood."""


@dataclass(frozen=True)
class Record:
    """One image and what is known about it."""

    id: str
    """Its name, unique in the file."""
    image: str
    """Path of the image file, relative to the folder of this file unless it is absolute."""
    width: int
    """Of the image, in pixels; boxes and masks refer to it."""
    height: int
    """Of the image, in pixels."""
    modality: str | None = None
    """Such as CT or X-ray."""
    patient: str | None = None
    """Name of the patient; None when unknown, never the image's id."""
    study: str | None = None
    """Name of the study; None when unknown."""
    split: Split | None = None
    """What the image is used for."""
    findings: tuple[Finding, ...] = ()
    """What is annotated."""
    completeness: Completeness = "unknown"
    """Whether the annotation names everything that is there; only then is an unmarked place a negative."""
    report: str | None = None
    """The radiologist's text."""
    sections: dict[str, str] = field(default_factory=dict)
    """The parts of the report by their headings in small letters, such as findings and impression."""
    language: str | None = None
    """The ISO 639-1 code of the report and of phrases; None where nobody has said so."""
    readers: tuple[str, ...] = ()
    """Who looked at the image, those who found nothing too, where it is known."""
    plane: ImagePlane | None = None
    """Where the image lies in the patient, if it is a slice."""
    questions: tuple[Question, ...] = ()
    """Questions that came with the image."""
    source: Source = Source("unknown")
    """Where it comes from."""
    group: str | None = None
    """Joins all that must not be separated, as ``check`` finds it: same patient, same study, same or mirrored image. It
    goes before the patient, since copies of an image may stand under two patients, and holds across data sets."""
    sex: Sex | None = None
    """The patient's, as DICOM has it (F, M, O); None when unknown. No export writes sex or age."""
    age: float | None = None
    """The patient's at the study, in years; None when unknown. 90 means 90 and more, since HIPAA's Safe Harbor takes
    each age over 89 for one that may tell a person (45 CFR 164.514(b)(2)(i)(C)); ``subjects.age`` caps it."""

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @cached_property
    def boxed(self) -> tuple[Finding, ...]:
        """The findings that have a box, from left to right, top to bottom: the order in which answers name them."""
        return tuple(sorted((f for f in self.named if f.box), key=lambda f: typing.cast(Box, f.box)))

    @cached_property
    def named(self) -> tuple[Finding, ...]:
        """The findings without those that only say in another phrase what is at a place under the same name."""
        places: set[tuple[str, Box | None]] = set()
        kept = []
        for finding in self.findings:
            place = finding.label, finding.box
            if finding.phrase is None or place not in places:
                kept.append(finding)
            places.add(place)
        return tuple(kept)

    @cached_property
    def cluster(self) -> str:
        """The unit that a bootstrap draws and a split keeps together: group, else patient, else study, else image."""
        if self.group is not None:
            return f"group:{self.group}"
        for kind, value in (("patient", self.patient), ("study", self.study)):
            if value is not None:
                return f"{kind}:{self.source.dataset}:{value}"
        return f"image:{self.id}"

    def before(self, question: Question) -> tuple[tuple[str, str], ...]:
        """The questions and answers before a question in its conversation, in order; what follows itself in a circle
        begins there."""
        named = {own.id: own for own in self.questions if own.id is not None}
        turns = [question]
        while (earlier := named.get(turns[-1].follows or "")) and earlier not in turns:
            turns.append(earlier)
        return tuple((turn.text, turn.answer) for turn in reversed(turns[1:]))


@dataclass(frozen=True)
class Dialogue:
    """One question on one image with its true answer, in neutral markup."""

    id: str
    """Its name, unique in the file."""
    record: str
    """The id of the image's record."""
    image: str
    """As the record's, seen from this file."""
    split: Split | None
    """As the record's."""
    kind: Kind
    """What is asked."""
    question: str
    """The question; boxes stand in it as ``<box x1 y1 x2 y2>`` in pixels."""
    answer: str
    """The true answer, with boxes likewise."""
    target: str | None = None
    """What the question is about: a label for localisation, a box's markup for recognition, a phrase for grounding, a
    part of a report; of a pair's question the name that it asks for."""
    writer: str = "rules"
    """Who wrote the answer: rules, or the expert's name and revision."""
    noise: Noise | None = None
    """What hides the lesion when a model looks at the image."""
    history: tuple[tuple[str, str], ...] = ()
    """Questions and answers before this one in the same conversation."""
    choices: tuple[str, ...] = ()
    """The answers to choose from, in the order in which the question lists them."""
    language: str | None = None
    """The ISO 639-1 code of the question, where it is known."""
    benchmark: str | None = None
    """As the source's: whose test split the image is in."""
    pair: str | None = None
    """Joins a question about what is there with one about what is not (`unveil curate probes`): the two share it."""


@dataclass(frozen=True)
class Prediction:
    """A model's answer to a dialogue's question."""

    id: str
    """The dialogue's id."""
    record: str
    """The id of the image's record."""
    kind: Kind
    """The dialogue's kind."""
    answer: str
    """What the model wrote, unchanged, so that it can be parsed again at any time."""
    box_format: str
    """How it writes boxes: a key of ``BOX_FORMATS``."""
    frame: tuple[int, int]
    """The width and height that the numbers of its boxes refer to."""
    model: str
    """Who answered."""
    cut: bool = False
    """Whether the answer hit its length limit."""
    tokens: tuple[tuple[int, float], ...] = ()
    """Of each of its tokens, where it ends in ``answer`` (in letters from 0 on) and its log-probability, the end of the
    answer last; empty where these are not known."""
    options: tuple[float, ...] = ()
    """The log-probabilities of the answers that a question lets choose from: its choices, or yes and no, in this order,
    as they begin (``alternatives``); empty where they are not known."""
    shown: Shown = "own"
    """Which image the model was shown: the question's own, or what stood in its place."""
    shown_record: str | None = None
    """The id of the record whose image stood in its place, where it was another patient's."""


@dataclass(frozen=True)
class Pair:
    """One question on one image with a better and a worse answer, in neutral markup.

    The worse answer may stand under another image or under its image with the lesion hidden: then it is what should not
    be said there, even where both answers are the same.
    """

    id: str
    """Its name, unique in the file."""
    record: str
    """The id of the image's record."""
    image: str
    """As the dialogue's."""
    split: Split | None
    """As the record's."""
    kind: Kind
    """What is asked."""
    question: str
    """As the dialogue's."""
    chosen: str
    """The better answer."""
    rejected: str
    """The worse answer."""
    rejected_image: str | None = None
    """Another image, with which the worse answer stands."""
    weight: float = 1.0
    """Multiplies the pair's loss."""
    writer: str = "rules"
    """Who made the pair: rules, a model and its fingerprint, an expert."""
    rejected_noise: Noise | None = None
    """What hides the lesion where the worse answer stands; the noised image itself is never stored."""
    target: str | None = None
    """As the dialogue's: what the question is about."""
    choices: tuple[str, ...] = ()
    """As the dialogue's: the answers to choose from."""
    benchmark: str | None = None
    """As the dialogue's: whose test split the image is in."""
    history: tuple[tuple[str, str], ...] = ()
    """As the dialogue's: questions and answers before this one."""

    @property
    def other(self) -> bool:
        """Whether the worse answer stands under another picture than the better one."""
        return self.rejected_image not in (None, self.image) or self.rejected_noise is not None

    def sides(self) -> tuple[Dialogue, Dialogue]:
        """Both answers as dialogues: the better one, and the worse one under its own image."""
        common = (self.split, self.kind, self.question)
        chosen = Dialogue(
            *(f"{self.id} (chosen)", self.record, self.image, *common, self.chosen),
            history=self.history,
            benchmark=self.benchmark,
        )
        rejected = replace(
            chosen,
            id=f"{self.id} (rejected)",
            image=self.rejected_image or self.image,
            answer=self.rejected,
            noise=self.rejected_noise,
        )
        return chosen, rejected


Row = TypeVar("Row")
Placed = TypeVar("Placed", Record, Dialogue, Pair)


def image_path(record_or_dialogue: Record | Dialogue | Pair, file: str | Path) -> Path:
    """The image's path: ``image`` is relative to the folder of the JSONL ``file`` unless it is absolute."""
    return Path(file).parent / record_or_dialogue.image


def rebased(row: Placed, old: Path, new: Path) -> Placed:
    """A record, dialogue or pair whose image paths hold from the folder of another file: of ``new``, not ``old``.

    A relative path stays one, and an image that is a link stays that link. An absolute path becomes relative where the
    image lies below the new folder, and stays as it is elsewhere.
    """
    paths = {name: path for name in ("image", "rejected_image") if (path := getattr(row, name, None))}
    moved: dict[str, Any] = {name: _seen_from(path, old, new) for name, path in paths.items()}
    if isinstance(row, Record) and row.plane and row.plane.file:
        moved["plane"] = replace(row.plane, file=_seen_from(row.plane.file, old, new))
    return replace(row, **moved)


def _seen_from(image: str, old: Path, new: Path) -> str:
    folder = new.parent.absolute()
    if image.startswith("/") and not image.startswith(folder.as_posix()):  # as most are, of a million
        return image
    path = old.parent / image
    if Path(image).is_absolute():
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else image
    return os.path.relpath(path.parent.resolve() / path.name, new.parent.resolve())


def select(rows: Iterable[Row], split: Split | None) -> list[Row]:
    """Rows of one split (predictions have none and all pass)."""
    return [row for row in rows if split is None or getattr(row, "split", split) == split]
