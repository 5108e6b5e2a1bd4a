"""Small files of MedMNIST's sets: packed arrays with the published keys, types and shapes, a few images each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Labels = dict[str, list[list[int]]]

PNEUMONIA: Labels = {"train": [[0], [1], [1]], "val": [[0]], "test": [[1], [0]]}
ORGANS: Labels = {"train": [[10], [0]], "val": [[3]], "test": [[6]]}
CHEST: Labels = {
    "train": [[1] + [0] * 13, [0] * 14],
    "val": [[0] * 13 + [1]],
    "test": [[0, 1, 1] + [0] * 11],
}


def save(path: Path, labels: Labels, size: int = 28, colour: bool = False, **other: np.ndarray) -> None:
    rng, arrays = np.random.default_rng(len(path.name)), {}
    for split, some in labels.items():
        shape = (len(some), size, size, 3) if colour else (len(some), size, size)
        arrays[f"{split}_images"] = rng.integers(0, 255, shape, np.uint8)
        arrays[f"{split}_labels"] = np.array(some, np.uint8)
    held: Any = {**arrays, **other}  # whose names are no options of savez
    np.savez_compressed(path, **held)


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    save(folder / "pneumoniamnist.npz", PNEUMONIA)
    save(folder / "organamnist.npz", ORGANS)
    save(folder / "chestmnist_64.npz", CHEST, 64)
