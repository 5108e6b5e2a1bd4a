"""One truth from several readers of an image.

Boxes of one name are joined by weighted boxes fusion (Solovyev et al., arXiv 1910.13302): one after the other, those of
the highest confidence first, each goes to the fused box of its name that it overlaps most, if by the threshold or more,
else it starts one. A fused box of the boxes b_i with confidences c_i is sum(c_i b_i) / sum(c_i); its own confidence is
mean(c_i) x min(T, N) / N for T boxes of N readers. Where readers gave no confidence every c_i is 1, so the fused box is
the mean. A finding without a box agrees with every other of its name without one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from unveil.core import geometry
from unveil.core.records import Finding

#: IoU from which on two boxes are the same place: the paper's for its fusion, the field's usual one elsewhere.
FUSION_IOU, SAME_IOU = 0.55, 0.5


@dataclass(frozen=True)
class Mark:
    """What one reader marked; ``confidence`` is above 0."""

    reader: str
    finding: Finding
    confidence: float = 1.0


@dataclass
class _Fused:
    marks: list[Mark]
    box: geometry.Box | None

    def add(self, mark: Mark) -> None:
        self.marks.append(mark)
        if self.box is not None:
            boxes = [m.finding.box for m in self.marks if m.finding.box]
            weights = [m.confidence for m in self.marks]
            x1, y1, x2, y2 = np.average(boxes, axis=0, weights=weights)
            self.box = float(x1), float(y1), float(x2), float(y2)

    @property
    def readers(self) -> int:
        return len({mark.reader for mark in self.marks})


def fused(marks: Sequence[Mark], threshold: float) -> list[_Fused]:
    """The marks joined by name and place, in order of their first appearance."""
    found: list[_Fused] = []
    for mark in sorted(marks, key=lambda m: -m.confidence):
        box = mark.finding.box
        same = [f for f in found if f.marks[0].finding.label == mark.finding.label and (f.box is None) == (box is None)]
        values = geometry.ious([box], [f.box for f in same if f.box])[0] if box else np.ones(len(same))
        if len(same) and values.max() >= threshold:
            same[int(values.argmax())].add(mark)
        else:
            found.append(_Fused([mark], box))
    first = {id(mark): i for i, mark in enumerate(marks)}
    return sorted(found, key=lambda f: min(first[id(mark)] for mark in f.marks))


def union(marks: Sequence[Mark], readers: Collection[str]) -> list[Finding]:
    """All that any reader marked, once."""
    return [_finding(f, readers) for f in fused(marks, SAME_IOU)]


def majority(marks: Sequence[Mark], readers: Collection[str]) -> list[Finding]:
    """What more than half of the image's readers marked; one who found nothing is a reader too."""
    return [_finding(f, readers) for f in fused(marks, SAME_IOU) if 2 * f.readers > len(readers)]


def wbf(marks: Sequence[Mark], readers: Collection[str]) -> list[Finding]:
    """All fused boxes with the confidence that follows from the number of readers."""
    out = []
    for f in fused(marks, FUSION_IOU):
        agreeing = min(len(f.marks), len(readers)) / len(readers)
        confidence = float(np.mean([mark.confidence for mark in f.marks])) * agreeing
        out.append(_finding(f, readers, confidence=f"{confidence:.3g}"))
    return out


def _finding(one: _Fused, readers: Collection[str], **words: str) -> Finding:
    """The first reader's finding at the fused place."""
    first = one.marks[0].finding
    words = {**first.attributes, "readers": f"{one.readers} of {len(readers)}", **words}
    return dataclasses.replace(first, box=one.box, attributes=words)


#: What ``--readers`` may be, besides a reader's name and keep.
RULES: dict[str, Callable[[Sequence[Mark], Collection[str]], list[Finding]]] = {
    "union": union,
    "majority": majority,
    "wbf": wbf,
}
