"""Label maps: volumes whose values stand for kinds of things, and what the values are called.

A connected region, over neighbouring slices too, is one object: slices are read one after the other, and their regions
joined where they overlap, so that no volume has to lie in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unveil.core.records import Finding
from unveil.core.untrusted import listed, quoted
from unveil.ingest import cells, xml_files
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, IngestError, Options
from unveil.ingest.slices import SliceMark, masked

if TYPE_CHECKING:
    from unveil.core.nifti import Volume

#: Kinds in one map: atlases of the brain have some two hundred.
MOST_LABELS = 1000
#: Connected regions of one kind in a slice; a map of values, or noise, has more.
MOST_REGIONS = 1000
#: Voxels that are looked at together.
BLOCK = 2**23
#: What region is called that nobody has looked at (nnU-Net).
IGNORED = "ignore"


@dataclass(frozen=True)
class LabelKind:
    """What some values of a map stand for together: mostly one value, several for such as "whole tumour"."""

    name: str
    values: frozenset[int]
    attributes: tuple[tuple[str, str], ...] = ()


def blocks(volume: Volume) -> Iterator[tuple[int, np.ndarray]]:
    """The slices of a volume as whole numbers, some at a time, (N, H, W), each with the number of its first."""
    step = max(1, BLOCK // max(1, volume.header.width * volume.header.height))
    for first in range(0, volume.frames, step):
        yield first, _whole(volume.block(first, min(first + step, volume.frames)))


def _whole(values: np.ndarray) -> np.ndarray:
    if values.ndim != 3:
        raise AnnotationError("it holds colours, not labels")
    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind != "f" or not np.isfinite(values).all() or np.abs(values).max(initial=0) >= 2**31:
        raise AnnotationError("it holds values that are no labels")
    whole = np.rint(values)
    if np.abs(values - whole).max(initial=0) > 1e-3:
        raise AnnotationError("it holds fractions, not labels: cut it at a half before")
    found: np.ndarray = whole.astype(np.int32)
    return found


def labels(volume: Volume) -> list[int]:
    """The values of a map but 0, which is the rest; raises ``AnnotationError`` where there are too many."""
    found: set[int] = set()
    for _, block in blocks(volume):
        found.update(_values(block))
        if len(found) > MOST_LABELS:
            raise AnnotationError(f"it holds more than {MOST_LABELS} values: is it an image?")
    return sorted(found - {0})


def _values(values: np.ndarray) -> list[int]:
    """The values that an array holds, in a time that does not depend on how many they are where all are small."""
    low, high = int(values.min()), int(values.max())
    if high - low < 2**16:
        return [int(v) + low for v in np.flatnonzero(np.bincount((values.astype(np.int64) - low).ravel()))]
    return [int(v) for v in np.unique(values)[: MOST_LABELS + 2]]


def read(
    volume: Volume, known: Sequence[LabelKind], whole: str | None, name: str, options: Options
) -> tuple[list[SliceMark], set[int]]:
    """What a map marks, as ``kinds`` and ``marks`` have it, and the slices in which it leaves a region to nobody.

    Raises ``AnnotationError`` where it holds several volumes, which no one image has.
    """
    if volume.volumes > 1:
        raise AnnotationError(f"it holds {volume.volumes} volumes; write a file for each")
    found = marks(volume, kinds(labels(volume), known, whole, options), name, options.components != "whole")
    ignored = {mark.slice for mark in found if mark.finding.label.lower() == IGNORED}
    return [mark for mark in found if mark.finding.label.lower() != IGNORED], ignored


def marks(volume: Volume, kinds: Sequence[LabelKind], name: str, split: bool) -> list[SliceMark]:
    """What a map marks in each slice; ``split`` tells that each connected region is an object of its own, else all of a
    kind is. ``name`` tells the objects of one map from those of others."""
    found: list[tuple[LabelKind, int, int, Finding]] = []
    regions = {kind: _Regions() for kind in kinds}
    areas: list[float] = []
    for first, block in blocks(volume):
        for k, values in enumerate(block, first):
            here = set(_values(values))
            for kind in kinds:
                mask = _mask(values, kind) if kind.values & here else np.zeros(values.shape, np.bool_)
                for number, part in regions[kind].next(mask) if split else _all(mask):
                    found.append((kind, number, k, masked(kind.name, part, dict(kind.attributes))))
                    areas.append(float(part.sum()))
    return [
        SliceMark((name, kind.name, regions[kind].root(number) if split else 0), k, area, finding)
        for (kind, number, k, finding), area in zip(found, areas, strict=True)
    ]


def _mask(values_HW: np.ndarray, kind: LabelKind) -> np.ndarray:
    mask = np.zeros(values_HW.shape, np.bool_)
    for value in kind.values:
        mask |= values_HW == value
    return mask


def _all(mask_HW: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    if mask_HW.any():
        yield 0, mask_HW


class _Regions:
    """Connected regions of one slice after the other, and which of them are one (a union-find forest)."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.before: tuple[np.ndarray, int] | None = None
        """The regions of the slice before, numbered from 1 on, and how many there were in those before it."""

    def next(self, mask_HW: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The regions of the next slice with their numbers, of which several may turn out to be one later."""
        from scipy import ndimage  # late: slow to import

        if not mask_HW.any():
            self.before = None
            return
        own, count = ndimage.label(mask_HW, np.ones((3, 3)))
        if count > MOST_REGIONS:
            raise AnnotationError(
                f"a slice holds {count} regions of one kind: is it noise? --components whole takes it"
            )
        start = len(self.parents)
        self.parents += range(start, start + count)
        if self.before is not None:
            before, first = self.before
            pairs = np.bincount(own[mask_HW].astype(np.int64) * (MOST_REGIONS + 1) + before[mask_HW])
            for pair in np.flatnonzero(pairs):
                one, other = divmod(int(pair), MOST_REGIONS + 1)
                if other:
                    self.parents[self.root(start + one - 1)] = self.root(first + other - 1)
        self.before = own, start
        for k in range(1, count + 1):
            yield start + k - 1, own == k

    def root(self, number: int) -> int:
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number


# What values are called


def kinds(values: Iterable[int], known: Sequence[LabelKind], whole: str | None, options: Options) -> list[LabelKind]:
    """What the values of a map stand for: by the user's word, else as files say (``known``), else, of a map with one
    value, what the ``whole`` of it is called. Raises ``AnnotationError`` where a value has no name."""
    values = set(values)
    given = cells.named(options)
    found = [LabelKind(given[str(v)], frozenset({v})) for v in sorted(values) if str(v) in given]
    found += [kind for kind in known if kind.values & values and not any(str(v) in given for v in kind.values)]
    rest = sorted(values.difference(*(kind.values for kind in found)) if found else values)
    if rest and len(values) == 1 and (name := whole or options.default_label):
        return [LabelKind(name, frozenset(values))]
    if rest:
        raise AnnotationError(
            f"nothing names its values {listed(rest, 40)}: --label-names {rest[0]}=NAME does, or a dataset.json, a "
            "table or a label file beside it"
        )
    return found


def of_json(folder: Folder, path: Path) -> tuple[list[LabelKind], list[str]]:
    """The kinds and the channels that nnU-Net's ``dataset.json`` names: names to values, or, in the older form, values
    to names. Raises ``IngestError`` where it says neither."""
    content = folder.json(path)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise IngestError(f'{folder.relative(path)}: "labels" with names and values are missing')
    older = all(re.fullmatch(r"\d+", name) for name in labels) and all(isinstance(v, str) for v in labels.values())
    found = []
    for name, value in ((v, k) for k, v in labels.items()) if older else labels.items():
        numbers = value if isinstance(value, list) else [value]
        try:
            wanted = frozenset(int(number) for number in numbers)
        except (TypeError, ValueError, OverflowError) as error:
            raise IngestError(
                f"{folder.relative(path)}: the label {quoted(name)} has the value {quoted(value)}"
            ) from error
        if wanted - {0}:
            found.append(LabelKind(str(name), wanted))
    channels = content.get("channel_names") or content.get("modality") or {}
    names = [str(channels[key]) for key in sorted(channels, key=str)] if isinstance(channels, dict) else []
    return found, names


def of_extension(path: Path) -> list[LabelKind]:
    """The kinds of the label table that Connectome Workbench and TotalSegmentator write into the header of a map."""
    from unveil.core import nifti

    table = re.search(rb"<LabelTable>.*?</LabelTable>", nifti.extensions(path), re.DOTALL)
    if not table:
        return []
    found = [(str(label.get("Key")), (label.text or "").strip()) for label in xml_files.parsed(table[0]).iter("label")]
    return [LabelKind(name, frozenset({int(key)})) for key, name in found if re.fullmatch("[1-9][0-9]*", key) and name]


def of_text(folder: Folder, path: Path) -> list[LabelKind]:
    """The kinds of a table of BIDS (index and name, tabs between) or of a label file of ITK-SNAP (index, six numbers,
    the name in quotation marks)."""
    try:
        lines = folder.text(path).splitlines()
    except AnnotationError as error:
        raise IngestError(f"{folder.relative(path)}: {error}") from error
    if not lines:
        return []
    header = [name.strip().lower() for name in lines[0].split("\t")]
    found = []
    if {"index", "name"} <= set(header):
        at, called = header.index("index"), header.index("name")
        for line in lines[1:]:
            fields = line.split("\t")
            if len(fields) > max(at, called) and re.fullmatch(r"\s*\d{1,9}\s*", fields[at]):
                found.append(LabelKind(fields[called].strip(), frozenset({int(fields[at])})))
    else:
        for line in lines:
            if match := re.match(r"\s*(\d{1,9})(?:\s+[\d.]+){6}\s+\"([^\"]+)\"", line):
                found.append(LabelKind(match[2].strip(), frozenset({int(match[1])})))
    return [kind for kind in found if kind.name and kind.values != {0}]
