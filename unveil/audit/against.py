"""Images that other sets have too: copies, test images of benchmarks among them, and overlaps known by name.

Nothing may be learnt from an image by which a model will be measured, whichever set it came with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unveil.audit.issues import Issue, in_split, issue
from unveil.core.jsonl import read_jsonl
from unveil.core.overlaps import between, dicom_id
from unveil.core.records import Record


@dataclass(frozen=True)
class OtherSet:
    """Another set, with whose images those of a set are compared."""

    file: Path
    """Its records.jsonl."""
    records: tuple[Record, ...]

    @classmethod
    def of(cls, file: Path) -> OtherSet:
        return cls(file, tuple(read_jsonl(file, Record)))


@dataclass(frozen=True)
class Compared:
    """What a set shares with others; ``tied`` and ``benchmarks`` as ``Report`` has them."""

    issues: tuple[Issue, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    benchmarks: tuple[tuple[str, str], ...] = ()


def compared(
    records: Sequence[Record],
    others: Sequence[OtherSet],
    copies: Sequence[Sequence[int]],
    problems: Sequence[str | None],
) -> Compared:
    """What the records share with the other sets.

    ``copies`` are the places of images that are equal, near-identical, mirrored or turned: those of ``records`` come
    first, then those of each other set in turn, of which ``problems`` tell why one could not be read. Images with one
    DICOM id as name are the same whatever they look like.
    """
    theirs = [(record, other) for other in others for record in other.records]
    same = _same(records, [record for record, _ in theirs], copies)
    issues: list[Issue] = []
    tied: list[tuple[str, str]] = []
    benchmarks: dict[str, str] = {}
    first: dict[tuple[Path, str], str] = {}
    for other in others:
        learnt, shared, held = list[str](), list[str](), set[str]()
        for i, places in same.items():
            found = [theirs[place][0] for place in places if theirs[place][1] is other]
            for copy in found:
                tied.append((first.setdefault((other.file, copy.cluster), records[i].id), records[i].id))
            if not found:
                continue
            copy = min(found, key=lambda r: (not _measured_on(r), r.split != "test"))
            told = f"{in_split(records[i])} = {in_split(copy)}"
            if name := _measured_on(copy):
                benchmarks.setdefault(records[i].id, name)
                held.add(name)
            (learnt if name and records[i].split != "test" else shared).append(told)
        names = ", ".join(sorted(held))
        message = f"{{}} images are copies of test images of {names} ({other.file}): --resplit FILE keeps them in test"
        issues += issue("copy_in_other_set", "error", message, learnt)
        issues += issue("copy_in_other_set", "info", f"{{}} images are copies of images of {other.file}", shared)
    unread = [f"{theirs[n][1].file}: {problem}" for n, problem in enumerate(problems) if problem]
    message = "{} images of other sets cannot be read: only their names can tell that one of them is a copy"
    issues += issue("unreadable_in_other_set", "warning", message, unread)
    issues += _overlaps(records, theirs, copies, same)
    return Compared(tuple(issues), tuple(pair for pair in tied if pair[0] != pair[1]), tuple(benchmarks.items()))


def _measured_on(record: Record) -> str | None:
    """The benchmark, or else the set, in whose test split an image is."""
    return record.source.benchmark or (record.source.dataset if record.split == "test" else None)


def _same(records: Sequence[Record], others: Sequence[Record], copies: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """By place of a record, the places in ``others`` of those that show the same image, where there are any."""
    found: dict[int, set[int]] = defaultdict(set)
    for members in copies:
        inside = [place - len(records) for place in members if place >= len(records)]
        for i in members:
            if i < len(records) and inside:
                found[i].update(inside)
    named: dict[str, set[int]] = defaultdict(set)
    for place, record in enumerate(others):
        if name := dicom_id(record):
            named[name].add(place)
    for i, record in enumerate(records):
        if there := named.get(dicom_id(record) or ""):
            found[i] |= there
    return {i: sorted(places) for i, places in sorted(found.items())}


def _overlaps(
    records: Sequence[Record],
    theirs: Sequence[tuple[Record, OtherSet]],
    copies: Sequence[Sequence[int]],
    same: dict[int, list[int]],
) -> Iterator[Issue]:
    """Sets that are known to share images, of which not one was found in both."""
    own = {record.source.dataset for record in records}
    met = {
        frozenset((records[i].source.dataset, theirs[n][0].source.dataset))
        for i, places in same.items()
        for n in places
    }
    for members in copies:
        inside = {records[i].source.dataset for i in members if i < len(records)}
        met |= {frozenset((a, b)) for a in inside for b in inside}
    within = [overlap for overlap in between(own, own) if overlap.one != overlap.other]
    across = between(own, {record.source.dataset for record, _ in theirs})
    known = dict.fromkeys([*within, *across])
    apart = [f"{o.one} and {o.other}: {o.why}" for o in known if frozenset((o.one, o.other)) not in met]
    message = "{} pairs of sets are known to share images, and none was found that both have: keep them apart by hand"
    yield from issue("known_overlap", "warning", message, apart)
