"""A small folder in the layout of PMC-VQA's first version, or its second: figures in figures/ and images/."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.helpers.annotated import draw

CHOICES = ["A:Diffuse", " B:Focal", "C: None", "D:Both"]
SPLITS = {"train": [1, 2, 3, 4], "test": [5, 6], "test_clean": [5]}


def write(folder: Path) -> None:
    header = ["Figure_path", "Question", "Answer", *(f"Choice {letter}" for letter in "ABCD"), "Answer_label"]
    for split, figures in SPLITS.items():
        rows = [[name(n), f" What is shown in {n}?", "Focal", *CHOICES, "B"] for n in figures]
        _table(folder / f"{split}.csv", [header, *rows])
    _draw(folder)


def write_second(folder: Path, answer: str = "Answer") -> None:
    header = [
        "index",
        "Figure_path",
        "Caption",
        "Question",
        *(f"Choice {letter}" for letter in "ABCD"),
        answer,
        "split",
    ]
    for split in ("train", "test"):
        rows = [
            [str(i), name(n), f"Caption, of {n}", f"What is shown in {n}?", *CHOICES, "B", split]
            for i, n in enumerate(SPLITS[split])
        ]
        _table(folder / f"{split}_2.csv", [header, *rows])
    _draw(folder)


def name(n: int) -> str:
    return f"PMC10{n}_Fig{n}_7.jpg"


def _draw(folder: Path) -> None:
    for n in range(1, 7):
        draw(folder / ("figures" if n % 2 else "images") / name(n), 60, 48, seed=n)


def _table(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
