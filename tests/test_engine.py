"""The token tree gives the log-probabilities and gradients of plain rows, on every architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from conftest import dialogue, draw, fresh

from unveil import models
from unveil.encoding import Encoded
from unveil.models import Loaded
from unveil.train.engine import Scorer
from unveil.train.features import Features

QUESTIONS = ("Where is the nodule?", "Is anything abnormal in this image?", "Name the finding. What is in this region?")
ANSWERS = ("Yes.", "nodule; cyst (round, sharp edge).", "No.", "Detection: normal.\nLocalisation: none.")


def rows_of(copy: Loaded, folder: Path) -> list[Encoded]:
    """Three images of different sizes; on the first three questions with one to four answers, on the others one."""
    asked = [(0, 0, 1), (0, 1, 4), (0, 2, 2), (1, 0, 2), (2, 1, 1)]
    sizes = ((96, 64), (50, 120), (64, 64))
    images = [draw(folder / f"{i}.png", size, i) for i, size in enumerate(sizes)]
    return [
        copy.chat.encode(dialogue(f"d{i}{q}{a}", images[i].name, QUESTIONS[q], ANSWERS[a]), images[i], True)
        for i, q, answers in asked
        for a in range(answers)
    ]


def scorer(copy: Loaded, **options) -> Scorer:
    return Scorer(copy.model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 100), **options)


def graded(copy: Loaded, rows: Sequence[Encoded], **options) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Summed log-probabilities of rows, and the gradients of their weighted sum."""
    summed = scorer(copy, **options)(rows).summed()
    (summed * torch.linspace(-1, 1, len(rows))).sum().backward()
    return summed.detach(), {n: p.grad for n, p in copy.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("trained", ["all", "language"])
@pytest.mark.parametrize("budget", [None, 4000])
def test_tree_equals_plain_rows(family: Loaded, tmp_path: Path, trained: str, budget: int | None) -> None:
    """Log-probabilities to 1e-5, gradients to 1e-4 of the largest, image part trained or remembered, packed or not."""
    found = []
    for tree in (False, True):
        copy = fresh(family.name)
        if trained == "language":
            for name, parameter in copy.model.named_parameters():
                parameter.requires_grad_(models.part_of(name) == "language")
        found.append(graded(copy, rows_of(copy, tmp_path), tree=tree, budget=budget))
    (plain, gradients), (treed, others) = found
    assert torch.allclose(plain, treed, atol=1e-5, rtol=1e-5), (plain - treed).abs().max()
    assert gradients.keys() == others.keys()
    largest = max(float(g.abs().max()) for g in gradients.values())
    for name, gradient in gradients.items():
        assert float((gradient - others[name]).abs().max()) <= 1e-4 * largest, name
