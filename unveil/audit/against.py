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
    same = list(_same(records, [record for record, _ in theirs], copies))
    issues: list[Issue] = []
    tied: list[tuple[str, str]] = []
    benchmarks: dict[str, str] = {}
    first: dict[tuple[Path, str], str] = {}
    for other in others:
        learnt, shared, held = list[str](), list[str](), set[str]()
        chosen: dict[int, Record] = {}
        for own, places in same:
            found = [theirs[place][0] for place in places if theirs[place][1] is other]
            one = records[own[0]].id  # the others are tied to it here
            tied += [(first.setdefault((other.file, copy.cluster), one), one) for copy in found]
            if found:
                best = min(found, key=_rank)
                chosen |= {i: min(chosen.get(i, best), best, key=_rank) for i in own}
        for i, copy in sorted(chosen.items()):
            told = f"{in_split(records[i])} = {in_split(copy)}"
            if name := _measured_on(copy):
                benchmarks.setdefault(records[i].id, name)
                held.add(name)
            (learnt if name and records[i].split != "test" else shared).append(told)
        names = ", ".join(sorted(held))
        message = f"{{}} images are copies of test images of {names} ({other.file}): --resplit FILE keeps them in test"
        issues += issue("copy_in_other_set", "error", message, learnt)
        issues += issue("copy_in_other_set", "info", f"{{}} images are copies of images of {other.file}", shared)
        if not chosen:
            message = f"not one copy was found of the {len(other.records)} images of {other.file}"
            issues.append(Issue("no_copy_in_other_set", "info", message, 0))
    unread = [f"{theirs[n][1].file}: {problem}" for n, problem in enumerate(problems) if problem]
    message = "{} images of other sets cannot be read: only their names can tell that one of them is a copy"
    issues += issue("unreadable_in_other_set", "warning", message, unread)
    issues += _overlaps(records, [record for record, _ in theirs], copies, same)
    return Compared(tuple(issues), tuple(pair for pair in tied if pair[0] != pair[1]), tuple(benchmarks.items()))


def _measured_on(record: Record) -> str | None:
    """The benchmark, or else the set, in whose test split an image is."""
    return record.source.benchmark or (record.source.dataset if record.split == "test" else None)


def _rank(copy: Record) -> tuple[bool, bool]:
    """By which of several copies of an image it is told: one that models are measured on comes first."""
    return not _measured_on(copy), copy.split != "test"


def _same(
    records: Sequence[Record], others: Sequence[Record], copies: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], list[int]]]:
    """Places of records, and the places in ``others`` of those that show the same image.

    As groups, not image by image: of 10,000 equal frames here and there that would be 100 million.
    """
    for members in copies:
        own = [i for i in members if i < len(records)]
        if own and (places := [place - len(records) for place in members if place >= len(records)]):
            yield own, places
    named: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((records, others)):
        for place, record in enumerate(rows):
            if name := dicom_id(record):
                named[name][side].append(place)
    yield from ((own, places) for own, places in named.values() if own and places)


def _overlaps(
    records: Sequence[Record],
    theirs: Sequence[Record],
    copies: Sequence[Sequence[int]],
    same: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> Iterator[Issue]:
    """Sets that are known to share images, of which not one was found in both."""
    own = {record.source.dataset for record in records}
    within = [overlap for overlap in between(own, own) if overlap.one != overlap.other]
    known = dict.fromkeys([*within, *between(own, {record.source.dataset for record in theirs})])
    here = [{records[i].source.dataset for i in members if i < len(records)} for members in copies]
    met = {frozenset((a, b)) for inside in here for a in inside for b in inside}
    for mine, places in same:
        inside = {records[i].source.dataset for i in mine}
        met |= {frozenset((a, b)) for a in inside for b in {theirs[n].source.dataset for n in places}}
    apart = [f"{o.one} and {o.other}: {o.why}" for o in known if frozenset((o.one, o.other)) not in met]
    message = "{} pairs of sets are known to share images, and none was found that both have: keep them apart by hand"
    yield from issue("known_overlap", "warning", message, apart)
