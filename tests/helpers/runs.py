"""Folders of runs as `unveil run` and training leave them, written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.pages import write_records
from unveil.core.box_formats import BOX_FORMATS, View, mark
from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import write_png
from unveil.core.records import Dialogue, Prediction


def about(command: str = "run", **more: Any) -> dict[str, Any]:
    """What a run.json says."""
    config = {"epochs": 1.0, "seed": 0, "out": "/elsewhere/x", "data": "/home/NAME/images"}
    return {
        "command": command,
        "config": config | more.pop("config", {}),
        "seed": 0,
        "versions": {"unveil": "0.1"},
        "inputs": {},
        "finished": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        **more,
    }


def write(file: Path, value: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def cell(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 45, "clusters": 22}


def write_log(folder: Path, losses: list[float], start: int = 1) -> Path:
    """The log of a training, or more of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        for step, loss in enumerate(losses, start):
            file.write(json.dumps({"step": step, "loss": loss}) + "\n")
    return folder / "metrics.jsonl"


def finished(folder: Path, accuracy: float = 0.5, **config: Any) -> Path:
    """A finished run with a model, its log and a report."""
    write(folder / "run.json", about(config=config))
    models = {"base": {"accuracy": cell(0.2)}, "sft": {"accuracy": cell(accuracy), "iou": {"value": None}}}
    write(folder / "summary.json", models | {"differences": {}, "seconds": 12.5, "note": "no device"})
    scores = {"models": {name: {"metrics": metrics} for name, metrics in models.items()}}
    write(folder / "scores.json", scores)
    write(folder / "report.html", f"<!DOCTYPE html><style>h1 {{ color: red }}</style><h1>Report of {accuracy}</h1>")
    write_log(folder / "sft", [2.0, 1.5, 1.25])
    return folder


def answered(folder: Path) -> Path:
    """A run whose model was asked where the ulcers of r0 and r1 are, in images of its folder: right, then elsewhere."""
    (folder / "data").mkdir(parents=True)
    write_records(folder / "data", 2)
    view = View(BOX_FORMATS["json-pixels"], (64, 48), (64, 48))
    boxes = (10.0, 8.0, 30.0, 28.0), (40.0, 8.0, 60.0, 28.0)
    how: dict[str, Any] = {"split": "val", "kind": "localisation", "target": "ulcer"}
    true = f"The ulcer is at {mark(boxes[0])}."
    asked = [Dialogue(f"r{n}/q", f"r{n}", f"data/{n}.png", question="Where?", answer=true, **how) for n in range(2)]
    write_jsonl(folder / "dialogues.jsonl", asked)
    said = [
        Prediction(d.id, d.record, d.kind, f"At {view.write(box)}.", "json-pixels", (64, 48), "sft")
        for d, box in zip(asked, boxes, strict=True)
    ]
    (folder / "sft").mkdir(exist_ok=True)
    write_jsonl(folder / "sft" / "validation.jsonl", said)
    return folder


def drew(folder: Path, *steps: int) -> Path:
    """What a training has drawn at some updates, with pictures of 64 x 48 pixels whose grey is the update."""
    for step in steps:
        name = f"samples/step-{step:06d}-0.png"
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        write_png(np.full((48, 64), step, np.uint8), folder / name)
        row = {"step": step, "id": f"NAME-{step}", "question": "Where?", "picture": name}
        with (folder / "samples.jsonl").open("a") as file:
            file.write(json.dumps(row | {"rewards": [0.25, 1.0], "best": f"best {step}", "worst": "nowhere"}) + "\n")
    return folder / "samples.jsonl"


#: A training that logs an update every twentieth of a second until it is asked to stop, for a minute at the most.
_TRAINS = """
import json, sys, time
from dataclasses import make_dataclass
from pathlib import Path
from unveil.core import making, provenance

folder = Path(sys.argv[1])
made_by = make_dataclass("Made", {"out": Path}, namespace={"restart": False})(folder)
with provenance.output(folder, "train sft", made_by, [], ("model",)):
    for step in range(1, 1200):
        with (folder / "metrics.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, "loss": 1 / step}) + chr(10))
        making.heed()
        time.sleep(0.05)
"""


@contextmanager
def training(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training in a process of its own, which has begun, and ends with the context at the latest."""
    command = [sys.executable, "-c", _TRAINS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not (folder / "metrics.jsonl").is_file():
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
