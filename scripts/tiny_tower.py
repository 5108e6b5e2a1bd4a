"""The eyes of the tiny base model: a vision tower that is taught what is where in synthetic images, before any words.

Two lessons. The lesson of patches: what covers each cell of a patch, and for a patch on an object, that object's box.
The lesson of the image, from the mean over patches: which abnormalities there are, and where. Kinds are numbers here;
their names are for the language model. The heads that answer are dropped afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import SiglipVisionModel

from scripts.tiny_drawings import CLASSES, GRID, KINDS, STRUCTURES, Drawings
from unveil.core.geometry import Box, area, coverage, ious, scale
from unveil.core.records import Record
from unveil.train.loop import cosine

SIDE = 128  # pixels of the picture that the tower sees
PATCH = 16
ACROSS = SIDE // PATCH  # patches per axis
CELLS = GRID // ACROSS  # cells per patch and axis
BINS = 64  # of a box's coordinates, as in the model's box format
SLOTS = 2  # abnormalities, from left to right, in the lesson of the image


@dataclass(frozen=True)
class Lessons:
    """What there is to learn about all images. N images, P patches."""

    images: Tensor  # (N, 3, SIDE, SIDE), bytes
    cells: np.ndarray  # (N, class, GRID, GRID), bytes
    owners: Tensor  # (N, P, 4), bins; see ``owners``
    weights: Tensor  # (N, P)
    kinds: Tensor  # (N, SLOTS), 0 for none; see ``slots``
    boxes: Tensor  # (N, SLOTS, 4), bins
    train: np.ndarray  # numbers of images
    val: np.ndarray


def lessons(drawn: Drawings) -> Lessons:
    """The lessons about all drawings."""
    return Lessons(
        pictures(drawn),
        drawn.cells,
        *owners(drawn.records, drawn.structures),
        *slots(drawn.records),
        drawn.rows("train"),
        drawn.rows("val"),
    )


def pictures(drawn: Drawings) -> Tensor:
    """All images as the tower sees them, as bytes (N, 3, SIDE, SIDE)."""
    out = torch.empty(len(drawn.records), 3, SIDE, SIDE, dtype=torch.uint8)
    for i, record in enumerate(drawn.records):
        image = Image.open(drawn.file.parent / record.image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        out[i] = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    return out


def owners(records: Sequence[Record], structures: Sequence[dict[str, Box]]) -> tuple[Tensor, Tensor]:
    """For each patch the box, in bins, of the object that it lies on, and how much that counts: (N, P, 4), (N, P).

    An abnormality goes before a structure, a small structure before a large one; a patch on nothing counts 0.
    """
    boxes, weights = torch.zeros(len(records), ACROSS**2, 4, dtype=torch.long), torch.zeros(len(records), ACROSS**2)
    for i, (record, normal) in enumerate(zip(records, structures, strict=True)):
        large_first = sorted(normal.values(), key=area, reverse=True)
        objects = [*((b, 0.3) for b in large_first), *((f.box, 1.0) for f in record.boxed if f.box)]
        for box, weight in objects:
            share = torch.from_numpy(coverage(box, ACROSS, ACROSS, *record.size)).flatten()
            mine = share >= min(0.25, float(share.max()))
            boxes[i, mine], weights[i, mine] = torch.tensor(in_bins(box, record.size)), weight
    return boxes, weights


def slots(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """The first abnormalities from left to right: kinds (N, SLOTS), 0 for none, and boxes in bins (N, SLOTS, 4)."""
    kinds = torch.zeros(len(records), SLOTS, dtype=torch.long)
    boxes = torch.zeros(len(records), SLOTS, 4, dtype=torch.long)
    for i, record in enumerate(records):
        for j, f in enumerate(record.boxed[:SLOTS]):
            assert f.box is not None and record.modality is not None
            kinds[i, j] = 1 + KINDS.index((record.modality, f.label))
            boxes[i, j] = torch.tensor(in_bins(f.box, record.size))
    return kinds, boxes


def in_bins(box: Box, size: tuple[int, int]) -> list[int]:
    """The box's coordinates as bins."""
    return [min(int(v), BINS - 1) for v in scale(box, size, (BINS, BINS))]


class Heads(nn.Module):
    """What answers the lessons from the tower's features (B, P, D)."""

    def __init__(self, width: int):
        super().__init__()
        self.patch = nn.Linear(width, CELLS * CELLS * len(CLASSES) + 4 * BINS)
        self.image = nn.Linear(width, SLOTS * (1 + len(KINDS) + 4 * BINS))

    def of_patches(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of what covers each cell (B, P, CELLS * CELLS * class) and of the owner's box (B, P, 4, BINS)."""
        covered, edges = self.patch(seen).split([CELLS * CELLS * len(CLASSES), 4 * BINS], dim=-1)
        return covered, edges.unflatten(-1, (4, BINS))

    def of_image(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the abnormalities' kinds (B, SLOTS, 1 + kind), 0 for none, and of their boxes (.., 4, BINS)."""
        out = self.image(seen.mean(1)).unflatten(-1, (SLOTS, 1 + len(KINDS) + 4 * BINS))
        named, edges = out.split([1 + len(KINDS), 4 * BINS], dim=-1)
        return named, edges.unflatten(-1, (4, BINS))


def patch_loss(heads: Heads, seen: Tensor, about: Lessons, rows: np.ndarray) -> Tensor:
    """What covers each cell (cross-entropy per class, abnormalities weigh more) and whose box it is."""
    covered, edges = heads.of_patches(seen)
    shares = torch.from_numpy(about.cells[rows]).float() / 255
    target = shares.view(len(rows), len(CLASSES), ACROSS, CELLS, ACROSS, CELLS)
    target = target.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    importance = torch.tensor([3.0] * len(KINDS) + [0.5] * len(STRUCTURES)).repeat(CELLS * CELLS)
    what = nn.functional.binary_cross_entropy_with_logits(covered, target, importance, reduction="sum")
    where = nn.functional.cross_entropy(edges.permute(0, 3, 1, 2), about.owners[rows], reduction="none").mean(-1)
    weights = about.weights[rows]
    return what / target[..., 0].numel() / CELLS**2 + (where * weights).sum() / weights.sum()


def image_loss(heads: Heads, seen: Tensor, about: Lessons, rows: np.ndarray) -> Tensor:
    """Which abnormalities the image has, and where."""
    named, edges = heads.of_image(seen)
    kinds, boxes = about.kinds[rows], about.boxes[rows]
    there = kinds > 0
    where = nn.functional.cross_entropy(edges[there].flatten(0, 1), boxes[there].flatten())
    return nn.functional.cross_entropy(named.flatten(0, 1), kinds.flatten()) + where


def features(tower: nn.Module, images: Tensor) -> Tensor:
    """What the tower makes of images given as bytes: (B, P, D), as the projector gets it."""
    states: Tensor = tower(images.float() / 127.5 - 1, output_hidden_states=True).hidden_states[-1]
    return states


def teach(
    tower: SiglipVisionModel, about: Lessons, epochs: tuple[int, int], rates: tuple[float, float], seed: int
) -> None:
    """Trains the tower: first on the lesson of patches alone, then on both lessons, with new heads each time."""
    for both, (passes, rate) in enumerate(zip(epochs, rates, strict=True)):
        torch.manual_seed(seed)
        heads = Heads(tower.config.hidden_size)
        chosen = [*tower.parameters(), *heads.parameters()]
        optimizer = torch.optim.AdamW(chosen, lr=rate, weight_decay=0.02)
        size, step, began = 32, 0, time.monotonic()
        total = passes * (len(about.train) // size)
        for epoch in range(passes):
            order = np.random.default_rng([seed, both, epoch]).permutation(about.train)
            for start in range(0, len(order) - size + 1, size):
                rows = np.sort(order[start : start + size])
                for group in optimizer.param_groups:
                    group["lr"] = rate * cosine(step, total, 0.05)
                seen = features(tower, about.images[rows])
                loss = patch_loss(heads, seen, about, rows)
                if both:
                    loss = 0.3 * loss + image_loss(heads, seen, about, rows)
                loss.backward()
                nn.utils.clip_grad_norm_(chosen, 1.0)
                optimizer.step()
                optimizer.zero_grad()
                step += 1
                if step % 100 == 0:
                    print(f"tower {step}/{total} loss {loss.item():.3f} {time.monotonic() - began:.0f} s", flush=True)
            if both:
                print(f"epoch {epoch + 1}: {examine(tower, heads, about)}", flush=True)


@torch.no_grad()
def examine(tower: nn.Module, heads: Heads, about: Lessons) -> str:
    """How well the leftmost abnormality of validation images is named and placed by the lesson of the image."""
    parts = [about.val[i : i + 64] for i in range(0, len(about.val), 64)]
    answers = [heads.of_image(features(tower, about.images[rows])) for rows in parts]
    kinds = torch.cat([named[:, 0].argmax(-1) for named, _ in answers])
    boxes = torch.cat([edges[:, 0].argmax(-1) for _, edges in answers])
    true, there = about.kinds[about.val, 0], about.kinds[about.val, 0] > 0
    right, normal = (kinds == true)[there].float().mean(), (kinds == 0)[~there].float().mean()
    one = torch.tensor([0, 0, 1, 1])  # a bin's own extent
    pairs = zip((boxes + one)[there].tolist(), (about.boxes[about.val, 0] + one)[there].tolist(), strict=True)
    overlap = np.mean([ious([a], [b])[0, 0] for a, b in pairs])
    return f"n {int(there.sum())}, kind {right:.2f}, IoU {overlap:.2f}, normal images {normal:.2f}"
