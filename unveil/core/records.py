"""What flows between the stages: records, dialogues and predictions, and their JSONL files.

A ``Record`` is one image with everything that is known about it. Readers in ``ingest`` make records and are the only
code that knows VOC from COCO; nobody downstream does. Boxes are float xyxy in absolute pixels of the record's image,
origin at the top left, half-open; ``Record.width`` and ``Record.height`` name that frame.

A ``Dialogue`` is a question about a record with its true answer. Its texts hold boxes in the neutral markup of
``answers`` and so do not depend on a model. A ``Prediction`` is what one model answered, with everything that is needed
to parse it again without that model.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from unveil.core.files import whole
from unveil.core.geometry import Box
from unveil.core.lesion_noise import Noise
from unveil.core.schema import Unfit, maker
from unveil.core.untrusted import JsonError, parse_json, readable

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Completeness = Literal["exhaustive", "partial", "unknown"]
Access = Literal["open", "dua", "credentialed"]

#: What a dialogue asks. The first four come from findings (``curate mau``), then two from a record's own questions. In
#: the last one nothing is asked: its answer is the question that the model itself is to put.
Kind = Literal["detection", "localisation", "recognition", "diagnosis", "closed", "open", "self-question"]
#: The kinds that have a true answer.
KINDS: tuple[Kind, ...] = ("detection", "localisation", "recognition", "diagnosis", "closed", "open")


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
    questions: tuple[Question, ...] = ()
    """Questions that came with the image."""
    source: Source = Source("unknown")
    """Where it comes from."""
    group: str | None = None
    """Joins all that must not be separated, as ``check`` finds it: same patient, same study, same or mirrored image. It
    goes before the patient, since copies of an image may stand under two patients, and holds across data sets."""

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def boxed(self) -> tuple[Finding, ...]:
        """The findings that have a box, from left to right, top to bottom: the order in which answers name them."""
        return tuple(sorted((f for f in self.findings if f.box), key=lambda f: typing.cast(Box, f.box)))

    @property
    def cluster(self) -> str:
        """The unit that a bootstrap draws and a split keeps together: group, else patient, else study, else image."""
        if self.group is not None:
            return f"group:{self.group}"
        for kind, value in (("patient", self.patient), ("study", self.study)):
            if value is not None:
                return f"{kind}:{self.source.dataset}:{value}"
        return f"image:{self.id}"


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
    """What the question is about: a label for localisation, a box's markup for recognition."""
    writer: str = "rules"
    """Who wrote the answer: rules, or the expert's name and revision."""
    noise: Noise | None = None
    """What hides the lesion when a model looks at the image."""
    history: tuple[tuple[str, str], ...] = ()
    """Questions and answers before this one in the same conversation."""


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

    @property
    def other(self) -> bool:
        """Whether the worse answer stands under another picture than the better one."""
        return self.rejected_image not in (None, self.image) or self.rejected_noise is not None

    def sides(self) -> tuple[Dialogue, Dialogue]:
        """Both answers as dialogues: the better one, and the worse one under its own image."""
        common = (self.split, self.kind, self.question)
        worse = self.rejected_image or self.image
        return (
            Dialogue(f"{self.id} (chosen)", self.record, self.image, *common, self.chosen),
            Dialogue(f"{self.id} (rejected)", self.record, worse, *common, self.rejected, noise=self.rejected_noise),
        )


Row = TypeVar("Row")
Made = TypeVar("Made")
Placed = TypeVar("Placed", Record, Dialogue, Pair)


def to_json(value: Any) -> Any:
    """A record as plain JSON values; fields that hold their default are left out, so that files stay readable."""
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name: to_json(item) for name, item in _told(value).items()}
    return value


def to_line(value: Any) -> str:
    """A row of a JSONL file: ``to_json`` as text, made at one go."""
    return _LINES.encode(value) + "\n"


def _told(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that do not hold their default."""
    return {name: item for name, default in _defaults(value.__class__) if (item := getattr(value, name)) != default}


_LINES = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_told)


@lru_cache
def _defaults(kind: Any) -> list[tuple[str, Any]]:
    """The fields of a dataclass, each with its default, ``MISSING`` where it has none."""
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return [(f.name, f.default if f.default_factory is missing else f.default_factory()) for f in fields]


def from_json(kind: type[Row], value: Any) -> Row:
    """The inverse of ``to_json``; unknown, missing and ill-typed fields raise ``RecordError``."""
    return typing.cast(Row, build(kind, value, kind.__name__))


def build(hint: Any, value: Any, where: str) -> Any:
    """``value`` (parsed JSON) as an instance of the type ``hint``; raises ``RecordError``."""
    try:
        return maker(hint)(value)
    except Unfit as error:
        raise RecordError(f"{where}{error.where}: {error}") from error


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> int:
    """Writes rows (records or plain values) to ``path``, all or nothing; returns their number."""
    count = 0
    with whole(path) as partial, partial.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(to_line(row))
            count += 1
    return count


def read_jsonl(path: str | Path, kind: type[Row]) -> Iterator[Row]:
    """Rows of a JSONL file; a line that is not a ``kind`` raises ``RecordError`` with the file and the line."""
    for _, row in each_line(path, lambda value, number: from_json(kind, value)):
        yield row


#: Bytes of a line: a record with outlines of thousands of cells stays below a tenth of it.
MAX_LINE = 2**24


def each_line(
    path: str | Path, make: Callable[[Any, int], Made], *, lenient: bool = False
) -> Iterator[tuple[int, Made]]:
    """Line numbers from 1 on, and what ``make`` makes of each line's JSON value and its number; empty lines are none.

    A line that is no JSON (``lenient``: see ``untrusted``), or for which ``make`` raises a ``ValueError``, raises
    ``RecordError`` with file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"{path}: no such file, or not a regular one")
    with path.open("rb") as file:
        first = True
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
            if not line.strip():
                continue
            try:
                if len(line) > MAX_LINE:
                    raise JsonError(f"a line of more than {MAX_LINE} bytes")
                made = make(parse_json(line, lenient=lenient), number)
            except ValueError as error:
                other = _other_form(line) if first else None
                said = f"expected one JSON object a line; this is {other}" if other else error
                raise RecordError(f"{path}:{number}: {readable(str(said))}") from error
            first = False
            yield number, made


#: How files begin that are given for JSONL by mistake, and what they are.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (rb"\s*\[", "a JSON list (LLaVA form?): write each of its objects on a line of its own"),
    (rb"\s*\{\s*$", "one JSON value over several lines: write each object on a line of its own"),
    (rb"PAR1", "Parquet"),
    (rb"\x1f\x8b", "compressed with gzip: unpack it"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (rb"\s*<", "XML or HTML"),
    (rb"\x89PNG|\xff\xd8\xff|%PDF|II\*\x00|MM\x00\*", "an image or a document"),
    (rb"[^\n]*\x00", "a binary file"),
    (rb"\s*[A-Za-z_#]", "text of another form, such as a table: `unveil ingest --format csv` reads those"),
)


def _other_form(line: bytes) -> str | None:
    """What a file is whose first row is none; None where it may be JSONL with a fault there."""
    return next((form for begins, form in _BEGINNINGS if re.match(begins, line)), None)


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
    return replace(row, **moved)


def _seen_from(image: str, old: Path, new: Path) -> str:
    path = old.parent / image
    if Path(image).is_absolute():
        folder = new.parent.absolute()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else image
    return os.path.relpath(path.parent.resolve() / path.name, new.parent.resolve())


def select(rows: Iterable[Row], split: Split | None) -> list[Row]:
    """Rows of one split (predictions have none and all pass)."""
    return [row for row in rows if split is None or getattr(row, "split", split) == split]
