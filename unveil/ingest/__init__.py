"""From the files of a hospital or a challenge to ``records.jsonl``: one reader per format and the run over a folder."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unveil.ingest import coco, rejections, table, voc, yolo
from unveil.ingest.conventions import Spread
from unveil.ingest.folder import Folder, Note, Reader
from unveil.ingest.joining import differ, joined
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Options, Rejected, relocated
from unveil.records import Record, read_jsonl, write_jsonl

__all__ = ["READERS", "Folder", "Incomplete", "IngestError", "Options", "Reader", "Rejected", "Summary", "ingest"]


@dataclass(frozen=True)
class Summary:
    """What a run made. ``rejected`` counts the entries of rejected.jsonl, ``reasons`` the annotation rows that are lost
    for each reason (0 for images that nobody annotated); ``splits`` the records by what was published; ``notes`` say
    how the folder was read."""

    records: int
    findings: int
    rejected: int
    reasons: tuple[rejections.Reason, ...]
    splits: dict[str, int]
    notes: tuple[Note, ...]
    records_file: Path
    rejected_file: Path


def ingest(data: str | Path, format: str, out: str | Path, options: Options | None = None) -> Summary:
    """Reads the folder ``data`` and writes ``records.jsonl`` and ``rejected.jsonl`` into ``out``.

    Raises ``IngestError`` for a missing folder, for one that does not hold the format, where no record came out, where
    one reason rejects more rows than the options allow, and where the boxes look as if they had other units; what was
    rejected is written even then.
    """
    out, options = Path(out).resolve(), options or Options()
    folder = Folder.of(Path(data), options)
    read = _reader(folder, format)
    records_file, rejected_file = out / "records.jsonl", out / "rejected.jsonl"
    rejected: list[Rejected] = []
    again: dict[str, list[Record]] = {}
    incomplete: set[str] = set()
    spread = Spread()
    rows = 0

    def accepted() -> Iterator[Record]:
        """The records. What forbids to go on is raised in here, so that no records.jsonl is left behind."""
        nonlocal rows
        seen: set[str] = set()
        try:
            for item in read(folder):
                if isinstance(item, Rejected):
                    rejected.append(item)
                    continue
                if isinstance(item, Incomplete):
                    incomplete.add(item.file)
                    continue
                stated = len(item.findings) + len(item.questions)
                rows += stated or item.completeness != "partial"  # that there is nothing is a statement too
                spread.add(item)
                record = relocated(_without_repeats(item, folder), out)
                if item.id in seen:
                    again.setdefault(item.id, []).append(record)
                else:
                    seen.add(item.id)
                    yield record
            rejected.extend(folder.refused)
        finally:
            write_jsonl(rejected_file, rejected)
        if not seen:
            said = "; ".join(f"{r.entries} x {r}" for r in rejections.reasons(rejected)[:3]) or "it holds no image"
            raise IngestError(f"{data}: not one record: {said}. See {rejected_file}")
        guessed = format != "yolo" and options.box_units is None
        if refused := (guessed and spread.doubt()) or rejections.refusal(rows, rejected, options, read_by):
            raise IngestError(f"{data}: {refused}. See {rejected_file}")
        for remark in (guessed and spread.remark(), rejections.remark(rows, rejected, options, read_by)):
            if remark:
                folder.note(remark, "")

    def read_by(other: Options) -> Iterable[Record | Rejected | Incomplete]:
        return read(Folder.of(Path(data), other))

    counted = _Counted()
    write_jsonl(records_file, counted.of(accepted()))
    if again or incomplete:
        counted = _Counted()
        write_jsonl(records_file, counted.of(_mended(records_file, again, incomplete, folder, rejected)))
    write_jsonl(rejected_file, rejected)
    return Summary(
        counted.splits.total(),
        counted.findings,
        len(rejected),
        tuple(rejections.reasons(rejected)),
        dict(counted.splits),
        tuple(folder.notes.values()),
        records_file,
        rejected_file,
    )


def _without_repeats(record: Record, folder: Folder) -> Record:
    """The record with each finding once."""
    once = rejections.without_repeats(record.findings)
    for _ in range(len(record.findings) - len(once)):
        folder.note("finding that repeats another of its image, equal in name and place: counted once", record.id)
    return dataclasses.replace(record, findings=once)


def _mended(
    file: Path, again: dict[str, list[Record]], incomplete: set[str], folder: Folder, rejected: list[Rejected]
) -> Iterator[Record]:
    """The records of a file, each joined with what else was read of its image; none is complete that has lost some."""
    for record in read_jsonl(file, Record):
        others = again.get(record.id, [])
        name = record.source.file or record.image
        if others:
            how = "they differ, so it is not complete" if differ([record, *others]) else "they are equal"
            folder.note(f"image annotated in several places, which were joined: {how}", name)
        try:
            for whole in joined([record, *others]):
                lost = whole.completeness == "exhaustive" and whole.source.file in incomplete
                yield dataclasses.replace(whole, completeness="partial") if lost else whole
        except AnnotationError as error:
            rejected.append(Rejected(name, None, str(error)))


class _Counted:
    """Counts the records that go through it."""

    def __init__(self) -> None:
        self.splits: Counter[str] = Counter()
        self.findings = 0

    def of(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.splits[record.split or ""] += 1
            self.findings += len(record.findings)
            yield record


def _reader(folder: Folder, format: str) -> Reader:
    if format not in READERS:
        raise IngestError(f"format {format!r} is none of {', '.join(READERS)}")
    if format in DETECTORS and not DETECTORS[format](folder):
        # where it looks like no other format either, the reader itself tells best what it misses
        if others := [name for name, fits in DETECTORS.items() if fits(folder)]:
            looks = f"it looks like {' or '.join(others)}"
            raise IngestError(f"{folder.root} is not {format}: looked for {LOOKED_FOR[format]} and found none; {looks}")
    return READERS[format]


#: A third party adds a reader here; the two below only serve the message for a folder of another format.
READERS: dict[str, Reader] = {"voc": voc.read, "coco": coco.read, "yolo": yolo.read, "csv": table.read}
DETECTORS: dict[str, Callable[[Folder], bool]] = {
    "voc": voc.fits,
    "coco": coco.fits,
    "yolo": yolo.fits,
    "csv": table.fits,
}
LOOKED_FOR = {"voc": voc.LOOKED_FOR, "coco": coco.LOOKED_FOR, "yolo": yolo.LOOKED_FOR, "csv": table.LOOKED_FOR}
