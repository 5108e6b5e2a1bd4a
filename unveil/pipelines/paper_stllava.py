"""STLLaVA-Med's evaluation (arXiv 2406.19973): three sets of questions, zero-shot, after stage 1 and after stage 2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

TAUGHT = "llava-med"
BENCHMARKS = {"VQA-RAD": "vqa-rad", "SLAKE": "slake", "PathVQA": "pathvqa"}
OURS, AS_PUBLISHED = MetricColumns(BENCHMARKS, ANSWERS), MetricColumns(BENCHMARKS, ANSWERS, published=True)
ZERO_SHOT: Figures = {
    "LLaVA-Med": OURS.row(32.68, 59.56, 40.84, 46.88, 12.03, 55.23),
    "STLLaVA-Med": OURS.row(37.12, 60.35, 46.69, 57.69, 11.92, 52.90),
}
#: Our models by the names of rows.
ROWS = {"LLaVA-Med": "base", "stage 1": "stage-1", "STLLaVA-Med": "stage-2"}


def commands(places: Mapping[str, Path], data: Path, asked: PaperRun) -> list[TypedCommand]:
    """Stage 1 on conversations, stage 2 on what the model asks itself, and every set of questions by each model."""
    every: list[TypedCommand] = []
    models: dict[str, tuple[str, tuple[str, ...]]] = {"base": (asked.model, ())}
    if TAUGHT in places:
        taught = Taught(TAUGHT, asked)
        every += _stages(taught, places[TAUGHT])
        models |= {stage: (str(taught.own / stage), (f"{TAUGHT}-{stage}",)) for stage in ("stage-1", "stage-2")}
    for name in BENCHMARKS.values():
        if name in places:
            for folder, (model, after) in models.items():
                every.append(asked.benchmark(name, places[name], measured(name, folder), model, after))
    return every


def _stages(taught: Taught, place: Path) -> list[TypedCommand]:
    asked, own = taught.asked, taught.own
    first, pairs = ("--model", str(own / "stage-1")), ("--pairs", str(own / "pairs.jsonl"))
    talk = ("--dialogues", str(own / "conversations.jsonl"))
    sft = ("train", "sft", *taught.records, *talk, "--model", asked.model, *asked.training, "--resume")
    itself = ("curate", "selftrain", *taught.both, *first, *asked.expert, *asked.few, *asked.seeded)
    return [
        *taught.prepared(place, TAUGHT),
        taught.made("conversations.jsonl", ("curate", "questions", *taught.both, *asked.again), "questions"),
        taught.made("stage-1", sft, "conversations"),
        taught.made("pairs.jsonl", itself, "stage-1"),
        taught.made("stage-2", ("train", "dpo", *pairs, *first, *asked.training, "--resume"), "pairs"),
    ]


def idle(asked: PaperRun) -> Mapping[str, str]:
    """Rules see no image, and of these images nobody has annotated anything."""
    if asked.asked.expert != "rules":
        return {}
    return {
        f"{TAUGHT}-pairs": "rules do not know what is right about images that nobody has annotated: stage 2 needs an "
        "expert that sees. --expert local:MODEL is a checkpoint on this machine, --expert http://127.0.0.1:8000/v1 "
        "--expert-model NAME a server; the same command with it goes on from here"
    }


STLLAVA_MED = Paper(
    "stllava",
    "STLLaVA-Med",
    (TAUGHT, *BENCHMARKS.values()),
    commands,
    (
        AS_PUBLISHED.table("Zero-shot, per cent, as LLaVA-Med's evaluation scores", ZERO_SHOT, ROWS),
        OURS.table("Zero-shot, per cent, by our scoring", ZERO_SHOT, ROWS),
    ),
    (
        "The paper starts from LLaVA's weights and 60,000 conversations; here it starts from --model, so that its row "
        "LLaVA-Med stands beside the model as it comes.",
        "The paper's judge is GPT-4o by a rule that is not published; here it is --expert, and rules cannot be it: "
        "they know no answer to what a model asks about images without annotations.",
        "LLaVA-Med's closed accuracy finds yes and no within other words, and its open recall counts a word as often "
        "as it is repeated; ours do not (docs/explanation/metrics.md).",
        "The paper keeps the second answer on a tie and never swaps the order of two; here a pair whose verdict flips, "
        "or that ties, is dropped.",
    ),
    idle=idle,
)
