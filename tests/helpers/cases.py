"""What the tests of preference data share: five records, the dialogues on them, and an expert who follows a script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from unveil import cli
from unveil.core.geometry import Box
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Finding, Question, Record, Source
from unveil.curate.candidates import Asking
from unveil.curate.mau import MauOptions, mau
from unveil.curate.rules import Rules as Known
from unveil.experts.expert import Backend, Expert
from unveil.experts.requests import Raw, Request

LEFT = {"side": "left", "body_part": "lung", "shape": "round"}
NODULE = Finding("nodule", (10.0, 10.0, 30.0, 30.0), attributes=LEFT)
CYST = Finding("cyst", (60.0, 60.0, 80.0, 90.0))
#: On an image of 200 x 50: on one of 100 x 100 it is (10, 20, 30, 60).
MASS = Finding("mass", (20.0, 10.0, 60.0, 30.0))
OWN = (
    Question("Is it large?", "Yes.", "closed", "large"),
    Question("Which plane?", "axial", "closed", "plane"),
    Question("What is seen?", "a round nodule of the lung", id="seen"),
)
OTHER = (Question("Which plane is it?", "coronal", "closed", "plane"), Question("Why?", "because of the air", id="why"))


def at(finding: Finding) -> Box:
    """The box of a finding that has one."""
    assert finding.box is not None
    return finding.box


def record(name: str, *findings: Finding, size: tuple[int, int] = (100, 100), **more) -> Record:
    fields: dict[str, Any] = {
        "split": "train",
        "completeness": "exhaustive",
        "modality": "ct",
        "source": Source("set"),
    } | more
    return Record(name, f"{name}.png", *size, findings=findings, **fields)


#: a: two findings; b: none; c: a mass; v: a nodule, validation; t: a mass that is in no other place, test.
RECORDS = (
    record("a", NODULE, CYST, questions=OWN),
    record("b", questions=OTHER),
    record("c", MASS, size=(200, 50)),
    record("v", NODULE, split="val"),
    record("t", replace(MASS, label="secret", box=(1.0, 1.0, 9.0, 9.0)), split="test"),
)
DIALOGUES = tuple(mau(RECORDS, MauOptions(absent=9)))
BY_ID = {dialogue.id: dialogue for dialogue in DIALOGUES}
KNOWN = Known(RECORDS, DIALOGUES)


def asking(*names: str) -> Asking:
    """The dialogues of these ids, or all that may be asked."""
    chosen = [BY_ID[name] for name in names] if names else DIALOGUES
    return Asking.of(chosen, Path("dialogues.jsonl"), RECORDS, Counter())


def folder_of(folder: Path, records: tuple[Record, ...] = RECORDS) -> Path:
    """The records with synthetic images and the dialogues on the disk."""
    folder.mkdir(exist_ok=True)
    for i, one in enumerate(records):
        draw(folder / one.image, one.size, i)
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", mau(records, MauOptions(absent=9)))
    return folder


class Scripted(Backend):
    """Says to each request what ``reply`` makes of it, and remembers what it was asked."""

    def __init__(self, reply: Callable[[Request], str | Raw], name: str = "scripted", repeats: bool = True):
        self.reply, self.name, self.repeats = reply, name, repeats
        self.asked: list[Request] = []

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        for request in requests:
            self.asked.append(request)
            said = self.reply(request)
            raw = said if isinstance(said, Raw) else Raw(said)
            keep(request, raw)
            yield request, raw


def saying(reply: Callable[[Request], str | Raw], **more) -> tuple[Expert, list[Request]]:
    """An expert with a script, and the list of what it is asked."""
    backend = Scripted(reply, **more)
    return Expert(backend), backend.asked


def text_of(request: Request) -> str:
    """What the last turn says."""
    return request.turns[-1].text


def blocks_of(request: Request) -> list[str]:
    """The data in the first turn, each piece without the lines that fence it."""
    fenced = re.compile(r"^--- (\w+) begins ---\n(.*?)\n--- \1 ends ---$", re.S | re.M)
    return [found[2] for found in fenced.finditer(request.turns[0].text)]


def command(name: str, folder: Path, *words: object, expert: Expert | None = None) -> int:
    """A command on the records and dialogues of a folder; its pairs go to a folder of their own. Returns how it ended.

    ``expert`` is asked instead of the one that the words name.
    """
    files = ["--records", folder / "records.jsonl", "--dialogues", folder / "dialogues.jsonl"]
    out = ["--out", folder / "out" / "pairs.jsonl"]
    said = [*name.split(), *map(str, [*files, *out, *words])]
    if expert is None:
        return cli.main(said)
    chosen, config = cli.parse(said)
    return 0 if chosen.load().main(config, expert) else 1


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on the screen, on one line."""
    return " ".join(capsys.readouterr().err.split())
