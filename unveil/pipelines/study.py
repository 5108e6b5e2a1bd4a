"""``unveil study``: a full comparison of preference methods, rewards or baselines over several seeds, and what holds.

So is the evaluation of a paper on a user's copies of its data sets (``papers``).

Each seed draws other patients and trains anew, so seeds are independent repetitions. A figure is the mean over seeds
with the 95 % interval of Student's t; a difference is taken within each seed first. Nothing is chosen here: settings
are those of the main job, and the test split is looked at once per seed. ``study_tables`` writes what was found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from tyro.conf import Positional

from unveil.core import console, options, provenance, records
from unveil.core.bootstrap import ROUNDING
from unveil.core.grading import Outcome
from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, InputFolder, OutputFolder
from unveil.core.untrusted import listed, read_json
from unveil.evaluate.metrics import metric, named_by_place
from unveil.experts.options import AskedGroup, AskedOptions
from unveil.pipelines import commands, papers, study_looking, study_review, study_tables
from unveil.pipelines.paper import PaperRun
from unveil.pipelines.plans import METRICS, PLANS, Plan, Setting

SEEDS = (1, 2, 3, 4, 5)
#: Options that only papers have, and only comparisons on synthetic images.
OF_PAPERS = ("data", "epochs", "limit", "allow_benchmark_test", "dry_run", "asked")
OF_COMPARISONS = ("document", "patients", "jobs", "threads", "settings")
#: And of these what the one about reviews has not: its seeds run one after the other.
NOT_OF_REVIEW = ("jobs", "threads", "settings")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Run a comparison on synthetic images (`unveil run --compare`) over several seeds and write down what holds, or
    redo the evaluation of a paper on your copies of its data sets."""

    groups: ClassVar = {"papers": ("data", "epochs", "limit", "allow_benchmark_test", "dry_run")}
    name: Positional[Literal["preferences", "rewards", "baselines", "looking", "review", "umed", "stllava", "mmedpo"]]
    """preferences: preference methods, their ablations and self-training. rewards: abnormal-aware rewarding and its
    ablations. baselines: mDPO, POVID, SIMA, self-rewarding, and the options --tighten and --attention-loss. looking:
    whether DPO, MMedPO and rewards with and without the one for attention make a fine-tuned model look at the image and
    use the lesion. review: whether planted errors of annotation are found sooner in the order of `unveil review` than
    at random, and what correcting a tenth is worth. umed, stllava, mmedpo: the evaluations of UMed-LVLM, STLLaVA-Med
    and MMedPO, the papers' own figures beside."""
    seeds: tuple[int, ...] | None = None
    """Seeds; each draws other patients and trains anew. By default 1 to 5; of a paper one alone, 1."""
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
    data: InputFolder | None = None
    """Folder whose folders hold the paper's data sets as they were downloaded; what is not there is left out."""
    epochs: float | None = None
    """Passes over the data of every training; by default as each command has it."""
    limit: Count | None = None
    """For a trial: only so many questions of each benchmark, and to sample answers to."""
    allow_benchmark_test: bool = False
    """Learn from images of a benchmark's test split where its published training split has them, as the papers did."""
    dry_run: bool = False
    """List a paper's commands; nothing is run or written."""
    restart: bool = False
    """Write over what was made with other settings; what is as it would be now is kept."""
    asked: AskedGroup = field(default_factory=AskedOptions)
    """Who writes diagnoses (umed), judges answers (stllava), and writes wrong ones (mmedpo); a budget is each
    command's own."""


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
    _refuse_strange(config)
    if config.name in papers.PAPERS:
        return _paper(config)
    if config.seeds is None:
        config = replace(config, seeds=SEEDS)
    if config.name == "review":
        return _review(config)
    plan = PLANS[config.name]
    out = config.out or Path(f"runs/study-{plan.name}")
    seeds = _seeds(config)
    if config.jobs < 1:
        raise records.RecordError("--jobs: one at least")
    settings = _settings(config, plan)
    tasks = [(seed, setting) for setting in (None, *settings) for seed in seeds]
    folders = {}
    with ThreadPoolExecutor(config.jobs) as pool, console.progress("study", len(tasks)) as advance:
        for task, folder in zip(tasks, pool.map(lambda task: _run(config, plan, out, *task), tasks), strict=True):
            folders[task] = folder
            advance()
    main = [folders[seed, None] for seed in seeds]
    found = [_values(folder) for folder in main]
    about: dict[str, Any] = {
        "study": plan.name,
        "seeds": list(seeds),
        "patients": config.patients,
        "model": config.model,
        "metrics": METRICS,
        "published": dict(plan.published),
        "values": {n: {m: vars(mean([f[n][m] for f in found])) for m in METRICS} for n in _in_all(found, plan)},
        "claims": claims(found, plan),
        "settings": [_varied(setting, plan, main, [folders[seed, setting] for seed in seeds]) for setting in settings],
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


def _seeds(config: Config) -> Sequence[int]:
    """The seeds; raises ``RecordError`` where they tell nothing of chance."""
    assert config.seeds is not None
    if len(config.seeds) < 2 or len(set(config.seeds)) < len(config.seeds):
        raise records.RecordError("--seeds needs at least two different seeds")
    return config.seeds


def _review(config: Config) -> Path:
    """The study of reviews."""
    out, seeds = config.out or Path("runs/study-review"), _seeds(config)
    found = study_review.run_all(out, seeds, config.patients, config.model, config.restart)
    about = {
        "study": "review",
        "seeds": list(seeds),
        "patients": config.patients,
        "model": config.model,
        **study_review.told(found, mean),
        "versions": provenance.versions(),
    }
    path = provenance.write_json(out / "study.json", about)
    text = study_tables.review_text(about)
    if config.document:
        study_tables.write_part(config.document, text, study_review.MARKS)
    console.say(text)
    return path


def _refuse_strange(config: Config) -> None:
    """Raises ``OptionError`` for options that the study of this name would pass over."""
    paper = config.name in papers.PAPERS
    usual = Config(name=config.name)
    strange: tuple[str, ...] = OF_COMPARISONS if paper else OF_PAPERS
    strange += NOT_OF_REVIEW if config.name == "review" else ()
    given = [name for name in strange if getattr(config, name) != getattr(usual, name)]
    typed = [
        option.flag
        for option in options.every(Config)
        if option.path[0] in given and option.of(config) != option.default
    ]
    if typed:
        of = {**dict.fromkeys(papers.PAPERS, OF_PAPERS), **dict.fromkeys(PLANS, OF_COMPARISONS)}
        others = [name for name, own in of.items() if set(given) <= {*own}]
        raise options.OptionError(
            f"{', '.join(typed)}: not of `unveil study {config.name}`, but of {', '.join(others)}"
        )


def _looking(config: Config, plan: Plan, folders: Sequence[Path], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What models answer without their images, one seed after the other: fine-tuning and what every seed has."""
    models = [name for name in _in_all(found, plan) if name != "base"]
    return study_looking.told([study_looking.looked(f, models, config.restart) for f in folders], models, mean)


def _paper(config: Config) -> Path:
    """The evaluation of a paper."""
    paper, seeds = papers.PAPERS[config.name], (1,) if config.seeds is None else config.seeds
    if config.data is None:
        raise records.RecordError(
            f"study {paper.name}: --data is needed, the folder whose folders hold {listed(paper.sets)}"
        )
    if len(seeds) != 1:
        raise records.RecordError(
            f"--seeds: a paper is redone with one seed, its intervals are over patients; not {len(seeds)}"
        )
    asked = PaperRun(
        config.out or Path(f"runs/study-{config.name}"),
        *(config.model, seeds[0], config.asked, config.epochs, config.limit),
        *(config.restart, config.allow_benchmark_test),
    )
    return papers.redo(paper, config.data, asked, config.dry_run)


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
    threads = config.threads or max(1, (os.cpu_count() or 1) // config.jobs)
    words = ["run", "--seed", seed, "--patients", config.patients, "--model", config.model, "--out", folder]
    words += ["--compare", *plan.variants] if setting is None else ["--compare", plan.varied, *setting.words]
    words += ["--restart"] if config.restart else []
    console.say(f"{name}: {log}")
    ended = commands.run([str(word) for word in words], log, threads)
    if ended.code:
        raise records.RecordError(f"{name} ended with {ended.code}; the end of {log} says why")
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
