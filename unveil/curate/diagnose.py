"""An expert writes the diagnoses of MAU data: the two prompts of UMed-LVLM (arXiv 2501.01377), and people correct them.

First the expert sees the image, the names of what is abnormal, and where (as numbers and drawn over the image), and
writes the diagnosis; then it reorganises what it wrote into detection, localisation and recognition (the paper calls it
reflection). The wording of the prompts is not published [ours]. What comes back must name every finding and repeat
every box, else it is asked again and then set aside. Images of the test split are never shown, nor normal ones, of
which there is nothing to write: their answers stay those of the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unveil.core.answers import clean_answer, name_of, parse, place, reason, write_diagnosis
from unveil.core.box_formats import MARKUP, View, mark
from unveil.core.geometry import match
from unveil.core.jsonl import each_line, from_json
from unveil.core.records import Dialogue, Finding, Record, RecordError, image_path
from unveil.core.untrusted import shortened
from unveil.curate.candidates import used
from unveil.experts.expert import Expert
from unveil.experts.requests import WORDS, Request, RequestImage, Strict, Turn, prompt
from unveil.gate.delimiters import quoted
from unveil.gate.said import Said, fill, joined

SAME = 0.9
"""IoU from which a box counts as repeated; endpoints get whole pixels."""


class Steps(Strict):
    """A diagnosis in three steps."""

    detection: str
    localisation: str
    recognition: str

    def text(self) -> str:
        """As it stands in a dialogue; each step is one line."""
        steps = {"Detection": self.detection, "Localisation": self.localisation, "Recognition": self.recognition}
        return "\n".join(f"{name}: {' '.join(clean_answer(words).split())}" for name, words in steps.items())


DIAGNOSE = """This image shows the following, each with its bounding box (x1 y1 x2 y2), which is also drawn over it in \
yellow:
{findings}
Write the diagnosis in a few sentences: what is abnormal, where it lies (repeat each box as it is given), what it is \
and by which of its visible features. Describe nothing else and do not mention the yellow drawing."""
REFLECT = """The findings were:
{findings}
Reorganise your diagnosis into three steps. "detection": whether anything is abnormal, as "abnormal." or "normal.". \
"localisation": for each finding, in the order above, its box as it is given and its place in the body, separated by \
semicolons. "recognition": for each finding in the same order its name as it is given and, in brackets, the visible \
features that tell it, separated by semicolons. Reply with a JSON object of these three texts and nothing else."""


def diagnose(
    records: Sequence[Record],
    dialogues: Sequence[Dialogue],
    file: Path,
    expert: Expert,
    names: Callable[[Record], Sequence[str]],
    skipped: Counter[str],
    told: Callable[[], object] = lambda: None,
) -> list[Dialogue]:
    """The dialogues with the diagnoses of abnormal training and validation images written by the expert.

    Those for which no usable one came are left out, counted by reason. ``file`` is the dialogues' file.
    """
    by_id = {record.id: record for record in records}
    todo = {d.id: d for d in dialogues if wanted(d, by_id)}
    first = {}
    for reply in expert.answer(_first(d, by_id[d.record], file) for d in todo.values()):
        told()
        if used(reply, skipped):
            first[reply.id] = reply
    written = {}
    second = (_second(r.request, r.text, by_id[todo[n].record], names) for n, r in first.items())
    for reply in expert.answer(second):
        told()
        if used(reply, skipped):
            written[reply.id] = replace(todo[reply.id], answer=reply.value.text(), writer=expert.name)
    return [written.get(d.id, d) for d in dialogues if d.id not in todo or d.id in written]


LINE = "{number}. {label}, {box}{place}"


def wanted(dialogue: Dialogue, records: Mapping[str, Record]) -> bool:
    """Whether an expert is to write this dialogue's answer."""
    record = records[dialogue.record]
    return dialogue.kind == "diagnosis" and bool(record.boxed) and "test" not in (dialogue.split, record.split)


def _listed(findings: Sequence[Finding]) -> Said:
    lines = [
        fill(LINE, number=i, label=f.label, box=mark(f.box), place=place(f)) for i, f in enumerate(findings, 1) if f.box
    ]
    return quoted(joined("\n", lines))


def _diagnose(record: Record) -> Turn:
    return Turn("user", fill(DIAGNOSE, findings=_listed(record.boxed)))


def _first(dialogue: Dialogue, record: Record, file: Path) -> Request:
    boxes = tuple(f.box for f in record.boxed if f.box)
    return Request(
        id=dialogue.id,
        task="write a diagnosis",
        **prompt(_diagnose(record), system=WORDS),
        picture=RequestImage(image_path(dialogue, file), boxes),
        rule=lambda: " ".join(f"{f.label}{reason(f)}{place(f)} at {mark(f.box)}." for f in record.boxed if f.box),
        record=record,
    )


def _second(first: Request, diagnosis: str, record: Record, names: Callable[[Record], Sequence[str]]) -> Request:
    def check(steps: Steps) -> None:
        checked(steps.text(), record, names(record))

    def rule() -> Steps:
        lines = [line.split(": ", 1)[1] for line in write_diagnosis(record.boxed).splitlines()]
        return Steps(detection=lines[0], localisation=lines[1], recognition=lines[2])

    asked = Turn("user", fill(REFLECT, findings=_listed(record.boxed)))
    return replace(
        first,
        task="reflect",
        **prompt(_diagnose(record), Turn("assistant", diagnosis), asked),
        schema=Steps,
        check=check,
        rule=rule,
    )


def checked(text: str, record: Record, names: Sequence[str]) -> None:
    """Raises ``ValueError`` for a diagnosis that does not give all boxes and names of the record, and no others."""
    said = parse("diagnosis", text, View(MARKUP, record.size, record.size), names)
    true = [f.box for f in record.boxed if f.box]
    if said.abnormal is not bool(true):
        raise ValueError("the first step does not say that the image is abnormal")
    if len(said.boxes) != len(true) or sum(v >= SAME for _, _, v in match(said.boxes, true)) < len(true):
        raise ValueError(f"the second step must repeat the {len(true)} given boxes and no others")
    if Counter(said.labels) != Counter(name_of(f.label, names) for f in record.boxed):
        raise ValueError("the third step must give each finding's name once, separated by semicolons")


# ------------------------------------------------------------------------------------------------------- corrections


@dataclass(frozen=True)
class Correction:
    """What a reviewer says of a dialogue: another answer, or that it is to be dropped."""

    id: str
    reviewer: str
    answer: str | None = None
    drop: bool = False
    reason: str | None = None


def read_corrections(path: Path) -> dict[str, Correction]:
    """Corrections by dialogue, the last word on each. Raises ``RecordError`` with file and line."""

    def one(value: object, number: int) -> Correction:
        found = from_json(Correction, value)
        if (found.answer is None) is not found.drop:
            raise RecordError(f"{found.id}: either an answer or drop is needed")
        return found

    return {correction.id: correction for _, correction in each_line(path, one)}


def corrected(dialogues: Sequence[Dialogue], corrections: Mapping[str, Correction], path: Path) -> Iterator[Dialogue]:
    """The dialogues as the reviewers want them; ``writer`` tells who changed an answer."""
    if strangers := corrections.keys() - {d.id for d in dialogues}:
        raise RecordError(f"{path}: no dialogue has the id {shortened(sorted(strangers)[0])} ({len(strangers)} such)")
    for dialogue in dialogues:
        found = corrections.get(dialogue.id)
        if found is None:
            yield dialogue
        elif found.answer is not None:
            writer = f"{dialogue.writer}, corrected by {found.reviewer}"
            yield replace(dialogue, answer=clean_answer(found.answer), writer=writer)
