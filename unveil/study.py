"""``unveil study preferences``: the full comparison over several seeds, and what of it holds.

Each seed draws other patients and trains anew, so seeds are independent repetitions. A figure is the mean over seeds
with the 95 % interval of Student's t; a difference is taken within each seed first. Nothing is chosen here: settings
are those of the main job, and the test split is looked at once per seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from unveil import records, runs, screen
from unveil.contest import FULL

METRICS = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "f1_50_named": "found and named (F1)",
    "question_accuracy": "all questions",
}
#: Differences that a reader of the papers asks for: a method, and what it is to be better than.
CLAIMS: tuple[tuple[str, str, str], ...] = (
    ("sft", "base", "fine-tuning helps"),
    ("dpo", "sft", "preferring the truth to the model's own mistakes helps after fine-tuning"),
    ("mmedpo", "sft", "MMedPO helps after fine-tuning"),
    ("mmedpo", "dpo", "MMedPO is better than DPO"),
    ("mmedpo", "mmedpo-text", "hidden lesions add to wrong answers"),
    ("mmedpo", "mmedpo-visual", "wrong answers add to hidden lesions"),
    ("mmedpo", "mmedpo-unweighted", "clinical weights help"),
    ("mmedpo", "mmedpo-global", "local noise is better than global"),
    ("dpo-minimal", "sft", "minimal edits help after fine-tuning"),
    ("dpo-minimal", "dpo", "minimal edits are better than the truth as annotated"),
    ("selftrain", "sft-tenth", "self-training helps where a tenth of the labels is known"),
    ("selftrain", "sft", "self-training from a tenth of the labels reaches fine-tuning on all"),
)
BEGIN, END = "<!-- study preferences: begin -->", "<!-- study preferences: end -->"


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Run the full comparison (`unveil run --full` on drawn images) over several seeds and write down what holds."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Seeds; each draws other patients and trains anew."""
    out: Path = Path("runs/study-preferences")
    """Folder with a run for each seed, and study.json."""
    document: Path | None = None
    """Markdown file into which the tables are written, between two marks; for this project docs/results.md."""
    patients: int = 320
    """How many patients are drawn for each seed."""
    model: str = "tiny"
    """Hub id or local folder of the model."""
    jobs: int = 1
    """Seeds that run at a time."""
    threads: int | None = None
    """Threads of each; by default all cores shared among jobs."""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def verdict(self) -> str:
        """What the interval says of a difference."""
        return "yes" if self.low > 0 else "no, the contrary" if self.high < 0 else "not shown"


def study(config: StudyConfig) -> Path:
    """Runs what is not there yet, and writes ``study.json`` and the document's part; returns the former."""
    if len(config.seeds) < 2 or len(set(config.seeds)) < len(config.seeds):
        raise records.RecordError("--seeds needs at least two different seeds")
    with ThreadPoolExecutor(config.jobs) as pool:
        folders = list(pool.map(lambda seed: _run(config, seed), config.seeds))
    found = [_values(folder) for folder in folders]
    about = {
        "seeds": list(config.seeds),
        "patients": config.patients,
        "model": config.model,
        "values": {name: {m: vars(mean([f[name][m] for f in found])) for m in METRICS} for name in _in_all(found)},
        "claims": claims(found),
        "per_seed": found,
        "versions": runs.versions(),
    }
    path = runs.write_json(config.out / "study.json", about)
    if config.document:
        write_part(config.document, text(about))
    screen.say(text(about))
    return path


def _run(config: StudyConfig, seed: int) -> Path:
    """The main job for one seed, in a process of its own, with a log."""
    folder = config.out / f"seed-{seed}"
    log = config.out / f"seed-{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = config.threads or max(1, (os.cpu_count() or 1) // config.jobs)
    words = ["run", "--full", "--seed", seed, "--patients", config.patients, "--model", config.model, "--out", folder]
    screen.say(f"seed {seed}: {log}")
    with log.open("a") as out:
        done = subprocess.run(
            [sys.executable, "-m", "unveil", *map(str, words)],
            stdout=out,
            stderr=out,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            check=False,
        )
    if done.returncode:
        raise records.RecordError(f"seed {seed} ended with {done.returncode}; the end of {log} says why")
    return folder


def _values(folder: Path) -> dict[str, dict[str, float]]:
    """Each model's metrics on the test split."""
    scores = json.loads((folder / "scores.json").read_text())
    return {
        name: {m: about["metrics"][m]["value"] for m in METRICS if about["metrics"][m]["value"] is not None}
        for name, about in scores["models"].items()
    }


def _in_all(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The models that every seed has."""
    return [name for name in ("base", "sft", *FULL) if all(name in one for one in found)]


def mean(values: Sequence[float]) -> Mean:
    """Mean and 95 % interval by Student's t; at least two values."""
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    middle = float(np.mean(values))
    return Mean(middle, float(middle - half), float(middle + half), len(values))


def claims(found: Sequence[Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    """Each claim with the differences that speak for or against it; a claim about a missing model is left out."""
    known = set(_in_all(found))
    out = []
    for better, than, says in CLAIMS:
        if {better, than} <= known:
            apart = {m: mean([f[better][m] - f[than][m] for f in found]) for m in METRICS}
            rows = {m: {**vars(d), "verdict": d.verdict} for m, d in apart.items()}
            out.append({"claim": says, "better": better, "than": than, "differences": rows})
    return out


def text(about: Mapping[str, Any]) -> str:
    """The tables as Markdown."""
    seeds = ", ".join(map(str, about["seeds"]))
    lines = [
        f"Seeds {seeds}; {about['patients']} drawn patients each, model {about['model']}. Mean over seeds and",
        f"95 % interval (Student's t, n {len(about['seeds'])} seeds). Drawn images, a small model, rules as expert and",
        "judge: this tells of the methods at this scale and nothing of patients.",
        "",
        f"| model | {' | '.join(METRICS.values())} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    for name, figures in about["values"].items():
        lines.append(f"| {name} | {' | '.join(_cell(figures[m]) for m in METRICS)} |")
    lines += ["", f"| claim | difference | {' | '.join(METRICS.values())} |", f"|---|---|{'---|' * len(METRICS)}"]
    for row in about["claims"]:
        cells = [f"{_cell(row['differences'][m], True)} {row['differences'][m]['verdict']}" for m in METRICS]
        lines.append(f"| {row['claim']} | {row['better']} − {row['than']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figure: Mapping[str, float], signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{figure['value']:{sign}.3f} [{figure['low']:{sign}.3f}, {figure['high']:{sign}.3f}]"


def write_part(document: Path, part: str) -> None:
    """Puts the tables between the two marks of a document; a document without them is refused."""
    whole = document.read_text(encoding="utf-8") if document.is_file() else ""
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise records.RecordError(f"{document}: the marks {BEGIN} and {END} are not in it")
    document.write_text(f"{before}{BEGIN}\n{part}\n{END}{after}", encoding="utf-8")
