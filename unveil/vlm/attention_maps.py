"""Where a model looks while it speaks: attention from words of an answer to the patches of the image.

A patch's share is the attention that words of the answer pay it, averaged over heads and the middle third of the
layers, divided by what they pay the whole image (UMed-LVLM's vision relevance, arXiv 2501.01377, in the reading of
docs/explanation/methods.md). Where a patch lies on the image is worked out by `patch_grid`.

Shapes: N words, P patches (image tokens, in the order of the prompt).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unveil.core.answers import Parsed
from unveil.core.geometry import area
from unveil.core.records import Dialogue, Record
from unveil.vlm import token_offsets
from unveil.vlm.chat import Chat
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import load
from unveil.vlm.patch_grid import Boxes
from unveil.vlm.resolution import Resolution


def shares(weights_NP: Tensor, places_P4: Boxes) -> NDArray[np.float64] | None:
    """Each patch's share of the words' attention to the image, (P,), sum 1; None where they do not see it.

    r_j = mean over words i of alpha_ij / sum over patches k of alpha_ik, alpha averaged over heads and layers before. A
    token that stands for no place of the image (the end of a row) takes no part.
    """
    weights = weights_NP.double().cpu().numpy() * ~np.isnan(places_P4[:, 0])
    seen = weights[weights.sum(1) > 0]  # a sliding window may end before the image
    return (seen / seen.sum(1, keepdims=True)).mean(0) if len(seen) else None


def tokens_of(chat: Chat, ids: Sequence[int], said: Parsed, name: str) -> list[int]:
    """The places of the tokens in which an answer gives a name. ``said`` is how ``chat.text(ids)`` was read."""
    return token_offsets.touching(chat.offsets(ids), said.places_of(name))


def over_patches(
    engine: Engine, rows: Sequence[EncodedExample], words: Sequence[Sequence[int]]
) -> list[tuple[NDArray[np.float64], Boxes]]:
    """Of each row, shares of attention from some tokens of its answer to the patches, and where these lie.

    Raises ``ModelError`` for a model of which this cannot be told.
    """
    scorer = engine.scorer
    engine.settle(rows)
    if scorer.blind:
        raise ModelError(f"{engine.loaded.name}: where it looks cannot be told: {scorer.blind}")
    with torch.no_grad():
        weights = scorer(rows, dict(enumerate(words))).weights
    out = []
    for i, row in enumerate(rows):
        places = scorer.places(row.seen)
        found = shares(weights[i], places)
        if found is None:
            raise ModelError(f"{row.id}: the image is out of reach of the answer in the model's middle layers")
        out.append((found, places))
    return out


def on_image(values_P: NDArray[np.float64], places_P4: Boxes, size: tuple[int, int]) -> NDArray[np.float64]:
    """Values of patches as a picture of the image's size, (height, width): the sum of each pixel's patches.

    A pixel belongs to the patch in which its centre lies, and to one of each layer where patches lie on one another
    (tiles and overview).
    """
    width, height = size
    out = np.zeros((height, width))
    for value, place in zip(values_P, places_P4, strict=True):
        if value and not np.isnan(place[0]):
            x1, y1, x2, y2 = np.ceil(place - 0.5).clip(0).astype(int)
            out[y1:y2, x1:x2] += value
    return out


def density(shares_P: NDArray[np.float64], places_P4: Boxes) -> NDArray[np.float64]:
    """Shares per pixel, (P,): patches of tiles are smaller than those of an overview."""
    areas = np.array([0.0 if np.isnan(place[0]) else area(tuple(place)) for place in places_P4])
    shares: NDArray[np.float64] = np.divide(shares_P, areas, out=np.zeros_like(shares_P), where=areas > 0)
    return shares


def picture(shares_P: NDArray[np.float64], places_P4: Boxes, size: tuple[int, int]) -> NDArray[np.float64]:
    """Attention to patches as a picture of the image's size, (height, width): what each pixel has of it."""
    return on_image(density(shares_P, places_P4), places_P4, size)


def source(
    model: str, revision: str | None = None, box_format: str | None = None, limits: Resolution = Resolution()
) -> Callable[..., Any]:
    """A source of maps for `curate noise`: the patches that a model looks at more than one deviation above the mean.

    Its confidence is the share of the attention to the image that lies on them.
    """
    engine = Engine(load(model, revision=revision, box_format=box_format, limits=limits))
    chat = engine.loaded.chat
    if engine.scorer.blind:
        raise ModelError(f"{engine.loaded.name}: where it looks cannot be told: {engine.scorer.blind}")

    def of(dialogue: Dialogue, record: Record, array: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
        seen = chat.process(array, f"{dialogue.id}: {dialogue.image}")
        row = chat.encode(dialogue, seen, with_answer=True)
        [(found, places)] = over_patches(engine, [row], [range(len(row.answer) - len(chat.end))])
        dense = density(found, places)
        bright = dense > dense.mean() + dense.std()
        picture = on_image(bright.astype(float), places, (array.shape[1], array.shape[0])) > 0
        return picture.astype(float), float(found[bright].sum())

    return of
