"""A small folder in MedXpertQA-MM's layout: two examples and four questions, of which one shows two images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw

OPTIONS = {"A": "Goitre", "B": "Abscess", "C": "Embolism", "D": "Cyst", "E": "None of these"}
SPLITS = {"dev": [1, 2], "test": [3, 4, 5, 6]}


def row(n: int, images: list[str]) -> dict[str, Any]:
    choices = " ".join(f"({letter}) {said}" for letter, said in OPTIONS.items())
    return {
        "id": f"MM-{n}",
        "question": f"Patient {n} coughs.\nWhat is shown?\nAnswer Choices: {choices}",
        "options": OPTIONS,
        "label": "ABCDE"[n % 5],
        "images": images,
        "medical_task": "Diagnosis",
        "body_system": "Respiratory",
        "question_type": "Reasoning",
    }


def write(folder: Path) -> None:
    for split, numbers in SPLITS.items():
        rows = [row(n, [f"MM-{n}-a.jpeg"]) for n in numbers]
        if split == "test":
            rows.append(row(7, ["MM-3-a.jpeg", "MM-4-a.jpeg"]))
        (folder / "MM").mkdir(parents=True, exist_ok=True)
        (folder / "MM" / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    for n in range(1, 7):
        draw(folder / "images" / f"MM-{n}-a.jpeg", 60, 48, seed=n)
