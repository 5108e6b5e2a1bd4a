"""Images of benchmarks' test splits: which records show one, and how many a model has learnt from all the same."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from unveil.core.overlaps import dicom_id
from unveil.core.records import Dialogue, Pair, Record
from unveil.core.splits import connected

NONE: Mapping[str, str] = MappingProxyType({})


def marked(
    records: Sequence[Record], copies: Iterable[tuple[str, str]] = (), others: Mapping[str, str] = NONE
) -> list[Record]:
    """The records, ``source.benchmark`` set in all that show an image of a benchmark's test split.

    Two records show the same image if their files have one hash or one DICOM id as name, or if ``copies`` (pairs of
    ids) says so. ``others`` tells by record id of images that a test split of another file has too.
    """
    known = {r.id: r.source.benchmark for r in records if r.source.benchmark} | dict(others)
    if not known:
        return list(records)
    same, first = list(copies), dict[Hashable, str]()
    for record in records:
        ties = (("sha256", record.source.sha256), ("dicom id", dicom_id(record)))
        same += [(first.setdefault(tie, record.id), record.id) for tie in ties if tie[1]]
    image = connected(same, [record.id for record in records])
    names = {image[name]: benchmark for name, benchmark in known.items()}
    return [_marked(record, names.get(image[record.id])) for record in records]


def _marked(record: Record, benchmark: str | None) -> Record:
    if record.source.benchmark or not benchmark:
        return record
    return replace(record, source=replace(record.source, benchmark=benchmark))


def of_records(records: Sequence[Record], copies: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The benchmarks of those records, by their ids, that show an image of a test split."""
    return {record.id: record.source.benchmark for record in marked(records, copies) if record.source.benchmark}


def counted(rows: Iterable[Dialogue | Pair], known: Mapping[str, str] = NONE) -> dict[str, int]:
    """How many images of each benchmark's test split the rows are about; ``known`` are the benchmarks of records."""
    images: dict[str, set[str]] = {}
    for row in rows:
        if benchmark := row.benchmark or known.get(row.record):
            images.setdefault(benchmark, set()).add(row.image)
    return {benchmark: len(of) for benchmark, of in sorted(images.items())}


def told(counts: Mapping[str, int]) -> str:
    """In words: "12 images of the test split of vqa-rad"."""
    parts = (f"{n} {'image' if n == 1 else 'images'} of the test split of {name}" for name, n in counts.items())
    return " and ".join(parts)


#: What becomes of a model that has learnt from such images.
WORTHLESS = "figures on that benchmark are worth nothing"
#: Where run.json says of how many images of which benchmarks' test splits a model has learnt.
KEY = "benchmark_images"


def of_run(about: Any) -> dict[str, int]:
    """What a run.json says of that; nothing where it says nothing, or is none."""
    found = about.get(KEY) if isinstance(about, dict) else None
    return {name: n for name, n in found.items() if isinstance(n, int)} if isinstance(found, dict) else {}


def most(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The largest number of images for each benchmark."""
    names = sorted({name for of in counts for name in of})
    return {name: max(of.get(name, 0) for of in counts) for name in names}
