"""Benchmarks for lmms-eval and Inspect: what is written, that its code scores as ours, and the way back."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.helpers.outcomes import dialogue, predicted, record
from unveil import cli
from unveil.core import choices, words
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Source
from unveil.evaluate.score import score

OPEN = Source("set", access="open", file="ward/1.png")


def asked(name: str, kind, question: str, answer: str, of: str = "a", **more) -> Dialogue:
    return replace(dialogue(kind, answer, name=f"{of}/{name}", of=of, **more), question=question)


ROWS = (
    asked("1", "closed", "Is there a mass?", "Yes"),
    asked("2", "open", "Which organ?", "left lung"),
    asked("3", "choice", "Which plane?\nA. axial\nB. coronal", "B. coronal", choices=("axial", "coronal")),
    asked("4", "closed", "Which side?", "Left", "b"),
    asked("where", "localisation", "Where is the mass?", "[1, 2, 3, 4]", target="mass"),
    replace(asked("5", "open", "And why?", "air", "b"), history=(("Which organ?", "lung"),)),
    asked("6", "open", "In training?", "yes", "b", split="train"),
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path, source: Source = OPEN) -> Path:
    for name in "ab":
        Image.fromarray(np.full((100, 100, 3), ord(name), np.uint8)).save(folder / f"{name}.png")
    write_jsonl(folder / "records.jsonl", [record(name=name, patient=name, source=source) for name in "ab"])
    write_jsonl(folder / "dialogues.jsonl", ROWS)
    return folder


def export(folder: Path, to: str, *words: str) -> int:
    files = ["--records", str(folder / "records.jsonl"), "--dialogues", str(folder / "dialogues.jsonl")]
    return cli.main(["export", "benchmark", *files, "--to", to, "--out", str(folder / "my-set"), *words])


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "my-set" / "questions.jsonl").read_text().splitlines()]


def module(path: Path) -> ModuleType:
    """A module as lmms-eval loads it: by its file."""
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules["exported"] = made
    spec.loader.exec_module(made)
    return made


def test_what_is_written(files: Path) -> None:
    """Questions of the test split that are answered in words, their options apart, under names that tell nobody who it
    is; images drawn anew."""
    assert export(files, "lmms-eval") == 0
    rows = rows_of(files)
    assert [(row["kind"], row["question"], row["answer"], row["choices"]) for row in rows] == [
        ("closed", "Is there a mass?", "yes", []),
        ("open", "Which organ?", "left lung", []),
        ("choice", "Which plane?", "B", ["axial", "coronal"]),
        ("closed", "Which side?", "Left", []),
    ]
    assert len({row["group"] for row in rows}) == 2 and "ward" not in json.dumps(rows) and "a/1" not in json.dumps(rows)
    assert all((files / "my-set" / row["image"]).is_file() for row in rows)
    told = json.loads((files / "my-set.run.json").read_text())["left_out"]
    assert sum(told.values()) == 2 and any("localisation" in why for why in told)


def test_the_task_of_lmms_eval(files: Path) -> None:
    """The yaml names functions that are there, and figures that ``process_results`` gives."""
    export(files, "lmms-eval")
    text = (files / "my-set" / "my_set.yaml").read_text()
    task = yaml.safe_load(text.replace("!function ", ""))
    made = module(files / "my-set" / "utils.py")
    named = {task[key].removeprefix("utils.") for key in ("doc_to_visual", "doc_to_text", "process_results")}
    assert all(callable(getattr(made, name)) for name in named) and task["dataset_kwargs"]["data_files"]["test"]
    figures = {row["metric"] for row in task["metric_list"]}
    assert figures == {"closed", "choice", "open_recall", "open_f1", "exact", "unparsable"}
    (image,) = made.doc_to_visual(rows_of(files)[0])
    assert image.size == (100, 100) and made.doc_to_text(rows_of(files)[2]).splitlines()[1] == "A. axial"
    assert made.mean([{"value": 1.0}, {"value": 0.0}]) == 0.5 and np.isnan(made.mean([]))


@pytest.mark.parametrize(
    ("number", "answer", "figures"),
    [
        (0, "Yes, there is.", {"closed": 1, "unparsable": 0}),
        (0, "The lungs are normal", {"closed": 0, "unparsable": 1}),
        (1, "left left", {"open_recall": 0.5, "open_f1": 0.5, "exact": 0, "unparsable": 0}),
        (2, "The answer is (B).", {"choice": 1, "unparsable": 0}),
        (2, "A or B", {"choice": 0, "unparsable": 1}),
        (3, "left.", {"closed": 1, "unparsable": 0}),
    ],
)
def test_its_figures_are_ours(files: Path, number: int, answer: str, figures: dict) -> None:
    export(files, "lmms-eval")
    made, row = module(files / "my-set" / "utils.py"), rows_of(files)[number]
    told = made.process_results(row, [answer])
    assert {name: of["value"] for name, of in told.items()} == figures
    assert {of["id"] for of in told.values()} == {row["id"]}
    assert made.read_choice(answer, ["axial", "coronal"]) == choices.read_choice(answer, ["axial", "coronal"])
    assert made.overlap(answer, "left lung") == words.overlap(answer, "left lung")


def test_answers_come_back_to_our_questions(files: Path) -> None:
    """Logged samples hold no document, as lmms-eval 0.7 saves them: the pseudonym that a metric keeps is enough."""
    export(files, "lmms-eval")
    made = module(files / "my-set" / "utils.py")
    said = ["yes", "left lung", "A", "right"]
    samples = [
        {"doc_id": i, "filtered_resps": text, "input": made.doc_to_text(row), **made.process_results(row, [text])}
        for i, (row, text) in enumerate(zip(rows_of(files), said, strict=True))
    ]
    write_jsonl(files / "dialogues.jsonl", ROWS[:4])
    write_jsonl(files / "d_samples_my_set.jsonl", reversed(samples))
    write_jsonl(files / "ours.jsonl", [predicted(d, text) for d, text in zip(ROWS, said, strict=False)])
    inputs = files / "records.jsonl", files / "dialogues.jsonl"
    both = {"theirs": files / "d_samples_my_set.jsonl", "ours": files / "ours.jsonl"}
    told = score(*inputs, both, files / "scores", resamples=10)["models"]
    assert told["theirs"] == told["ours"] and told["ours"]["metrics"]["closed"]["value"] == 0.5


def test_the_tasks_of_inspect(files: Path) -> None:
    """Python that names nothing of ours, with a task for each kind that has a question."""
    assert export(files, "inspect") == 0
    tree = ast.parse((files / "my-set" / "task.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "inspect_ai" in imported and not [name for name in imported if str(name).startswith("unveil")]
    tasks = [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and _decorated(one, "task")]
    assert tasks == ["closed", "choices", "opened"]


def _decorated(function: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in function.decorator_list)


def test_data_that_are_not_open_need_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, Source("ward", access="dua"))
    assert export(folder, "inspect") == 1 and not (folder / "my-set").exists()
    told = " ".join(capsys.readouterr().err.split())
    assert "a benchmark is for publication" in told and "ward (dua, 2 images)" in told
    assert export(folder, "inspect", "--restricted") == 0
    assert "must not be published" in (folder / "my-set" / "README.md").read_text()


def test_a_split_without_questions_is_refused(files: Path) -> None:
    assert export(files, "inspect", "--split", "val") == 1
