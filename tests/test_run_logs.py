"""Logs of training that grow: only what was appended is read, a log that begins anew is told, half a line waits."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from unveil.review import run_logs
from unveil.train.loop import rewind

LOG = PurePosixPath("sft/metrics.jsonl")


def write(root: Path, text: str) -> None:
    (root / "sft").mkdir(exist_ok=True)
    with (root / LOG).open("a") as file:
        file.write(text)


def after(root: Path, before: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {"start": before["next"], "mark": before["mark"]} if before else {}
    return run_logs.appended(root, LOG, **given, **more)


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    write(tmp_path, '{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    first = after(tmp_path)
    assert (first["rows"], first["anew"], first["more"]) == ([(1, {"loss": 2.0})], True, False)
    assert after(tmp_path, first)["rows"] == []
    write(tmp_path, 'ss": 1.5}\n{"step": 3, "loss": 1}\n')
    second = after(tmp_path, first)
    assert second["rows"] == [(2, {"loss": 1.5}), (3, {"loss": 1.0})] and not second["anew"]


def test_a_log_that_begins_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    """As training that is resumed at a checkpoint leaves it; and one that was cut short, or written over in place."""
    write(tmp_path, "".join(f'{{"step": {n}, "loss": {n}}}\n' for n in range(1, 6)))
    first = after(tmp_path)
    rewind(tmp_path / LOG, 2)
    write(tmp_path, '{"step": 3, "loss": 30}\n')
    again = after(tmp_path, first)
    assert again["anew"] and again["rows"] == [(1, {"loss": 1.0}), (2, {"loss": 2.0}), (3, {"loss": 30.0})]
    rewind(tmp_path / LOG, 2)
    write(tmp_path, "".join(f'{{"step": {n}, "loss": {n * 11}}}\n' for n in range(3, 9)))
    longer = after(tmp_path, again)
    assert longer["anew"] and [step for step, _ in longer["rows"]] == [*range(1, 9)], "its lines end where others did"
    again = longer
    os.truncate(tmp_path / LOG, 25)
    assert after(tmp_path, again)["anew"]


def test_a_long_log_comes_in_parts(tmp_path: Path) -> None:
    write(tmp_path, "".join(f'{{"step": {n}, "loss": 1}}\n' for n in range(200)))
    found, rows = after(tmp_path, most=1000), list[Any]()
    while True:
        rows += found["rows"]
        if not found["more"]:
            break
        found = after(tmp_path, found, most=1000)
    assert [step for step, _ in rows] == [*range(200)]


def test_what_is_no_line_of_a_log_is_counted(tmp_path: Path) -> None:
    """Among them one that is longer than is read at once, and a step that is none; numbers that are none are None."""
    lines = ["{", "[1]", '{"loss": 1}', '{"step": true, "loss": 1}', f'{{"step": 4, "text": "{"x" * 3000}"}}']
    write(tmp_path, "\n".join(lines) + '\n{"step": 5, "loss": NaN, "kl": 1e999, "note": "x", "iou": 0.5}\n')
    found, faults, rows = after(tmp_path, most=1000), 0, list[Any]()
    while True:
        faults, rows = faults + found["faults"], rows + found["rows"]
        if not found["more"]:
            break
        found = after(tmp_path, found, most=1000)
    assert faults == 5 and rows == [(5, {"loss": None, "kl": None, "iou": 0.5})]


def test_a_long_line_without_its_end_waits(tmp_path: Path) -> None:
    write(tmp_path, "x" * 3000)
    found = after(tmp_path, most=1000)
    assert (found["next"], found["more"], found["faults"]) == (0, False, 0)


def test_numbers_go_as_json(tmp_path: Path) -> None:
    write(tmp_path, f'{{"step": 1, "loss": {10**400}}}\n')
    assert json.loads(json.dumps(after(tmp_path)["rows"])) == [[1, {"loss": None}]]
