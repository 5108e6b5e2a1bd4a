"""Errors planted into annotations whose truth is known, to measure what finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from unveil.core.geometry import Box, iou, shift
from unveil.core.records import Record

#: A finding under another's name, a box elsewhere, a finding that is not annotated.
LabelError = Literal["wrong label", "shifted box", "missing box"]
LABEL_ERRORS: tuple[LabelError, ...] = ("wrong label", "shifted box", "missing box")
#: A shifted box overlaps its place by less than this: one that still meets it is a matter of taste.
MOST_OVERLAP = 0.5


def planted(records: Sequence[Record], share: float, seed: int) -> tuple[list[Record], dict[str, LabelError]]:
    """The records with one error each in a share of those that have findings with boxes, and which have which.

    Errors are dealt in equal parts; there must be two labels, and for a shifted box another place. What a record says
    of itself elsewhere (its report, its questions) is left out of one with an error: it would tell the truth.
    """
    rng = np.random.default_rng(seed)
    able = [record.id for record in records if record.boxed]
    chosen = [able[place] for place in rng.permutation(len(able))[: round(share * len(able))]]
    errors = {name: LABEL_ERRORS[place % len(LABEL_ERRORS)] for place, name in enumerate(chosen)}
    labels = sorted({f.label for record in records for f in record.boxed})
    spoilt = {r.id: _spoilt(r, errors[r.id], labels, rng) for r in records if r.id in errors}
    return [spoilt.get(record.id, record) for record in records], errors


def _spoilt(record: Record, error: LabelError, labels: Sequence[str], rng: np.random.Generator) -> Record:
    places = [place for place, finding in enumerate(record.findings) if finding.box]
    at = places[rng.integers(len(places))]
    findings = list(record.findings)
    finding = findings[at]
    if error == "missing box":
        del findings[at]
    elif error == "wrong label":
        others = [label for label in labels if label != finding.label]
        findings[at] = replace(finding, label=others[rng.integers(len(others))])
    else:
        findings[at] = replace(finding, box=_elsewhere(cast(Box, finding.box), record.size, rng), mask=None)
    return replace(record, findings=tuple(findings), report=None, sections={}, questions=())


def _elsewhere(box: Box, size: tuple[int, int], rng: np.random.Generator) -> Box:
    """A box of the same size at another place of its image. Raises ``ValueError`` where it leaves no other place."""
    left, up, right, down = -box[0], -box[1], size[0] - box[2], size[1] - box[3]
    corners = [shift(box, dx, dy) for dx in (left, right) for dy in (up, down)]
    if min(iou(corner, box) for corner in corners) >= MOST_OVERLAP:
        raise ValueError(f"a box of {box} leaves no other place in an image of {size[0]} x {size[1]}")
    while True:
        moved = shift(box, rng.uniform(left, right), rng.uniform(up, down))
        if iou(moved, box) < MOST_OVERLAP:
            return moved
