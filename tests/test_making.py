"""Whether an output is being made, how it ended, and that a request to end reaches the process it names alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runs import training
from unveil.core import making
from unveil.core.provenance import output


@dataclass(frozen=True)
class Config:
    out: Path
    restart: bool = False


def make(folder: Path, error: BaseException | None = None, write: str = "model") -> None:
    with output(folder, "train sft", Config(folder), [], ("model",)) as made:
        assert made
        (folder / write).write_text("half")
        if error:
            raise error
        made.write()


def who(folder: Path) -> dict[str, Any]:
    begun = json.loads((folder / ".begun.json").read_text())
    return {name: begun[name] for name in making.WHO}


def test_a_lock_is_held_while_its_process_lives_and_no_longer(tmp_path: Path) -> None:
    """However it ends: a killed one leaves its lock file, which nobody holds. To look does not take the lock."""
    folder = tmp_path / "run"
    with training(folder):
        assert making.is_held(folder / ".lock") and making.is_held(folder / ".lock")
    assert (folder / ".lock").is_file() and not making.is_held(folder / ".lock")
    assert not making.is_held(tmp_path / "none")


def test_a_request_ends_the_process_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with training(folder) as process:
        meant = who(folder)
        making.ask_to_stop(folder / "run.json", meant, "anna")
        assert process.wait(30), "it has ended as Ctrl-C ends it"
    ended = json.loads((folder / ".ended.json").read_text())
    assert (ended["how"], ended["why"]) == ("stopped", "anna asked for it on the page of runs")
    assert ended["command"] == "train sft" and not (folder / ".stop.json").exists()
    with pytest.raises(making.NotUnderWay, match="not running any more"):
        making.ask_to_stop(folder / "run.json", meant, "anna")


def test_a_request_to_another_process_is_not_heeded(tmp_path: Path) -> None:
    """One that was written just as a process ended, and is found by the next one."""
    folder = tmp_path / "run"
    with output(folder, "train sft", Config(folder), [], ("model",)):
        with pytest.raises(making.NotUnderWay):
            making.ask_to_stop(folder / "run.json", {**who(folder), "begun": "earlier"}, "anna")
        (folder / ".stop.json").write_text(json.dumps({**who(folder), "begun": "earlier"}))
        making.heed()
        (folder / ".stop.json").write_text(json.dumps({**who(folder)})[:-9])
        making.heed()
        making.ask_to_stop(folder / "run.json", who(folder), "anna")
        assert making.asked_to_stop() == "anna"
        with output(folder / "stage", "predict", Config(folder / "stage"), [], ("answers",)):
            assert making.asked_to_stop() == "anna", "what is a stage of it ends too"
    assert making.asked_to_stop() == "" and not (folder / ".stop.json").exists()


@pytest.mark.parametrize(("error", "how"), [(KeyboardInterrupt(), "stopped"), (ValueError("of nan"), "failed")])
def test_how_a_folder_was_given_up_is_told_until_it_is_made(error: BaseException, how: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(type(error)):
        make(folder, error, "metrics.jsonl")
    ended = json.loads((folder / ".ended.json").read_text())
    assert (ended["how"], ended["why"], ended["config"]["out"]) == (how, str(error), str(folder))
    assert not (folder / ".begun.json").exists()
    make(folder)
    assert {path.name for path in folder.iterdir()} == {"model", "metrics.jsonl", "run.json"}


def test_a_folder_in_which_nothing_was_made_is_not_kept_for_its_end(tmp_path: Path) -> None:
    def nothing() -> None:
        with output(tmp_path / "run", "train sft", Config(tmp_path / "run"), [], ("model",)):
            raise ValueError

    with pytest.raises(ValueError):
        nothing()
    assert not (tmp_path / "run").exists()
