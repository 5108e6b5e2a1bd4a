"""From the files of a hospital or a challenge to ``records.jsonl``: one reader per format and the run over a folder."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unveil.ingest import coco, table, voc, yolo
from unveil.ingest.folder import Folder, Note, Reader
from unveil.ingest.joining import differ, joined
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Options, Rejected, relocated
from unveil.records import Record, read_jsonl, to_json, write_jsonl
from unveil.untrusted import printable, quoted, shortened

__all__ = ["READERS", "Folder", "Incomplete", "IngestError", "Options", "Reader", "Rejected", "Summary", "ingest"]

#: Characters of a reason in rejected.jsonl: what it is about may be megabytes.
LONGEST_REASON = 400


@dataclass(frozen=True)
class Summary:
    """What a run made. ``reasons`` counts the rejected by their reason, numbers in it left out; ``splits`` the records
    by what was published; ``notes`` say how the folder was read."""

    records: int
    findings: int
    rejected: int
    reasons: dict[str, int]
    splits: dict[str, int]
    notes: tuple[Note, ...]
    records_file: Path
    rejected_file: Path


def ingest(data: str | Path, format: str, out: str | Path, options: Options | None = None) -> Summary:
    """Reads the folder ``data`` and writes ``records.jsonl`` and ``rejected.jsonl`` into ``out``.

    Raises ``IngestError`` for a missing folder, for one that does not hold the format, and where no record came out;
    what was rejected is written even then.
    """
    out = Path(out).resolve()
    folder = Folder.of(Path(data), options or Options())
    read = _reader(folder, format)
    records_file, rejected_file = out / "records.jsonl", out / "rejected.jsonl"
    rejected: list[Rejected] = []
    again: dict[str, list[Record]] = {}
    incomplete: set[str] = set()

    def accepted() -> Iterator[Record]:
        seen: set[str] = set()
        for item in read(folder):
            if isinstance(item, Record) and (reason := _half_a_character(item)):
                item = Rejected(item.source.file or item.image, None, reason)
            if isinstance(item, Rejected):
                reason = shortened(printable(item.reason), LONGEST_REASON)
                rejected.append(Rejected(printable(item.file), item.row, reason))
            elif isinstance(item, Incomplete):
                incomplete.add(item.file)
            elif item.id in seen:
                again.setdefault(item.id, []).append(relocated(item, out))
            else:
                seen.add(item.id)
                yield relocated(item, out)
        rejected.extend(folder.refused)
        if not seen:  # raised in here, so that no empty records.jsonl is left behind
            write_jsonl(rejected_file, rejected)
            said = "; ".join(f"{n} x {reason}" for reason, n in _reasons(rejected)[:3]) or "it holds no image"
            raise IngestError(f"{data}: not one record: {said}. See {rejected_file}")

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
        dict(_reasons(rejected)),
        dict(counted.splits),
        tuple(folder.notes.values()),
        records_file,
        rejected_file,
    )


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
        others = [name for name, fits in DETECTORS.items() if fits(folder)]
        hint = f"; it looks like {' or '.join(others)}" if others else ""
        raise IngestError(f"{folder.root} is not {format}: looked for {LOOKED_FOR[format]} and found none{hint}")
    return READERS[format]


def _half_a_character(record: Record) -> str | None:
    """Why the record cannot be written, if it holds what UTF-8 cannot hold."""
    try:
        json.dumps(to_json(record), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 20]
        return f"a name or text holds half a character, which UTF-8 cannot hold: {quoted(around)}; rename it"
    return None


def _reasons(rejected: Sequence[Rejected]) -> list[tuple[str, int]]:
    return Counter(_kind(item.reason) for item in rejected).most_common()


def _kind(reason: str) -> str:
    """A reason without what differs from row to row: paths, quoted names, lists and numbers."""
    return re.sub(r"'[^']*'|\[[^\]]*\]|\S*/\S*|-?\d+(\.\d+)?", "…", reason)


#: A third party adds a reader here; the two below only serve the message for a folder of another format.
READERS: dict[str, Reader] = {"voc": voc.read, "coco": coco.read, "yolo": yolo.read, "csv": table.read}
DETECTORS: dict[str, Callable[[Folder], bool]] = {
    "voc": voc.fits,
    "coco": coco.fits,
    "yolo": yolo.fits,
    "csv": table.fits,
}
LOOKED_FOR = {"voc": voc.LOOKED_FOR, "coco": coco.LOOKED_FOR, "yolo": yolo.LOOKED_FOR, "csv": table.LOOKED_FOR}
