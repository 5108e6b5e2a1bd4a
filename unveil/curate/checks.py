"""What the parts of the audit share: the pairs that are looked at, what is said about them, and how sure it is.

Shapes: P pairs, C clusters (images that belong together), B resamples.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unveil.geometry import Box, ious
from unveil.records import Pair, Record
from unveil.syntax import MARKUP, SYNTAXES, Written, rewritten

#: Undecided: there are too few pairs to tell. Skipped: nothing that could be looked at, or a file that is not given.
Verdict = Literal["error", "warning", "undecided", "note", "fine", "skipped"]
VERDICTS: tuple[Verdict, ...] = ("error", "warning", "undecided", "note", "fine", "skipped")

COMMON = 0.05
"""From this share of the pairs on a fault is an error; below, a warning. One pair in twenty is what MMedPO's released
pairs have of right answers inside wrong ones."""
RESAMPLES = 2000
LEVEL = 0.95
_BLOCK = 4_000_000  # weights held at once: 32 MB


@dataclass(frozen=True)
class Estimate:
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
class Look:
    """One image file: its size and hash, or what is wrong with it."""

    size: tuple[int, int] = (0, 0)
    sha256: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class Material:
    """The pairs of one file, what was wrong with its other lines, and the records, if they are given, by id."""

    file: Path
    pairs: tuple[Pair, ...]
    lines: int
    refused: tuple[str, ...]
    records: Mapping[str, Record] | None
    looks: Mapping[Path, Look]
    seed: int = 0

    def image(self, pair: Pair, worse: bool = False) -> Path:
        return self.file.parent / ((pair.rejected_image if worse else None) or pair.image)

    def record(self, pair: Pair) -> Record | None:
        """The pair's record: that of its id, else one with the same image file."""
        held = self.records or {}
        return held.get(pair.record) or self._by_hash.get(self.looks[self.image(pair)].sha256)

    def cluster(self, pair: Pair) -> str:
        """What a fold and a resample keep together: the record's cluster, else the image."""
        record = self.record(pair)
        return record.cluster if record else f"image:{pair.image}"

    @cached_property
    def _by_hash(self) -> dict[str, Record]:
        return {r.source.sha256: r for r in (self.records or {}).values() if r.source.sha256}


def estimate(values_P: Sequence[float] | NDArray[np.float64], clusters: Sequence[str], seed: int) -> Estimate:
    """The mean, and the percentiles of the means of resampled clusters; every pair of a drawn cluster comes along."""
    names, member_P = np.unique(np.asarray(clusters), return_inverse=True)
    values = np.asarray(values_P, np.float64)
    sums_C, sizes_C = np.bincount(member_P, values), np.bincount(member_P)
    if np.ptp(values) == 0:
        return Estimate(float(values[0]), *_never(float(values[0]), len(names)), len(values), len(names))
    if len(names) < 2:
        return Estimate(float(values.mean()), None, None, len(values), 1)
    rng = np.random.default_rng(seed)
    means: list[NDArray[np.float64]] = []
    for size in _blocks(len(names)):
        drawn_BC = rng.integers(len(names), size=(size, len(names)))
        means.append(sums_C[drawn_BC].sum(1) / sizes_C[drawn_BC].sum(1))
    low, high = np.percentile(np.concatenate(means), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(float(values.mean()), float(low), float(high), len(values), len(names))


def _never(value: float, clusters: int) -> tuple[float | None, float | None]:
    """The exact binomial interval over clusters of what never or always happened, of which a bootstrap has no doubt."""
    reach = (0.5 * (1 - LEVEL)) ** (1 / clusters)
    return {0.0: (0.0, 1 - reach), 1.0: (reach, 1.0)}.get(value, (None, None))


def _blocks(clusters: int) -> list[int]:
    block = min(RESAMPLES, max(1, _BLOCK // clusters))
    return [min(block, RESAMPLES - start) for start in range(0, RESAMPLES, block)]


def counted(
    name: str,
    title: str,
    message: str,
    ids: Sequence[str],
    looked_at: Sequence[Pair],
    material: Material,
    worst: Verdict | None = None,
    series: Mapping[str, Sequence[float]] | None = None,
    figures: Mapping[str, Any] | None = None,
) -> Check:
    """A fault that single pairs have or have not.

    ``worst`` is the verdict where there is any; by default it goes by the share of the pairs that were looked at.
    """
    if not looked_at:
        return Check(name, title, "skipped", "There are no pairs of this kind.")
    bad = set(ids)
    hits = [float(pair.id in bad) for pair in looked_at]
    share = estimate(hits, [material.cluster(pair) for pair in looked_at], material.seed)
    verdict = worst or ("error" if share.value >= COMMON else "warning")
    told = message if ids else "None."
    told_by = verdict if ids else "fine"
    return Check(
        name, title, told_by, told, len(looked_at), tuple(ids), {"share": share, **(figures or {})}, series=series or {}
    )


# ------------------------------------------------------------------------------------------------------------- texts

BOX = "▭"
"""Stands for any box in a text, so that coordinates are no words."""
SAME_BOX = 0.9
"""Two boxes with a larger IoU are one box that was moved a little."""

# boxes as declared models write them too; those that take any four numbers in brackets for a box come last
_FORMS = [MARKUP, *sorted(SYNTAXES.values(), key=lambda syntax: bool(syntax.pattern.match("[1, 2, 3, 4]")))]
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

    for syntax in _FORMS:
        text = rewritten(text, syntax, take)
    return text, tuple(boxes)


def tokens(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation; a box is one word."""
    return _TOKEN.findall(unicodedata.normalize("NFC", unboxed(text)[0]).casefold())


def same_boxes(one: Sequence[Box], other: Sequence[Box]) -> bool:
    """As many boxes in the same order, each with an IoU above ``SAME_BOX`` or equal to its counterpart."""
    return len(one) == len(other) and all(
        a == b or ious([a], [b])[0, 0] > SAME_BOX for a, b in zip(one, other, strict=True)
    )
