"""What the tiny base model is taught from: synthetic patients, and more truth about each image than a record keeps.

Besides the records: the boxes of the normal structures, and for each cell of a coarse grid which structures and which
kinds of abnormality cover it. One patient in fifty is set apart for validation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from unveil.core.geometry import Box, BoxError, box_of_mask
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Record, Split
from unveil.synthetic.canvas import SyntheticImage
from unveil.synthetic.dataset import MODALITIES, Patient, draw_patient, write_patient

GRID = 16  # cells per axis of an image
KINDS = [(m.MODALITY, label) for m in MODALITIES.values() for label in m.ABNORMALITIES]
STRUCTURES = sorted({(m.MODALITY, s) for m in MODALITIES.values() for s in m.STRUCTURES})
CLASSES = {key: i for i, key in enumerate([*KINDS, *STRUCTURES])}


@dataclass(frozen=True)
class Drawings:
    """All images, in order: N records, the boxes of their normal structures by name, their cells."""

    file: Path
    records: Sequence[Record]
    structures: Sequence[dict[str, Box]]
    cells: np.ndarray
    """The share of each cell that each class covers, as bytes (N, class, GRID, GRID)."""

    def rows(self, split: str) -> np.ndarray:
        """The numbers of the images of one split."""
        return np.array([i for i, r in enumerate(self.records) if r.split == split])


def drawings(folder: Path, patients: int, seed: int, processes: int) -> Drawings:
    """Draws all patients into the folder, or reads what is there already."""
    records, structures, cells = folder / "records.jsonl", folder / "structures.jsonl", folder / "cells.npy"
    if not records.is_file():
        (folder / "images").mkdir(parents=True, exist_ok=True)
        todo = [Patient(seed, n) for n in range(patients)]
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(draw, todo, [folder / "images"] * len(todo), chunksize=8))
        np.save(cells, np.concatenate([c for _, _, c in done]))
        write_jsonl(structures, (s for _, boxes, _ in done for s in boxes))
        write_jsonl(records, (r for rows, _, _ in done for r in rows))
    boxes = [json.loads(line) for line in structures.read_text().splitlines()]
    return Drawings(
        records,
        list(read_jsonl(records, Record)),
        [{name: (x1, y1, x2, y2) for name, (x1, y1, x2, y2) in image.items()} for image in boxes],
        np.load(cells, mmap_mode="r"),
    )


def draw(patient: Patient, folder: Path) -> tuple[list[Record], list[dict[str, Box]], np.ndarray]:
    """One patient: records with PNG files, the structures' boxes, the cells (images, class, GRID, GRID)."""
    pictures = list(draw_patient(patient))
    split: Split = "val" if patient.number % 50 == 0 else "train"
    records = [replace(r, split=split) for r in write_patient(patient, pictures, folder)]
    cells = np.stack([cell_classes(picture, modality) for picture, modality in pictures])
    return records, [structure_boxes(picture) for picture, _ in pictures], cells


def number(record: Record) -> int:
    """The number of the record's patient."""
    return int(record.id.split("-")[1])


def structure_boxes(picture: SyntheticImage) -> dict[str, Box]:
    """Boxes of the normal structures that are large enough to be asked about."""
    boxes = {}
    for name, mask in picture.structures.items():
        try:
            box = box_of_mask(mask)
        except BoxError:
            continue  # out of this image's frame
        if min(box[2] - box[0], box[3] - box[1]) >= 12:
            boxes[name] = box
    return boxes


def cell_classes(picture: SyntheticImage, modality: str) -> np.ndarray:
    """The share of each cell that each class covers, as bytes (class, GRID, GRID)."""
    out = np.zeros((len(CLASSES), GRID, GRID), np.uint8)
    for name, mask in picture.structures.items():
        out[CLASSES[modality, name]] = _shares(mask)
    for drawn in picture.findings:
        own = out[CLASSES[modality, drawn.label]]
        np.maximum(own, _shares(drawn.mask), out=own)
    return out


def _shares(mask: np.ndarray) -> np.ndarray:
    block = mask.shape[0] // GRID
    shares: np.ndarray = (mask.reshape(GRID, block, GRID, block).mean((1, 3)) * 255).astype(np.uint8)
    return shares
