"""What a decision of a reader makes of a row: the corrected row, what was done to it, and what was lost with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from unveil.core import geometry, report_sections
from unveil.core.answers import clean_answer
from unveil.core.box_formats import BOX_FORMATS, View, mark, neutral, unmark
from unveil.core.decisions import SEVERITIES, Annotation, Decision
from unveil.core.geometry import Box
from unveil.core.pairs import checked
from unveil.core.readings import Readings, difference, preferred
from unveil.core.records import Completeness, Dialogue, Finding, Pair, Prediction, Record, RecordError
from unveil.curate.candidates import pair_of

Row = TypeVar("Row", Record, Dialogue, Pair)

#: Weights of pairs by how grave the error is, as far as MMedPO's reach (arXiv 2412.06141); 1 where nobody has said it.
FLOOR, CEILING = 0.75, 1.25
#: By how much a mask may reach beyond its box, or stay behind, in pixels.
FITS = 1.0
#: IoU with where a finding was from which what was said of its place still holds.
STILL_THERE = 0.5
#: Words of a finding that say where it is.
OF_PLACE = ("body_part", "side")

REASONS_OUT = {"reject": "rejected", "phi": "it may tell who the patient is", "bad-image": "bad image"}
UNSURE = "unsure"


class NotApplicable(ValueError):
    """A decision that cannot be carried out; the message says why."""


@dataclass(frozen=True)
class Applied(Generic[Row]):
    """What became of a row."""

    row: Row | None
    """As it should be; None where it is left out."""
    done: tuple[str, ...] = ()
    """What was changed, such as moved and renamed; of a row that is left out, why."""
    lost: tuple[str, ...] = ()
    """What does not hold any more and was taken away, such as a mask."""


def _agreeing(readings: Readings, stands: Decision) -> tuple[str, ...]:
    """Who says what stands."""
    everybody = [*readings.readings, *([readings.adjudication] if readings.adjudication else [])]
    return tuple(dict.fromkeys(one.reviewer for one in everybody if not difference(one, stands)))


def _and(known: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def record(was: Record, readings: Readings, stands: Decision, whole_image: bool) -> Applied[Record]:
    """The record as its readers leave it; what is not changed keeps mask, attributes and phrase.

    An image never becomes free of findings by the loss of one: a complete record that has lost a finding, or in which a
    reader misses one that nobody has drawn, is ``partial``, unless its readers have searched the ``whole_image``.
    Raises ``NotApplicable`` and ``geometry.BoxError``.
    """
    if stands.verdict in REASONS_OUT:
        return Applied(None, (REASONS_OUT[stands.verdict],))
    if stands.verdict == UNSURE:
        return Applied(was, (UNSURE,))
    findings, done, lost = _findings(was, stands.after, _agreeing(readings, stands))
    report = stands.texts.get("report", was.report)
    known: dict[str, Any] = {}
    if report != was.report:
        done.append("report")
        known["report"] = report
        known["sections"] = _sections(was, report or "", lost)
        findings = [_without_lost_phrase(finding, was.report or "", report or "", lost) for finding in findings]
    missing = "missing-finding" in stands.reasons and "added" not in done
    completeness = _completeness(was, _gone(was, stands, findings), missing, whole_image)
    who = [one.reviewer for one in readings.readings]
    who += [readings.adjudication.reviewer] if readings.adjudication else []
    row = replace(was, findings=tuple(findings), completeness=completeness, readers=_and(was.readers, who), **known)
    return Applied(row, tuple(dict.fromkeys(done)), tuple(dict.fromkeys(lost)))


def _gone(was: Record, stands: Decision, findings: Sequence[Finding]) -> bool:
    """Whether a finding was taken away, and nothing is marked where it was."""
    kept = range(len(was.findings)) if stands.after is None else {one.finding for one in stands.after}
    boxes = [finding.box for finding in findings if finding.box]
    removed = [finding.box for n, finding in enumerate(was.findings) if n not in kept]
    return any(box is None or all(geometry.iou(box, other) < STILL_THERE for other in boxes) for box in removed)


def _completeness(was: Record, removed: bool, missing: bool, whole_image: bool) -> Completeness:
    if whole_image and not missing:
        return "exhaustive"
    return "partial" if was.completeness == "exhaustive" and (missing or removed) else was.completeness


def _findings(
    was: Record, marks: Sequence[Annotation] | None, who: Sequence[str]
) -> tuple[list[Finding], list[str], list[str]]:
    """The findings by the marks of a reader, None where nothing was changed; what was changed, and what was lost."""
    if marks is None:
        return [replace(finding, readers=_and(finding.readers, who)) for finding in was.findings], [], []
    findings, done, lost = list[Finding](), list[str](), list[str]()
    for one in marks:
        if one.finding is not None and one.finding >= len(was.findings):
            raise NotApplicable(f"there is no finding {one.finding}")
        before = was.findings[one.finding] if one.finding is not None else None
        made = _placed(one, was)
        if before is None:
            done.append("added")
            findings.append(replace(made, readers=tuple(who)))
            continue
        findings.append(replace(_changed(before, made, done, lost), readers=_and(before.readers, who)))
    if set(range(len(was.findings))) - {one.finding for one in marks}:
        done.append("removed")
    return findings, done, lost


def _placed(one: Annotation, was: Record) -> Finding:
    """A mark as a finding: an outline becomes a mask."""
    box = geometry.checked(one.box, was.width, was.height) if one.box else None
    if not one.polygon:
        return Finding(one.label, box)
    mask = geometry.mask_from_polygons([[v for corner in one.polygon for v in corner]], was.width, was.height)
    if not geometry.decode_mask(mask).any():
        raise NotApplicable("an outline covers no pixel")
    return Finding(one.label, box or geometry.box_of_mask(geometry.decode_mask(mask)), mask)


def _changed(before: Finding, made: Finding, done: list[str], lost: list[str]) -> Finding:
    """A finding with another name or place, with what still holds of the old one."""
    after = before
    if made.label != before.label:
        done.append("renamed")
        if before.phrase:
            lost.append("phrase of a renamed finding")
        after = replace(after, label=made.label, phrase=None, translations={})
    if made.box == before.box and made.mask is None:
        return after
    done.append("moved" if made.mask is None else "drawn")
    mask = made.mask or (before.mask if before.mask and _fits(before.mask, made.box) else None)
    if before.mask and mask is None:
        lost.append("mask that no longer fits its box")
    after = replace(after, box=made.box, mask=mask)
    if before.box and made.box and geometry.iou(before.box, made.box) >= STILL_THERE:
        return after
    if after.phrase or any(name in after.attributes for name in OF_PLACE):
        lost.append("words about a place that is another now")
    kept = {name: value for name, value in after.attributes.items() if name not in OF_PLACE}
    return replace(after, attributes=kept, phrase=None, translations={})


def _fits(mask: dict[str, Any], box: Box | None) -> bool:
    drawn = geometry.decode_mask(mask)
    if box is None or not drawn.any():
        return False
    return all(abs(a - b) <= FITS for a, b in zip(geometry.box_of_mask(drawn), box, strict=True))


def _sections(was: Record, report: str, lost: list[str]) -> dict[str, str]:
    """The parts of a report that was changed, where they are those that its own headings tell."""
    if was.sections and was.sections != report_sections.sections(was.report or ""):
        lost.append("parts of a report that was changed")
        return {}
    return report_sections.sections(report) if was.sections else {}


def _without_lost_phrase(finding: Finding, old: str, new: str, lost: list[str]) -> Finding:
    if not finding.phrase or finding.phrase not in old or finding.phrase in new:
        return finding
    lost.append("phrase that the report says no more")
    return replace(finding, phrase=None, translations={})


_BOX = re.compile(r"<box [^<>]*>")


def dialogue(was: Dialogue, readings: Readings, stands: Decision) -> Applied[Dialogue]:
    """The dialogue with another question or answer; a box that was moved moves in the answer.

    Raises ``NotApplicable`` where the marks and the boxes of the answer do not go together then.
    """
    if stands.verdict in REASONS_OUT:
        return Applied(None, (REASONS_OUT[stands.verdict],))
    if stands.verdict == UNSURE:
        return Applied(was, (UNSURE,))
    done = list[str]()
    answer = clean_answer(stands.texts["answer"]) if "answer" in stands.texts else was.answer
    question = stands.texts.get("question", was.question).strip()
    if not answer or not question:
        raise NotApplicable("a question and an answer are needed, and one is empty")
    if stands.after is not None:
        answer = _with_boxes(was, answer, stands.after)
    done += ["text"] if {"answer", "question"} & stands.texts.keys() else []
    done += ["moved"] if unmark(answer) != unmark(was.answer) else []
    if (question, answer) == (was.question, was.answer):
        return Applied(was)
    return Applied(replace(was, question=question, answer=answer, writer=_writer(was.writer, stands)), tuple(done))


def _with_boxes(was: Dialogue, answer: str, marks: Sequence[Annotation]) -> str:
    """An answer whose boxes are those of the marks."""
    old = unmark(was.answer)
    moved: dict[Box, Box] = {}
    for one in marks:
        if one.finding is not None and one.box and one.finding < len(old) and one.box != old[one.finding]:
            moved[old[one.finding]] = one.box

    def placed(found: re.Match[str]) -> str:
        boxes = unmark(found[0])
        return mark(moved[boxes[0]]) if boxes and boxes[0] in moved else found[0]

    answer = _BOX.sub(placed, answer)
    said, drawn = (sorted(map(mark, boxes)) for boxes in (unmark(answer), [one.box for one in marks if one.box]))
    if said != drawn:
        raise NotApplicable("its boxes are others than those that its answer names")
    return answer


def pair(was: Pair, readings: Readings, stands: Decision) -> Applied[Pair]:
    """The pair with the side that is preferred as the chosen one, and its weight.

    What nobody prefers is no pair: ties and whatever was not accepted are left out. The weight is the pair's own, times
    ``severity_weight``, times the share of all who have read it that says so. Raises ``NotApplicable``.
    """
    side = preferred(stands)
    if stands.verdict not in ("accept", "edit"):
        return Applied(None, (REASONS_OUT.get(stands.verdict, stands.verdict),))
    if side == "tie":
        return Applied(None, ("tie",))
    edited: dict[str, Any] = {
        name: clean_answer(stands.texts[name]) for name in ("chosen", "rejected") if name in stands.texts
    }
    made, done = replace(was, **edited), ["text"] if edited else []
    if side == "rejected":
        if was.other:
            raise NotApplicable("the side that is preferred stands under another picture")
        made, done = replace(made, chosen=made.rejected, rejected=made.chosen), [*done, "swapped"]
    if done:
        made = replace(made, writer=_writer(was.writer, stands))
    made = replace(made, weight=was.weight * severity_weight(stands.severity) * readings.share)
    return Applied(_sound(made), tuple(done))


def severity_weight(severity: int | None) -> float:
    """From 0.75 of a harmless error (1) to 1.25 of a dangerous one (5); 1 where nobody has said how grave it is."""
    if severity is None:
        return 1.0
    low, high = SEVERITIES
    return FLOOR + (CEILING - FLOOR) * (severity - low) / (high - low)


def prediction(
    was: Prediction, asked: Dialogue, size: tuple[int, int], readings: Readings, stands: Decision
) -> Applied[Pair]:
    """A pair of the answer as a reader has corrected it, and the model's own, where it was corrected; boxes in neutral
    markup. ``size`` is the image's."""
    if stands.verdict not in ("accept", "edit"):
        return Applied(None, (REASONS_OUT.get(stands.verdict, stands.verdict),))
    if (was.shown, was.kind) != ("own", asked.kind) or was.record != asked.record:
        raise NotApplicable("it is no answer to this question about this image")
    if "answer" not in stands.texts:
        return Applied(None, ("no other answer was written",))
    if was.box_format not in BOX_FORMATS:
        raise NotApplicable(f"unknown box format {was.box_format}")
    view = View(BOX_FORMATS[was.box_format], size, was.frame)
    better, own = (clean_answer(neutral(text, view)) for text in (stands.texts["answer"], was.answer))
    made = pair_of(asked, "review", better, own, f"{was.model}, corrected by {stands.reviewer}")
    made = replace(made, weight=severity_weight(stands.severity) * readings.share)
    return Applied(_sound(made), ("text",))


def _sound(made: Pair) -> Pair:
    try:
        return checked(made)
    except RecordError as error:
        raise NotApplicable(str(error)) from error


def _writer(writer: str, stands: Decision) -> str:
    return f"{writer}, corrected by {stands.reviewer}"
