"""The tables of real images in docs/explanation/results.md, from runs of the main job on them.

    python -m scripts.real_results --runs brain_mri_tumor RUN dental_panoramic RUN --document FILE

Each run's models answer the test questions once more with the image taken away in each way (`unveil predict --image`),
and all is scored beside the run (RUN-looking/scores.json). Nothing is chosen here: settings are those of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from unveil.core import digests, provenance, run_folder
from unveil.core.jsonl import read_jsonl
from unveil.core.lesion_region import lacks
from unveil.core.records import Record, Shown
from unveil.core.untrusted import read_json
from unveil.evaluate import predict, score
from unveil.evaluate.sections.looking import CONDITIONS
from unveil.pipelines import study_tables

MODELS = ("base", "sft", "aar")
FIGURES = (
    *("accuracy", "iou", "iou50", "f1_50", "f1_50_named", "detection", "specificity", "localisation_iou"),
    *("recognition", "closed", "open_recall", "exact", "question_accuracy", "parse_failures"),
)
BOXES = ("ap50", "ap", "froc", "f1_30", "f1_50", "f1_70", "acc50", "pointing", "giou")
SURE = ("accuracy", "ece", "brier", "aurc")
#: What taking the image away costs is told of the first of these that was measured.
DROPS = ("question_accuracy", "accuracy")
#: What is shown instead where no place of a lesion is known.
WHOLE: tuple[Shown, ...] = ("blank", "noise", "shuffled", "other-patient")


@dataclass(frozen=True)
class Config:
    """Write the tables of runs on real images into a document, each between its two marks."""

    runs: dict[str, Path]
    """The runs' folders by the names of their parts in the document."""
    document: Path
    """Markdown file."""


def main(config: Config) -> None:
    for name, folder in config.runs.items():
        scores = read_json(scored(folder), lenient=True)
        marks = f"<!-- real {name}: begin -->", f"<!-- real {name}: end -->"
        study_tables.write_part(config.document, "\n".join(text(scores)), marks)


def scored(folder: Path) -> Path:
    """The scores of a run with what its models answer without their images; what is there is not made again."""
    beside, records = folder.with_name(f"{folder.name}-looking"), run_folder.records_of(folder)
    dialogues, without = folder / "dialogues.jsonl", dict[str, tuple[Path, ...]]()
    marked = any(lacks(record) is None for record in read_jsonl(records, Record))
    ways = [s for s in CONDITIONS if marked or s in WHOLE]
    for model in MODELS:
        own = read_json(folder / model / "predictions.jsonl.run.json")["config"]
        without[model] = tuple(_answered(own["model"], model, dialogues, records, beside, s) for s in ways)
    asked = score.Config(
        records=records,
        dialogues=dialogues,
        predictions={model: folder / model / "predictions.jsonl" for model in MODELS},
        validation={model: file for model in MODELS if (file := folder / model / "validation.jsonl").is_file()},
        sensitivity=without,
        out=beside,
        restart=True,
    )
    return score.main(asked)


def _answered(name: str, called: str, dialogues: Path, records: Path, beside: Path, shown: Shown) -> Path:
    out = beside / called / f"{shown}.jsonl"
    asked = predict.Config(model=name, dialogues=dialogues, records=records, out=out, name=called, image=shown)
    provenance.stage("predict", asked, [dialogues, records, *digests.of_model(name)], predict.main)
    return out


# ------------------------------------------------------------------------------------------------------------- tables


def text(scores: Mapping[str, Any]) -> Iterator[str]:
    """All tables of a run."""
    yield from _figures(scores)
    for kind in scores["sections"].get("boxes", {}).get("kinds", {}).values():
        yield from _boxes(kind)
    if sure := scores["sections"].get("calibration"):
        yield from _sure(sure)
    if looking := scores["sections"].get("looking"):
        yield from _looking(looking)


def _figures(scores: Mapping[str, Any]) -> Iterator[str]:
    apart = [("sft", "base"), ("aar", "sft")]
    constant = scores["baselines"].get("majority", {}).get("metrics", {})
    yield from _head("figure", "n", *MODELS, *(f"{b} − {a}" for b, a in apart), "constant")
    for metric in FIGURES:
        cells = [scores["models"][model]["metrics"][metric] for model in MODELS]
        if any(cell["value"] is not None for cell in cells):
            shown = [told(cell) for cell in cells]
            shown += [_tested(scores["differences"][b][a][metric]) for b, a in apart]
            yield _row(f"`{metric}`", str(cells[0]["n"]), *shown, told(constant.get(metric), interval=False))


def _boxes(kind: Mapping[str, Any]) -> Iterator[str]:
    """Boxes with their confidence, of one kind of question."""
    of = [kind["models"][model] for model in MODELS if model in kind["models"]]
    if not of:
        return
    yield from ("", f"Boxes, {kind['title'].lower()}, by the confidence of their tokens:", "")
    yield from _head("figure", *kind["models"])
    for name in BOXES:
        if any(one["figures"].get(name, {}).get("value") is not None for one in of):
            yield _row(f"`{name}`", *(told(one["figures"].get(name)) for one in of))


def _sure(sure: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "How sure, and how right:", "")
    yield from _head("answers", "model", "n", *(f"`{name}`" for name in SURE), "`ece` after isotonic calibration")
    for kind, title in sure["titles"].items():
        for model in MODELS:
            if (of := sure["models"].get(model, {}).get(kind)) and of.get("n"):
                after = of.get("isotonic", {})
                calibrated = told(after["ece"]) if isinstance(after.get("ece"), dict) else after.get("reason", "–")
                yield _row(title.lower(), model, str(of["n"]), *(told(of.get(name)) for name in SURE), calibrated)


def _looking(looking: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "Does it look at the image? What is lost of right answers without it, and what changes:", "")
    yield from _head("shown instead", "figure", *looking["models"])
    for shown in CONDITIONS:
        of = [models.get(shown) for models in looking["models"].values()]
        if not all(of):
            continue
        metric = next(m for m in DROPS if any((one["metrics"].get(m) or {}).get("drop") for one in of))
        yield _row(
            shown, f"lost of `{metric}`", *(told((one["metrics"].get(metric) or {}).get("drop"), True) for one in of)
        )
        yield _row("", "answers that change", *(told(one["changed"]) for one in of))
        if any((one["due_right"] or {}).get("value") is not None for one in of):
            yield _row("", "right about what is shown, where it should change", *(told(one["due_right"]) for one in of))


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield "|" + "---|" * len(titles)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _tested(found: Mapping[str, Any] | None) -> str:
    """A difference, with its p-value after Holm's correction."""
    p = (found or {}).get("p_holm")
    return told(found, signed=True) + (f", p {p:.2g}" if p is not None else "")


def told(found: Mapping[str, Any] | None, signed: bool = False, interval: bool = True) -> str:
    """A value with its interval."""
    if not found or found.get("value") is None:
        return "–"
    sign = "+" if signed else ""

    def number(value: float) -> str:
        return f"{value:{sign}.2f}".replace("-", "−")

    if not interval or found.get("low") is None:
        return number(found["value"])
    return f"{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"


if __name__ == "__main__":
    main(tyro.cli(Config))
