"""Teaching a model to look at what it points at: the vision relevance of UMed-LVLM, with a gradient of its own.

The paper (arXiv 2501.01377) rewards an answer by the share of its words' attention to the image that lies on the
lesion. That share is a function of the weights, so where the true answer is known nothing has to be drawn to learn:

    L = -sum_t log p(y_t) - c sum_{t in T} log(r_t + floor),   r_t = sum_{boxes} alpha_tj / sum_{image} alpha_tj

with T the tokens with which the answer's boxes are written: a token is written by the one before it, so that one is to
look. alpha is averaged over heads and the middle third of the layers, as in the reward (``attention_maps``).

Shapes: N tokens of T, over all rows; P patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unveil.core.box_formats import boxes_in
from unveil.core.geometry import covered
from unveil.train import loop
from unveil.train.options import SftOptions
from unveil.vlm import token_offsets
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, Scores


@dataclass(frozen=True)
class Targets:
    """The tokens of an answer that are to look, and the part of each patch that its boxes cover, (P,)."""

    tokens: list[int]
    covered_P: Tensor
    places_P: Tensor
    """Which patches stand for a place of the image at all."""


def check(scorer: Scorer, config: SftOptions) -> None:
    """Raises ``TrainingError`` where a model cannot be taught to look as is asked."""
    weight = config.attention_loss
    if weight < 0:
        raise loop.TrainingError("--attention-loss is a weight, 0 or more")
    if weight and scorer.blind:
        raise loop.TrainingError(f"--attention-loss: {scorer.blind}")
    if config.gradient_checkpointing and not config.recomputes:
        raise loop.TrainingError("--attention-loss reads attention once, which --gradient-checkpointing computes twice")


def targets(scorer: Scorer, rows: Sequence[EncodedExample]) -> dict[int, Targets]:
    """By row, what is to look where; rows whose answers hold no box are left out."""
    out = {}
    for i, row in enumerate(rows):
        text, spans = token_offsets.spans(scorer.chat.tokenizer, row.answer)
        boxes, _ = row.seen.view.read(text)
        marks = boxes_in(text, row.seen.view.box_format)
        tokens = [t - 1 for t, (a, b) in enumerate(spans) if t and any(a < y and x < b for x, y in marks)]
        if not boxes or not tokens:
            continue
        places = scorer.places(row.seen)
        there = ~np.isnan(places[:, 0])
        inside = np.zeros(len(places))
        inside[there] = covered(places[there], boxes)
        out[i] = Targets(tokens, torch.from_numpy(inside).float(), torch.from_numpy(there).float())
    return out


def watched(targets: Mapping[int, Targets]) -> dict[int, list[int]]:
    """The tokens whose attention is to be read, by row."""
    return {row: one.tokens for row, one in targets.items()}


def shares_N(scores: Scores, targets: Mapping[int, Targets]) -> Tensor:
    """The share of each token's attention to the image that lies on the boxes, (N,), of those that see it."""
    found = [scores.logps_S.new_zeros(0)]
    for row, one in targets.items():
        weights_NP = scores.weights[row].float() * one.places_P.to(scores.logps_S.device)
        image_N = weights_NP.sum(1)
        seen_N = image_N > 0  # a sliding window may end before the image
        inside_N = (weights_NP * one.covered_P.to(scores.logps_S.device)).sum(1)  # autocast would round a product
        found.append(inside_N[seen_N] / image_N[seen_N])
    return torch.cat(found)
