"""What the rules know: the annotations of the records, by which they judge, correct and falsify answers.

They stand in for an expert where none is at hand. They see annotations and never an image, so they are no judge of what
nobody has annotated, and what they write says so (``writer="rules"``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from unveil.curate.mau import vocabulary
from unveil.geometry import ious, match, scale
from unveil.records import Dialogue, Finding, Kind, Record, RecordError
from unveil.syntax import MARKUP, View, unmark
from unveil.verdict import HIT, Case, Outcome, judge, merit, tokens
from unveil.wording import (
    NOTHING,
    QUESTIONS,
    asked_about,
    clean,
    normal,
    parse,
    write_detection,
    write_diagnosis,
    write_localisation,
    write_recognition,
    yes_no,
)


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
        self.pool: dict[Kind, list[str]] = {"closed": [], "open": []}
        for dialogue in dialogues:
            if dialogue.kind in self.pool and dialogue.split == "train":
                self.pool[dialogue.kind].append(dialogue.answer)
        self.pool = {kind: sorted(set(answers)) for kind, answers in self.pool.items()}

    def record(self, dialogue: Dialogue) -> Record:
        """The dialogue's record. Raises ``RecordError`` where it is missing."""
        if dialogue.record not in self.records:
            raise RecordError(f"{dialogue.id}: its record {dialogue.record!r} is not in the records' file")
        return self.records[dialogue.record]

    def labels(self, record: Record) -> list[str]:
        """The names that occur in the record's data set and modality."""
        return self.names[record.source.dataset, record.modality]

    def outcome(self, dialogue: Dialogue, text: str) -> Outcome:
        """What an answer in neutral markup is worth."""
        record = self.record(dialogue)
        names = self.labels(record)
        view = View(MARKUP, record.size, record.size)
        return judge(Case(dialogue, record, parse(dialogue.kind, text, view, names), text, names))

    def merit(self, dialogue: Dialogue, text: str) -> float | None:
        """From 0 to 1, None where the annotations allow no verdict."""
        return merit(self.outcome(dialogue, text))

    def understood(self, question: str, about: Dialogue) -> Dialogue | None:
        """A question that somebody puts about the image of ``about``, with its true answer, where the rules know it."""
        record = self.record(about)
        for own in record.questions:
            if tokens(own.text) == tokens(question):
                return replace(about, kind=own.kind, question=question, answer=clean(own.answer), target=None)
        for kind in QUESTIONS:
            if (target := asked_about(kind, question)) is None:
                continue
            answer = self._true(kind, target, record)
            if answer is not None:
                return replace(about, kind=kind, question=question, answer=answer, target=target or None)
        return None

    def _true(self, kind: Kind, target: str, record: Record) -> str | None:
        """The true answer to a question of the rules' own, None where the annotations do not give it."""
        known = record.findings or record.completeness == "exhaustive"
        if kind == "detection":
            return write_detection(record.findings) if known else None
        if len(record.boxed) < len(record.findings) or not known:
            return None
        if kind == "diagnosis":
            return write_diagnosis(record.boxed)
        if kind == "localisation":
            found = [f for f in record.boxed if normal(f.label) == normal(target)]
            return write_localisation(found, target) if found or record.completeness == "exhaustive" else None
        boxes = unmark(target)
        values = ious([f.box for f in record.boxed if f.box], boxes)[:, 0] if len(boxes) == 1 else np.zeros(0)
        if values.max(initial=0) >= HIT:
            return write_recognition(record.boxed[int(values.argmax())])
        return NOTHING if len(boxes) == 1 and values.max(initial=0) == 0 else None

    def conflict(self, dialogue: Dialogue, text: str) -> float:
        """How far an answer is from the truth, 0 to 1; 0 where it is right or nothing proves it wrong.

        An open answer is wrong where it shares less than half of its words with the truth.
        """
        found = self.outcome(dialogue, text)
        worth = merit(found)
        if worth is None or found.right or (dialogue.kind == "open" and worth >= 0.5):
            return 0.0
        return 1 - worth

    # ------------------------------------------------------------------------------------------------- falsifying

    def wrong(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        """A plausible wrong answer in the style of the true one, None where the rules know none.

        Something is overlooked, invented, misnamed or misplaced, as it befits the question.
        """
        made = _FALSIFIED[dialogue.kind](self, dialogue, rng)
        return None if made is None or tokens(made) == tokens(dialogue.answer) else made

    def _other_label(self, record: Record, label: str, rng: np.random.Generator) -> str | None:
        present = {f.label for f in record.findings}
        others = [name for name in self.labels(record) if name not in present and name != label]
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
        said = yes_no(dialogue.answer)
        return None if said is None else _like(dialogue.answer, "No" if said else "Yes")

    def _misplaced(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        label = dialogue.target or ""
        found = [f for f in record.boxed if f.label == label]
        invented = self._invented(record, label, rng)  # the truth may be that it is not there
        wrong = _moved(found, record, rng) if found else invented and [invented]
        return write_localisation(wrong, label) if wrong else None

    def _misnamed(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        name = normal(dialogue.answer.split("(")[0])
        label = self._other_label(record, name, rng)
        if normal(dialogue.answer) == normal(NOTHING):
            invented = self._invented(record, None, rng)
            return write_recognition(invented) if invented else None
        return NOTHING if label is None else re.sub(r"^[^(.]*?(?=\s*[(.]|$)", label, dialogue.answer, count=1)

    def _misdiagnosed(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        record = self.record(dialogue)
        found = list(record.boxed)
        if not found:
            invented = self._invented(record, None, rng)
            return write_diagnosis([invented]) if invented else None
        ways = [self._renamed, self._replaced, self._overlooked]
        for way in rng.permutation(len(ways)):
            if (made := ways[way](found, record, rng)) is not None:
                return write_diagnosis(made)
        return None

    def _renamed(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding] | None:
        i = int(rng.integers(len(found)))
        label = self._other_label(record, found[i].label, rng)
        return None if label is None else [replace(f, label=label) if j == i else f for j, f in enumerate(found)]

    def _replaced(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding] | None:
        return _moved(found, record, rng)

    def _overlooked(self, found: list[Finding], record: Record, rng: np.random.Generator) -> list[Finding]:
        gone = int(rng.integers(len(found)))
        return [f for j, f in enumerate(found) if j != gone]

    def _another(self, dialogue: Dialogue, rng: np.random.Generator) -> str | None:
        """For a question that came with the image: the other of yes and no, else the answer to another question."""
        if flipped := self._flipped(dialogue, rng):
            return flipped
        own = len(tokens(dialogue.answer))
        others = [a for a in self.pool[dialogue.kind] if tokens(a) != tokens(dialogue.answer) and yes_no(a) is None]
        others.sort(key=lambda a: abs(len(tokens(a)) - own))
        alike = others[: max(8, len(others) // 10)]  # of like length, so that length tells nothing
        return str(rng.choice(alike)) if alike else None

    # ------------------------------------------------------------------------------------------------- correcting

    def corrected(self, dialogue: Dialogue, text: str) -> str:
        """A wrong answer made right with few changes: what is right in it stays as it was said."""
        if dialogue.kind not in ("diagnosis", "localisation"):
            return dialogue.answer
        record = self.record(dialogue)
        true = [f for f in record.boxed if dialogue.kind == "diagnosis" or f.label == dialogue.target]
        said = unmark(text)
        right = {j: said[i] for i, j, v in match(said, [f.box for f in true if f.box]) if v >= HIT}
        kept = [replace(f, box=right.get(j, f.box)) for j, f in enumerate(true)]
        whole = dialogue.kind == "diagnosis"
        return write_diagnosis(kept) if whole else write_localisation(kept, dialogue.target or "")


def _like(answer: str, word: str) -> str:
    """A word with the case and the full stop of an answer."""
    word = word if answer[:1].isupper() else word.lower()
    return f"{word}." if answer.strip().endswith(".") else word


def _moved(found: Sequence[Finding], record: Record, rng: np.random.Generator, tries: int = 20) -> list[Finding] | None:
    """The findings with one of their boxes, its extent kept, in another place."""
    i = int(rng.integers(len(found)))
    box = found[i].box
    assert box is not None
    w, h = box[2] - box[0], box[3] - box[1]
    taken = [f.box for f in record.boxed if f.box]
    for _ in range(tries):
        x, y = rng.uniform(0, record.width - w), rng.uniform(0, record.height - h)
        there = (float(x), float(y), float(x + w), float(y + h))
        if ious([there], taken).max() < 0.1:
            moved = [replace(f, box=there) if j == i else f for j, f in enumerate(found)]
            return sorted(moved, key=lambda f: f.box or ())
    return None


_FALSIFIED: dict[Kind, Callable[[Rules, Dialogue, np.random.Generator], str | None]] = {
    "detection": Rules._flipped,
    "localisation": Rules._misplaced,
    "recognition": Rules._misnamed,
    "diagnosis": Rules._misdiagnosed,
    "closed": Rules._another,
    "open": Rules._another,
}
