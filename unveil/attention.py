"""Where a model looks while it speaks: attention from words of an answer to the patches of the image.

A patch's share is its attention weight divided by that of all patches, averaged over the words, the heads and the
middle third of the layers (UMed-LVLM's vision relevance, arXiv 2501.01377, in the reading of docs/methods.md). It is
read from the eager attention of a forward pass along the true answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unveil.encoding import Encoded
from unveil.models import Loaded, load
from unveil.profiles import ModelError
from unveil.records import Dialogue, Record
from unveil.syntax import View

#: Families whose image tokens are one grid of patches over the whole picture, and how many patches a token merges.
GRIDS = {"llava": 1, "qwen2_vl": 2, "qwen2_5_vl": 2, "qwen3_vl": 2, "gemma3": 1, "paligemma": 1}


def source(model: str, revision: str | None = None, syntax: str | None = None) -> Callable[..., Any]:
    """A source of maps for `curate noise`: the patches that a model looks at more than one deviation above the mean.

    Its confidence is the share of the attention to the image that lies on them.
    """
    loaded = load(model, revision=revision, syntax=syntax)
    patch_grid_refusal(loaded)

    def of(dialogue: Dialogue, record: Record, array: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
        row = loaded.chat.encode(dialogue, loaded.chat.show(array), with_answer=True)
        shares = looked_at(loaded, row)
        bright = shares > shares.mean() + shares.std()
        return on_image(bright.astype(float), row.seen.view), float(shares[bright].sum())

    return of


def patch_grid_refusal(loaded: Loaded) -> None:
    """Raises ``ModelError`` for a family whose image tokens are no single grid."""
    kind = loaded.model.config.model_type
    if kind not in GRIDS:
        raise ModelError(f"{loaded.name}: {kind} models cut an image into tiles, so its tokens are no single grid")


def looked_at(loaded: Loaded, row: Encoded) -> NDArray[np.float64]:
    """Shares of attention from the answer's words to the patches, (rows, columns); they sum to 1."""
    batch = loaded.chat.batch([row], loaded.device)
    del batch["labels"]
    image_T = batch["input_ids"][0] == loaded.model.config.image_token_id
    with _eager(loaded.model), torch.inference_mode():
        layers = loaded.model(**batch, use_cache=False, output_attentions=True).attentions
    third = len(layers) // 3
    middle = layers[third : len(layers) - third] or layers
    words = slice(len(row.prompt), len(row) - len(loaded.chat.end))
    weights: Tensor = torch.stack([layer[0, :, words][..., image_T].double() for layer in middle])
    seen = weights[weights.sum(-1) > 0]  # a sliding window may end before the image
    if not len(seen):
        raise ModelError(f"{row.id}: the image is out of reach of the answer in the model's middle layers")
    shares = (seen / seen.sum(-1, keepdim=True)).mean(0).cpu().numpy()
    return shares.reshape(_grid(loaded, row, len(shares)))


@contextmanager
def _eager(model: Any) -> Any:
    """The language model's attention computed in the open."""
    before = model.config.get_text_config()._attn_implementation
    model.set_attn_implementation({"text_config": "eager"})
    try:
        yield
    finally:
        model.set_attn_implementation({"text_config": before})


def _grid(loaded: Loaded, row: Encoded, tokens: int) -> tuple[int, int]:
    """Rows and columns of the image's tokens."""
    if "image_grid_thw" in row.seen.tensors:
        merged = GRIDS[loaded.model.config.model_type]
        _, rows, columns = row.seen.tensors["image_grid_thw"][0].tolist()
        rows, columns = rows // merged, columns // merged
    else:
        rows = columns = round(tokens**0.5)
    if rows * columns != tokens:
        raise ModelError(f"{row.id}: {tokens} image tokens are no grid of {rows} by {columns}")
    return rows, columns


def on_image(grid: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """A grid over the picture as the model sees it, as one over the image: what was padded to a square is cut off."""
    width, height = view.size
    left, top = view.offset
    side_x, side_y = view.canvas
    x = ((np.arange(width) + left + 0.5) / side_x * grid.shape[1]).astype(int)
    y = ((np.arange(height) + top + 0.5) / side_y * grid.shape[0]).astype(int)
    return grid[np.ix_(y, x)]
