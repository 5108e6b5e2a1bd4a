"""How the main job ends: its main figures for scripts, and its last words for people."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unveil.core import jsonl, options, provenance, records
from unveil.core.records import Dialogue
from unveil.vlm.choice import TINY

if TYPE_CHECKING:
    from unveil.pipelines.run import Config


def command(config: Config) -> list[str]:
    """A run as it is typed: its data, model and folder, then what is otherwise than by default."""
    data = [] if config.data is None else ["--data", str(config.data)]
    others = options.words(replace(config, data=None, model=TINY, out=None))
    return ["unveil", "run", *data, "--model", config.model, "--out", str(config.out), *others]


def last_words(out: Path, trained: Sequence[str], further: Sequence[str]) -> str:
    """Where the models of a run are, how to ask one about an image, and where figures and log are.

    ``trained`` are the models beside the fine-tuned one; where there are none, ``further`` is the command that makes
    some.
    """
    dialogue = next(jsonl.read_jsonl(out / "dialogues.jsonl", Dialogue))
    image = os.path.relpath(records.image_path(dialogue, out / "dialogues.jsonl"))
    others = [str(out / name) for name in trained]
    rows = [
        ("fine-tuned model", str(out / "sft")),
        *([("further models", ", ".join(others))] if others else []),
        ("ask it", shlex.join(["unveil", "ask", "--model", str(out / "sft"), "--image", image])),
        *([] if others else [("go on", shlex.join(further))]),
        ("correct its data", shlex.join(["unveil", "review", str(out)])),
        ("report", str(out / "report.html")),
        ("log of training", str(out / "sft" / "metrics.jsonl")),
    ]
    return "\n".join([*(f"{title + ':':<18}{text}" for title, text in rows), "research software, not a medical device"])


def summary(scores: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The main figures for scripts: for each model the four headline metrics, the paired differences, and the time."""
    main_metrics = ("accuracy", "iou", "iou50", "detection")

    def figures(metrics: dict[str, Any]) -> dict[str, Any]:
        return {m: metrics[m] for m in main_metrics if m in metrics}

    return {
        **{name: figures(about["metrics"]) for name, about in scores["models"].items()},
        "differences": {
            name: {other: figures(metrics) for other, metrics in others.items()}
            for name, others in scores["differences"].items()
        },
        "seconds": round(seconds, 1),
        "peak_mb": provenance.peak_mb(),
        "note": "research software, not a medical device",
    }
