"""A small folder in PathVQA's published layout: pickles of plain values beside the images of each split."""

from __future__ import annotations

import pickle
from pathlib import Path

from tests.helpers.annotated import draw

#: The questions of each split: image and answer.
SPLITS = {
    "train": [("img_0001", "yes"), ("img_0001", "fibroblasts"), ("img_0002", "no"), ("img_0003", "the cell")],
    "val": [("img_0001", "no")],
    "test": [("img_0001", "yes"), ("img_0002", "hyaline")],
}


def rows(split: str) -> list[dict[str, object]]:
    return [
        {"image": image, "question": f"What about {split} {n}?", "answer": answer}
        for n, (image, answer) in enumerate(SPLITS[split])
    ]


def write(folder: Path) -> None:
    for seed, split in enumerate(SPLITS):
        path = folder / "pvqa" / "qas" / split / f"{split}_qa.pkl"
        path.parent.mkdir(parents=True)
        path.write_bytes(pickle.dumps(rows(split), 2))
        for n, image in enumerate(sorted({image for image, _ in SPLITS[split]})):
            draw(folder / "pvqa" / "images" / split / f"{image}.jpg", 56, 48, seed=10 * seed + n)
