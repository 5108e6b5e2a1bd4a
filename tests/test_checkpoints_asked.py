"""A person asks for a training to end: it keeps what it did in a checkpoint, ends, and goes on as if it never had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import pairs, tuning
from tests.helpers.forks import together
from tests.helpers.updating import write_open
from unveil.core import making
from unveil.rl import grpo
from unveil.train import checkpoints, dpo, loop, sft


def asked_after(update: int, monkeypatch: pytest.MonkeyPatch, figure: str = "loss") -> None:
    """Asks whoever trains to end, while it logs this update."""
    write = loop.MetricsLog.write

    def and_ask(self: loop.MetricsLog, step: int, /, **values: float) -> None:
        write(self, step, **values)
        if step == update and figure in values and self.accelerator.is_main_process:
            folder = self.path.parent
            about = json.loads((folder / ".begun.json").read_text())
            making.ask_to_stop(folder / "run.json", {name: about[name] for name in making.WHO}, "anna")

    monkeypatch.setattr(loop.MetricsLog, "write", and_ask)


def ended(folder: Path) -> tuple[str, list[str]]:
    """How a training ended, and the checkpoints that it left."""
    how = json.loads((folder / ".ended.json").read_text())["how"]
    return how, [kept.name for kept in checkpoints.found(folder / "checkpoints")]


def test_supervised(tiny_folder: Path, dialogues_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After update 1 of 3, though checkpoints are due every second update; the end is that of a run left alone."""
    torch.set_num_threads(1)
    config = tuning.short_run(tiny_folder, dialogues_file, tmp_path)
    straight = sft.main(replace(config, out=tmp_path / "straight"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as stop:
        asked_after(1, patch)
        sft.main(config)
    assert stop.value.__notes__ == ["anna asked for it on the page of runs", "1 of 3 updates are kept"]
    assert ended(config.out) == ("stopped", ["step-0000001"])
    sft.main(replace(config, resume=True))
    mine, theirs = (tuning.weights(folder) for folder in (config.out, straight))
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)
    assert _figures(config.out) == _figures(straight)


def test_preferences(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(pairs.short_run(tiny_folder, tmp_path), log_every=1)
    asked_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        dpo.main(config)
    assert ended(config.out) == ("stopped", ["step-0000001"])


def _figures(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.endswith("_per_s")} for row in rows]


def test_rewards(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_open(tmp_path)
    files = {"records": tmp_path / "records.jsonl", "dialogues": tmp_path / "dialogues.jsonl", "kinds": ("open",)}
    small = {"answers": 2, "batch_size": 1, "max_new_tokens": 6, "limit": 3, "validate_every": 0, "workers": 0}
    config: dict[str, Any] = {**files, **small, "model": str(tiny_folder), "out": tmp_path / "out", "log_every": 1}
    asked_after(1, monkeypatch, "reward")
    with pytest.raises(KeyboardInterrupt):
        grpo.main(grpo.Config(rewards=("similarity", "form=0"), most_unusable=1.0, **config))
    assert ended(tmp_path / "out") == ("stopped", ["step-0000001"])


def _stopped(config: sft.Config) -> int:
    """0 where a training has ended as it was asked to after its first update."""
    asked_after(1, pytest.MonkeyPatch())
    try:
        sft.main(config)
    except KeyboardInterrupt:
        return 0
    return 3


def test_processes_that_work_together_end_after_the_same_update(
    tiny_folder: Path, dialogues_file: Path, tmp_path: Path
) -> None:
    """Only the first of them looks for the request; its checkpoint has the random numbers of both."""
    config = replace(tuning.short_run(tiny_folder, dialogues_file, tmp_path), batch_size=1, epochs=1.0)
    codes, said = together(_stopped, config, folder=tmp_path)
    assert codes == [0, 0], said
    assert ended(config.out) == ("stopped", ["step-0000001"])
    names = {file.name for file in (config.out / "checkpoints" / "step-0000001").iterdir()}
    assert {"random-0.safetensors", "random-1.safetensors"} <= names
