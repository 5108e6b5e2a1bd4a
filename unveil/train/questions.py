"""Questions beside what is true: what rewards are earned with, and what greedy answers on validation are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unveil.core.benchmarks import of_records
from unveil.core.geometry import BoxError, checked
from unveil.core.grading import Case, grade
from unveil.core.jsonl import read_jsonl
from unveil.core.records import KINDS, Dialogue, Kind, Record, select
from unveil.train import benchmarks, loop
from unveil.vlm.inputs import EncodedExample


@dataclass(frozen=True)
class Questions:
    """What is asked, and what is known about it."""

    train: list[Dialogue]
    val: list[Dialogue]
    records: Mapping[str, Record]
    names: list[str]
    """All labels, the vocabulary of names."""
    benchmarks: Mapping[str, str] = field(default_factory=dict)
    """Of records that show an image of a benchmark's test split, by their ids."""

    def case(self, dialogue: Dialogue, row: EncodedExample, text: str, cut: bool) -> Case:
        """An answer beside the truth."""
        return grade(dialogue, self.records[dialogue.record], text, row.seen.view, self.names, cut)


def read(
    records: Path,
    dialogues: Path,
    kinds: Sequence[Kind],
    validation_rows: int,
    seed: int,
    allow_benchmark_test: bool = False,
) -> Questions:
    """The questions of some kinds, all of the training split and a fixed sample of validation.

    Raises ``TrainingError`` for kinds without a true answer, where a question's record is missing, where the box of one
    leads outside of its image, or where one is about an image of a benchmark's test split and that is not allowed.
    """
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise loop.TrainingError(f"--kinds {' '.join(wrong)}: such questions have no true answer to be judged by")
    known = {record.id: record for record in read_jsonl(records, Record)}
    asked = [d for d in read_jsonl(dialogues, Dialogue) if d.kind in kinds]
    if missing := [d.id for d in asked if d.record not in known]:
        raise loop.TrainingError(f"{missing[0]}: its record is not in {records} ({len(missing)} are missing)")
    train, val = select(asked, "train"), select(asked, "val")
    tests = of_records(list(known.values()))
    benchmarks.refuse([*train, *val], allow_benchmark_test, dialogues, tests)
    val = loop.sample(val, validation_rows, seed)
    for name in {d.record for d in (*train, *val)}:
        _placed(known[name])
    names = sorted({f.label for record in known.values() for f in record.findings})
    return Questions(train, val, known, names, tests)


def _placed(record: Record) -> None:
    """Raises ``TrainingError`` for a box that leads outside of the image: no answer could ever meet it."""
    for finding in record.findings:
        try:
            if finding.box:
                checked(finding.box, record.width, record.height)
        except BoxError as error:
            raise loop.TrainingError(f"{record.id}: {error}; `unveil check` finds all such boxes") from error
