"""From the files of a hospital or a challenge to ``records.jsonl``: one reader per format and the run over a folder."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unveil.ingest import coco, table, voc, yolo
from unveil.ingest.reading import IngestError, Options, Reader, Rejected, relocated
from unveil.records import Record, to_json, write_jsonl
from unveil.untrusted import printable, quoted, shortened

__all__ = ["READERS", "IngestError", "Options", "Reader", "Rejected", "Summary", "ingest"]

#: Characters of a reason in rejected.jsonl: what it is about may be megabytes.
LONGEST_REASON = 400


@dataclass(frozen=True)
class Summary:
    """What a run made. ``reasons`` counts the rejected by their reason, numbers in it left out."""

    records: int
    findings: int
    rejected: int
    reasons: dict[str, int]
    records_file: Path
    rejected_file: Path


def ingest(data: str | Path, format: str, out: str | Path, options: Options | None = None) -> Summary:
    """Reads the folder ``data`` and writes ``records.jsonl`` and ``rejected.jsonl`` into ``out``.

    Raises ``IngestError`` for a missing folder, for one that does not hold the format, and where no record came out;
    what was rejected is written even then.
    """
    data, out, options = Path(data), Path(out).resolve(), options or Options()
    read = _reader(data, format, options)
    records_file, rejected_file = out / "records.jsonl", out / "rejected.jsonl"
    rejected: list[Rejected] = []
    reasons: Counter[str] = Counter()
    findings = 0

    def accepted() -> Iterator[Record]:
        nonlocal findings
        empty = True
        for record in _unique(read(data, options), rejected):
            empty = False
            findings += len(record.findings)
            yield relocated(record, out)
        write_jsonl(rejected_file, rejected)
        reasons.update(_kind(item.reason) for item in rejected)
        if empty:  # raised in here, so that no empty records.jsonl is left behind
            said = "; ".join(f"{n} x {reason}" for reason, n in reasons.most_common(3)) or "it holds no image"
            raise IngestError(f"{data}: not one record: {said}. See {rejected_file}")

    records = write_jsonl(records_file, accepted())
    return Summary(records, findings, len(rejected), dict(reasons.most_common()), records_file, rejected_file)


def _reader(data: Path, format: str, options: Options) -> Reader:
    if format not in READERS:
        raise IngestError(f"format {format!r} is none of {', '.join(READERS)}")
    if not data.is_dir():
        raise IngestError(f"{data}: no such folder")
    if format in DETECTORS and not DETECTORS[format](data, options):
        others = [name for name, fits in DETECTORS.items() if fits(data, options)]
        hint = f"; it looks like {' or '.join(others)}" if others else ""
        raise IngestError(f"{data} is not {format}: looked for {LOOKED_FOR[format]} and found none{hint}")
    return READERS[format]


def _unique(items: Iterator[Record | Rejected], rejected: list[Rejected]) -> Iterator[Record]:
    """The records; the rejected are put aside, and with them every record whose id came before."""
    seen: set[str] = set()
    for item in items:
        if isinstance(item, Record):
            if not (reason := _unfit(item, seen)):
                seen.add(item.id)
                yield item
                continue
            item = Rejected(item.source.file or item.image, None, reason)
        rejected.append(Rejected(printable(item.file), item.row, shortened(printable(item.reason), LONGEST_REASON)))


def _unfit(record: Record, seen: set[str]) -> str | None:
    """Why the record cannot stand in the file beside those that were seen."""
    if record.id in seen:
        return f"the id {quoted(record.id)} stands twice: the image was already annotated elsewhere"
    try:
        json.dumps(to_json(record), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 20]
        return f"a name or text holds half a character, which UTF-8 cannot hold: {quoted(around)}; rename it"
    return None


def _kind(reason: str) -> str:
    """A reason without what differs from row to row: paths, quoted names, lists and numbers."""
    return re.sub(r"'[^']*'|\[[^\]]*\]|\S*/\S*|-?\d+(\.\d+)?", "…", reason)


#: A third party adds a reader here; the two below only serve the message for a folder of another format.
READERS: dict[str, Reader] = {"voc": voc.read, "coco": coco.read, "yolo": yolo.read, "csv": table.read}
DETECTORS: dict[str, Callable[[Path, Options], bool]] = {
    "voc": voc.fits,
    "coco": coco.fits,
    "yolo": yolo.fits,
    "csv": table.fits,
}
LOOKED_FOR = {"voc": voc.LOOKED_FOR, "coco": coco.LOOKED_FOR, "yolo": yolo.LOOKED_FOR, "csv": table.LOOKED_FOR}
