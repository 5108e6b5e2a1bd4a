"""One image in several places of a data set: what they say together, and how far that is all there is to say."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from unveil.core.records import Completeness, Finding, Record
from unveil.ingest.reading import AnnotationError

Item = TypeVar("Item")

#: From the least that may be concluded from an unmarked place to the most.
WEAKEST: tuple[Completeness, ...] = ("partial", "unknown", "exhaustive")


def joined(records: Sequence[Record]) -> list[Record]:
    """The records of one image as one, or as one for each split that it is published in, so that ``check`` tells it.

    Findings are united, equal ones count once. Where two records do not name the same ones, what one of them leaves
    unmarked is marked by the other, so neither is complete. What shows an image of a benchmark's test split says so in
    every split. Raises ``AnnotationError`` where they disagree on what is the image's: patient, study, modality, report
    and its sections, or language.
    """
    first = records[0]
    of_image = ("patient", "study", "modality", "report", "language")
    known: dict[str, Any] = {name: _agreed(name, [getattr(r, name) for r in records]) for name in of_image}
    headings = dict.fromkeys(heading for record in records for heading in record.sections)
    known["sections"] = {h: _agreed(f"report ({h})", [r.sections.get(h) for r in records]) for h in headings}
    known["readers"] = tuple(dict.fromkeys(reader for record in records for reader in record.readers))
    findings = _unique([f for record in records for f in record.findings], lambda f: (place(f), f.phrase))
    completeness = min((record.completeness for record in records), key=WEAKEST.index)
    if completeness == "exhaustive" and differ(records):
        completeness = "partial"
    questions = _unique([q for record in records for q in record.questions], lambda q: (q.text, q.answer))
    benchmark = next((record.source.benchmark for record in records if record.source.benchmark), None)
    source = replace(first.source, benchmark=benchmark)
    whole = replace(first, findings=findings, completeness=completeness, questions=questions, source=source, **known)
    splits = list(dict.fromkeys(record.split for record in records if record.split))
    if len(splits) < 2:
        return [replace(whole, split=splits[0] if splits else None)]
    published = {record.split: record.source.published for record in records}
    return [
        replace(whole, id=f"{whole.id}@{split}", split=split, source=replace(source, published=published[split]))
        for split in splits
    ]


def differ(records: Sequence[Record]) -> bool:
    """Whether records of one image do not name the same findings."""
    return len({frozenset(map(place, record.findings)) for record in records}) > 1


def place(finding: Finding) -> Hashable:
    """What is equal for two findings of one name in one place, to a tenth of a pixel."""
    return finding.label.casefold(), finding.box and tuple(round(edge, 1) for edge in finding.box)


def _unique(items: Sequence[Item], key: Callable[[Item], Hashable]) -> tuple[Item, ...]:
    first: dict[Hashable, Item] = {}
    for item in items:
        first.setdefault(key(item), item)
    return tuple(first.values())


def _agreed(name: str, said: Sequence[str | None]) -> str | None:
    values = list(dict.fromkeys(value for value in said if value is not None))
    if len(values) > 1:
        raise AnnotationError(f"the places that annotate it disagree on its {name}")
    return values[0] if values else None
