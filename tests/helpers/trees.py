"""Rows that make a token tree, and what a scorer says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tests.conftest import dialogue, draw
from unveil.testing.models import fresh
from unveil.train import loop
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer

QUESTIONS = ("Where is the nodule?", "Is anything abnormal in this image?", "Name the finding. What is in this region?")
ANSWERS = ("Yes.", "nodule; cyst (round, sharp edge).", "No.", "Detection: normal.\nLocalisation: none.")

#: Linear layers of a tiny language model, where not q, k, v, o and gate, up, down in each of two layers.
#: The gated delta rule has five in the place of four, a convolution two; experts are none, the one shared has a gate;
#: GLM's gate and up are one. Gemma 4 has five layers, of which two read the keys of others; each has two more for what
#: it is told of the tokens, and one stands for all.
LINEAR = {
    "qwen3_5": 15,
    "minicpmv4_6": 15,
    "qwen3_5_moe": 17,
    "lfm2_vl": 12,
    "qwen3_vl_moe": 8,
    "glm4v": 12,
    "glm46v": 12,
    "mllama": 3 * 7,
    "gemma4": 3 * 9 + 2 * 7 + 1,
}


def linear_of(name: str) -> int:
    """How many linear layers the language model of an entry has."""
    return LINEAR.get(name, 2 * 7)


def rows_of(copy: Loaded, folder: Path) -> list[EncodedExample]:
    """Three images of different sizes; on the first three questions with one to four answers, on the others one."""
    asked = [(0, 0, 1), (0, 1, 4), (0, 2, 2), (1, 0, 2), (2, 1, 1)]
    sizes = ((96, 64), (50, 120), (64, 64))
    images = [draw(folder / f"{i}.png", size, i) for i, size in enumerate(sizes)]
    return [
        copy.chat.encode(dialogue(f"d{i}{q}{a}", images[i].name, QUESTIONS[q], ANSWERS[a]), images[i], True)
        for i, q, answers in asked
        for a in range(answers)
    ]


def of_image(copy: Loaded, layers: Sequence[Tensor], ids_T: Tensor) -> list[Tensor]:
    """Attention to the image, (B, H, T, P), in each layer that sees it, of what ``output_attentions`` gives: to its
    tokens among a row's ids, or to its features beside the row."""
    crossing = getattr(copy.model.config.get_text_config(), "cross_attention_layers", None)
    if crossing:
        return [layers[i] for i in crossing]
    at = (ids_T == copy.model.config.image_token_id).nonzero()[:, 0]
    return [layer[..., at] for layer in layers]


def scorer(copy: Loaded, **options) -> Scorer:
    return Scorer(copy.model, copy.chat, Features(copy.model, copy.chat.processor.image_processor, 100), **options)


def graded(copy: Loaded, rows: Sequence[EncodedExample], **options) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Summed log-probabilities of rows, and the gradients of their weighted sum."""
    summed = scorer(copy, **options)(rows).summed()
    (summed * torch.linspace(-1, 1, len(rows))).sum().backward()
    return summed.detach(), {n: p.grad for n, p in copy.model.named_parameters() if p.grad is not None}


def frozen(name: str) -> Loaded:
    """A model of which only the language part is trained."""
    copy = fresh(name)
    loop.trainable(copy.model, {"language"})
    return copy


def values(copy: Loaded, rows: Sequence[EncodedExample], **options) -> Tensor:
    with torch.no_grad():
        return scorer(copy, **options)(rows).summed()
