"""What people decide about records, dialogues, pairs and answers (`unveil review`): one row of reviews.jsonl each.

A row is never changed: whoever decides anew, or takes a decision back, adds one, and a reviewer's last word on an item
stands. Boxes are float xyxy in absolute pixels of the image, half-open, as a record's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unveil.core.geometry import Box
from unveil.core.jsonl import read_jsonl

#: What is reviewed.
Subject = Literal["record", "dialogue", "pair", "prediction"]
#: What can be decided. Who takes a decision back leaves the item undecided, as if it had not been shown.
Verdict = Literal["accept", "reject", "edit", "skip", "unsure", "phi", "bad-image", "withdraw"]
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "edit", "skip", "unsure", "phi", "bad-image", "withdraw")
#: Why something is rejected or corrected.
Reason = Literal[
    "wrong-location", "wrong-finding", "missing-finding", "wrong-severity", "negation-error", "unsafe-advice",
    "ambiguous-truth",
]  # fmt: skip
REASONS: tuple[Reason, ...] = (
    *("wrong-location", "wrong-finding", "missing-finding", "wrong-severity"),
    *("negation-error", "unsafe-advice", "ambiguous-truth"),
)
#: Which side of a pair is the better one.
Preferred = Literal["chosen", "rejected", "tie"]
#: How grave an error is for the patient, from 1, harmless, to 5, dangerous.
SEVERITIES = (1, 5)


@dataclass(frozen=True)
class Annotation:
    """A place on an image with its name."""

    label: str
    """Its name."""
    box: Box | None = None
    """Left, top, right, bottom in pixels of the image; None of what the image as a whole shows."""
    polygon: tuple[tuple[float, float], ...] = ()
    """The corners (x, y) of an outline in the same pixels, where one was drawn; ``box`` is then the box around it."""
    finding: int | None = None
    """Which finding of the record, or box of the answer, it is, counted from 0; None of one that was added."""


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided about one item."""

    item: str
    """The id of what was shown: a record, dialogue, pair or prediction."""
    subject: Subject
    """Which of them it is."""
    record: str
    """The id of the image's record."""
    reviewer: str
    """Who decided."""
    verdict: Verdict
    """What was decided."""
    revision: int
    """How many times this reviewer has decided about this item, this time included, from 1 on; the last one stands."""
    sha256: str
    """Hash of the item's row as it was shown: what has changed since is not corrected by it."""
    time: str
    """When, in UTC, as ISO 8601 has it."""
    lead_time: float = 0.0
    """Seconds for which the item was shown."""
    preferred: Preferred | None = None
    """Of a pair, the better side, whatever the side of the screen it stood on."""
    reasons: tuple[Reason, ...] = ()
    """Why."""
    severity: int | None = None
    """How grave the error is for the patient, 1 to 5."""
    comment: str = ""
    """In the reviewer's own words."""
    width: int | None = None
    """Of the image, in pixels; boxes refer to it."""
    height: int | None = None
    """Of the image, in pixels."""
    before: tuple[Annotation, ...] = ()
    """Places as they were shown."""
    after: tuple[Annotation, ...] | None = None
    """Places as they should be; None where nothing was changed."""
    texts_before: dict[str, str] = field(default_factory=dict)
    """Texts that were changed, as they were shown, by their fields: ``answer``, ``chosen``, ``report`` …"""
    texts: dict[str, str] = field(default_factory=dict)
    """The same as they should be."""
    order: tuple[str, ...] = ()
    """What stood side by side, from left to right."""
    blinded: bool = False
    """Whether names of models and the truth were hidden until the decision."""
    why: str = ""
    """What has put the item into the queue."""
    adjudicates: tuple[str, ...] = ()
    """The reviewers between whom it decides; empty of a reading."""


def hash_of(line: bytes) -> str:
    """What tells a row from one that was changed (``Decision.sha256``): SHA-256 of its line without spaces around."""
    return hashlib.sha256(line.strip()).hexdigest()


def read_decisions(path: Path) -> list[Decision]:
    """All rows of a file of decisions in order; raises ``RecordError`` with file and line."""
    return list(read_jsonl(path, Decision))


def standing(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Each reviewer's last word on each item, by item and reviewer; what was taken back is not there."""
    last: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        key = decision.item, decision.reviewer
        if key not in last or decision.revision >= last[key].revision:
            last[key] = decision
    return {key: decision for key, decision in last.items() if decision.verdict != "withdraw"}
