"""MMedPO's evaluation (arXiv 2412.06141): questions and reports of two sets each, after eight ways to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unveil.core.records import Kind
from unveil.evaluate import meteor
from unveil.evaluate.benchmarks import BENCHMARKS
from unveil.pipelines.paper import (
    ANSWERS,
    Figures,
    MetricColumns,
    Paper,
    PaperRun,
    Taught,
    TypedCommand,
    measured,
)


@dataclass(frozen=True)
class Task:
    """What models are taught and asked."""

    benchmarks: Mapping[str, str]
    """By their names in the paper; each set is learnt from by itself."""
    kinds: tuple[Kind, ...]
    mau: tuple[str, ...] = ()
    """How their questions are made."""


QUESTIONS = Task({"SLAKE": "slake", "VQA-RAD": "vqa-rad"}, ("closed", "open"))
REPORTS = Task(
    {"IU-Xray": "iu-xray", "MIMIC-CXR": "mimic-cxr"},
    ("report",),
    ("--report-sections", "report", "--no-own-questions"),
)
TASKS = (QUESTIONS, REPORTS)

ANSWERED = MetricColumns(QUESTIONS.benchmarks, ANSWERS)
AS_PUBLISHED = MetricColumns(QUESTIONS.benchmarks, ANSWERS, published=True)
REPORTED = MetricColumns(
    REPORTS.benchmarks, {"BLEU": "bleu4_sacre", "ROUGE-L": "report_rougeL", "METEOR": "meteor_nltk"}
)
IN_ANSWERS: Figures = {
    "LLaVA-Med 1.5": ANSWERED.row(44.26, 61.30, 29.24, 63.97),
    "Self-Rewarding": ANSWERED.row(42.63, 61.30, 33.29, 64.17),
    "DPO": ANSWERED.row(49.30, 62.02, 29.76, 64.70),
    "POVID": ANSWERED.row(52.43, 70.35, 31.77, 65.07),
    "SIMA": ANSWERED.row(51.77, 69.10, 31.23, 64.80),
    "FiSAO": ANSWERED.row(52.69, 70.46, 32.70, 64.11),
    "STLLaVA-Med": ANSWERED.row(48.65, 61.75, 30.17, 64.38),
    "MMedPO": ANSWERED.row(53.99, 73.08, 36.36, 66.54),
    "SFT": ANSWERED.row(50.45, 65.62, 31.38, 64.26),
    "SFT + MMedPO": ANSWERED.row(55.23, 75.24, 34.03, 67.64),
}
IN_REPORTS: Figures = {
    "LLaVA-Med 1.5": REPORTED.row(14.56, 10.31, 10.95, 10.25, 9.38, 7.71),
    "Self-Rewarding": REPORTED.row(14.20, 10.38, 10.52, 10.78, 9.27, 7.73),
    "DPO": REPORTED.row(16.08, 12.95, 17.13, 11.19, 9.45, 7.80),
    "POVID": REPORTED.row(20.80, 24.33, 30.05, 11.21, 9.66, 7.84),
    "SIMA": REPORTED.row(17.11, 22.87, 29.10, 11.16, 9.58, 7.49),
    "FiSAO": REPORTED.row(21.06, 25.72, 30.82, 11.32, 9.68, 7.62),
    "STLLaVA-Med": REPORTED.row(16.11, 10.58, 10.51, 11.11, 9.29, 7.72),
    "MMedPO": REPORTED.row(23.49, 29.52, 34.16, 12.85, 11.13, 10.03),
    "SFT": REPORTED.row(22.75, 28.86, 33.66, 12.39, 10.21, 8.75),
    "SFT + MMedPO": REPORTED.row(24.00, 30.13, 35.17, 13.28, 13.22, 10.20),
}
#: The methods that start from the model as it comes, by the names of rows.
METHODS = {
    "Self-Rewarding": "self-rewarding",
    "DPO": "dpo",
    "POVID": "povid",
    "SIMA": "sima",
    "MMedPO": "mmedpo",
}
ROWS = {"LLaVA-Med 1.5": "base", **METHODS, "SFT": "sft", "SFT + MMedPO": "sft-mmedpo"}


def _set(benchmark: str) -> str:
    """The data set that a benchmark is made of."""
    [name] = BENCHMARKS[benchmark].sets
    return name


def commands(places: Mapping[str, Path], data: Path, asked: PaperRun) -> list[TypedCommand]:
    """For each set: its questions, every method trained on its training split, each model measured on test."""
    return [
        command
        for task in TASKS
        for name in task.benchmarks.values()
        if _set(name) in places
        for command in _of_set(task, Taught(name, asked), places[_set(name)])
    ]


def _of_set(task: Task, taught: Taught, place: Path) -> list[TypedCommand]:
    asked, name = taught.asked, taught.name
    language = BENCHMARKS[name].language
    mau = (*task.mau, *(("--languages", language) if language else ()))
    sft = ("train", "sft", *taught.both, "--model", asked.model, "--kinds", *task.kinds, *asked.training, "--resume")
    every = [*taught.prepared(place, _set(name), *mau), taught.made("sft", sft, "questions")]
    for method in METHODS.values():
        every.append(_preferred(task, taught, method, method, asked.model, "questions"))
    every.append(_preferred(task, taught, "sft-mmedpo", "mmedpo", str(taught.own / "sft"), "sft"))
    for folder in ROWS.values():
        model, after = (asked.model, ()) if folder == "base" else (str(taught.own / folder), (f"{name}-{folder}",))
        every.append(asked.benchmark(name, place, measured(name, folder), model, after))
    return every


def _preferred(task: Task, taught: Taught, folder: str, method: str, model: str, after: str) -> TypedCommand:
    words = ["prefer", "--name", method, *taught.both, "--model", model, "--kinds", *task.kinds, *taught.asked.expert]
    # most answers and reports name nothing that has a box
    words += ["--map", "attention"] if method == "mmedpo" else []
    return taught.made(folder, (*words, *taught.asked.few, *taught.asked.training), after)


def notes(places: Mapping[str, Path]) -> list[str]:
    """That METEOR cannot be measured here, where it is asked for."""
    asked = any(_set(name) in places for name in REPORTS.benchmarks.values())
    return [f"METEOR of reports is left out: {why}"] if asked and isinstance(why := meteor.scorer(), str) else []


MMEDPO = Paper(
    "mmedpo",
    "MMedPO",
    tuple(_set(name) for task in TASKS for name in task.benchmarks.values()),
    commands,
    (
        AS_PUBLISHED.table("Questions, per cent, as LLaVA-Med's evaluation scores", IN_ANSWERS, ROWS),
        ANSWERED.table("Questions, per cent, by our scoring", IN_ANSWERS, ROWS),
        REPORTED.table("Reports, per cent", IN_REPORTS, ROWS),
    ),
    (
        "The paper's hallucinated answers and lesion maps come from GPT-4o and MedKLIP; here wrong answers come from "
        "--expert, and what is hidden is what the model attends to, since most answers name nothing that has a box.",
        "Which BLEU, ROUGE-L and METEOR the paper computes is not published; here they are BLEU-4 of sacrebleu over "
        "the corpus, ROUGE-L and METEOR of nltk, against whole reports, each study once.",
        "FiSAO's equation 8 is not available, so that nothing stands beside its row; STLLaVA-Med's is in "
        "`unveil study stllava`.",
        "The paper trains on VQA-RAD's published training split, which shows nearly all images of test; here these are "
        "left out of training.",
        "The paper's ablations (weights, sides, noise) are options of `unveil prefer`; `unveil study preferences` "
        "compares them on synthetic images.",
        "The paper gives one run without an interval.",
    ),
    notes=notes,
)
