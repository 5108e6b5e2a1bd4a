"""An expert writes diagnoses in two prompts, what it writes is checked, and people correct it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import records_in
from unveil import cli
from unveil.core.answers import write_diagnosis
from unveil.core.box_formats import mark
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Finding, Record
from unveil.curate.diagnose import Steps, checked, diagnose
from unveil.curate.mau import MauOptions, mau
from unveil.curate.rules import vocabulary
from unveil.experts.expert import Backend, Expert
from unveil.experts.expert import RuleBackend as RulesBackend
from unveil.experts.requests import Raw, Request

NODULE, CYST = Finding("nodule", (10.0, 8.0, 26.0, 20.0)), Finding("cyst", (30.0, 30.0, 50.0, 44.0))
RECORD = Record("r", "r.png", 60, 50, findings=(NODULE, CYST), split="train", completeness="exhaustive")
NAMES = ["cyst", "nodule", "polyp"]
BOXES = [mark(f.box) for f in (NODULE, CYST) if f.box]


class Script(Backend):
    """Answers each task with what its function says of the request."""

    name = "script"

    def __init__(self, **tasks: Callable[[Request], str]):
        self.tasks = tasks
        self.asked: list[Request] = []

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        for request in requests:
            self.asked.append(request)
            yield request, Raw(self.tasks[request.task.split()[0]](request))


def steps(recognition: str = "nodule (round); cyst (sharp).", where: str = "; ".join(BOXES)) -> str:
    return Steps(detection="abnormal.", localisation=where + ".", recognition=recognition).model_dump_json()


def run(folder: Path, backend: Backend) -> tuple[list[Dialogue], list[Dialogue], Counter[str]]:
    records = records_in(folder)
    made = list(mau(records, MauOptions()))
    names, skipped = vocabulary(records), Counter[str]()

    def known(record: Record) -> list[str]:
        return names[record.source.dataset, record.modality]

    return made, diagnose(records, made, folder / "dialogues.jsonl", Expert(backend), known, skipped), skipped


def test_a_diagnosis_must_repeat_what_was_given() -> None:
    """The rules' own passes; a name or a box that is missing, moved or added, or a verdict "normal", is refused."""
    checked(write_diagnosis(RECORD.boxed), RECORD, NAMES)
    good = Steps.model_validate_json(steps()).text()
    checked(good, RECORD, NAMES)
    for text, why in (
        (good.replace("Detection: abnormal", "Detection: normal"), "first step"),
        (good.replace(BOXES[1], mark((0.0, 0.0, 5.0, 5.0))), "second step"),
        (good.replace(f"; {BOXES[1]}", ""), "second step"),
        (good.replace(BOXES[1], f"{BOXES[1]}; {BOXES[1]}"), "second step"),
        (good.replace("cyst", "polyp"), "third step"),
        (good.replace("; cyst (sharp)", ""), "third step"),
    ):
        assert text != good
        with pytest.raises(ValueError, match=why):
            checked(text, RECORD, NAMES)


def test_each_step_is_one_line_without_control_tokens() -> None:
    text = Steps(detection="abnormal.\nRecognition: x", localisation="<image> a", recognition="b").text()
    assert text.splitlines() == ["Detection: abnormal. Recognition: x", "Localisation: a", "Recognition: b"]


def test_the_rules_come_to_the_same_as_without_an_expert(tmp_path: Path) -> None:
    made, done, skipped = run(tmp_path, RulesBackend())
    assert [(d.id, d.answer) for d in done] == [(d.id, d.answer) for d in made] and not skipped


def test_two_prompts_for_each_abnormal_image_outside_the_test_split(tmp_path: Path) -> None:
    """The first shows names and boxes, also drawn; the second goes on from the first's reply. What comes out is the
    expert's, said to be; normal images, other kinds and the test split stay the rules'."""

    def reflect(request: Request) -> str:
        assert request.record is not None
        lines = [line.split(": ", 1)[1] for line in write_diagnosis(request.record.boxed).splitlines()]
        return json.dumps(dict(zip(("detection", "localisation", "recognition"), lines, strict=True)))

    script = Script(write=lambda request: "I see it.", reflect=reflect)
    made, done, skipped = run(tmp_path, script)
    assert len(done) == len(made) and not skipped
    changed = [d for d in done if d.writer == "script"]
    assert changed and all(d.kind == "diagnosis" and d.split != "test" and "abnormal" in d.answer for d in changed)
    first, second = ([r for r in script.asked if r.task == task] for task in ("write a diagnosis", "reflect"))
    assert [r.id for r in first] == [r.id for r in second] == [d.id for d in changed]
    for request, again in zip(first, second, strict=True):
        record = request.record
        assert record is not None and record.split != "test" and request.picture is not None
        assert request.picture.boxes == tuple(f.box for f in record.boxed)
        assert all(f.label in request.turns[0].text and mark(f.box) in request.turns[0].text for f in record.boxed)  # type: ignore[arg-type]
        assert request.canary and again.canary and request.canary != again.canary, "each prompt has a word of its own"
        before = request.turns[0].text.replace(request.canary, again.canary)
        assert [t.text for t in again.turns[:2]] == [before, "I see it."]


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """Three tries each; then the dialogue is not there at all, and the reason is counted."""
    script = Script(write=lambda request: "I see it.", reflect=lambda request: steps("something."))
    made, done, skipped = run(tmp_path, script)
    gone = {d.id for d in made} - {d.id for d in done}
    assert gone and sum(skipped.values()) == len(gone)
    assert sum(r.task == "reflect" for r in script.asked) == 3 * len(gone)


def test_people_correct_what_was_written(tmp_path: Path) -> None:
    records = records_in(tmp_path)
    write_jsonl(tmp_path / "records.jsonl", records)
    out, changes = tmp_path / "dialogues.jsonl", tmp_path / "changes.jsonl"
    words = ["curate", "mau", "--records", str(tmp_path / "records.jsonl"), "--out", str(out)]
    assert cli.main(words) == 0
    before = list(read_jsonl(out, Dialogue))
    rows = [
        {"id": before[0].id, "reviewer": "AB", "answer": "No.", "reason": "artefact"},
        {"id": before[1].id, "reviewer": "CD", "drop": True},
    ]
    changes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main([*words, "--corrections", str(changes), "--restart"]) == 0
    after = list(read_jsonl(out, Dialogue))
    assert (after[0].answer, after[0].writer) == ("No.", "rules, corrected by AB")
    assert [d.id for d in after] == [d.id for d in before if d.id != before[1].id]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"id": "nobody", "reviewer": "AB", "drop": True}, "no dialogue has the id nobody"),
        ({"id": "x", "reviewer": "AB"}, ":1: x: either an answer or drop is needed"),
        ({"id": "x", "answer": "No."}, "reviewer is missing"),
    ],
)
def test_corrections_that_say_nothing_are_refused(
    row: dict, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "records.jsonl", records_in(tmp_path))
    (tmp_path / "changes.jsonl").write_text(json.dumps(row))
    words = ["--records", tmp_path / "records.jsonl", "--out", tmp_path / "d.jsonl"]
    assert cli.main(["curate", "mau", *map(str, words), "--corrections", str(tmp_path / "changes.jsonl")]) == 1
    assert why in " ".join(capsys.readouterr().err.split())
