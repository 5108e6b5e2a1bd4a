"""Looks at records before anything is trained on them: boxes, images, copies, leaks between splits, balance of classes.

``check`` reports and changes nothing. ``regroup`` writes what must stay together into ``Record.group``, ``resplit``
deals whole groups to the splits. Every image is read once, in a pool of processes; copies are told by ``pixels``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unveil.audit import duplicates
from unveil.audit.against import OtherSet, compared
from unveil.audit.issues import NO_SPLIT, SEVERITIES, Issue, issue
from unveil.audit.leaks import of_leaks
from unveil.core import choices, digests, geometry, image_files, phrases, pixels
from unveil.core.console import progress
from unveil.core.overlaps import dicom_id
from unveil.core.records import SPLITS, Finding, Record, image_path
from unveil.core.splits import assign_splits, connected
from unveil.core.workers import pool

#: Below this many images, starting processes takes longer than reading.
POOL_FROM = 200
#: How images are counted that show no finding, and of which nobody says that they have none.
UNKNOWN = "not annotated"


@dataclass(frozen=True)
class Report:
    """What ``check`` found.

    ``balance`` counts images with each label by split (or "no split"), under "" those known to be without findings, and
    under "not annotated" those of which that is not known. ``pairs`` are the ids of each copy (same, near-identical,
    mirrored or turned) and of the first image that shows the same. Where other sets were compared, ``tied`` are pairs
    of images whose copies belong together there, and ``benchmarks`` the ids of images that a test split of theirs has
    too, with its name.
    """

    images: int
    findings: int
    issues: tuple[Issue, ...]
    balance: dict[str, dict[str, int]]
    pairs: tuple[tuple[str, str], ...]
    tied: tuple[tuple[str, str], ...] = ()
    benchmarks: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing forbids to train and to score on these records."""
        return all(issue.severity != "error" for issue in self.issues)

    def issue(self, name: str) -> Issue | None:
        return next((issue for issue in self.issues if issue.name == name), None)

    def json(self) -> str:
        return json.dumps(dataclasses.asdict(self) | {"ok": self.ok}, indent=2, ensure_ascii=False) + "\n"

    def text(self) -> str:
        """For a terminal: the issues, worst first, then images per label and split."""
        lines = [f"{self.images} images, {self.findings} findings", ""]
        for found in self.issues:
            lines.append(f"{found.severity:8}{found.name}: {found.message}")
            lines += [f"          {example}" for example in found.examples]
            if found.examples and found.count > len(found.examples):
                lines.append(f"          … {found.count - len(found.examples)} more")
        return "\n".join([*lines, "", *self._table()]) + "\n"

    def _table(self) -> list[str]:
        labels = sorted({label for counts in self.balance.values() for label in counts})
        width = max([len("images with"), *map(len, labels)]) + 2
        rows = ["images with".ljust(width) + "".join(f"{split:>10}" for split in self.balance)]
        for label in labels:
            counts = "".join(f"{self.balance[split].get(label, 0):10}" for split in self.balance)
            rows.append((label or "no finding").ljust(width) + counts)
        return rows


@dataclass(frozen=True)
class ReadImage:
    """What one reading of an image file gave: a problem, or its size and what copies are told by (``prints``)."""

    problem: str | None = None
    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    hashes: bytes = b""
    thumbnail: bytes = b""


def check(
    records: Sequence[Record],
    records_file: str | Path,
    workers: int | None = None,
    copies: bool = True,
    against: Sequence[OtherSet] = (),
) -> Report:
    """Everything that is wrong or noteworthy about the records of ``records_file``, and what they share with the sets
    ``against`` which they are compared.

    ``workers`` processes read the images (not given: one per core; 1: none but this one). The search for near-identical
    images compares each with each, seconds for 20,000; with ``copies=False`` only equal files are found.
    """
    workers = workers or os.cpu_count() or 1
    paths = [image_path(record, records_file) for record in records]
    others = [image_path(record, other.file) for other in against for record in other.records]
    seen = read_images([*paths, *others], workers)
    with progress("copies", None):
        alike = _copies(seen, copies, workers)
    images, n = seen[: len(records)], len(records)
    groups = [own for members in alike if len(own := [i for i in members if i < n]) > 1]
    shared = compared(records, against, alike, [look.problem for look in seen[n:]])
    issues = [
        *_of_annotations(records),
        *_of_texts(records),
        *_of_images(records, images),
        *of_leaks(records, groups, [look.sha256 for look in images]),
        *shared.issues,
        *_of_balance(records),
    ]
    issues.sort(key=lambda issue: SEVERITIES.index(issue.severity))
    findings = sum(len(record.findings) for record in records)
    pairs = tuple((records[first].id, records[i].id) for first, *others in groups for i in others)
    return Report(len(records), findings, tuple(issues), _balance(records), pairs, shared.tied, shared.benchmarks)


def regroup(records: Sequence[Record], pairs: Iterable[tuple[str, str]]) -> list[Record]:
    """Records whose ``group`` joins same patient, same study, same content, same earlier group, and ``pairs`` of ids.

    The group is named after the id of its first record, so that it stays unique when files are put together; a record
    that nothing is joined to has none.
    """
    joined = list(pairs)
    first: dict[Hashable, str] = {}
    for record in records:
        joined += [(first.setdefault(tie, record.id), record.id) for tie in _ties(record)]
    component = connected(joined, [record.id for record in records])
    sizes = Counter(component[record.id] for record in records)
    names: dict[int, str] = {}
    for record in records:
        names.setdefault(component[record.id], record.id)
    numbers = [component[record.id] for record in records]
    return [
        dataclasses.replace(record, group=names[n] if sizes[n] > 1 else None)
        for record, n in zip(records, numbers, strict=True)
    ]


def resplit(
    records: Sequence[Record],
    pairs: Iterable[tuple[str, str]],
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
) -> list[Record]:
    """The records regrouped, with whole groups dealt anew to train, val and test."""
    return assign_splits(regroup(records, pairs), shares, seed)


def _ties(record: Record) -> Iterator[tuple[str, ...]]:
    """What a record shares with those that it must not be separated from."""
    dataset = record.source.dataset
    if record.patient is not None:
        yield "patient", dataset, record.patient
    elif record.study is not None:  # with a patient, a study may be a mere number, the same for many patients
        yield "study", dataset, record.study
    if record.group is not None:
        yield "group", record.group
    if record.source.sha256 is not None:
        yield "sha256", record.source.sha256
    if (name := dicom_id(record)) is not None:
        yield "dicom id", name


# Images


def read_images(paths: Sequence[Path], workers: int) -> list[ReadImage]:
    """Each image read once; in processes of their own where there are many."""
    images = []
    alone = workers == 1 or len(paths) < POOL_FROM
    with nullcontext() if alone else pool(workers) as looking, progress("check", len(paths)) as advance:
        for look in looking.map(_read_image, paths, chunksize=16) if looking else map(_read_image, paths):
            images.append(look)
            advance()
    return images


def _read_image(path: Path) -> ReadImage:
    try:
        array = image_files.read(path).array
        size = array.shape[1], array.shape[0]
        hashes, thumbnail = duplicates.prints(array)
        return ReadImage(None, digests.sha256(path), size, hashes.tobytes(), thumbnail.tobytes())
    except pixels.ImageError as error:
        return ReadImage(problem=str(error))


def _copies(images: Sequence[ReadImage], near: bool, workers: int = 1) -> list[list[int]]:
    """Groups of images, two and more each, that are equal or, if asked for, near-identical, mirrored or turned."""
    equal: dict[str, list[int]] = defaultdict(list)
    for i, look in enumerate(images):
        if not look.problem:
            equal[look.sha256].append(i)
    groups = dict(enumerate(equal.values()))
    if near and groups:
        chosen = [images[members[0]] for members in groups.values()]
        hashes = np.frombuffer(b"".join(look.hashes for look in chosen), np.uint64).reshape(len(chosen), 8, -1)
        side = duplicates.THUMBNAIL_SIDE
        small = np.frombuffer(b"".join(look.thumbnail for look in chosen), np.uint8).reshape(-1, side, side)
        for n, first in enumerate(duplicates.copies(hashes, small, workers).tolist()):
            if first != n:
                groups[first] += groups.pop(n)
    return sorted(sorted(members) for members in groups.values() if len(members) > 1)


def _of_images(records: Sequence[Record], images: Sequence[ReadImage]) -> Iterator[Issue]:
    seen = list(zip(records, images, strict=True))
    unread = [(r.id, look.problem) for r, look in seen if look.problem]
    broken = [f"{name}: {problem}" for name, problem in unread]
    good = [(r, look) for r, look in seen if not look.problem]
    changed = [r.id for r, look in good if r.source.sha256 not in (None, look.sha256)]
    others = [(r, look) for r, look in good if r.size != look.size]
    sizes = [f"{r.id}: {r.size} in the record, {look.size} in the file" for r, look in others]
    yield from issue("unreadable_image", "error", "{} images cannot be read", broken, [name for name, _ in unread])
    message = "{} images are not the files that were annotated (sha256)"
    yield from issue("changed_image", "error", message, changed, changed)
    message = "{} images have another size than their record"
    yield from issue("wrong_size", "error", message, sizes, [r.id for r, _ in others])


# Annotations


def _of_annotations(records: Sequence[Record]) -> Iterator[Issue]:
    uses = Counter(record.id for record in records)
    wrong = [
        (record.id, f"finding {n} ({finding.label}): {problem}")
        for record in records
        for n, finding in enumerate(record.findings, 1)
        if (problem := _wrong(finding, record))
    ]
    problems = [f"{name}: {problem}" for name, problem in wrong]
    yield from issue("no_records", "error", "there is not one record", [] if records else ["0 records"])
    yield from issue("duplicate_id", "error", "{} ids stand more than once", [i for i, n in uses.items() if n > 1])
    message = "{} findings have a box, mask or label that cannot be one"
    yield from issue("bad_annotation", "error", message, problems, [name for name, _ in wrong])


def _wrong(finding: Finding, record: Record) -> str | None:
    """What is wrong with a finding, if anything is: a box without area or outside, a damaged mask, an empty label."""
    if not finding.label.strip():
        return "the label is empty"
    try:
        if finding.box is not None:
            geometry.checked(finding.box, record.width, record.height)
        if finding.mask is not None:
            mask_HW, _ = geometry.checked_mask(finding.mask, record.width, record.height)
            if finding.box is None:
                geometry.box_of_mask(mask_HW)
    except (geometry.BoxError, geometry.MaskError) as error:
        return str(error)
    return None


def _of_texts(records: Sequence[Record]) -> Iterator[Issue]:
    """Questions whose options do not hold the answer, and phrases that nothing can be asked about."""
    asked = [(r, q) for r in records for q in r.questions if q.choices]
    wrong = [f"{r.id}: {q.id or q.text}" for r, q in asked if choices.index_of(q.choices, q.answer) is None]
    yield from issue(
        "bad_choices", "error", "{} questions have choices among which their answer is not, or is twice", wrong
    )
    phrased = [(r, phrase) for r in records for phrase in dict.fromkeys(f.phrase for f in r.findings if f.phrase)]
    bare = [f"{r.id}: {phrase}" for r, phrase in phrased if not phrases.boxes(phrases.of_phrase(r.findings, phrase))]
    yield from issue("phrase_without_place", "info", "{} phrases have no box: nobody is asked where they are", bare)


# Balance


def _balance(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for split in (*SPLITS, None):
        if chosen := [record for record in records if record.split == split]:
            labels = [{f.label for f in record.findings} or {_without(record)} for record in chosen]
            counts[split or NO_SPLIT] = Counter(label for found in labels for label in sorted(found))
    return {split: dict(sorted(count.items())) for split, count in counts.items()}


def _without(record: Record) -> str:
    """How an image without findings is counted: as free of them only where that is known."""
    return "" if record.completeness == "exhaustive" else UNKNOWN


def _of_balance(records: Sequence[Record]) -> Iterator[Issue]:
    unsplit = [r.id for r in records if r.split is None]
    yield from issue("no_split", "warning", "{} images have no split", unsplit)
    balance = {split: counts for split, counts in _balance(records).items() if split != NO_SPLIT}
    labels = sorted({label for counts in balance.values() for label in counts} - {"", UNKNOWN})
    rare = [f"{label}: none in {split}" for label in labels for split in balance if label not in balance[split]]
    yield from issue("label_missing_in_split", "warning", "labels that other splits have are missing: {}", rare)
    if balance and (empty := [split for split in SPLITS if split not in balance]):
        yield from issue("empty_split", "info", "{} splits have no image", empty)
    bare = [r for r in records if not r.findings]
    if records and len(bare) == len(records) and not any(r.questions or r.report or r.sections for r in records):
        yield from issue("no_findings", "error", "all {} images are without findings", [r.id for r in bare])
        return
    negatives = [r.id for r in bare if r.completeness == "exhaustive"]
    unlabelled = [r.id for r in bare if r.completeness != "exhaustive" and not r.questions]
    yield from issue("negative", "info", "{} images are true negatives", negatives)
    message = "{} images have no findings, and nobody says that there is nothing: they count as unlabelled"
    yield from issue("unlabelled", "warning", message, unlabelled)
