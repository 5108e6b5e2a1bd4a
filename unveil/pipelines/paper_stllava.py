"""STLLaVA-Med's evaluation (arXiv 2406.19973): three sets of questions, zero-shot, after stage 1 and after stage 2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unveil.pipelines.paper import FigureOf, Figures, Paper, PaperRun, PaperTable, TypedCommand

BENCHMARKS = {"VQA-RAD": "vqa-rad", "SLAKE": "slake", "PathVQA": "pathvqa"}
COLUMNS = tuple(f"{title} {kind}" for title in BENCHMARKS for kind in ("open", "closed"))


def _row(*figures: float) -> Mapping[str, float]:
    return dict(zip(COLUMNS, figures, strict=True))


ZERO_SHOT: Figures = {
    "LLaVA-Med": _row(32.68, 59.56, 40.84, 46.88, 12.03, 55.23),
    "STLLaVA-Med": _row(37.12, 60.35, 46.69, 57.69, 11.92, 52.90),
}
#: Our models by the names of rows.
ROWS = {"LLaVA-Med": "base", "stage 1": "stage-1", "STLLaVA-Med": "stage-2"}


def commands(places: Mapping[str, Path], data: Path, asked: PaperRun) -> list[TypedCommand]:
    """Stage 1 on conversations, stage 2 on what the model asks itself, and every set of questions by each model."""
    out, seed = asked.out, ("--seed", str(asked.seed))
    every: list[TypedCommand] = []
    models: dict[str, tuple[str, tuple[str, ...]]] = {"base": (asked.model, ())}
    if "llava-med" in places:
        every += _taught(places["llava-med"], asked, seed)
        models |= {stage: (str(out / stage), (stage,)) for stage in ("stage-1", "stage-2")}
    for name in BENCHMARKS.values():
        if name in places:
            for folder, (model, after) in models.items():
                every.append(asked.benchmark(name, places[name], f"{folder}-{name}", model, after))
    return every


def _taught(place: Path, asked: PaperRun, seed: tuple[str, ...]) -> list[TypedCommand]:
    out = asked.out
    records, dialogues = str(out / "split" / "records.jsonl"), str(out / "dialogues.jsonl")
    talk, pairs, first = str(out / "conversations.jsonl"), str(out / "pairs.jsonl"), str(out / "stage-1")
    both = ("--records", records, "--dialogues", dialogues)
    few = ("--limit", str(asked.limit)) if asked.limit is not None else ()
    sft = ("train", "sft", "--records", records, "--dialogues", talk, "--out", first, "--model", asked.model)
    own = ("curate", "selftrain", *both, "--out", pairs, "--model", first, "--expert", asked.expert)
    dpo = ("train", "dpo", "--pairs", pairs, "--out", str(out / "stage-2"), "--model", first)
    again = asked.again()
    return [
        TypedCommand(
            "read", ("ingest", "--data", str(place), "--format", "llava-med", "--out", str(out / "read"), *again)
        ),
        asked.split(out / "read" / "records.jsonl", "split", ("read",)),
        TypedCommand(
            "questions", ("curate", "mau", "--records", records, "--out", dialogues, *seed, *again), ("split",)
        ),
        TypedCommand("ask-too", ("curate", "questions", *both, "--out", talk, *again), ("questions",)),
        TypedCommand("stage-1", (*sft, *asked.training(), "--resume"), ("ask-too",)),
        TypedCommand("pairs", (*own, *few, *seed, *again), ("stage-1",)),
        TypedCommand("stage-2", (*dpo, *asked.training(), "--resume"), ("pairs",)),
    ]


def _read(folder: str) -> Mapping[str, FigureOf]:
    metrics = {"open": "open_recall", "closed": "closed"}
    return {
        f"{title} {kind}": FigureOf(f"{folder}-{name}", metrics[kind])
        for title, name in BENCHMARKS.items()
        for kind in metrics
    }


STLLAVA_MED = Paper(
    "stllava",
    "STLLaVA-Med",
    ("llava-med", *BENCHMARKS.values()),
    commands,
    (PaperTable("Zero-shot, per cent", COLUMNS, ZERO_SHOT, {row: _read(f) for row, f in ROWS.items()}, 100.0),),
    (
        "The paper starts from LLaVA's weights and 60,000 conversations; here it starts from --model, so that its row "
        "LLaVA-Med stands beside the model as it comes.",
        "The paper's judge is GPT-4o by a rule that is not published; here it is --expert: rules know no answer to "
        "what a model asks about images without boxes, so that stage 2 needs an expert that sees.",
        "Its closed accuracy finds yes and no within other words, and its open recall counts a word as often as it is "
        "repeated; ours do not (docs/explanation/metrics.md).",
        "The paper keeps the second answer on a tie and never swaps the order of two; here a pair whose verdict flips, "
        "or that ties, is dropped.",
    ),
)
