"""Planted errors: as many as asked for, in equal parts, one each, and nothing beside tells the truth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unveil.core.geometry import iou
from unveil.core.records import Finding, Record
from unveil.synthetic.label_errors import LABEL_ERRORS, MOST_OVERLAP, planted

BOX = (10.0, 10.0, 50.0, 50.0)
RECORDS = [
    Record(
        f"r{n}", "r.png", 100, 100, report="an ulcer",
        findings=(Finding(("ulcer", "polyp")[n % 2], BOX),) if n < 30 else (),
    )
    for n in range(40)
]  # fmt: skip


def test_errors_are_dealt_in_equal_parts() -> None:
    """0.4 of 30 records with findings are 12: 4 of each kind; the others are as they were."""
    spoilt, errors = planted(RECORDS, 0.4, 0)
    assert Counter(errors.values()) == dict.fromkeys(LABEL_ERRORS, 4)
    assert [r.id for r in spoilt] == [r.id for r in RECORDS]
    for before, after in zip(RECORDS, spoilt, strict=True):
        if before.id not in errors:
            assert after == before
            continue
        assert after.report is None
        [was], now = before.findings, after.findings
        if errors[before.id] == "missing box":
            assert now == ()
        elif errors[before.id] == "wrong label":
            assert now[0].box == was.box and now[0].label != was.label
        else:
            assert now[0].label == was.label and now[0].box
            assert iou(now[0].box, BOX) < MOST_OVERLAP and min(now[0].box) >= 0 and max(now[0].box) <= 100
            assert now[0].box[2] - now[0].box[0] == pytest.approx(40)


def test_a_box_that_fills_its_image_cannot_be_elsewhere(tmp_path: Path) -> None:
    full = [Record(f"r{n}", "r.png", 100, 100, findings=(Finding("ulcer", (0.0, 0.0, 95.0, 95.0)),)) for n in range(3)]
    with pytest.raises(ValueError, match="no other place"):
        planted([*full, Record("p", "p.png", 9, 9, findings=(Finding("polyp", (1.0, 1.0, 8.0, 8.0)),))], 1.0, 0)
