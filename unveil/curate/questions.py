"""Conversations from which a model learns to ask as well as to answer: stage 1 of STLLaVA-Med (arXiv 2406.19973).

One conversation per image: its description first, then the image's questions and answers. Every human turn after the
first may become a question that the model itself puts: a row whose answer is the question and whose history is the
conversation so far. Answers are learnt as before, each in a turn of its own on the image [ours: the paper's see the
conversation before them; so they see what they see when the model is asked]. Turns follow the description in an order
of each image's own [ours]: with one order for all, a model that has described an image would always ask the same.

Of an image without a description, whose questions came as a conversation, that conversation is it, as in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unveil.core import console, jsonl, provenance, records, report_sections
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Record
from unveil.core.report_sections import Earlier
from unveil.core.sampling import seed_of
from unveil.curate.candidates import DESCRIBE, left_out


def conversations(
    records: Sequence[Record],
    dialogues: Sequence[Dialogue],
    skipped: Counter[str] | None = None,
    earlier: Earlier = "keep",
) -> Iterator[Dialogue]:
    """For each image of training and validation its description, where it has one, and the questions to be put.

    The description is the report (findings and impression, where it has sections), else the true diagnosis. Of images
    without either, the turns that follow others in a conversation of their own are put; those without such turns are
    counted in ``skipped``. ``earlier`` tells what becomes of its sentences about an earlier study.
    """
    skipped = Counter() if skipped is None else skipped
    by_id = {record.id: record for record in records}
    turns: dict[str, list[Dialogue]] = {}
    for dialogue in dialogues:
        if dialogue.split in ("train", "val") and dialogue.kind != "self-question":
            turns.setdefault(dialogue.record, []).append(dialogue)
    for name, asked in turns.items():
        record = by_id.get(name)
        if record is None or record.split == "test":
            skipped["its record is not in the records' file" if record is None else "test split"] += 1
        elif description := describe(record, asked, earlier):
            yield from _conversation(asked, description)
        elif following := [turn for turn in asked if turn.history]:
            yield from map(_put, following)
        else:
            skipped["neither a report nor a diagnosis to describe the image with"] += 1


def describe(record: Record, dialogues: Sequence[Dialogue], earlier: Earlier = "keep") -> str:
    """An image's description: its report, else its diagnosis, else nothing."""
    diagnosis = next((d.answer for d in dialogues if d.kind == "diagnosis"), "")
    return report_sections.part(record, "report", earlier) or diagnosis


def _conversation(asked: Sequence[Dialogue], description: str) -> Iterator[Dialogue]:
    first = asked[0]
    drawn = np.random.default_rng(seed_of("conversation", first.record)).permutation(len(asked)).tolist()
    order = sorted(drawn, key=lambda i: len(asked[i].history))  # what follows upon another comes after it
    common = (first.record, first.image, first.split)
    yield Dialogue(f"{first.record}/description", *common, "open", DESCRIBE, description, benchmark=first.benchmark)
    history: tuple[tuple[str, str], ...] = ((DESCRIBE, description),)
    for turn in (asked[i] for i in order):
        name, benchmark = f"{turn.id}/asked", first.benchmark
        yield Dialogue(name, *common, "self-question", "", turn.question, history=history, benchmark=benchmark)
        history = (*history, (turn.question, turn.answer))


def _put(turn: Dialogue) -> Dialogue:
    """The question of a turn as one to be put after what was said before it."""
    return replace(turn, id=f"{turn.id}/asked", kind="self-question", question="", answer=turn.question, choices=())


@dataclass(frozen=True, kw_only=True)
class Config:
    """Add to dialogues the conversations from which a model learns to describe and to ask (STLLaVA-Med, stage 1)."""

    records: InputFile
    """records.jsonl; reports are the descriptions."""
    dialogues: InputFile
    """dialogues.jsonl, as `unveil curate mau` writes it."""
    out: OutputFile
    """dialogues.jsonl with a description for each image and the questions to be put; see `train sft
    --self-questions`."""
    earlier: Earlier = "keep"
    """Sentences of reports that speak of an earlier study, such as "unchanged": keep them, or drop them, since nobody
    can tell that from the image alone."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config) -> Path:
    """Writes the dialogues with the conversations; returns their file."""
    with provenance.output(config.out, "curate questions", config, [config.records, config.dialogues]) as output:
        if output:
            output.write(left_out=_questions(config))
    return config.out


def _questions(config: Config) -> dict[str, int]:
    """Writes the conversations; returns what was left out."""
    skipped = Counter[str]()
    rows = list(jsonl.read_jsonl(config.records, Record))
    given = list(jsonl.read_jsonl(config.dialogues, Dialogue))
    if any(d.kind == "self-question" for d in given):
        raise records.RecordError(f"{config.dialogues}: it holds questions to be put already: name the file before")
    made = list(conversations(rows, given, skipped, config.earlier))
    if not made:
        raise records.RecordError(f"{config.dialogues}: no conversation could be made: {left_out(skipped)}")
    moved = [records.rebased(d, config.dialogues, config.out) for d in [*given, *made]]
    jsonl.write_jsonl(config.out, moved)
    asked = sum(d.kind == "self-question" for d in made)
    console.say(f"{len(given)} dialogues, {len(made) - asked} descriptions, {asked} questions to put in {config.out}")
    for reason, count in skipped.items():
        console.say(f"  left out {count} x {reason}")
    return dict(skipped)
