"""The run of a reader over a folder: which one, what comes of it, and the records with what was rejected."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core.console import progress
from unveil.core.files import PARTIAL, refusals
from unveil.core.jsonl import from_json, read_jsonl, to_line, write_jsonl
from unveil.core.records import Record, rebased
from unveil.core.untrusted import parse_json, printable, quoted, shortened
from unveil.ingest import looking, patients, rejections, sources, unread
from unveil.ingest.catalogue import Format
from unveil.ingest.conventions import Spread
from unveil.ingest.folder import Folder, Reader
from unveil.ingest.formats import FORMATS, chosen
from unveil.ingest.joining import differ, joined
from unveil.ingest.reading import AnnotationError, Incomplete, IngestError, Options, Rejected
from unveil.ingest.spilled import Spilled
from unveil.ingest.storing import Storage

__all__ = [
    "FORMATS",
    "Folder",
    "Format",
    "Incomplete",
    "IngestError",
    "Options",
    "Reader",
    "Rejected",
    "Summary",
    "ingest",
]

#: Characters of a reason in rejected.jsonl: what it is about may be megabytes.
LONGEST_REASON = 400
#: What is known of images while they are looked at, so that a run that was stopped goes on.
JOURNAL = ".looked.sqlite"


@dataclass(frozen=True)
class Summary:
    """What a run made. ``rejected`` counts the entries of rejected.jsonl, ``reasons`` the annotation rows that are lost
    for each reason (0 for images that nobody annotated), ``splits`` the records of each published split ("" for none),
    ``notes`` what is to be said about how the files were read."""

    format: str
    records: int
    findings: int
    rejected: int
    reasons: tuple[rejections.Reason, ...]
    splits: dict[str, int]
    notes: tuple[str, ...]
    records_file: Path
    rejected_file: Path


def ingest(
    data: str | Path,
    format: str,
    out: str | Path,
    options: Options | None = None,
    workers: int | None = None,
    store: Storage = Storage(),
) -> Summary:
    """Reads ``data``, a folder, a zip of one or an annotation file in one, and writes ``records.jsonl`` and
    ``rejected.jsonl`` into ``out``; the ``format`` auto lets the files tell.

    ``workers`` processes decode the images (not given: one per core). What a run that was stopped has looked at is not
    looked at again. ``store`` tells how the records lie.

    Raises ``IngestError`` for missing data, for a folder that does not hold the format, where no record came out, where
    one reason rejects more rows than the options allow, and where the boxes look as if they had other units; what was
    rejected is written even then.
    """
    out, options = Path(out).resolve(), options or Options()
    data, options = sources.located(Path(data), options)
    named = data
    data, options = sources.unpacked(data, options, out)
    folder = dataclasses.replace(Folder.of(data, options), out=out)
    try:
        form = chosen(folder, format)
        folder = folder.holding(form.about)
    except IngestError as error:
        raise IngestError(f"{named}: {_with_unopened(str(error), folder)}") from error
    records_file, rejected_file = store.file(out), out / "rejected.jsonl"
    partial = out / "records.jsonl.read"
    journal = looking.Journal(out / JOURNAL, options.decode)
    made = False
    try:
        with _rejected_into(rejected_file) as write:
            work = _Work(folder, form, out / "records.jsonl", write)
            try:
                with progress("ingest", form.number_of_images(folder)) as advance:
                    write_jsonl(partial, work.counted(work.records(workers or os.cpu_count() or 1, journal), advance))
                if work.again or work.incomplete:
                    write_jsonl(partial, work.counted(work.mended(read_jsonl(partial, Record))))
                store.put(partial, out)
                made = True
            except IngestError as error:
                told = f". See {rejected_file}" if work.rejected.entries else ""
                raise IngestError(f"{named}: {_with_unopened(str(error), folder)}{told}") from error
    finally:
        partial.unlink(missing_ok=True)
        journal.close(remove=made)
    return Summary(
        form.name,
        work.splits.total(),
        work.findings,
        work.rejected.entries,
        tuple(work.rejected.reasons(folder.looked)),
        dict(work.splits),
        tuple(map(str, folder.notes.values())),
        records_file,
        rejected_file,
    )


def _with_unopened(said: str, folder: Folder) -> str:
    """Why nothing was read, with what may be missed since it could not be opened."""
    told = unread.unopened(folder)
    return f"{said.rstrip('.')}. {told.rstrip('.')}" if told and "Git LFS" not in said else said.rstrip(".")


@contextmanager
def _rejected_into(path: Path) -> Iterator[Callable[[Rejected], None]]:
    """Writes what is rejected as it comes; it takes the place of ``path`` in the end, whatever happens meanwhile."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with refusals(path, partial):
        file = partial.open("w", encoding="utf-8")
    try:
        with file:

            def write(item: Rejected) -> None:
                file.write(to_line(item))

            yield write
    finally:
        with refusals(path, partial):
            partial.replace(path)


class _Work:
    """One run of a reader over a folder: what it rejects, and what else there is to say of the images it has read."""

    def __init__(self, folder: Folder, form: Format, file: Path, write: Callable[[Rejected], None]) -> None:
        self.folder, self.form, self.read, self.file, self._write = folder, form, form.read, file, write
        self.in_pixels = form.name != "yolo" and folder.options.box_units is None
        self.rejected = rejections.Tally()
        for item in folder.refused:
            self._reject(item)
        self.numbers: dict[str, int] = {}  # of the records, by their ids
        self.again = Spilled()
        self.incomplete = set(map(folder.relative, folder.perhaps_annotated(form.endings)))
        self.spread = Spread()
        self.rows = self.findings = 0
        self.splits: Counter[str] = Counter()
        self.patients: set[str | None] = set()

    def _reject(self, item: Rejected) -> None:
        self.rejected.add(item)
        self._write(item)

    def records(self, workers: int, journal: looking.Journal) -> Iterator[Record]:
        """The first record of each image. What forbids to go on is raised here, so that no records are left behind."""
        options = self.folder.options
        images = self.form.number_of_images(self.folder)
        for item in looking.looked(self.read(self.folder), images, options.decode, workers, journal):
            if isinstance(item, Incomplete):
                self.incomplete.add(item.file)
            elif isinstance(item, Rejected):
                reason = shortened(printable(item.reason), LONGEST_REASON)
                self.spread.add(item)
                self._reject(dataclasses.replace(item, file=printable(item.file), reason=reason))
            elif record := self._taken(*item) if isinstance(item, tuple) else self._taken(item):
                new = len(self.numbers)
                if (number := self.numbers.setdefault(record.id, new)) < new:
                    self.again.put(number, 0, to_line(record))
                else:
                    yield record
        if not self.numbers:
            why = self.rejected.reasons(self.folder.looked)[:3]
            said = "; ".join(f"{reason.entries} x {reason}" for reason in why) or self._nothing()
            raise IngestError(f"not one record: {said}")
        if options.patients_from and self.patients == {None}:
            raise IngestError(f"--patients-from {options.patients_from}: no image's header has a PatientID")
        refused = rejections.refusal(self.rows, self.rejected, options, self._read_again, self.folder.looked)
        if refused := refused or (self.spread.doubt() if self.in_pixels else None):
            raise IngestError(refused)
        remarks = [rejections.remark(self.rows, self.rejected, options, self._read_again)]
        remarks += [self.spread.remark()] if self.in_pixels else []
        if options.patients_from and len(self.numbers) > 1 == len(self.patients):
            remarks.append(
                f"all {len(self.numbers)} images have one patient: is the PatientID in their headers a placeholder?"
            )
        if self.patients == {None} and options.patient_pattern is None:
            remarks.append(patients.suggestion([self.folder.relative(image) for image in self.folder.images]))
        for remark in filter(None, remarks):
            self.folder.note(remark)

    def _nothing(self) -> str:
        if not self.folder.listing.files:
            return "it is empty"
        said = f"looked for {self.form.looked_for}, and found nothing that can be read"
        return f"{said}. {unread.held(self.folder)}"

    def _read_again(self, options: Options) -> Iterator[Record | Rejected | Incomplete]:
        return self.read(Folder(self.folder.root, options, trial=True, out=self.folder.out))

    def _taken(self, record: Record, look: looking.Look = looking.Look()) -> Record | None:
        """The record as it is kept, each finding once; None where it cannot be written, or its image cannot be used."""
        name = record.source.file or record.image
        stated = len(record.findings) + len(record.questions)
        if look.problem:
            self._reject(Rejected(printable(name), None, look.problem, max(1, stated)))
            self.incomplete.add(name)
            return None
        if reason := _half_a_character(record):
            self._reject(Rejected(printable(name), None, reason))
            return None
        self.patients.add(record.patient)
        self.rows += stated or record.completeness != "partial"  # that it has none is a statement too
        once = rejections.without_repeats(record.findings)
        for _ in range(len(record.findings) - len(once)):
            self.folder.note("findings that repeat another of their image, equal in name and place: counted once", name)
        if self.folder.options.readers is None and rejections.overlapping(once):
            self.folder.note("images in which boxes of one name overlap almost wholly: one lesion, marked twice?", name)
        source = dataclasses.replace(record.source, sha256=look.sha256) if look.sha256 else record.source
        record = dataclasses.replace(record, findings=once, source=source)
        self.spread.add(record)
        return rebased(record, self.file, self.file)

    def mended(self, records: Iterator[Record]) -> Iterator[Record]:
        """Each record joined with what else was read of its image; none that has lost some is complete."""
        for number, record in enumerate(records):
            others = [from_json(Record, parse_json(text)) for _, text in self.again.of(number)]
            name = record.source.file or record.image
            if others:
                how = "differ, so it is not complete" if differ([record, *others]) else "say the same"
                self.folder.note(f"images annotated in several places, which {how}: joined", name)
            try:
                for whole in joined([record, *others]):
                    lost = whole.completeness == "exhaustive" and whole.source.file in self.incomplete
                    yield dataclasses.replace(whole, completeness="partial") if lost else whole
            except AnnotationError as error:
                self._reject(Rejected(name, None, str(error)))

    def counted(self, records: Iterator[Record], advance: Callable[[], None] = lambda: None) -> Iterator[Record]:
        self.findings, self.splits = 0, Counter()
        for record in records:
            self.findings += len(record.findings)
            self.splits[record.split or ""] += 1
            advance()
            yield record


def _half_a_character(record: Record) -> str | None:
    """Why the record cannot be written, if it holds what UTF-8 cannot hold."""
    told = [f for f in record.findings if f.attributes or f.phrase or f.translations or f.readers]
    labels = {finding.label for finding in record.findings}  # all that most findings say
    try:
        "\n".join((*labels, *_texts((record, record.source, *record.questions, *told)))).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 20]
        return f"a name or text holds half a character, which UTF-8 cannot hold: {quoted(around)}; rename it"
    return None


def _texts(parts: Iterable[Any]) -> Iterator[str]:
    """All texts of a record's parts, those of lists and of names with their values too."""
    for value in (value for part in parts for value in vars(part).values()):
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from (text for text in value if isinstance(text, str))
        elif isinstance(value, dict):
            yield from (text for item in value.items() for text in item if isinstance(text, str))
