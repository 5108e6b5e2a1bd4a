"""Measures the tiny base model on fresh synthetic patients and writes its card, ``assets/tiny/README.md``.

python -m scripts.tiny_card
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from safetensors import safe_open

from scripts.tiny_base import SHOWN, UNNAMED
from unveil.core.jsonl import write_jsonl
from unveil.core.measures import MEASURES
from unveil.core.provenance import versions
from unveil.curate.mau import mau
from unveil.evaluate import predict
from unveil.evaluate.report_tables import figure, interval
from unveil.evaluate.score import score
from unveil.synthetic.dataset import ABNORMALITIES, synthetic_records
from unveil.vlm.models import tiny_folder

MEASURED = (
    *("accuracy", "iou", "iou50", "f1_50", "detection"),
    *("localisation_iou", "recognition", "closed", "parse_failures"),
)


@dataclass(frozen=True)
class Config:
    """Measure the tiny base model and write its card."""

    work: Path = Path("runs/tiny_card")
    """Folder for drawings and answers."""
    patients: int = 120
    """Patients drawn for the measurement."""
    seed: int = 2000
    """Their seed; pre-training drew from another."""


def measure(config: Config) -> dict[str, Any]:
    """The scores on the synthetic patients, all of them unseen."""
    records = [replace(r, split="test") for r in synthetic_records(config.work, config.patients, config.seed)]
    write_jsonl(config.work / "records.jsonl", records)
    write_jsonl(config.work / "dialogues.jsonl", mau(records, seed=config.seed))
    answers = config.work / "predictions.jsonl"
    predict.main(predict.Config(config.work / "dialogues.jsonl", answers, name="tiny", restart=True))
    files = (config.work / "records.jsonl", config.work / "dialogues.jsonl")
    return score(*files, {"tiny": answers}, config.work)


def card(config: Config, scores: dict[str, Any], folder: Path) -> str:
    """The model card as Markdown."""
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        weights = sum(tensors.get_tensor(name).numel() for name in tensors.keys())  # noqa: SIM118
    about = json.loads((folder / "run.json").read_text())
    metrics = scores["models"]["tiny"]["metrics"]
    rows = "\n".join(
        f"| {MEASURES[m].group.split(':')[0]} | {MEASURES[m].name} | {figure(e['value'], MEASURES[m].unit, 1)} "
        f"| {interval(e, MEASURES[m].unit)} | {e['n']} |"
        for m in MEASURED
        if (e := metrics.get(m)) and e["value"] is not None
    )
    recipe = about["recipe"]
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [medical, synthetic-data, tiny]
---

# The tiny base model of unveil

A LLaVA ({weights:,} weights, stored in bfloat16) for tests and demonstrations: a SigLIP tower of 64 patches on
128 × 128 pixels ({recipe["tower_layers"]} layers, width {recipe["tower_width"]}) and a Llama language model
({recipe["layers"]} layers, width {recipe["width"]}). It reads questions about an image and answers in form; boxes are
four tokens `<bX><bY><bX><bY>` on a grid of 64.

**Not a medical device, and not a medical model.** It has seen nothing but synthetic images of this project; nothing
that it says about a real image means anything.

## How it was made

```
python -m scripts.tiny_base --out assets/tiny
python -m scripts.tiny_card
```

{recipe["patients"]} synthetic patients (seed {recipe["seed"]}), some three images each; no image, text or weight of
anybody else. The tower was trained to tell what covers each cell of a patch, whose box it lies in, and which
abnormalities the whole image has and where; the language model, with a frozen tower, to answer questions
({about["chosen"]["updates"]} updates of 64). Of the {len(ABNORMALITIES)} kinds of abnormality it
was taught to point at {len(SHOWN)} ({", ".join(SHOWN)}), all under the name "{UNNAMED}"; in its lessons the others went
without annotation, as unlabelled findings do in real data, so it takes them for normal. Made with torch
{about["versions"]["torch"]} and transformers {about["versions"]["transformers"]}.
The training log is `metrics.jsonl`, the configuration `run.json`.

## What it can do

On {config.patients} fresh synthetic patients (seed {config.seed}), before any fine-tuning:

| | measure | value | 95 % interval | n |
|---|---|---|---|---|
{rows}

Intervals: bootstrap over patients. Definitions: `docs/explanation/metrics.md`.
Measured with unveil {versions()["unveil"]}.
"""


def main(config: Config) -> None:
    """Measures and writes the card."""
    folder = tiny_folder()
    (folder / "README.md").write_text(card(config, measure(config), folder), encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Config))
