"""One truth from several readers of an image.

Boxes of one name are joined by weighted boxes fusion (Solovyev et al., arXiv 1910.13302): one after the other, those of
the highest confidence first, each goes to the fused box of its name that it overlaps most, if by the threshold or more,
else it starts one. A fused box of the boxes b_i with confidences c_i is sum(c_i b_i) / sum(c_i); its own confidence is
mean(c_i) x min(T, N) / N for T boxes of N readers. Where readers gave no confidence every c_i is 1, so the fused box is
the mean. A finding without a box agrees with every other of its name without one. Findings of different phrases are
different findings.

A reader of a data set takes ``rule_of`` once for all images and ``agreed`` for the findings of each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from unveil.core import geometry
from unveil.core.records import Finding
from unveil.core.untrusted import listed
from unveil.ingest.reading import IngestError

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
    def name(self) -> tuple[str, str | None]:
        finding = self.marks[0].finding
        return finding.label, finding.phrase

    @property
    def readers(self) -> int:
        return len({mark.reader for mark in self.marks})


def fused(marks: Sequence[Mark], threshold: float) -> list[_Fused]:
    """The marks joined by name and place, in order of their first appearance."""
    found: list[_Fused] = []
    for mark in sorted(marks, key=lambda m: -m.confidence):
        box = mark.finding.box
        name = mark.finding.label, mark.finding.phrase
        same = [f for f in found if f.name == name and (f.box is None) == (box is None)]
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


def unanimous(marks: Sequence[Mark], readers: Collection[str]) -> list[Finding]:
    """What every one of the image's readers marked."""
    return [_finding(f, readers) for f in fused(marks, SAME_IOU) if f.readers == len(readers)]


def wbf(marks: Sequence[Mark], readers: Collection[str]) -> list[Finding]:
    """All fused boxes with the confidence that follows from the number of readers."""
    out = []
    for f in fused(marks, FUSION_IOU):
        agreeing = min(len(f.marks), len(readers)) / len(readers)
        confidence = float(np.mean([mark.confidence for mark in f.marks])) * agreeing
        out.append(_finding(f, readers, confidence=f"{confidence:.3g}"))
    return out


def _finding(one: _Fused, readers: Collection[str], **words: str) -> Finding:
    """The first reader's finding at the fused place, and all who saw it. The mask of one reader is none of a box that
    is fused of several."""
    first = one.marks[0].finding
    mask = first.mask if len(one.marks) == 1 else None
    saw = tuple(sorted({mark.reader for mark in one.marks} - {""}))
    words = {**first.attributes, "readers": f"{one.readers} of {len(readers)}", **words}
    return dataclasses.replace(first, box=one.box, mask=mask, attributes=words, readers=saw)


#: What takes all that all readers marked, as they marked it.
KEEP = "keep"
#: What ``--readers`` may be, besides a reader's name and keep.
RULES: dict[str, Callable[[Sequence[Mark], Collection[str]], list[Finding]]] = {
    "union": union,
    "all": unanimous,
    "majority": majority,
    "wbf": wbf,
}


def rule_of(said: str | None, names: Collection[str], usual: str = KEEP) -> str:
    """What is done with several readers: a rule, or the name of the only one who counts.

    ``said`` is the option, ``names`` are all readers of the data set, ``usual`` is taken where nothing was said. Raises
    ``IngestError`` for what is neither a rule nor one of them.
    """
    if said and said not in (KEEP, *RULES, *names):
        known = listed(sorted(names)) if names else "nobody is named"
        raise IngestError(f"--readers {said} is none of {', '.join((KEEP, *RULES))}, nor a reader: {known}")
    return said or usual


def has_read(rule: str, readers: Collection[str]) -> bool:
    """Whether an image with these readers counts: under the name of one reader only what that one has looked at."""
    return rule in (KEEP, *RULES) or not readers or bool({rule, ""} & set(readers))


def counted(marks: Sequence[Mark], readers: Collection[str], rule: str) -> tuple[list[Finding], bool]:
    """The findings of an image that count by a rule, and whether something was marked that does not.

    ``readers`` are all who looked at the image, those who found nothing too. What nobody's name stands under counts
    under each name.
    """
    if rule in RULES and len(readers) > 1:
        findings = RULES[rule](marks, readers)
        return findings, rule in ("majority", "all") and len(findings) < len(union(marks, readers))
    kept = [mark for mark in marks if rule in (KEEP, *RULES) or mark.reader in (rule, "")]
    return [_signed(mark) for mark in kept], len(kept) < len(marks)


def _signed(mark: Mark) -> Finding:
    """A finding with the name of who marked it."""
    known = mark.finding.readers or not mark.reader
    return mark.finding if known else dataclasses.replace(mark.finding, readers=(mark.reader,))


def agreed(findings: Sequence[Finding], readers: Collection[str], rule: str) -> tuple[list[Finding], bool]:
    """As ``counted``, for findings that name their readers themselves (``Finding.readers``), without confidences.

    A finding of several readers is a mark of each. What nobody's name stands under is one reader's more.
    """
    marks = [Mark(reader, finding) for finding in findings for reader in finding.readers or ("",)]
    if rule == KEEP or (rule in RULES and len(readers) < 2):
        return list(findings), False
    return counted(marks, readers, rule)
