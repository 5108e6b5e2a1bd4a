"""What the report of a run adds to what it shows: its title, and what to do next, as commands that can be called."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from unveil import cli
from unveil.core import provenance
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Record, RecordError, Source
from unveil.evaluate import ask
from unveil.pipelines import report, run
from unveil.pipelines.report import title, ways_on


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder as its user names it, with the files that a report is written from."""
    monkeypatch.chdir(tmp_path)
    return filled(Path("runs/my set"), "hosp2")


def filled(out: Path, dataset: str) -> Path:
    write_jsonl(out / "data/records.jsonl", [Record("r", "images/0.png", 8, 8, source=Source(dataset))])
    write_jsonl(out / "dialogues.jsonl", [Dialogue("d", "r", "data/images/0.png", "test", "diagnosis", "What?", "-")])
    config = provenance.plain(run.Config(data=Path("hosp2"), out=out, epochs=2))
    provenance.write_json(out / "run.json", {"command": "run", "config": config, "inputs": {}})
    return out


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("tiny", "The tiny model"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("/data/of/somebody/models/own/", "models/own"),
        ("./own", "own"),
    ],
)
def test_the_title_names_model_and_data(out: Path, model: str, named: str) -> None:
    assert title(model, out) == f"{named} before and after fine-tuning on hosp2"
    assert title(model, filled(Path("demo"), "synthetic")).endswith(" on synthetic images")


def parsed(command: str) -> Any:
    first, *words = shlex.split(command)
    assert first == "unveil"
    return cli.parse(words)[1]


def test_a_run_of_fine_tuning_goes_on_with_rewards_and_preferences(out: Path) -> None:
    """The commands are read by the command line: the second repeats the run with its own settings and more to do."""
    found, asked, further = ways_on(out, ["base", "sft"])
    assert found[1:] == ("runs/my set/sft", "")
    question = parsed(asked[2])
    assert isinstance(question, ask.Config)
    assert (question.model, question.image) == ("runs/my set/sft", Path("runs/my set/data/images/0.png"))
    again = parsed(further[2])
    assert isinstance(again, run.Config)
    assert (again.compare, again.data, again.out, again.epochs) == (("aar", "mmedpo"), Path("hosp2"), out, 2)
    assert further[1] == "Train the fine-tuned model further by rewards and preferences, measured beside it."


def test_what_was_compared_stays(out: Path) -> None:
    """Others remain in the next run's comparison, since its report is of what is asked for."""
    found, _, further = ways_on(out, ["base", "sft", "dpo", "aar"])
    assert found[1] == "runs/my set/sft, runs/my set/dpo, runs/my set/aar"
    assert parsed(further[2]).compare == ("dpo", "aar", "mmedpo") and "by preferences," in further[1]
    assert parsed(ways_on(out, ["base", "sft"], partly=True)[2][2]).compare == ("aar",)
    every = ["base", "sft", "aar", "mmedpo"]
    assert len(ways_on(out, every)) == 2
    assert ways_on(filled(Path("demo"), "synthetic"), every)[2][2] == "unveil run --data FOLDER --model MODEL"


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [("scores.json", "{}", "models"), ("scores.json", "[]", "models"), ("run.json", "{}", "config")],
)
def test_what_no_run_has_left_is_told(file: str, text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"models": {}}')
    (tmp_path / file).write_text(text)
    with pytest.raises(RecordError) as told:
        report.main(report.Config(tmp_path))
    why = f"{tmp_path / file}: it has no {part!r}, so that it is none that `unveil run` has left"
    assert str(told.value) == why
