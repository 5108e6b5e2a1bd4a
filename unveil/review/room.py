"""The room of reviews: what a page is told of its items, and what becomes of what it says.

What a reviewer must not know yet is not hidden by the page but never sent to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from unveil.core import geometry
from unveil.core.decisions import (
    REASONS,
    SEVERITIES,
    VERDICTS,
    Annotation,
    Decision,
    Preferred,
    Reason,
    Verdict,
    standing,
)
from unveil.core.jsonl import to_json
from unveil.core.records import Dialogue, Pair, Record
from unveil.review import summary
from unveil.review.adjudication import between, told
from unveil.review.drafts import Drafts
from unveil.review.items import Items, ReviewItem
from unveil.review.journal import ReviewJournal
from unveil.review.maps import Maps
from unveil.review.options import ReviewOptions
from unveil.review.queue import Queue, Queued
from unveil.review.server import Refused, Unknown
from unveil.review.suggestions import Opinion

#: Characters that a text of a decision may have, and marks.
MOST_TEXT, MOST_MARKS, MOST_CORNERS = 20_000, 1_000, 2_000
SIDES: Mapping[str, int] = {"left": 0, "right": 1}


@dataclass(frozen=True)
class Sent:
    """A decision as the page sends it. ``revision`` is the one that it stands upon, 0 before the first."""

    verdict: Verdict
    revision: int
    sha256: str
    lead_time: float = 0.0
    preferred: Literal["left", "right", "tie"] | None = None
    reasons: tuple[Reason, ...] = ()
    severity: int | None = None
    comment: str = ""
    marks: tuple[Annotation, ...] | None = None
    """Places as they should be; None where nothing was changed."""
    texts: dict[str, str] = field(default_factory=dict)
    """Texts as they should be, by their fields; those of a pair are ``left`` and ``right``."""


@dataclass(frozen=True)
class ReviewRoom:
    """What is reviewed by whom, and what was decided."""

    items: Items
    journal: ReviewJournal
    queues: Mapping[str, Queue]
    """What each reviewer is shown, in order."""
    config: ReviewOptions
    labels: Sequence[str] = ()
    """Names of findings that a mark may be given besides what is typed."""
    opinions: Mapping[str, Sequence[Opinion]] = field(default_factory=dict)
    """What models say, by record."""
    drafts: Drafts | None = None
    """Where what is begun is kept; None keeps nothing."""
    maps: Maps | None = None
    """Attention maps, if any were given."""
    run: Path | None = None
    """The run whose records are shown, if they are one's."""
    _done: dict[str, set[int]] = field(default_factory=dict)

    def session(self, reviewer: str) -> dict[str, Any]:
        """What a page needs before its first item."""
        queue = self.queues[reviewer]
        first = next(
            (place for place, one in enumerate(queue.entries) if not self._decided(reviewer, one.number)), None
        )
        return {
            "room": "review",
            "reviewer": reviewer,
            "subject": self.items.subject,
            "total": len(queue),
            "decided": self._counted(reviewer),
            "first": len(queue) if first is None else first,
            "blind": self.config.blind,
            "adjudicates": reviewer == self.config.adjudicator,
            "labels": list(self.labels),
            "verdicts": [verdict for verdict in VERDICTS if verdict != "withdraw"],
            "reasons": list(REASONS),
            "severities": list(SEVERITIES),
            "file": self.journal.path.name,
        }

    def queue(self, reviewer: str, start: int, count: int, which: str = "all", back: bool = False) -> dict[str, Any]:
        """Entries of a reviewer's queue from a place on, or with ``back`` from there to its beginning.

        ``which`` are all, those to do, those done, those of one verdict or those of one reason. ``next`` is the place
        where more of them are, None where there are none.
        """
        queue = self.queues[reviewer]
        entries = queue.entries
        places = range(min(start, len(entries) - 1), -1, -1) if back else range(start, len(entries))
        among = (place for place in places if self._is(which, reviewer, entries[place]))
        found = [self._entry(reviewer, place, entries[place]) for place in islice(among, count)]
        return {
            "entries": found,
            "next": next(among, None),
            "reasons": [] if self.config.blind else queue.whys,
        }

    def find(self, reviewer: str, number: int) -> dict[str, Any]:
        """The entry of an item by its number; raises ``Unknown``."""
        queued = self.queued(reviewer, number)
        return self._entry(reviewer, self.queues[reviewer].entries.index(queued), queued)

    def summary(self, reviewer: str) -> dict[str, Any]:
        """What this reviewer has decided, and how it goes on."""
        own = [d for (_, who), d in standing(self.journal.decisions).items() if who == reviewer]
        return {
            "total": len(self.queues[reviewer]),
            "decided": self._counted(reviewer),
            "verdicts": summary.verdicts(own),
            "sampled": summary.sampled(own),
            "file": str(self.journal.path),
            "commands": list(summary.commands(self.config, self.items.subject, self.run)),
        }

    def map(self, reviewer: str, number: int) -> dict[str, Any]:
        """The attention map over an item's image; raises ``Unknown`` where none is shown."""
        self.queued(reviewer, number)
        item = self.items.item(number)
        if not self.maps or not self._has_map(reviewer, item):
            raise Unknown(f"item {number} has no map")
        self.journal.saw(reviewer, item.id, "its attention map")
        found = self.maps.of(item.of_record)
        assert found
        return found

    def _has_map(self, reviewer: str, item: ReviewItem) -> bool:
        hidden = self.config.blind and not self._decided(reviewer, item.number)
        return self.maps is not None and not hidden and self.maps.has(item.of_record)

    def draft(self, reviewer: str, number: int, draft: Any) -> None:
        """Keeps what was begun on an item. Raises ``Unknown`` and ``WriteError``."""
        self.queued(reviewer, number)
        if self.drafts:
            self.drafts.put(reviewer, self.items.rows.ids[number], draft)

    def _is(self, which: str, reviewer: str, queued: Queued) -> bool:
        verdict = self._verdict(reviewer, queued.number)
        if which in ("done", "todo"):
            return (which == "done") is (verdict is not None)
        if which in VERDICTS:
            return verdict == which
        return which == "all" or (which == queued.why and not self.config.blind)

    def _entry(self, reviewer: str, place: int, queued: Queued) -> dict[str, Any]:
        verdict = self._verdict(reviewer, queued.number)
        return {
            "place": place,
            "number": queued.number,
            "name": self._name(queued.number),
            "why": "" if self.config.blind and not verdict else queued.why,  # which may tell what is true
            "value": None if self.config.blind and not verdict else queued.value,
            "verdict": verdict,
        }

    def _name(self, number: int) -> str:
        """How the page calls an item: an id is often made of a patient's or a file's name."""
        return self.items.rows.ids[number] if self.config.show_identifiers else f"item {number + 1}"

    def _verdict(self, reviewer: str, number: int) -> Verdict | None:
        """What a reviewer has decided about an item; None where that was taken back, or nothing was."""
        last = self.journal.last(self.items.rows.ids[number], reviewer)
        return last.verdict if last and last.verdict != "withdraw" else None

    def _decided(self, reviewer: str, number: int) -> bool:
        return self._verdict(reviewer, number) is not None

    def _counted(self, reviewer: str) -> int:
        """How many of their items a reviewer has decided."""
        if reviewer not in self._done:  # once: a queue has a hundred thousand items
            entries = self.queues[reviewer].entries
            self._done[reviewer] = {one.number for one in entries if self._decided(reviewer, one.number)}
        return len(self._done[reviewer])

    def queued(self, reviewer: str, number: int) -> Queued:
        """The entry of an item that this reviewer is shown; raises ``Unknown``."""
        if (queued := self.queues[reviewer].find(number)) is None:
            raise Unknown(f"item {number} is not in the queue of {reviewer}")
        return queued

    def show(self, reviewer: str, number: int, ahead: bool = False) -> dict[str, Any]:
        """All that a page is told of an item; ``ahead`` of need where nobody looks at it yet."""
        queued = self.queued(reviewer, number)
        item = self.items.item(number)
        last = self.journal.last(item.id, reviewer)
        decided = last is not None and last.verdict != "withdraw"
        hidden = self.config.blind and not decided
        order = self._order(item, reviewer) if isinstance(item.row, Pair) else ()
        self.journal.saw(reviewer, item.id, "its texts and marks", ahead)
        return {
            "number": number,
            "name": self._name(number),
            "subject": item.subject,
            "sha256": item.sha256,
            "why": "" if hidden else queued.why,
            "about": self._about(item),
            "marks": to_json(item.marks),
            "said": to_json(item.said),
            "truth": [] if hidden else to_json(item.truth),
            "suggestions": self._suggestions(item, hidden),
            "texts": self._texts(item, reviewer, hidden),
            "map": self._has_map(reviewer, item),
            "revision": last.revision if last else 0,
            "decision": summary.told(last, self.config.show_identifiers) if decided else None,
            "readings": told(self.queues[reviewer], item.id, order, self.config.blind, self.config.seed),
            "draft": self.drafts.get(reviewer, item.id) if self.drafts else None,
        }

    def _suggestions(self, item: ReviewItem, hidden: bool) -> list[dict[str, Any]]:
        """Places that models name on a record's image; who says so is hidden with ``blind``."""
        if not isinstance(item.row, Record):
            return []
        return [
            {
                "model": f"model {number}" if hidden else said.model,
                "label": said.label,
                "box": said.box,
                "confidence": said.confidence,
            }
            for number, opinion in enumerate(self.opinions.get(item.id, ()), 1)
            for said in opinion.suggestions
        ]

    def _about(self, item: ReviewItem) -> dict[str, Any]:
        """What is known of the image besides; who it is of only where that was asked for."""
        record = item.record
        if record is None:
            return {}
        about: dict[str, Any] = {
            "width": record.width,
            "height": record.height,
            "modality": record.modality,
            "split": record.split,
            "dataset": record.source.dataset,
            "completeness": record.completeness,
        }
        if self.config.show_identifiers:
            about |= {"patient": record.patient, "study": record.study, "file": record.source.file}
        return about

    def _texts(self, item: ReviewItem, reviewer: str, hidden: bool) -> list[dict[str, Any]]:
        """The texts of an item in the order in which they are read, with what each is."""
        row = item.row
        if isinstance(row, Record):
            report = [_text("report", "Report", row.report, True)] if row.report else []
            asked = [_text("", question.text, question.answer) for question in row.questions]
            return report + asked
        if isinstance(row, Dialogue):
            return [_text("question", "Question", row.question, True), _text("answer", "Answer", row.answer, True)]
        if isinstance(row, Pair):
            sides = {"chosen": row.chosen, "rejected": row.rejected}
            order = self._order(item, reviewer)
            shown = [
                _text(side, "" if hidden else name.capitalize(), sides[name], True)
                for side, name in zip(SIDES, order, strict=True)
            ]
            return [_text("", "Question", row.question), *shown]
        assert item.dialogue
        answered = _text("answer", "Answer" if hidden else row.model, row.answer, True)
        truth = [] if hidden else [_text("", "Truth", item.dialogue.answer)]
        return [_text("", "Question", item.dialogue.question), answered, *truth]

    def _order(self, item: ReviewItem, reviewer: str) -> tuple[Preferred, Preferred]:
        """The sides of a pair from left to right: at random for each reviewer where they are hidden."""
        key = f"{self.config.seed}:{reviewer}:{item.id}".encode()
        turned = self.config.blind and hashlib.sha256(key).digest()[0] % 2
        return ("rejected", "chosen") if turned else ("chosen", "rejected")

    def decide(self, reviewer: str, number: int, said: Sent) -> dict[str, Any]:
        """Keeps a decision; returns what the item is then. Raises ``Refused``, ``Conflict`` and ``WriteError``."""
        queued = self.queued(reviewer, number)
        item = self.items.item(number)
        if said.sha256 != item.sha256:
            raise Refused("the item was changed in its file since it was shown: load the page again")
        self.journal.decide(self._decision(reviewer, item, queued, said))
        self._counted(reviewer)
        (self._done[reviewer].discard if said.verdict == "withdraw" else self._done[reviewer].add)(number)
        if self.drafts:
            self.drafts.put(reviewer, item.id, None)
        return self.show(reviewer, number)

    def _decision(self, reviewer: str, item: ReviewItem, queued: Queued, said: Sent) -> Decision:
        pair = isinstance(item.row, Pair)
        order = self._order(item, reviewer) if pair else ()
        if said.preferred and not pair:
            raise Refused("only sides of a pair can be preferred")
        if said.severity is not None and not SEVERITIES[0] <= said.severity <= SEVERITIES[1]:
            raise Refused(f"severity is {SEVERITIES[0]} to {SEVERITIES[1]}")
        if len(said.comment) > MOST_TEXT:
            raise Refused(f"a comment has {MOST_TEXT} characters at most")
        preferred: Preferred | None = None
        if said.preferred:
            preferred = "tie" if said.preferred == "tie" else order[SIDES[said.preferred]]
        before, after = _edited(item, said, order)
        record = item.record
        return Decision(
            item=item.id,
            subject=item.subject,
            record=item.of_record,
            reviewer=reviewer,
            verdict=said.verdict,
            revision=said.revision + 1,
            sha256=item.sha256,
            time=self.journal.time(),
            lead_time=round(max(0.0, min(said.lead_time, 86_400.0)), 1),
            preferred=preferred,
            reasons=said.reasons,
            severity=said.severity,
            comment=said.comment,
            width=record.width if record else None,
            height=record.height if record else None,
            before=item.marks,
            after=None if said.marks is None else tuple(_checked(mark, item) for mark in _few(said.marks)),
            texts_before=before,
            texts=after,
            order=order,
            blinded=self.config.blind and said.revision == 0,  # later ones know what was told after the first
            why=queued.why,
            adjudicates=between(self.queues[reviewer], item.id),
        )


def _text(name: str, title: str, text: str, editable: bool = False) -> dict[str, Any]:
    """A text as the page is told of it; one without a field cannot be changed."""
    return {"field": name, "title": title, "text": text, "editable": editable}


def _edited(item: ReviewItem, said: Sent, order: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The texts that were changed, before and after, by the fields of the row."""
    fields = {
        "record": ("report",),
        "dialogue": ("question", "answer"),
        "pair": tuple(SIDES),
        "prediction": ("answer",),
    }
    before, after = {}, {}
    for name, text in said.texts.items():
        if name not in fields[item.subject]:
            raise Refused(f"there is no text {name!r} to change")
        if len(text) > MOST_TEXT:
            raise Refused(f"a text has {MOST_TEXT} characters at most")
        own = order[SIDES[name]] if name in SIDES else name
        was = getattr(item.row, own) or ""
        if text != was:
            before[own], after[own] = was, text
    return before, after


def _few(marks: Sequence[Annotation]) -> Sequence[Annotation]:
    if len(marks) > MOST_MARKS:
        raise Refused(f"an image has {MOST_MARKS} marks at most")
    return marks


def _checked(mark: Annotation, item: ReviewItem) -> Annotation:
    """A mark that lies in its image and has a name."""
    label = mark.label.strip()
    if not label or len(label) > 200:
        raise Refused("each mark needs a name of at most 200 characters")
    if mark.finding is not None and not 0 <= mark.finding < len(item.marks):
        raise Refused(f"there is no finding {mark.finding}")
    if len(mark.polygon) > MOST_CORNERS or 0 < len(mark.polygon) < 3:
        raise Refused(f"an outline has 3 to {MOST_CORNERS} corners")
    box = mark.box
    if mark.polygon:
        across, down = [x for x, _ in mark.polygon], [y for _, y in mark.polygon]
        box = min(across), min(down), max(across), max(down)
    if box is not None and item.record:
        try:
            box = geometry.checked(box, item.record.width, item.record.height)
        except geometry.BoxError as error:
            raise Refused(str(error)) from error
    return replace(mark, label=label, box=box)
