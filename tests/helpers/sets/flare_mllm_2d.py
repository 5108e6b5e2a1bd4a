"""A small folder in FLARE-MLLM-2D's layout: two sets, one with its images in a zip; answers of other sets are
unverified."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw

SIZE = (64, 48)


def row(task: str, image: Any, question: str, answer: Any, **more: Any) -> dict[str, Any]:
    named = {"TaskType": task, "Modality": "Ultrasound", "ImageName": image}
    return {**named, "Question": question, "Answer": answer, **more}


def detections() -> list[dict[str, Any]]:
    return [
        row("detection", f"imagesTr/b{n}.png", "Where is the lesion?", f"[{n}, 2, {20 + n}, 12]", Split="train")
        for n in range(5)
    ]


def write(folder: Path) -> None:
    first, second = folder / "BUS-UCLM-det", folder / "Xray" / "mixed"
    for n in range(5):
        draw(first / "imagesTr" / f"b{n}.png", *SIZE, seed=n)
    draw(first / "imagesVal" / "v0.png", *SIZE, seed=20)
    _write(first, "train", detections())
    _write(first, "val", [row("Detection", "imagesVal/v0.png", "Where is the lesion?", "[4, 2, 20, 12]")])
    mixed = [
        row("Classification", "x0.png", "Which view?", "B", choices=["A. PA", "B. AP"]),
        row("Multi-label Classification", "x0.png", "What is seen?", ["Effusion", "Mass"]),
        row("Cell Counting", "x1.png", "How many cells?", 12),
        row("Regression", "x1.png", "How old, in years?", 6.5),
        {"task": "report_generation", "image": "x2.png", "prompt": "Write the report.", "answer": "Clear lungs."},
    ]
    _write(second, "train", mixed)
    with zipfile.ZipFile(second / "imagesTr.zip", "w") as packed:
        for n in range(3):
            packed.write(draw(folder.parent / "drawn" / f"x{n}.png", *SIZE, seed=40 + n), f"imagesTr/x{n}.png")


def _write(folder: Path, split: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}_questions_{split}.json").write_text(json.dumps(rows))
