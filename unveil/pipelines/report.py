"""``unveil report``: the report of a folder that the main job has filled."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core.jsonl import read_jsonl
from unveil.core.path_types import InputFolder
from unveil.core.records import Dialogue, Record, RecordError, image_path
from unveil.core.registry import PluginOptions
from unveil.core.run_folder import records_of, resplit
from unveil.core.untrusted import read_json
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.vlm.choice import TINY

SYNTHETIC = "synthetic"
"""The data set of images that this project draws."""
FURTHER = {"aar": "rewards", "mmedpo": "preferences"}
"""What a fine-tuned model is trained further with, and in a word by what."""


@dataclass(frozen=True)
class Config(PluginOptions):
    """Write the report of a folder that `unveil run` has filled, again."""

    run: InputFolder
    """The folder that was --out of `unveil run`."""
    seed: int = 0
    """Seed of the random examples."""


def main(config: Config) -> Path:
    """Writes report.html and returns it."""
    out = config.run
    asked = _held(out / "run.json", "config") if (out / "run.json").is_file() else {}
    names = list(_held(out / "scores.json", "models"))
    inputs = Inputs(
        title=title(asked.get("model", "a model"), out),
        records=records_of(out),
        scores=out / "scores.json",
        outcomes=out / "outcomes.jsonl",
        predictions={name: out / name / "predictions.jsonl" for name in names},
        dialogues=out / "dialogues.jsonl",
        training={name: out / name / "metrics.jsonl" for name in names if name != "base"},
        attention={name: file for name in names if (file := out / name / "attention.jsonl").is_file()},
        rejected=out / "data" / "rejected.jsonl",
        check=out / "check.json",
        runs=sorted(out.rglob("*run.json")),
        dealt=resplit(out).is_file(),
        ways_on=ways_on(out, names, partly=bool(asked.get("withhold")) or asked.get("train_share", 1) < 1),
    )
    return write_report(inputs, out / "report.html", seed=config.seed)


def _held(file: Path, part: str) -> dict[str, Any]:
    """A part of what a run has left; raises ``RecordError`` where it is not there."""
    left = read_json(file, lenient=True)
    found = left.get(part) if isinstance(left, dict) else None
    if not isinstance(found, dict):
        raise RecordError(f"{file}: it has no {part!r}, so that it is none that `unveil run` has left")
    return found


def title(model: str, out: Path) -> str:
    """What was done, in words: the model by the last two parts of its name, and the data by theirs."""
    data = "synthetic images" if dataset(out) == SYNTHETIC else dataset(out)
    named = "The tiny model" if model == TINY else "/".join(Path(model).parts[-2:])
    return f"{named} before and after fine-tuning on {data}"


def ways_on(out: Path, names: Sequence[str], partly: bool = False) -> list[tuple[str, str, str]]:
    """What to do after a run of these models: what, in words, and the command if there is one.

    Where a part of the labels only was to be learnt (``partly``) there are no preferences, which know them all.
    """
    from unveil.pipelines.variants import REWARDED

    dialogue = next(read_jsonl(out / "dialogues.jsonl", Dialogue))
    image = os.path.relpath(image_path(dialogue, out / "dialogues.jsonl"))
    model, others = out / "sft", [name for name in names if name not in ("base", "sft")]
    ask = ["unveil", "ask", "--model", str(model), "--image", image, "--picture", "answer.png"]
    ways = [
        ("Find what was trained", ", ".join(str(out / name) for name in ("sft", *others)), ""),
        ("Ask it about an image", "The answer comes as text, and its boxes on a picture.", shlex.join(ask)),
    ]
    if left := [name for name in FURTHER if name not in others and (name in REWARDED or not partly)]:
        how = " and ".join(FURTHER[name] for name in left)
        again = ["unveil", "run", "--compare", *others, *left, "--config", str(out / "run.json")]
        ways.append(("Go on", f"Train the fine-tuned model further by {how}, measured beside it.", shlex.join(again)))
    elif dataset(out) == SYNTHETIC:
        ways.append(("Go on", "The same with annotated images of your own.", "unveil run --data FOLDER --model MODEL"))
    return ways


def dataset(out: Path) -> str:
    """The data set that a run is about."""
    return next(read_jsonl(records_of(out), Record)).source.dataset
