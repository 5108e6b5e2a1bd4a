"""``unveil study``: a full comparison of preference methods, rewards or baselines over several seeds, and what holds.

Each seed draws other patients and trains anew, so seeds are independent repetitions. A figure is the mean over seeds
with the 95 % interval of Student's t; a difference is taken within each seed first. Nothing is chosen here: settings
are those of the main job, and the test split is looked at once per seed. ``study_tables`` writes what was found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tyro.conf import Positional

from unveil.core import console, provenance, records
from unveil.core.bootstrap import ROUNDING
from unveil.core.grading import Outcome
from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, OutputFolder
from unveil.core.untrusted import read_json
from unveil.evaluate.metrics import metric, named_by_place
from unveil.pipelines import study_looking, study_tables
from unveil.pipelines.options import Variant
from unveil.pipelines.variants import BASELINES, PREFERRED, REWARDED

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
    ("aar", "aar-without-vrr", "the vision relevance reward helps (VRR)"),
    ("aar", "aar-without-alr", "the reward for the place helps (ALR)"),
    ("aar", "aar-without-relevance", "the reward for relevance helps"),
    ("aar", "aar-ppo", "GRPO is better than PPO"),
)
SEEING: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("dpo", "sft", "preferring the truth to the model's own mistakes helps after fine-tuning"),
    ("mmedpo", "dpo", "MMedPO is better than DPO"),
    ("aar", "sft", "rewards help after fine-tuning"),
    ("aar", "aar-without-vrr", "the vision relevance reward helps (VRR)"),
)
OTHERS: Claims = (
    ("sft", "base", "fine-tuning helps"),
    ("mdpo", "sft", "mDPO helps after fine-tuning"),
    ("povid", "sft", "POVID helps after fine-tuning"),
    ("sima", "sft", "SIMA helps after fine-tuning"),
    ("self-rewarding", "sft", "self-rewarding helps after fine-tuning"),
    ("aar", "sft", "rewards help after fine-tuning"),
    ("aar-tightened", "aar", "a rising threshold for the place adds to rewards (`--tighten`)"),
    ("sft-attention-loss", "sft", "attention supervision helps fine-tuning (`--attention-loss 0.1`)"),
)


@dataclass(frozen=True)
class Setting:
    """A variation of the main job beside it: what training lacks, and which test images tell what became of that."""

    name: str
    says: str
    words: tuple[str, ...]
    """Options of `unveil run`."""
    by: Literal["label", "modality"] | None = None
    """What the images that count are grouped by; None where all of them count."""
    of: tuple[str, ...] = ()
    """The groups."""


#: One category of each synthetic modality.
UNSEEN = ("abscess", "consolidation", "haemangioma", "ulcer")
SETTINGS = (
    Setting("unseen-categories", "categories never taught", ("--withhold", *UNSEEN), "label", UNSEEN),
    Setting("unseen-modality", "a modality never taught", ("--withhold", "ultrasound"), "modality", ("ultrasound",)),
    Setting("share-20", "20 % of the training patients", ("--train-share", "0.2")),
    Setting("share-50", "50 % of the training patients", ("--train-share", "0.5")),
)


#: Category accuracy as UMed-LVLM reports it (arXiv 2501.01377): mean of five sets of real images, 7 billion weights, by
#: PPO, one run, no interval.
UMED_LVLM = {
    "sft": 0.67,
    "aar": 0.75,
    "aar-without-vrr": 0.71,
    "aar-without-alr": 0.72,
    "aar-ppo": 0.75,
    "ppo": 0.69,
}


@dataclass(frozen=True)
class Plan:
    """What a study compares, by name."""

    name: str
    variants: tuple[Variant, ...]
    claims: Claims
    settings: tuple[Setting, ...] = ()
    """Variations of the main job in which ``varied`` is compared with fine-tuning."""
    varied: Variant | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    """The accuracies of the paper, which stand beside."""
    looks: bool = False
    """Whether models answer with their images taken away too (``study_looking``)."""

    @property
    def marks(self) -> tuple[str, str]:
        """The lines in a document between which its tables stand."""
        return f"<!-- study {self.name}: begin -->", f"<!-- study {self.name}: end -->"


_ABLATED = tuple(variant for variant in REWARDED if variant not in BASELINES)
PLANS = {
    "preferences": Plan("preferences", PREFERRED, PREFERENCES),
    "rewards": Plan("rewards", _ABLATED, REWARDS, SETTINGS, "aar", UMED_LVLM),
    "baselines": Plan("baselines", ("aar", *BASELINES), OTHERS),
    "looking": Plan("looking", ("dpo", "mmedpo", "aar", "aar-without-vrr"), SEEING, looks=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Run a comparison on synthetic images (`unveil run --compare`) over several seeds and write down what holds."""

    name: Positional[Literal["preferences", "rewards", "baselines", "looking"]]
    """preferences: preference methods, their ablations and self-training. rewards: abnormal-aware rewarding and its
    ablations. baselines: mDPO, POVID, SIMA, self-rewarding, and the options --tighten and --attention-loss. looking:
    whether DPO, MMedPO and rewards with and without the one for attention make a fine-tuned model look at the image and
    use the lesion."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Seeds; each draws other patients and trains anew."""
    out: OutputFolder | None = None
    """Folder with a run for each seed, and study.json; by default runs/study-NAME."""
    document: InputFile | None = None
    """Markdown file into which the tables are written, between two marks; for this project
    docs/explanation/results.md."""
    patients: int = 320
    """How many patients are drawn for each seed."""
    model: str = "tiny"
    """Hub id or local folder of the model."""
    jobs: Count = 1
    """Seeds that run at a time."""
    threads: Count | None = None
    """Threads of each; by default all cores shared among jobs."""
    settings: tuple[str, ...] | None = None
    """Variations of the main job that are run beside it, by name; by default all that the study has."""
    restart: bool = False
    """Write over what was made with other settings; what is as it would be now is kept."""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def verdict(self) -> str:
        """What the interval says of a difference. Seeds that all say the same have no interval, and show nothing."""
        if self.high - self.low <= ROUNDING:
            return "not shown"
        return "yes" if self.low > 0 else "no, the contrary" if self.high < 0 else "not shown"


def main(config: Config) -> Path:
    """Runs what is not there yet, and writes ``study.json`` and the document's part; returns the former."""
    plan = PLANS[config.name]
    out = config.out or Path(f"runs/study-{plan.name}")
    if len(config.seeds) < 2 or len(set(config.seeds)) < len(config.seeds):
        raise records.RecordError("--seeds needs at least two different seeds")
    if config.jobs < 1:
        raise records.RecordError("--jobs: one at least")
    settings = _settings(config, plan)
    tasks = [(seed, setting) for setting in (None, *settings) for seed in config.seeds]
    folders = {}
    with ThreadPoolExecutor(config.jobs) as pool, console.progress("study", len(tasks)) as advance:
        for task, folder in zip(tasks, pool.map(lambda task: _run(config, plan, out, *task), tasks), strict=True):
            folders[task] = folder
            advance()
    main = [folders[seed, None] for seed in config.seeds]
    found = [_values(folder) for folder in main]
    about: dict[str, Any] = {
        "study": plan.name,
        "seeds": list(config.seeds),
        "patients": config.patients,
        "model": config.model,
        "metrics": METRICS,
        "published": dict(plan.published),
        "values": {n: {m: vars(mean([f[n][m] for f in found])) for m in METRICS} for n in _in_all(found, plan)},
        "claims": claims(found, plan),
        "settings": [
            _varied(setting, plan, main, [folders[seed, setting] for seed in config.seeds]) for setting in settings
        ],
        "by_place": _by_place(main, plan) if plan.varied else [],
        "per_seed": found,
        "versions": provenance.versions(),
    }
    if plan.looks:
        about["looking"] = _looking(config, plan, main, found)
    path = provenance.write_json(out / "study.json", about)
    text = study_tables.text(about)
    if config.document:
        study_tables.write_part(config.document, text, plan.marks)
    console.say(text)
    return path


def _looking(config: Config, plan: Plan, folders: Sequence[Path], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What models answer without their images, one seed after the other: fine-tuning and what every seed has."""
    models = [name for name in _in_all(found, plan) if name != "base"]
    return study_looking.told([study_looking.looked(f, models, config.restart) for f in folders], models, mean)


def _settings(config: Config, plan: Plan) -> list[Setting]:
    known = {setting.name: setting for setting in plan.settings}
    names = list(known) if config.settings is None else list(config.settings)
    if strange := [name for name in names if name not in known]:
        raise records.RecordError(f"--settings: no {', '.join(strange)}; there are {', '.join(known) or 'none'}")
    return [known[name] for name in names]


def _run(config: Config, plan: Plan, out: Path, seed: int, setting: Setting | None = None) -> Path:
    """The main job, or a variation of it, for one seed, in a process of its own, with a log."""
    name = f"seed-{seed}" if setting is None else f"seed-{seed}-{setting.name}"
    folder, log = out / name, out / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = config.threads or max(1, (os.cpu_count() or 1) // config.jobs)
    words = ["run", "--seed", seed, "--patients", config.patients, "--model", config.model, "--out", folder]
    words += ["--compare", *plan.variants] if setting is None else ["--compare", plan.varied, *setting.words]
    words += ["--restart"] if config.restart else []
    console.say(f"{name}: {log}")
    with log.open("a") as told:
        done = subprocess.run(
            [sys.executable, "-m", "unveil", *map(str, words)],
            stdout=told,
            stderr=told,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            check=False,
        )
    if done.returncode:
        raise records.RecordError(f"{name} ended with {done.returncode}; the end of {log} says why")
    return folder


# ------------------------------------------------------------------------------------------------------ what was found


def _values(folder: Path, setting: Setting | None = None) -> dict[str, dict[str, float]]:
    """Each model's metrics on the test split, or on the part of it that a setting is about."""
    if setting is not None and setting.by is not None:
        return _of_groups(folder, setting)
    scores = read_json(folder / "scores.json", lenient=True)
    return {
        name: {m: about["metrics"][m]["value"] for m in METRICS if about["metrics"][m]["value"] is not None}
        for name, about in scores["models"].items()
    }


def _of_groups(folder: Path, setting: Setting) -> dict[str, dict[str, float]]:
    """The metrics over the items of the setting's groups, each item once."""
    out = {}
    for name, rows in _outcomes(folder).items():
        own = [o for o in rows if set(setting.of) & set(o.labels if setting.by == "label" else (o.modality,))]
        out[name] = {m: value for m in METRICS if (value := metric(m, own)[0]) is not None}
    return out


def _varied(setting: Setting, plan: Plan, main: Sequence[Path], own: Sequence[Path]) -> dict[str, Any]:
    """Fine-tuning and what is compared with it where training lacks something, and fine-tuning that lacks nothing."""
    taught, found = [_values(f, setting) for f in main], [_values(f, setting) for f in own]
    if lacking := [folder for folder, one in zip(own, found, strict=True) if str(plan.varied) not in one]:
        raise records.RecordError(f"{lacking[0]}: {plan.varied} was left out there, and summary.json says why")
    rows = {}
    for m in METRICS:
        if not all(m in one[name] for one in (*found, *taught) for name in ("sft", str(plan.varied))):
            continue
        columns = {
            "taught": [one["sft"][m] for one in taught],
            "sft": [one["sft"][m] for one in found],
            str(plan.varied): [one[str(plan.varied)][m] for one in found],
        }
        apart = mean([a - b for a, b in zip(columns[str(plan.varied)], columns["sft"], strict=True)])
        rows[m] = {name: vars(mean(values)) for name, values in columns.items()}
        rows[m]["difference"] = {**vars(apart), "verdict": apart.verdict}
    return {"name": setting.name, "says": setting.says, "of": list(setting.of), "varied": plan.varied, "metrics": rows}


def _by_place(folders: Sequence[Path], plan: Plan) -> list[dict[str, Any]]:
    """How often the right name is given, by the IoU of the place: mean over seeds, and images of all seeds."""
    names = [name for name in ("sft", plan.varied) if name]
    outcomes = [_outcomes(folder) for folder in folders]
    tables = [{name: named_by_place(of[name]) for name in names} for of in outcomes]
    rows = []
    for i, (place, _) in enumerate(tables[0][names[0]]):
        row: dict[str, Any] = {"place": place}
        for name in names:
            found = [table[name][i][1] for table in tables]
            shares = [float(np.mean(right)) for right in found if right]
            row[name] = {
                "images": sum(map(len, found)),
                "share": _share(shares) if len(shares) > 1 else None,
            }
        rows.append(row)
    return rows


def _share(values: Sequence[float]) -> dict[str, float]:
    """A mean share, its interval within 0 and 1."""
    found = mean(values)
    return {**vars(found), "low": max(found.low, 0.0), "high": min(found.high, 1.0)}


def _outcomes(folder: Path) -> dict[str, list[Outcome]]:
    """What became of each model's answers on the test split."""
    out: dict[str, list[Outcome]] = {}
    with (folder / "outcomes.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            out.setdefault(row.pop("model"), []).append(Outcome(**row))
    return out


def _in_all(found: Sequence[Mapping[str, Any]], plan: Plan) -> list[str]:
    """The models that every seed has."""
    return [name for name in ("base", "sft", *plan.variants) if all(name in one for one in found)]


def mean(values: Sequence[float]) -> Mean:
    """Mean and 95 % interval by Student's t; at least two values."""
    from scipy.special import stdtrit

    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / len(values) ** 0.5
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
