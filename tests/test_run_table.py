"""Runs of a folder as a table: what their folders tell, what cannot be read in words, what is new, gone or changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runs import about, cell, finished, write, write_log
from unveil.core.provenance import output
from unveil.review.run_table import RunTable


def table(root: Path, **more: Any) -> RunTable:
    return RunTable(root.resolve(), **more)


def rows(root: Path, **more: Any) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in table(root, **more).changes()["rows"]}


def look(seen: RunTable, since: int) -> dict[str, Any]:
    """What has changed, however soon it is asked for."""
    seen._looked = float("-inf")
    return seen.changes(since)


def test_a_finished_run(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    [row] = rows(tmp_path).values()
    assert (row["name"], row["command"], row["state"], row["seconds"]) == ("one", "run", "finished", 12.5)
    assert row["figures"]["sft"] == {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 45}}
    assert row["logs"] == [{"name": "sft", "last": {"step": 3.0, "loss": 1.25}}] and row["report"]
    assert not row["stoppable"] and row["problems"] == ()


def test_a_folder_that_is_a_run_is_the_only_one(tmp_path: Path) -> None:
    run = finished(tmp_path / "one")
    assert [*rows(run)] == ["one"]


def test_runs_are_found_below_other_folders_and_models_of_a_run_are_no_runs(tmp_path: Path) -> None:
    """Those of a study lie two deep; what `unveil ingest` has made is none."""
    finished(tmp_path / "study" / "seed-0" / "aar")
    write(tmp_path / "one" / "run.json", about("train grpo"))
    write(tmp_path / "one" / "inner" / "run.json", about("train sft"))
    write(tmp_path / "data" / "run.json", about("ingest"))
    write(tmp_path / "data" / "deep" / "run.json", about("train sft"))
    assert [*rows(tmp_path)] == ["one", "study/seed-0/aar"]


def test_settings_that_differ_and_no_others(tmp_path: Path) -> None:
    """Runs of another command, which lack a setting, do not make it one that differs; paths have no folder."""
    finished(tmp_path / "a", epochs=1.0)
    finished(tmp_path / "b", epochs=2.0, data="/home/OTHER/pictures")
    write(tmp_path / "c" / "run.json", {**about("train sft"), "config": {"epochs": 2.0, "rank": 4}})
    found = table(tmp_path).changes()
    assert found["settings"] == ["epochs", "data"]
    assert [row["settings"] for row in found["rows"]] == [
        {"epochs": 1.0, "data": "images"},
        {"epochs": 2.0, "data": "pictures"},
        {"epochs": 2.0},
    ]
    assert "/home" not in json.dumps(found)


def test_versions_and_what_was_read_are_settings_too(tmp_path: Path) -> None:
    for name, version in (("a", "1"), ("b", "2")):
        more: dict[str, Any] = {"versions": {"torch": version}, "inputs": {"/x/records.jsonl": f"{version}23456789"}}
        write(tmp_path / name / "run.json", about(**more))
    found = table(tmp_path).changes()
    assert found["settings"] == ["version of torch", "content of records.jsonl"]
    assert found["rows"][1]["settings"]["content of records.jsonl"] == "22345678"


# ---------------------------------------------------------------------------------------------------------------- state


def begun(folder: Path) -> Any:
    from dataclasses import make_dataclass

    made_by = make_dataclass("Made", {"out": Path}, namespace={"restart": False})(folder)
    return output(folder, "train sft", made_by, [], ("model",))


def test_a_run_under_way_is_running_and_one_that_has_died_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    with begun(folder):
        write_log(folder, [2.0, 1.0])
        seen = table(tmp_path)
        [row] = seen.changes()["rows"]
        assert (row["state"], row["stoppable"], row["logs"][0]["last"]["step"]) == ("running", True, 2)
        died = json.loads((folder / ".begun.json").read_text())
    assert [row["state"] for row in look(seen, seen.revision)["rows"]] == ["unknown"]  # it ended without a model
    write(folder / ".begun.json", died)
    write(folder / ".lock", "")
    [row] = look(seen, seen.revision)["rows"]
    assert (row["state"], row["stoppable"]) == ("killed", False)


@pytest.mark.parametrize(
    ("error", "state", "kind"), [(KeyboardInterrupt(), "stopped", ""), (ValueError("of r7"), "failed", "ValueError")]
)
def test_why_a_run_was_given_up(error: BaseException, state: str, kind: str, tmp_path: Path) -> None:
    """Its error may name records and files: it is told only where identifiers are shown. One that somebody ended has
    none."""
    with pytest.raises(type(error)), begun(tmp_path / "one"):
        write_log(tmp_path / "one", [2.0])
        raise error
    row = rows(tmp_path)["one"]
    assert (row["state"], row["why"], row["command"]) == (state, kind, "train sft")
    assert rows(tmp_path, identifiers=True)["one"]["why"] == str(error)


def test_a_stage_at_work(tmp_path: Path) -> None:
    with begun(tmp_path / "one"), begun(tmp_path / "one" / "sft"):
        write_log(tmp_path / "one" / "sft", [2.0])
        row = rows(tmp_path)["one"]
        assert (row["state"], row["at_work"]) == ("running", "train sft")


# ------------------------------------------------------------------------------------------------------ what is broken


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", '{"command": "run", "config": {', "run.json cannot be read: not JSON"),
        ("run.json", "[1]", "run.json cannot be read: it is no object"),
        ("run.json", '{"command": "run", "config": 3}', "run.json cannot be read: it is none that unveil has written"),
        ("summary.json", '{"sft": {"accuracy": {"val', "summary.json cannot be read: not JSON"),
    ],
)
def test_what_cannot_be_read_is_told_in_its_row(file: str, content: str, words: str, tmp_path: Path) -> None:
    finished(tmp_path / "whole")
    write(finished(tmp_path / "broken") / file, content)
    found = rows(tmp_path)
    assert [problem.startswith(words) for problem in found["broken"]["problems"]] == [True]
    assert found["broken"]["logs"] and found["broken"]["figures"]["sft"], "what else is there is shown"
    assert found["whole"]["problems"] == () and found["whole"]["state"] == "finished"


def test_figures_that_are_none_are_left_out(tmp_path: Path) -> None:
    models = {"sft": {"accuracy": cell(0.5), "iou": {"value": "high"}, "iou50": 3, "detection": {"value": 10**400}}}
    write(finished(tmp_path / "one") / "summary.json", models)
    with (tmp_path / "one" / "sft" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4, "loss": NaN}\n{"step": "x"}\n{"step": 5, "lo')
    row = rows(tmp_path)["one"]
    assert [*row["figures"]["sft"]] == ["accuracy"]
    assert row["logs"][0]["last"] == {"step": 4.0, "loss": 1.25}


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Neither a folder nor a file that is one, whatever it leads to; a run.json that is a pipe is not waited for."""
    secret = finished(tmp_path / "outside" / "secret", 0.123)
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(secret)
    one = finished(root / "one")
    for name in ("summary.json", "scores.json", "sft/metrics.jsonl"):
        (one / name).unlink()
        (one / name).symlink_to(secret / name)
    piped = root / "piped"
    piped.mkdir()
    os.mkfifo(piped / "run.json")
    found = rows(root)
    assert [*found] == ["one", "piped"]
    assert "0.123" not in json.dumps(found["one"]) and not found["one"]["figures"] and not found["one"]["logs"]
    assert found["piped"]["problems"] == ("run.json cannot be read: it is no regular file",)


# -------------------------------------------------------------------------------------------------------------- changes


def test_only_what_has_changed_is_told(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    finished(tmp_path / "b")
    seen = table(tmp_path)
    first = seen.changes()
    assert look(seen, first["revision"])["rows"] == []
    write(tmp_path / "b" / "summary.json", {"sft": {"accuracy": cell(0.75)}})
    changed = look(seen, first["revision"])
    assert [(row["name"], row["figures"]["sft"]["accuracy"]["value"]) for row in changed["rows"]] == [("b", 0.75)]
    finished(tmp_path / "c")
    assert [row["name"] for row in look(seen, changed["revision"])["rows"]] == ["c"]
    for file in sorted((tmp_path / "a").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (tmp_path / "a").rmdir()
    assert look(seen, changed["revision"])["gone"] == [first["rows"][0]["number"]]
    assert len(seen.changes()["rows"]) == 2, "a page that is loaded anew is told all"


def test_a_setting_that_begins_to_differ_is_told_of_all(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    finished(tmp_path / "b")
    seen = table(tmp_path)
    first = seen.changes()
    finished(tmp_path / "c", epochs=9.0)
    changed = look(seen, first["revision"])
    assert changed["settings"] == ["epochs"] and [row["settings"]["epochs"] for row in changed["rows"]] == [
        1.0,
        1.0,
        9.0,
    ]
