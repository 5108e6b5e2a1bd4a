"""What the rules know: the annotations of the records, by which they judge, correct and falsify answers.

They stand in for an expert where none is at hand. They see annotations and never an image, so they are no judge of what
nobody has annotated, and what they write says so (``writer="rules"``).
"""

from __future__ import annotations

import typing
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from unveil.core import choices, phrases, report_sections
from unveil.core.answers import (
    NOTHING,
    clean,
    says_nothing,
    write_detection,
    write_diagnosis,
    write_grounding,
    write_localisation,
    write_recognition,
    yes_no,
)
from unveil.core.box_formats import MARKUP, View, unmark
from unveil.core.chinese import IN_CHINESE
from unveil.core.geometry import ious, match, scale
from unveil.core.grading import HIT, Case, Outcome, grade, score
from unveil.core.names import normal
from unveil.core.records import WITH_BOXES, Dialogue, Finding, Kind, Record, RecordError
from unveil.core.untrusted import quoted
from unveil.core.wordings import QUESTIONS, asked_about
from unveil.core.words import holds, tokens
from unveil.curate import false_reports


class Rules:
    """Annotations at work. ``dialogues`` give the pool of answers to questions that came with the images."""

    def __init__(self, records: Sequence[Record], dialogues: Iterable[Dialogue] = ()):
        self.records = {record.id: record for record in records}
        self.names = vocabulary(records)
        self.examples: dict[tuple[str, str | None], list[tuple[Finding, tuple[int, int]]]] = {}
        for record in records:
            if record.split in ("train", None):
                known = self.examples.setdefault((record.source.dataset, record.modality), [])
                known += [(f, record.size) for f in record.boxed]
        pool: dict[tuple[Kind, str | None], set[str]] = {}
        for dialogue in dialogues:
            if dialogue.kind in ("closed", "open") and dialogue.split == "train" and yes_no(dialogue.answer) is None:
                pool.setdefault((dialogue.kind, dialogue.language), set()).add(dialogue.answer)
        #: Answers with their numbers of words, the shortest first, by kind and language.
        self.pool = {about: sorted((len(tokens(a)), a) for a in answers) for about, answers in pool.items()}

    def record(self, dialogue: Dialogue) -> Record:
        """The dialogue's record. Raises ``RecordError`` where it is missing."""
        if dialogue.record not in self.records:
            raise RecordError(f"{dialogue.id}: its record {quoted(dialogue.record)} is not in the records' file")
        return self.records[dialogue.record]

    def labels(self, record: Record) -> list[str]:
        """The names that occur in the record's data set and modality."""
        return self.names[record.source.dataset, record.modality]

    def outcome(self, dialogue: Dialogue, text: str) -> Outcome:
        """What an answer in neutral markup is worth."""
        return self._case(dialogue, text).outcome

    def _case(self, dialogue: Dialogue, text: str) -> Case:
        record = self.record(dialogue)
        return grade(dialogue, record, text, View(MARKUP, record.size, record.size), self.labels(record))

    def score(self, dialogue: Dialogue, text: str) -> float | None:
        """From 0 to 1, None where the annotations allow no verdict."""
        return score(self.outcome(dialogue, text))

    def readable(self, dialogue: Dialogue, text: str) -> bool:
        """Whether an answer says anything of what was asked."""
        return self.outcome(dialogue, text).status == "ok"

    def understood(self, question: str, about: Dialogue) -> Dialogue | None:
        """A question that somebody puts about the image of ``about``, with its true answer, where the rules know it."""
        record = self.record(about)
        for own in record.questions:
            if tokens(clean(own.text)) == tokens(question) and (answer := clean(own.answer)):
                return replace(about, kind=own.kind, question=question, answer=answer, target=None, choices=())
        for kind in QUESTIONS:
            if (target := asked_about(kind, question)) is None:
                continue
            known = self._true(kind, target, record)
            if known is not None:
                about = replace(about, choices=())
                return replace(about, kind=kind, question=question, answer=known, target=target or None)
        return None

    def _true(self, kind: Kind, target: str, record: Record) -> str | None:
        """The true answer to a question of the rules' own, None where the annotations do not give it."""
        complete, placed = record.completeness == "exhaustive", len(record.boxed) == len(record.named)
        known = complete or bool(record.findings)
        if kind == "detection":
            return write_detection(record.findings) if known else None
        if kind == "diagnosis":
            return write_diagnosis(record.boxed) if known and placed else None
        if kind == "grounding":
            found = phrases.of_phrase(record.findings, target)
            return write_grounding(found) if phrases.boxes(found) else None
        if kind == "report":
            return report_sections.part(record, typing.cast(report_sections.Part, target)) or None
        if kind == "localisation":
            named = [f for f in record.named if normal(f.label) == normal(target)]
            if not named:
                return write_localisation([], target) if complete else None
            return write_localisation(_boxed(named), target) if all(f.box for f in named) else None
        if (finding := _at(record, target)) is not None:
            return write_recognition(finding)
        boxes = unmark(target)
        free = len(boxes) == 1 and not ious([f.box for f in record.boxed if f.box], boxes).any()
        return NOTHING if free and complete and placed else None

    def conflict(self, dialogue: Dialogue, text: str) -> float:
        """How far an answer is from the truth, 0 to 1; 0 where it is right or nothing proves it wrong.

        An open answer is wrong where it shares less than half of its words with the truth, a report where it finds
        something else, whatever its words.
        """
        case = self._case(dialogue, text)
        if dialogue.kind == "report":
            return case.reported.conflict if case.reported else 0.0
        found = case.outcome
        worth = score(found)
        if worth is None or found.right or (dialogue.kind == "open" and worth >= 0.5):
            return 0.0
        return 1 - worth

    # ------------------------------------------------------------------------------------------------- falsifying

    def wrong(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        """A plausible wrong answer in the style of the true one, None where the rules know none.

        Something is overlooked, invented, misnamed or misplaced, as it befits the question.
        """
        made = _FALSIFIED[dialogue.kind](self, dialogue, rng)
        return made if made is not None and self.contradicts(dialogue, made) else None

    def contradicts(self, dialogue: Dialogue, text: str) -> bool:
        """Whether the annotations prove an answer wrong, and it does not hold the true one either."""
        return self.conflict(dialogue, text) > 0 and not holds(text, dialogue.answer)

    def _other_label(self, record: Record, label: str, rng: np.random.Generator) -> str | None:
        present = {normal(name) for name in (label, *(f.label for f in record.findings))}
        others = [name for name in self.labels(record) if normal(name) not in present]
        return str(rng.choice(others)) if others else None

    def _invented(self, record: Record, label: str | None, rng: np.random.Generator) -> Finding | None:
        """A finding as it occurs elsewhere in the data set, of one name or of any, at its place in this image."""
        known = self.examples.get((record.source.dataset, record.modality), [])
        fitting = [pair for pair in known if label in (None, pair[0].label)]
        if not fitting:
            return None
        finding, size = fitting[int(rng.integers(len(fitting)))]
        assert finding.box is not None
        return replace(finding, box=scale(finding.box, size, record.size))

    def _flipped(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        if (alone := "".join(tokens(dialogue.answer))) in IN_CHINESE:
            return IN_CHINESE[alone]
        said = yes_no(dialogue.answer)
        return None if said is None else _like(dialogue.answer, "No" if said else "Yes")

    def _misplaced(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        label = dialogue.target or ""
        found = [f for f in record.boxed if f.label == label]
        if not found:  # the truth is that it is not there
            invented = self._invented(record, label, rng)
            return write_localisation([invented], label) if invented else None
        return write_localisation(_moved(found, record, rng, len(found) // 2 + 1) or [], label)

    def _misgrounded(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        found = [f for f in phrases.of_phrase(record.findings, dialogue.target or "") if f.box]
        return write_grounding(_moved(found, record, rng, len(found) // 2 + 1) or [])

    def _mischosen(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        right = choices.read_choice(dialogue.answer, dialogue.choices)
        others = [i for i in range(len(dialogue.choices)) if i != right]
        return choices.write_choice(dialogue.choices, int(rng.choice(others))) if others else None

    def _misnamed(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        finding = _at(record, dialogue.target or "")
        if finding is None:
            invented = self._invented(record, None, rng)
            return write_recognition(invented) if invented else None
        label = self._other_label(record, finding.label, rng)
        return NOTHING if label is None else write_recognition(replace(finding, label=label))

    def _misdiagnosed(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        found = list(record.boxed)
        if not found:
            invented = self._invented(record, None, rng)
            return write_diagnosis([invented]) if invented else None
        ways = [self._renamed, self._misplaced_one, self._overlooked]
        for way in rng.permutation(len(ways)):
            if (made := ways[way](found, record, rng)) is not None:
                return write_diagnosis(made)
        return None

    def _renamed(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding] | None:
        i = int(rng.integers(len(found)))
        label = self._other_label(record, found[i].label, rng)
        return None if label is None else [replace(f, label=label) if j == i else f for j, f in enumerate(found)]

    def _misplaced_one(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding] | None:
        return _moved(found, record, rng, 1)

    def _overlooked(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding]:
        gone = int(rng.integers(len(found)))
        return [f for j, f in enumerate(found) if j != gone]

    def _misreported(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        known = [f.label for f in record.findings]
        return false_reports.wrong(dialogue, tuple(self.labels(record)), known, rng)

    def _another(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        """For a question that came with the image: the other of yes and no, else the answer to another question."""
        if flipped := self._flipped(dialogue, rng):
            return flipped
        for answer in rng.permutation(self._alike(dialogue)):
            if self.contradicts(dialogue, str(answer)):
                return str(answer)
        return None

    def _alike(self, dialogue: Dialogue, least: int = 8) -> list[str]:
        """Answers to other questions in its language with as many words, so that length tells nothing, and those next
        to them."""
        pool, own = self.pool.get((dialogue.kind, dialogue.language), []), len(tokens(dialogue.answer))
        low, high = (where(pool, own, key=lambda one: one[0]) for where in (bisect_left, bisect_right))
        while high - low < least and (low > 0 or high < len(pool)):
            shorter = own - pool[low - 1][0] if low > 0 else np.inf
            longer = pool[high][0] - own if high < len(pool) else np.inf
            low, high = (low - 1, high) if shorter < longer else (low, high + 1)
        return [answer for _, answer in pool[low:high]]

    # ------------------------------------------------------------------------------------------------- correcting

    def corrected(self, dialogue: Dialogue, text: str) -> str:
        """A wrong answer made right with few changes: what is right in it stays as it was said."""
        if dialogue.kind not in WITH_BOXES:
            return dialogue.answer
        record = self.record(dialogue)
        true = [f for f in record.boxed if dialogue.kind == "diagnosis" or f.label == dialogue.target]
        if dialogue.kind == "grounding":
            true = [f for f in phrases.of_phrase(record.findings, dialogue.target or "") if f.box]
        said = unmark(text)
        right = {j: said[i] for i, j, v in match(said, [f.box for f in true if f.box]) if v >= HIT}
        kept = _boxed(replace(f, box=right.get(j, f.box)) for j, f in enumerate(true))
        if dialogue.kind == "grounding":
            return write_grounding(kept)
        whole = dialogue.kind == "diagnosis"
        return write_diagnosis(kept) if whole else write_localisation(kept, dialogue.target or "")


def _like(answer: str, word: str) -> str:
    """A word with the case and the full stop of an answer."""
    word = word if answer[:1].isupper() else word.lower()
    return f"{word}." if answer.strip().endswith(".") else word


def _boxed(findings: Iterable[Finding]) -> list[Finding]:
    """In the order in which answers name them."""
    return sorted(findings, key=lambda f: f.box or ())


def _at(record: Record, target: str) -> Finding | None:
    """The finding whose box is the one that a recognition question gives."""
    boxes = unmark(target)
    values = ious([f.box for f in record.boxed if f.box], boxes)[:, 0] if len(boxes) == 1 else np.zeros(0)
    return record.boxed[int(values.argmax())] if values.max(initial=0) >= HIT else None


def _moved(
    found: Sequence[Finding], record: Record, rng: np.random.Generator, count: int, tries: int = 20
) -> list[Finding] | None:
    """The findings with ``count`` of their boxes, their extents kept, in other places; None where there is no room."""
    taken = [f.box for f in record.boxed if f.box]
    moved = list(found)
    for i in rng.permutation(len(found))[:count]:
        box = found[i].box
        assert box is not None
        w, h = box[2] - box[0], box[3] - box[1]
        corners = (rng.random((tries, 2)) * (max(0, record.width - w), max(0, record.height - h))).tolist()
        free = ((x, y, x + w, y + h) for x, y in corners if ious([(x, y, x + w, y + h)], taken).max() < 0.1)
        if (there := next(free, None)) is None:
            return None
        moved[i] = replace(found[i], box=there)
    return _boxed(moved)


_FALSIFIED: dict[Kind, Callable[[Rules, Dialogue, np.random.Generator], str | None]] = {
    "detection": Rules._flipped,
    "localisation": Rules._misplaced,
    "recognition": Rules._misnamed,
    "diagnosis": Rules._misdiagnosed,
    "grounding": Rules._misgrounded,
    "report": Rules._misreported,
    "closed": Rules._another,
    "choice": Rules._mischosen,
    "open": Rules._another,
}


def vocabulary(records: Sequence[Record]) -> dict[tuple[str, str | None], list[str]]:
    """The finding names that occur, by data set and modality, from the training split where there is one.

    A label that says that nothing is there ("Normal") is no name of a finding.
    """
    training = [r for r in records if r.split == "train"] or records
    names: dict[tuple[str, str | None], set[str]] = {(r.source.dataset, r.modality): set() for r in records}
    for record in training:
        named = (f.label for f in record.findings if not says_nothing(f.label))
        names[record.source.dataset, record.modality].update(named)
    return {key: sorted(values) for key, values in names.items()}
