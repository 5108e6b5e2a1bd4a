"""Whether what was rejected may be left out: one reason that takes many rows is rarely the rows' fault."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from unveil.core import geometry
from unveil.core.records import Finding, Record
from unveil.ingest.conventions import ORDERS, WHOLE, Spread
from unveil.ingest.lookup import ABSENT
from unveil.ingest.reading import Incomplete, Options, Rejected

#: Reads the same folder again by other options.
Again = Callable[[Options], Iterable[Record | Rejected | Incomplete]]

#: IoU of two boxes that is hardly ever that of two lesions, and by which share of its size one then lies beside the
#: other at most.
ALMOST = 0.8
BESIDE = 1 / ALMOST - 1
#: Boxes of a name to the right of one that are compared with it.
MOST_COMPARED = 50

MISFIT = "a box that does not fit its image"
#: Reasons that are told apart: more of them are words of the data.
MOST_REASONS = 1000
OTHERS = "other reasons"


@dataclass(frozen=True)
class Reason:
    """What was rejected for one reason: the annotation rows, the entries in rejected.jsonl, and the first of these.
    ``looked`` tells of an image that is not there where it was looked for."""

    rows: int
    entries: int
    first: Rejected
    looked: str = ""

    def __str__(self) -> str:
        row = "" if self.first.row is None else f", row {self.first.row}"
        looked = f"; {self.looked}" if self.looked and ABSENT in self.first.reason else ""
        return f"{self.first.reason} ({self.first.file}{row}{looked})"


class Tally:
    """What was rejected, by reason: what differs from row to row makes no reason of its own. Of a million rows no more
    is in memory than this."""

    def __init__(self, rejected: Iterable[Rejected] = ()) -> None:
        self.rows = self.entries = self.misfits = 0
        self._of_kind: dict[str, Reason] = {}
        for item in rejected:
            self.add(item)

    def add(self, item: Rejected) -> None:
        self.rows, self.entries, self.misfits = (
            self.rows + item.rows,
            self.entries + 1,
            self.misfits + bool(item.misfit),
        )
        kind = MISFIT if item.misfit else _kind(item.reason)
        if kind not in self._of_kind and len(self._of_kind) >= MOST_REASONS:
            kind = OTHERS
        known = self._of_kind.get(kind, Reason(0, 0, item))
        self._of_kind[kind] = Reason(known.rows + item.rows, known.entries + 1, known.first)

    def reasons(self, looked: str = "") -> list[Reason]:
        """Those that take the most rows first."""
        found = [dataclasses.replace(reason, looked=looked) for reason in self._of_kind.values()]
        return sorted(found, key=lambda reason: (-reason.rows, -reason.entries))


def _kind(reason: str) -> str:
    """A reason without paths, quoted names, lists and numbers."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\S*/\S*|-?\d+(\.\d+)?", "…", reason)


def refusal(rows: int, rejected: Tally, options: Options, again: Again, looked: str = "") -> str | None:
    """Why a run should stop, of which ``rows`` annotation rows were taken over; None where it may go on."""
    total = rows + rejected.rows
    for reason in rejected.reasons(looked):
        share = reason.rows / total if total else 0.0
        if share > options.allow_rejected and (reason.rows > 1 or not rows):
            allowed = math.ceil(100 * share) / 100
            hint = f". {fits}" if reason.first.misfit and (fits := fitting(options, again)) else ""
            return (
                f"{reason.rows} of {total} annotation rows are rejected for one reason, such as {reason}{hint}. "
                f"--allow-rejected {allowed:g} goes on without them"
            )
    return None


def remark(rows: int, rejected: Tally, options: Options, again: Again) -> str | None:
    """What to say where the run goes on though some boxes do not fit, if by other options all of them would."""
    few = rejected.misfits < 2 or rejected.misfits < 0.01 * rows
    if few or not (fits := fitting(options, again)):
        return None
    return f"{rejected.misfits} boxes do not fit their images. {fits}: is that what they are?"


def fitting(options: Options, again: Again) -> str:
    """The options, as few as possible, by which every box would fit its image; "" if there are none."""
    units: list[dict[str, Any]] = [{"box_units": name} for name in WHOLE]
    orders: list[dict[str, Any]] = [{"box_convention": name} for name in ORDERS]
    corners: list[dict[str, Any]] = [{"voc_corners": "one_based"}]
    both = [{**a, **b} for a, b in itertools.product(units, orders)]
    for trials in ([*units, *corners], orders, both):
        found = [trial for trial in trials if _all_fit(again(dataclasses.replace(options, **trial)))]
        if found:
            words = (" ".join(f"--{n.replace('_', '-')} {v}" for n, v in trial.items()) for trial in found)
            return f"All boxes fit by {' or by '.join(words)}"
    return ""


def _all_fit(items: Iterable[Record | Rejected | Incomplete]) -> bool:
    """Whether there are boxes, all fit, and they do not lie suspiciously. Stops at the first that does not fit."""
    spread = Spread()
    for item in items:
        if isinstance(item, Rejected) and item.misfit:
            return False
        if isinstance(item, Record):
            spread.add(item)
    return spread.boxes > 0 and spread.doubt() is None


def overlapping(findings: Sequence[Finding]) -> bool:
    """Whether a finding lies almost where another of its name does: as a rule one lesion that was marked twice.

    What two such boxes share is most of either's width and height, so their edges lie close together: of the boxes of a
    name from left to right, few have to be compared.
    """
    ordered = sorted(((finding.label, finding.phrase or ""), finding.box) for finding in findings if finding.box)
    for i, (said, one) in enumerate(ordered):
        for also, other in ordered[i + 1 : i + 1 + MOST_COMPARED]:
            if also != said or other[0] - one[0] > BESIDE * (one[2] - one[0]):
                break
            if abs(other[1] - one[1]) <= BESIDE * (one[3] - one[1]) and geometry.ious([one], [other])[0, 0] >= ALMOST:
                return True
    return False


def without_repeats(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once: what is equal to another in name, place and words was written twice, or by two readers."""
    if len({(finding.label, finding.box) for finding in findings}) == len(findings):
        return tuple(findings)
    once: dict[Any, Finding] = {}
    for finding in findings:
        words = [finding.mask, finding.attributes, finding.phrase, finding.translations]
        key = finding.label, finding.box, json.dumps(words, sort_keys=True)
        first = once.setdefault(key, finding)
        if more := [reader for reader in finding.readers if reader not in first.readers]:
            once[key] = dataclasses.replace(first, readers=(*first.readers, *more))
    return tuple(once.values())
