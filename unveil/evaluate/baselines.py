"""What one scores who does not look at the image: a constant, and a guess among the options of multiple choice.

The constant answers every question with what was most frequent in the training split (verdict, name, answer) and points
at the mean training box.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unveil.core.answers import Parsed, name_of
from unveil.core.geometry import Box, scale
from unveil.core.grading import Case
from unveil.core.joined import vocabulary
from unveil.core.records import Dialogue, Record
from unveil.core.truths import Truth
from unveil.evaluate.figures import Sure
from unveil.evaluate.sums import Added, sums

#: The name of the constant among the baselines.
MAJORITY = "majority"
#: The name of a guess among the options of multiple choice: the mean of 1 / their number.
CHANCE = "chance"


@dataclass(frozen=True)
class Constant:
    """The same answer to every question of a kind, taken from the training split.

    ``boxes`` are relative (0 to 1 of width and height), by name, with the mean over all names under "". ``closed`` and
    ``open`` are answers by the language of the question, "" where it is not known. What the training split does not
    have is None or empty: questions that ask for it have no constant, nor has multiple choice, whose options differ
    from question to question.
    """

    abnormal: bool | None
    label: str | None
    boxes: dict[str, Box]
    closed: dict[str, str]
    open: dict[str, str]

    def answers(self, dialogue: Dialogue) -> bool:
        """Whether there is a constant for this kind of question."""
        placed = bool(self.boxes)
        known = {
            "detection": self.abnormal is not None,
            "recognition": self.label is not None,
            "localisation": placed,
            "grounding": placed,
            "diagnosis": placed,
        }
        return known.get(dialogue.kind, self._own(dialogue) is not None)

    def _own(self, dialogue: Dialogue) -> str | None:
        """The answer to a question that came with the images."""
        return {"closed": self.closed, "open": self.open}.get(dialogue.kind, {}).get(dialogue.language or "")

    def case(self, dialogue: Dialogue, truth: Truth) -> Case:
        """The constant's answer to one dialogue, as if it had been parsed."""
        text = self._own(dialogue) or "(constant)"
        asked = truth.name(dialogue.target or "") if dialogue.kind == "localisation" else ""
        box = scale(self.boxes.get(asked, self.boxes[""]), (1, 1), truth.record.size) if self.boxes else None
        abnormal = self.abnormal if dialogue.kind == "detection" else True
        finding = {
            "localisation": (None, box),
            "grounding": (None, box),
            "recognition": (self.label, None),
            "diagnosis": (self.label, box),
        }.get(dialogue.kind)
        parsed = Parsed("ok", abnormal, (finding,) if finding else ())
        return Case(dialogue, truth, parsed, text)


def constant(records: Sequence[Record]) -> Constant | None:
    """The constant of the training split; None if there is none."""
    training = [r for r in records if r.split == "train"]
    if not training:
        return None
    names = vocabulary(records)
    boxes: dict[str, list[Box]] = {}
    for record in training:
        for finding in record.boxed:
            box = scale(finding.box, record.size, (1, 1)) if finding.box else None
            for key in ("", name_of(finding.label, names)):
                boxes.setdefault(key, []).extend([box] if box else [])
    known = Counter(bool(r.findings) for r in training if r.findings or r.completeness == "exhaustive")
    return Constant(
        abnormal=known[True] >= known[False] if known else None,
        label=_most(name_of(f.label, names) for r in training for f in r.findings),
        boxes={name: _mean(values) for name, values in boxes.items()},
        closed=_usual(training, "closed"),
        open=_usual(training, "open"),
    )


def _usual(training: Sequence[Record], kind: str) -> dict[str, str]:
    """The most frequent answer to questions of a kind that came with the images, by language."""
    said: dict[str, list[str]] = {}
    for record in training:
        for own in record.questions:
            if own.kind == kind and not own.choices:
                said.setdefault(own.language or record.language or "", []).append(own.answer)
    return {language: usual for language, answers in said.items() if (usual := _most(answers)) is not None}


def _most(values: Iterable[str]) -> str | None:
    """The most frequent value, the first in the alphabet among equals."""
    return min(((-n, v) for v, n in Counter(values).items()), default=(0, None))[1]


def _mean(boxes: Sequence[Box]) -> Box:
    x1, y1, x2, y2 = np.mean(boxes, 0).tolist()
    return x1, y1, x2, y2


def baselines(
    truths: Mapping[str, Truth], dialogues: Sequence[Dialogue], tables: Mapping[str, Added], sure: Sure
) -> dict[str, Any]:
    """The constant's metrics, and how far each model is from it on the questions it answers; and what a guess among the
    options of multiple choice would be worth. ``tables`` are what the models' answers to the dialogues add, in their
    order."""
    options = [1 / len(d.choices) for d in dialogues if d.kind == "choice" and d.choices]
    chance = {CHANCE: {"choice": float(np.mean(options)), "n": len(options)}} if options else {}
    always = constant([truth.record for truth in truths.values()])
    if always is None:
        return {MAJORITY: {"reason": "the records have no training split"}} | chance
    asked_N = np.array([always.answers(d) for d in dialogues])
    if not asked_N.any():
        return {MAJORITY: {"reason": "no question that a constant can answer"}} | chance
    asked = [d for d, answered in zip(dialogues, asked_N, strict=True) if answered]
    rows = [always.case(d, truths[d.record]).outcome for d in asked]
    same = {name: table.sums(asked_N) for name, table in tables.items()} | {"": sums(rows)}
    figures, apart = sure.compared(same, [(name, "") for name in tables])
    plain = dataclasses.asdict(always) | {"boxes": {name: list(box) for name, box in always.boxes.items()}}
    about = {
        "constant": plain,
        "metrics": figures[""],
        "differences": {name: of for (name, _), of in apart.items()},
    }
    return {MAJORITY: about} | chance
