"""What the parts of the audit share: the pairs that are looked at, what is said about them, and how sure it is.

Shapes: P pairs, C clusters (images that belong together), B resamples.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unveil.audit import duplicates
from unveil.core import bootstrap
from unveil.core.box_formats import BOX_FORMATS, MARKUP, Written, rewritten
from unveil.core.geometry import Box, ious
from unveil.core.records import Pair, Record
from unveil.core.splits import connected

#: Undecided: there are too few pairs to tell. Skipped: nothing that could be looked at, or a file that is not given.
Verdict = Literal["error", "warning", "undecided", "note", "fine", "skipped"]
VERDICTS: tuple[Verdict, ...] = ("error", "warning", "undecided", "note", "fine", "skipped")

COMMON = 0.05
"""From this share of the pairs on a fault is an error; below, a warning. One pair in twenty is what MMedPO's released
pairs have of right answers inside wrong ones."""


@dataclass(frozen=True)
class Figure:
    """A mean over pairs, with its 95 % interval over clusters, if there can be one."""

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int

    def text(self, unit: str = " %") -> str:
        """In percent, unless another unit is given."""
        factor = 100 if unit == " %" else 1
        held = [f"{factor * v:.1f}" for v in (self.value, self.low, self.high) if v is not None]
        return f"{held[0]}{unit}" + (f" [{held[1]}, {held[2]}]" if len(held) == 3 else "")


@dataclass(frozen=True)
class Check:
    """One question to the pairs, and what came out. ``ids`` are all pairs (or records) that are at fault, ``examples``
    those to look at where no single pair is; ``figures`` hold everything that was measured."""

    name: str
    title: str
    verdict: Verdict
    message: str
    of: int = 0
    ids: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What a histogram of the page shows; not in audit.json."""

    @property
    def found(self) -> bool:
        return self.verdict in ("error", "warning")

    @property
    def summary(self) -> str:
        """The figure for a table: an accuracy, or how many there are."""
        accuracies = [f for name, f in self.figures.items() if name.startswith("accuracy")]
        if accuracies:
            return f"{max(accuracies, key=lambda a: a.value).text()} of {self.of}"
        if self.verdict == "undecided":
            return f"{self.of} pairs"
        return "-" if self.verdict == "skipped" else f"{self.figures.get('count', len(self.ids))} of {self.of}"


@dataclass(frozen=True)
class ImageFile:
    """One image file: its size, the hash of its bytes, that of its pixels and what near copies are told by; or what is
    wrong with it."""

    size: tuple[int, int] = (0, 0)
    sha256: str = ""
    pixels: str = ""
    hashes: bytes = b""
    thumbnail: bytes = b""
    problem: str | None = None


@dataclass(frozen=True)
class AuditInput:
    """The pairs of one file, what was wrong with its other lines, and the records, if they are given, by id.

    ``looks`` has the images of the pairs, and those of the records' test split.
    """

    file: Path
    pairs: tuple[Pair, ...]
    lines: int
    refused: tuple[str, ...]
    records: Mapping[str, Record] | None
    images: Mapping[Path, ImageFile]
    seed: int = 0
    records_file: Path | None = None

    def image(self, pair: Pair, worse: bool = False) -> Path:
        return self.file.parent / ((pair.rejected_image if worse else None) or pair.image)

    def record(self, pair: Pair) -> Record | None:
        """The pair's record: that of its id, else one with the same image file."""
        held = self.records or {}
        return held.get(pair.record) or self._by_hash.get(self.images[self.image(pair)].sha256)

    def content(self, pair: Pair, worse: bool = False) -> str:
        """What stands for a side's picture under whatever name: its pixels, else the path of what cannot be read."""
        path = self.image(pair, worse)
        return self.images[path].pixels or os.path.normpath(path)

    def other(self, pair: Pair) -> bool:
        """Whether the worse answer stands under another picture, not only under another name."""
        return pair.rejected_noise is not None or self.content(pair) != self.content(pair, worse=True)

    def cluster(self, pair: Pair) -> int:
        """What a fold and a resample keep together: pairs with the same picture or a near copy of it, and with the same
        patient, study or group of their records."""
        return self._clusters[self.content(pair)]

    @property
    def clustered(self) -> str:
        """By what pairs are kept together, for readers."""
        records = [record for pair in self.pairs if (record := self.record(pair))]
        known = sum(not record.cluster.startswith("image:") for record in records)
        same = f"; so do pairs of one patient, study or group, known for {known} of them" if known else ""
        count = len({self.cluster(pair) for pair in self.pairs})
        return (
            "Pairs on the same picture, whatever its file is called, or on near, mirrored or turned copies of it stay "
            f"together in folds and intervals{same}. That makes {count} {'group' if count == 1 else 'groups'}."
        )

    @cached_property
    def copies(self) -> Mapping[str, int]:
        """The pixels' hashes of all images, numbered alike where one is a near, mirrored or turned copy of another."""
        return near_copies(self.images.values())

    @cached_property
    def _clusters(self) -> dict[str, int]:
        ties = [(content, f"copies {number}") for content, number in self.copies.items()]
        for pair in self.pairs:
            own, record = self.content(pair), self.record(pair)
            # a worse answer that is another text tells of its own picture
            ties.append((own, self.content(pair, worse=pair.chosen != pair.rejected)))
            ties += [(own, f"record {record.cluster}")] if record else []
        return connected(ties, list(dict.fromkeys(end for tie in ties for end in tie)))

    @cached_property
    def _by_hash(self) -> dict[str, Record]:
        return {r.source.sha256: r for r in (self.records or {}).values() if r.source.sha256}


def near_copies(images: Iterable[ImageFile]) -> dict[str, int]:
    """The pixels' hashes of what could be read, with a number for each image and its copies."""
    distinct = list({look.pixels: look for look in images if look.pixels}.values())
    if not distinct:
        return {}
    hashes = np.frombuffer(b"".join(look.hashes for look in distinct), np.uint64).reshape(len(distinct), 8, -1)
    side = duplicates.THUMBNAIL_SIDE
    small = np.frombuffer(b"".join(look.thumbnail for look in distinct), np.uint8).reshape(-1, side, side)
    firsts = duplicates.copies(hashes, small).tolist()
    return {look.pixels: first for look, first in zip(distinct, firsts, strict=True)}


def estimate(
    values_P: Sequence[float] | NDArray[np.float64],
    clusters: Sequence[int],
    seed: int,
    low: float = 0.0,
    high: float = 1.0,
) -> Figure:
    """The mean, and its interval over clusters; every pair of a drawn cluster comes along.

    A value lies between ``low`` and ``high``. There is no interval where values differ within a single cluster, where
    clusters are few (``bootstrap.interval``), and where all are the same but might be as large as one likes (``high``
    infinite).
    """
    names, member_P = np.unique(np.asarray(clusters), return_inverse=True)
    values = np.asarray(values_P, np.float64)
    mean = float(values.mean())
    limits: tuple[float | None, float | None] = (None, None)
    if np.ptp(values) == 0:
        mean = float(values[0])
        limits = bootstrap.exact(mean, len(names), low, high) if math.isfinite(high) else limits
    elif len(names) > 1:
        sums_C, sizes_C = np.bincount(member_P, values), np.bincount(member_P)
        sums_B, sizes_B = bootstrap.resampled([sums_C, sizes_C], seed=seed)
        found = bootstrap.interval(mean, sums_B / sizes_B, len(names), low, high)
        limits = limits if isinstance(found, str) else found
    return Figure(mean, *limits, len(values), len(names))


def counted(
    name: str,
    title: str,
    message: str,
    ids: Sequence[str],
    examined: Sequence[Pair],
    material: AuditInput,
    worst: Verdict | None = None,
    series: Mapping[str, Sequence[float]] | None = None,
    figures: Mapping[str, Any] | None = None,
) -> Check:
    """A fault that single pairs have or have not.

    ``worst`` is the verdict where there is any; by default it goes by the share of the pairs that were looked at.
    """
    if not examined:
        return Check(name, title, "skipped", "There are no pairs of this kind.")
    bad = set(ids)
    hits = [float(pair.id in bad) for pair in examined]
    share = estimate(hits, [material.cluster(pair) for pair in examined], material.seed)
    verdict = worst or ("error" if share.value >= COMMON else "warning")
    figures = {"share": share, **(figures or {})}
    if not ids:
        return Check(name, title, "fine", "", len(examined), (), figures, series=series or {})
    return Check(name, title, verdict, message, len(examined), tuple(ids), figures, series=series or {})


# ------------------------------------------------------------------------------------------------------------- texts

BOX = "▭"
"""Stands for any box in a text, so that coordinates are no words."""
SAME_BOX = 0.9
"""Two boxes with a larger IoU are one box that was moved a little."""

# boxes as declared models write them too; those that take any four numbers in brackets for a box come last
_FORMS = [MARKUP, *sorted(BOX_FORMATS.values(), key=lambda box_format: bool(box_format.pattern.match("[1, 2, 3, 4]")))]
# signs that change what is said are words: a number's minus, "<", "+"; other punctuation is none
_TOKEN = re.compile(rf"{BOX}|[^\W\d_]+|\d+(?:[.,]\d+)*|[<>=+±%]|(?<!\w)-(?=\d)")


@lru_cache(maxsize=1 << 16)
def unboxed(text: str) -> tuple[str, tuple[Box, ...]]:
    """The text with ``BOX`` in the place of every box, and the boxes' numbers as they stand."""
    boxes: list[Box] = []

    def take(one: Written) -> str | None:
        if one.numbers is None:
            return None
        boxes.append(one.numbers)
        return f" {BOX} "

    for box_format in _FORMS:
        text = rewritten(text, box_format, take)
    return text, tuple(boxes)


def tokens(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation; a box is one word."""
    return _TOKEN.findall(unicodedata.normalize("NFC", unboxed(text)[0]).casefold())


def same_boxes(one: Sequence[Box], other: Sequence[Box]) -> bool:
    """As many boxes in the same order, each with an IoU above ``SAME_BOX`` or equal to its counterpart."""
    return len(one) == len(other) and all(
        a == b or ious([a], [b])[0, 0] > SAME_BOX for a, b in zip(one, other, strict=True)
    )
