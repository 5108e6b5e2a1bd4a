"""A person asks for a training to end: it keeps what it did in a checkpoint, ends, and goes on as if it never had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import pairs, tuning
from unveil.core import making
from unveil.train import checkpoints, dpo, loop, sft


def asked_after(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks whoever trains to end, while it logs this update."""
    write = loop.MetricsLog.write

    def and_ask(self: loop.MetricsLog, step: int, /, **values: float) -> None:
        write(self, step, **values)
        if step == update and "loss" in values:
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
