"""Slices of volumes and series: which become images, and what of their values is shown."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from unveil.core import geometry
from unveil.core.pixels import Window
from unveil.core.records import Finding
from unveil.core.untrusted import quoted
from unveil.ingest.reading import IngestError, Options

#: Soft tissue in Hounsfield units: what an abdomen is mostly looked at with.
SOFT_TISSUE: Window = (-160.0, 240.0)
#: Shares of a slice's values beyond which nothing is told apart where no unit is known, in percent.
PERCENTILES = (1.0, 99.0)
#: A volume that goes below holds Hounsfield units: air has -1000, and magnetic resonance has no such values.
AIR = -500.0


@dataclass(frozen=True)
class SliceMark:
    """What is marked of one object in one slice."""

    object: Hashable
    """What it is a part of: a segment, a region of interest, a connected region of a label map."""
    slice: int
    """Which slice of its volume or series, from 0."""
    area: float
    """In pixels."""
    finding: Finding


@dataclass(frozen=True)
class SliceRule:
    """Which slices are taken, as ``--slices`` says."""

    name: str
    step: int = 1


def rule(options: Options) -> SliceRule:
    """Raises ``IngestError`` where ``--slices`` is no rule."""
    text = options.slices
    if text in ("largest", "all", "key"):
        return SliceRule(text)
    if match := re.fullmatch(r"every:([1-9]\d{0,5})", text, re.ASCII):
        return SliceRule("every", int(match[1]))
    raise IngestError(f"--slices {quoted(text)} is none of largest, every:N (such as every:3), all, key")


def chosen(marks: Sequence[SliceMark], number: int, by: SliceRule, key: Iterable[int] = ()) -> list[int]:
    """The slices that are taken of a volume with ``number`` slices, in their order.

    ``largest`` takes for each object its slice with the most area, the first of equal ones; ``every`` each n-th of the
    slices with a mark, from the first; ``key`` those that are named.
    """
    if by.name == "all":
        return list(range(number))
    if by.name == "key":
        return sorted(set(key))
    marked = sorted({mark.slice for mark in marks})
    if by.name == "every":
        return marked[:: by.step]
    areas: dict[Hashable, dict[int, float]] = {}
    for mark in marks:
        own = areas.setdefault(mark.object, {})
        own[mark.slice] = own.get(mark.slice, 0) + mark.area
    return sorted({max(sorted(own), key=own.__getitem__) for own in areas.values()})


def masked(label: str, mask_HW: np.ndarray, attributes: dict[str, str] | None = None) -> Finding:
    """A finding from its mask, which holds at least one pixel."""
    return Finding(label, geometry.box_of_mask(mask_HW), geometry.encode_mask(mask_HW), attributes or {})


def window(values_HW: np.ndarray, modality: str | None, options: Options, usual: Window | None = None) -> Window:
    """The lowest and highest value to show of a slice without a window of its own: what the user says, what is
    ``usual`` for the set, the soft tissue of CT, else the 1st and 99th percentile."""
    if given := options.window:
        if not given[0] < given[1]:
            raise IngestError(f"--window {given[0]:g} {given[1]:g}: the lower value comes first")
        return given
    if usual is not None:
        return usual
    if modality == "CT":
        return SOFT_TISSUE
    finite = values_HW[np.isfinite(values_HW)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (0.0, 1.0)
    return float(low), max(float(high), float(low) + 1e-6)
