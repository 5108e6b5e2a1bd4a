"""Our own records.jsonl, such as `unveil curate corrections` writes: all of it is kept, and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from unveil.core import digests, geometry, pixels
from unveil.core.geometry import MaskError
from unveil.core.jsonl import MAX_LINE, from_json
from unveil.core.records import Finding, Record, RecordError
from unveil.core.untrusted import JsonError, parse_json, quoted, shortened
from unveil.ingest.asked import entries
from unveil.ingest.catalogue import Format
from unveil.ingest.folder import Folder
from unveil.ingest.lookup import ABSENT
from unveil.ingest.reading import AnnotationError, Image, Incomplete, Rejected, misfit

LOOKED_FOR = "records.jsonl of `unveil ingest`"
ENDING = ".jsonl"
#: Rows at the beginning of a file that show what it is.
LOOKED_AT = 5
_NEEDED = frozenset({"id", "image", "width", "height"})
_NAMES = frozenset(field.name for field in fields(Record))
#: Fields of a record that are not handed on as they are.
_OWN = _NEEDED | {"findings", "completeness", "source", "plane", "sex", "age"}


def found(folder: Folder) -> list[Path]:
    """Such files, as the keys of their first row tell."""
    return folder.showing(_holds_records, ENDING)


def _holds_records(path: Path) -> bool:
    """Whether one of the first rows has a record's keys, and no others."""
    with path.open("rb") as file:
        return any(_is_record(file.readline(MAX_LINE)) for _ in range(LOOKED_AT))


def _is_record(line: bytes) -> bool:
    try:
        row = parse_json(line)
    except JsonError:
        return False
    return isinstance(row, dict) and row.keys() >= _NEEDED and row.keys() <= _NAMES


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every record whose image is there as it was; what a row holds goes before what an option would tell of it."""
    seen: dict[str, str] = {}
    for path in folder.among(found(folder), LOOKED_FOR):
        file = folder.relative(path)
        for row, value in entries(folder, path):
            if isinstance(value, Rejected):
                yield value
                continue
            try:
                record = from_json(Record, value)
                if record.id in seen:
                    raise AnnotationError(f"{shortened(record.id)} stands in {seen[record.id]} too: ids must be unique")
                seen[record.id] = f"{file}:{row}"
                yield from _taken(folder, path, row, record)
            except (RecordError, AnnotationError, pixels.ImageError) as error:
                stated = len(value.get("findings") or ()) if isinstance(value.get("findings"), list) else 0
                yield Rejected(file, row, str(error), max(1, stated))


def _taken(folder: Folder, path: Path, row: int, record: Record) -> Iterator[Record | Rejected]:
    source, place = record.source, _image(folder, path, record)
    image = folder.open(place, record.size, "the record", source.file or record.image)
    if source.sha256 and digests.sha256(place) != source.sha256:
        raise AnnotationError(f"{record.image}: not the image that was annotated, as its hash tells")
    findings: list[Finding] = []
    for finding in record.findings:
        try:
            findings.append(_checked(finding, image))
        except (geometry.BoxError, MaskError) as error:
            yield Rejected(folder.relative(path), row, str(error), misfit=misfit(error))
    lost = len(findings) < len(record.findings)
    plane = record.plane
    if plane and plane.file:
        plane = replace(plane, file=str(path.parent / plane.file))
    known: dict[str, Any] = {name: getattr(record, name) for name in _NAMES - _OWN}
    own = folder.record(image, findings, record.completeness, lost, plane=plane, **known)
    chosen = folder.options
    told: dict[str, Any] = {"dataset": chosen.dataset, "version": chosen.dataset_version}
    told |= {"licence": chosen.licence, "access": chosen.access}
    source = replace(source, sha256="", **{name: value for name, value in told.items() if value is not None})
    yield replace(own, id=record.id, source=source, sex=record.sex or own.sex, age=record.age or own.age)


def _image(folder: Folder, path: Path, record: Record) -> Path:
    """Where the image lies: where the record says, else one of its name in the folder where a hash tells it."""
    place = path.parent / record.image
    try:
        there = place.is_file()
    except OSError:  # a name that no file can have
        there = False
    if there:
        return place
    if record.source.sha256:
        return folder.find(record.image, path.parent)
    raise AnnotationError(f"{ABSENT} {quoted(record.image)}, counted from the folder of the file")


def _checked(finding: Finding, image: Image) -> Finding:
    width, height = image.shown
    if finding.mask is not None:
        geometry.checked_mask(finding.mask, width, height)
    return replace(finding, box=geometry.checked(finding.box, width, height)) if finding.box else finding


def _rows(folder: Folder) -> int:
    """How many rows there are, each of which names an image."""
    number = 0
    for path in filter(folder.asked, found(folder)):
        with path.open("rb") as file:
            number += sum(1 for _ in file)
    return number


FORMAT = Format(
    *("records", read, LOOKED_FOR, found, (ENDING,)),
    help="our own records.jsonl: all that stands in it",
    images=_rows,
)
