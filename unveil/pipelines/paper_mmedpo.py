"""MMedPO's evaluation (arXiv 2412.06141): questions of two sets, answered after eight ways to train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unveil.pipelines.paper import FigureOf, Figures, Paper, PaperRun, PaperTable, TypedCommand

QUESTIONS = {"SLAKE": "slake", "VQA-RAD": "vqa-rad"}
COLUMNS = tuple(f"{title} {kind}" for title in QUESTIONS for kind in ("open", "closed"))


def _row(*figures: float) -> Mapping[str, float]:
    return dict(zip(COLUMNS, figures, strict=True))


ANSWERS: Figures = {
    "LLaVA-Med 1.5": _row(44.26, 61.30, 29.24, 63.97),
    "Self-Rewarding": _row(42.63, 61.30, 33.29, 64.17),
    "DPO": _row(49.30, 62.02, 29.76, 64.70),
    "POVID": _row(52.43, 70.35, 31.77, 65.07),
    "SIMA": _row(51.77, 69.10, 31.23, 64.80),
    "FiSAO": _row(52.69, 70.46, 32.70, 64.11),
    "STLLaVA-Med": _row(48.65, 61.75, 30.17, 64.38),
    "MMedPO": _row(53.99, 73.08, 36.36, 66.54),
    "SFT": _row(50.45, 65.62, 31.38, 64.26),
    "SFT + MMedPO": _row(55.23, 75.24, 34.03, 67.64),
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
KINDS = ("closed", "open")


def commands(places: Mapping[str, Path], data: Path, asked: PaperRun) -> list[TypedCommand]:
    """For each set: its questions, every method trained on its training split, each model measured on test."""
    return [command for name in QUESTIONS.values() if name in places for command in _of_set(name, places[name], asked)]


def _of_set(name: str, place: Path, asked: PaperRun) -> list[TypedCommand]:
    own, seed = asked.out / name, ("--seed", str(asked.seed))
    records, dialogues = str(own / "split" / "records.jsonl"), str(own / "dialogues.jsonl")
    both, language = ("--records", records, "--dialogues", dialogues), ("--languages", "en") if name == "slake" else ()
    sft = ("train", "sft", *both, "--out", str(own / "sft"), "--model", asked.model)
    every = [
        TypedCommand(f"{name}-read", ("ingest", "--data", str(place), "--format", name, "--out", str(own / "read"))),
        asked.split(own / "read" / "records.jsonl", f"{name}/split", (f"{name}-read",)),
        TypedCommand(
            f"{name}-questions",
            ("curate", "mau", "--records", records, "--out", dialogues, *language, *seed),
            (f"{name}-split",),
        ),
        TypedCommand(
            f"{name}-sft",
            (*sft, "--kinds", *KINDS, *asked.training(), "--resume"),
            (f"{name}-questions",),
        ),
    ]
    for method in METHODS.values():
        every.append(_preferred(name, method, method, asked.model, (f"{name}-questions",), asked))
    every.append(_preferred(name, "sft-mmedpo", "mmedpo", str(own / "sft"), (f"{name}-sft",), asked))
    for folder in ROWS.values():
        model, after = (asked.model, ()) if folder == "base" else (str(own / folder), (f"{name}-{folder}",))
        every.append(asked.benchmark(name, place, f"{name}/{folder}-measured", model, after))
    return every


def _preferred(
    name: str, folder: str, method: str, model: str, after: tuple[str, ...], asked: PaperRun
) -> TypedCommand:
    own = asked.out / name
    words = ["prefer", "--name", method, "--records", str(own / "split" / "records.jsonl")]
    words += ["--dialogues", str(own / "dialogues.jsonl"), "--out", str(own / folder), "--model", model]
    words += ["--kinds", *KINDS, "--expert", asked.expert]
    words += ["--map", "attention"] if method == "mmedpo" else []  # most answers name nothing that has a box
    return TypedCommand(f"{name}-{folder}", (*words, *asked.training(limited=True)), after)


def _read(folder: str) -> Mapping[str, FigureOf]:
    metrics = {"open": "open_recall", "closed": "closed"}
    return {
        f"{title} {kind}": FigureOf(f"{name}/{folder}-measured", metrics[kind])
        for title, name in QUESTIONS.items()
        for kind in metrics
    }


MMEDPO = Paper(
    "mmedpo",
    "MMedPO",
    tuple(QUESTIONS.values()),
    commands,
    (PaperTable("Questions, per cent", COLUMNS, ANSWERS, {row: _read(f) for row, f in ROWS.items()}, 100.0),),
    (
        "The paper's hallucinated answers and lesion maps come from GPT-4o and MedKLIP; here wrong answers come from "
        "--expert, and what is hidden is what the model attends to, since most answers name nothing that has a box.",
        "Its reports of IU X-Ray and MIMIC-CXR are not trained here; `unveil benchmark iu-xray` and `mimic-cxr` "
        "measure them, by BLEU of sacrebleu, ROUGE-L and METEOR of whole reports.",
        "FiSAO's equation 8 is not available, so that nothing stands beside its row; STLLaVA-Med's is in "
        "`unveil study stllava`.",
        "The paper trains on VQA-RAD's published training split, which shows nearly all images of test; here these are "
        "left out of training.",
        "The paper gives one run without an interval.",
    ),
)
