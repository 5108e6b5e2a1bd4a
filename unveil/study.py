"""``unveil study preferences`` and ``study rewards``: a full comparison over several seeds, and what of it holds.

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
from unveil.contest import FULL, REWARDED, Entry

METRICS = {
    "accuracy": "category accuracy",
    "iou": "mean IoU",
    "f1_50_named": "found and named (F1)",
    "question_accuracy": "all questions",
}
Claims = tuple[tuple[str, str, str], ...]
"""Differences that a reader of the papers asks for: a method, what it is to be better than, what that would say."""

PREFERENCES: Claims = (
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
REWARDS: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("aar", "sft", "rewards help after fine-tuning (UMed-LVLM's stage 2, GRPO)"),
    ("aar-ppo", "sft", "the same with PPO helps"),
    ("ppo", "sft", "PPO with a reward for relevance only helps"),
    ("aar", "ppo", "abnormal-aware rewards add to a reward for relevance"),
    ("aar", "aar-without-vrr", "the reward for looking at the lesion helps (VRR)"),
    ("aar", "aar-without-alr", "the reward for the place helps (ALR)"),
    ("aar", "aar-without-relevance", "the reward for relevance helps"),
    ("aar", "aar-ppo", "GRPO is better than PPO"),
)


@dataclass(frozen=True)
class Plan:
    """What a study compares, by name."""

    name: str
    entries: tuple[Entry, ...]
    claims: Claims

    @property
    def marks(self) -> tuple[str, str]:
        """The lines in a document between which its tables stand."""
        return f"<!-- study {self.name}: begin -->", f"<!-- study {self.name}: end -->"


PLANS = {
    "preferences": Plan("preferences", FULL, PREFERENCES),
    "rewards": Plan("rewards", REWARDED, REWARDS),
}


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Run a comparison on drawn images (`unveil run --compare`) over several seeds and write down what holds."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Seeds; each draws other patients and trains anew."""
    out: Path | None = None
    """Folder with a run for each seed, and study.json; by default runs/study-NAME."""
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


def preferences(config: StudyConfig) -> Path:
    """Preference methods, their ablations and self-training."""
    return study(config, PLANS["preferences"])


def rewards(config: StudyConfig) -> Path:
    """Abnormal-aware rewarding and its ablations."""
    return study(config, PLANS["rewards"])


def study(config: StudyConfig, plan: Plan) -> Path:
    """Runs what is not there yet, and writes ``study.json`` and the document's part; returns the former."""
    out = config.out or Path(f"runs/study-{plan.name}")
    if len(config.seeds) < 2 or len(set(config.seeds)) < len(config.seeds):
        raise records.RecordError("--seeds needs at least two different seeds")
    with ThreadPoolExecutor(config.jobs) as pool:
        folders = list(pool.map(lambda seed: _run(config, plan, out, seed), config.seeds))
    found = [_values(folder) for folder in folders]
    about = {
        "seeds": list(config.seeds),
        "patients": config.patients,
        "model": config.model,
        "values": {n: {m: vars(mean([f[n][m] for f in found])) for m in METRICS} for n in _in_all(found, plan)},
        "claims": claims(found, plan),
        "per_seed": found,
        "versions": runs.versions(),
    }
    path = runs.write_json(out / "study.json", about)
    if config.document:
        write_part(config.document, text(about), plan)
    screen.say(text(about))
    return path


def _run(config: StudyConfig, plan: Plan, out: Path, seed: int) -> Path:
    """The main job for one seed, in a process of its own, with a log."""
    folder, log = out / f"seed-{seed}", out / f"seed-{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = config.threads or max(1, (os.cpu_count() or 1) // config.jobs)
    words = ["run", "--seed", seed, "--patients", config.patients, "--model", config.model, "--out", folder]
    words += ["--compare", *plan.entries]
    screen.say(f"seed {seed}: {log}")
    with log.open("a") as told:
        done = subprocess.run(
            [sys.executable, "-m", "unveil", *map(str, words)],
            stdout=told,
            stderr=told,
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


def _in_all(found: Sequence[Mapping[str, Any]], plan: Plan) -> list[str]:
    """The models that every seed has."""
    return [name for name in ("base", "sft", *plan.entries) if all(name in one for one in found)]


def mean(values: Sequence[float]) -> Mean:
    """Mean and 95 % interval by Student's t; at least two values."""
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    middle = float(np.mean(values))
    return Mean(middle, float(middle - half), float(middle + half), len(values))


def claims(found: Sequence[Mapping[str, Mapping[str, float]]], plan: Plan) -> list[dict[str, Any]]:
    """Each claim with the differences that speak for or against it; a claim about a missing model is left out."""
    known = set(_in_all(found, plan))
    out = []
    for better, than, says in plan.claims:
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


def write_part(document: Path, part: str, plan: Plan) -> None:
    """Puts the tables between the two marks of a document; a document without them is refused."""
    whole = document.read_text(encoding="utf-8") if document.is_file() else ""
    first, last = plan.marks
    before, begin, rest = whole.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise records.RecordError(f"{document}: the marks {first} and {last} are not in it")
    document.write_text(f"{before}{first}\n{part}\n{last}{after}", encoding="utf-8")
