"""A small folder in OmniMedVQA's layout: two sets, one with the misnamed kind of image, four images, two to four
options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.annotated import draw

OPTIONS = ("No.", "Yes, pneumonia.", "A mass", "An effusion")


def row(name: str, n: int, options: int, modality: str = "modality_type") -> dict[str, Any]:
    choices = {f"option_{letter}": said for letter, said in zip("ABCD", OPTIONS[:options], strict=False)}
    return {
        "dataset": name,
        "question_id": f"{name}_{n:04}",
        "question_type": "Disease Diagnosis",
        "question": f"What does image {n} show?",
        "gt_answer": OPTIONS[n % options],
        "image_path": f"Images/{name}/{n}.png",
        **choices,
        modality: "CT(Computed Tomography)",
    }


def write(folder: Path) -> None:
    lists = {
        "Chest CT Scan": [row("Chest CT Scan", 1, 4), row("Chest CT Scan", 2, 4, "modality")],
        "BUSI": [row("BUSI", 3, 2), row("BUSI", 4, 3)],
    }
    place = folder / "QA_information" / "Open-access"
    place.mkdir(parents=True)
    for name, rows in lists.items():
        (place / f"{name}.json").write_text(json.dumps(rows))
        for item in rows:
            draw(folder / item["image_path"], 60, 48, seed=int(Path(item["image_path"]).stem))
