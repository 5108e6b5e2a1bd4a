"""From the files of a hospital or a challenge to ``records.jsonl``: one reader per format and the run over a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unveil import screen
from unveil.ingest import coco, rejections, table, voc, yolo
from unveil.ingest.conventions import Spread
from unveil.ingest.reading import IngestError, Options, Reader, Rejected, relocated
from unveil.records import Record, write_jsonl

__all__ = ["READERS", "IngestError", "Options", "Reader", "Rejected", "Summary", "ingest"]


@dataclass(frozen=True)
class Summary:
    """What a run made. ``rejected`` counts the entries of rejected.jsonl, ``reasons`` the annotation rows that are lost
    for each reason (0 for images that nobody annotated), ``notes`` what was said about how the files were read."""

    records: int
    findings: int
    rejected: int
    reasons: tuple[rejections.Reason, ...]
    notes: tuple[str, ...]
    records_file: Path
    rejected_file: Path


def ingest(data: str | Path, format: str, out: str | Path, options: Options | None = None) -> Summary:
    """Reads the folder ``data`` and writes ``records.jsonl`` and ``rejected.jsonl`` into ``out``.

    Raises ``IngestError`` for a missing folder, for one that does not hold the format, where no record came out, where
    one reason rejects more rows than the options allow, and where the boxes look as if they had other units; what was
    rejected is written even then.
    """
    data, out, options = Path(data), Path(out).resolve(), options or Options()
    read = _reader(data, format, options)
    records_file, rejected_file = out / "records.jsonl", out / "rejected.jsonl"
    rejected: list[Rejected] = []
    notes: list[str] = []
    spread = Spread()
    images = findings = rows = repeats = 0

    def say(text: str) -> None:
        notes.append(text)
        screen.say(text)

    def accepted() -> Iterator[Record]:
        """The records. What forbids to go on is raised in here, so that no records.jsonl is left behind."""
        nonlocal images, findings, rows, repeats
        try:
            for read_record in _unique(read(data, options), rejected):
                record, repeated = rejections.without_repeats(read_record)
                repeats += repeated
                findings += len(record.findings)
                images += 1
                stated = len(read_record.findings) + len(record.questions)
                rows += stated or record.completeness != "partial"  # that it has none is a statement too
                spread.add(record)
                yield relocated(record, out)
        finally:
            write_jsonl(rejected_file, rejected)
        if not images:
            said = "; ".join(f"{r.entries} x {r}" for r in rejections.reasons(rejected)[:3]) or "it holds no image"
            raise IngestError(f"{data}: not one record: {said}. See {rejected_file}")
        in_pixels = format != "yolo" and options.box_units is None
        if refused := (in_pixels and spread.doubt()) or rejections.refusal(rows, rejected, options, again):
            raise IngestError(f"{data}: {refused}. See {rejected_file}")
        for remark in ((in_pixels and spread.remark()), rejections.remark(rows, rejected, options, again)):
            if remark:
                say(remark)

    def again(other: Options) -> Iterator[Record | Rejected]:
        return read(data, other)

    records = write_jsonl(records_file, accepted())
    if repeats:
        say(f"{repeats} findings repeat another of their image, with the same name in the same place: counted once")
    why = tuple(rejections.reasons(rejected))
    return Summary(records, findings, len(rejected), why, tuple(notes), records_file, rejected_file)


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
        if isinstance(item, Rejected):
            rejected.append(item)
        elif item.id in seen:
            rejected.append(
                Rejected(
                    item.source.file or item.image,
                    None,
                    f"the id {item.id!r} stands twice: the image was already annotated elsewhere",
                    max(1, len(item.findings)),
                )
            )
        else:
            seen.add(item.id)
            yield item


#: A third party adds a reader here; the two below only serve the message for a folder of another format.
READERS: dict[str, Reader] = {"voc": voc.read, "coco": coco.read, "yolo": yolo.read, "csv": table.read}
DETECTORS: dict[str, Callable[[Path, Options], bool]] = {
    "voc": voc.fits,
    "coco": coco.fits,
    "yolo": yolo.fits,
    "csv": table.fits,
}
LOOKED_FOR = {"voc": voc.LOOKED_FOR, "coco": coco.LOOKED_FOR, "yolo": yolo.LOOKED_FOR, "csv": table.LOOKED_FOR}
