"""Where a model looks while it speaks: attention from words of an answer to the patches of the image.

A patch's share is the attention that words of the answer pay it, averaged over heads and the middle third of the
layers, divided by what they pay the whole image (UMed-LVLM's vision relevance, arXiv 2501.01377, in the reading of
docs/methods.md). Where a patch lies on the image follows from what the processor did to it: padding to a square,
resizing, cropping, merging of patches, tiles with or without an overview.

Shapes: N words, P patches (image tokens, in the order of the prompt).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unveil.core.geometry import Box, area, covered
from unveil.core.records import Dialogue, Record
from unveil.vlm import attention, token_offsets
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import Encoded, Seen
from unveil.vlm.model_parts import language_model
from unveil.vlm.models import Loaded, load
from unveil.vlm.resolution import Resolution

Boxes = NDArray[np.float64]


# ------------------------------------------------------------------------------------------------ where patches lie


def patches(chat: Chat, config: Any, seen: Seen) -> Boxes:
    """The part of the image that each image token stands for, (P, 4) in pixels of the image; NaN for one of none.

    Parts may lead outside of the image, where it was padded. Raises ``ModelError`` for a family of which this is not
    known.
    """
    family = config.model_type
    if family not in LAYOUTS:
        raise ModelError(f"{family} models have no patch grid that is known here")
    tokens = sum(token == config.image_token_id for token in seen.block)
    boxes = LAYOUTS[family](chat, config, seen, tokens)
    if len(boxes) != tokens:
        raise ModelError(f"{family}: {tokens} image tokens, and {len(boxes)} places for them")
    left, top = seen.view.offset
    return boxes - np.array([left, top, left, top])


def _lattice(box: Sequence[float] | Boxes, rows: int, columns: int) -> Boxes:
    """A box cut into rows and columns, row after row."""
    x, y = np.linspace(box[0], box[2], columns + 1), np.linspace(box[1], box[3], rows + 1)
    cells = [(x[c], y[r], x[c + 1], y[r + 1]) for r in range(rows) for c in range(columns)]
    return np.array(cells, np.float64).reshape(-1, 4)


def _square(box: Sequence[float] | Boxes, tokens: int) -> Boxes:
    side = round(tokens**0.5)
    return _lattice(box, side, side)


def _canvas(seen: Seen) -> tuple[float, float, float, float]:
    """What the processor is given: the image, padded where the family wants a square."""
    width, height = seen.view.canvas
    return 0.0, 0.0, float(width), float(height)


def _cropped(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """One square picture; a processor that resizes the shorter edge and crops the centre leaves the rest out."""
    eyes = chat.processor.image_processor
    width, height = seen.view.canvas
    shown_x, shown_y = float(width), float(height)
    edge = (eyes.size or {}).get("shortest_edge")
    if getattr(eyes, "do_center_crop", False) and edge:
        scale = edge / min(width, height)
        shown_x, shown_y = (
            min(shown_x, eyes.crop_size["width"] / scale),
            min(shown_y, eyes.crop_size["height"] / scale),
        )
    left, top = (width - shown_x) / 2, (height - shown_y) / 2
    return _square((left, top, left + shown_x, top + shown_y), tokens)


def _stretched(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """One picture, stretched to a square; several (pan and scan) lie where only the processor knows."""
    if (pictures := len(seen.tensors.get("pixel_values", [0]))) > 1:
        raise ModelError(
            f"{config.model_type}: an image was cut into {pictures} by pan and scan, whose places are lost"
        )
    return _square(_canvas(seen), tokens)


def _native(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """A picture of its own proportions, its patches merged by squares."""
    merged = config.vision_config.spatial_merge_size
    _, rows, columns = seen.tensors["image_grid_thw"][0].tolist()
    return _lattice(_canvas(seen), rows // merged, columns // merged)


def _tiles_and_overview(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """InternVL: rows of tiles, and the whole picture once more where there are several."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

    eyes, (width, height) = chat.processor.image_processor, seen.view.canvas
    each = config.image_seq_length
    if tokens == each:
        return _square(_canvas(seen), each)
    size = eyes.size["height"], eyes.size["width"]
    columns, rows = get_optimal_tiled_canvas((height, width), size, eyes.min_patches, eyes.max_patches)
    parts = [*_lattice(_canvas(seen), rows, columns), np.array(_canvas(seen))]
    return np.concatenate([_square(part, each) for part in parts])[:tokens]


_TILE = re.compile(r"<row_(\d+)_col_(\d+)>")


def _named_tiles(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """Idefics 3 and SmolVLM: tiles named by row and column, and the whole picture at the end."""
    tiles = [(int(r), int(c)) for r, c in _TILE.findall(seen.text)]
    each = tokens // (len(tiles) + 1)
    if not tiles:
        return _square(_canvas(seen), each)
    grid = _lattice(_canvas(seen), max(r for r, _ in tiles), columns := max(c for _, c in tiles))
    parts = [grid[(r - 1) * columns + c - 1] for r, c in tiles]
    return np.concatenate([_square(part, each) for part in [*parts, np.array(_canvas(seen))]])


def _any_resolution(chat: Chat, config: Any, seen: Seen, tokens: int) -> Boxes:
    """LLaVA-NeXT: the whole picture, then tiles put together, without their padding, a token at the end of each row."""
    from transformers.image_processing_utils import select_best_resolution

    side = config.vision_config.image_size // config.vision_config.patch_size
    width, height = seen.view.canvas
    best_height, best_width = select_best_resolution((height, width), config.image_grid_pinpoints)
    rows, columns = (side * v // config.vision_config.image_size for v in (best_height, best_width))
    scale = min(best_width / width, best_height / height)
    shown = min(best_width, -(-width * scale // 1)), min(best_height, -(-height * scale // 1))
    left, top = (best_width - shown[0]) // 2, (best_height - shown[1]) // 2
    fx, fy = shown[0] / width, shown[1] / height
    on_tiles = np.array([-left / fx, -top / fy, (best_width - left) / fx, (best_height - top) / fy])
    kept = _lattice(on_tiles, rows, columns).reshape(rows, columns, 4)
    if width / height > columns / rows:
        cut = (rows - int(round(height * columns / width, 7))) // 2
        kept = kept[cut : rows - cut]
    else:
        cut = (columns - int(round(width * rows / height, 7))) // 2
        kept = kept[:, cut : columns - cut]
    ends = np.full((len(kept), 1, 4), np.nan)
    return np.concatenate([_square(_canvas(seen), side**2), np.concatenate([kept, ends], 1).reshape(-1, 4)])


#: By ``model_type``: how image tokens lie on what the processor is given.
LAYOUTS: dict[str, Callable[[Chat, Any, Seen, int], Boxes]] = {
    "llava": _cropped,
    "llava_next": _any_resolution,
    "qwen2_vl": _native,
    "qwen2_5_vl": _native,
    "qwen3_vl": _native,
    "internvl": _tiles_and_overview,
    "idefics3": _named_tiles,
    "smolvlm": _named_tiles,
    "gemma3": _stretched,
    "paligemma": _stretched,
}


# -------------------------------------------------------------------------------------------------- what is looked at


def shares(weights_NP: Tensor, places_P4: Boxes) -> NDArray[np.float64] | None:
    """Each patch's share of the words' attention to the image, (P,), sum 1; None where they do not see it.

    r_j = mean over words i of alpha_ij / sum over patches k of alpha_ik, alpha averaged over heads and layers before. A
    token that stands for no place of the image (the end of a row) takes no part.
    """
    weights = weights_NP.double().cpu().numpy() * ~np.isnan(places_P4[:, 0])
    seen = weights[weights.sum(1) > 0]  # a sliding window may end before the image
    return (seen / seen.sum(1, keepdims=True)).mean(0) if len(seen) else None


def inside(shares_P: NDArray[np.float64], places_P4: Boxes, boxes: Sequence[Box]) -> tuple[float, float]:
    """The share of the attention that lies in the boxes, and that share were it spread evenly over the patches.

    A patch counts by the part of it that the boxes cover (UMed-LVLM's vision relevance reward). Their ratio is 1 where
    the model looks no more at the boxes than anywhere else.
    """
    there = ~np.isnan(places_P4[:, 0])
    parts = covered(places_P4[there], boxes)
    return float((shares_P[there] * parts).sum()), float(parts.mean())


def tokens_of(chat: Chat, ids: Sequence[int], label: str) -> list[int]:
    """The places of the tokens in which a label's letters stand, wherever it stands in an answer as words."""
    text, places = token_offsets.spans(chat.tokenizer, ids)
    words = r"[\s_-]+".join(map(re.escape, label.split()))
    spans = [m.span() for m in re.finditer(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE)]
    return [t for t, (a, b) in enumerate(places) if any(a < y and x < b for x, y in spans)]


def looked_at(loaded: Loaded, row: Encoded, words: Sequence[int] | None = None) -> tuple[NDArray[np.float64], Boxes]:
    """Shares of attention from tokens of a row's answer (all of its words) to the patches, and where these lie."""
    places = patches(loaded.chat, loaded.model.config, row.seen)
    batch = loaded.chat.batch([row], loaded.device)
    del batch["labels"]
    image = (batch["input_ids"][0] == loaded.model.config.image_token_id).nonzero()[:, 0].tolist()
    said = range(len(row.answer) - len(loaded.chat.end)) if words is None else words
    probe = attention.Probe([attention.Look(0, [len(row.prompt) + t for t in said], image)])
    layers = attention.modules(language_model(loaded.model))
    middle = {layers[i]: probe for i in attention.middle_third(len(layers))}
    with attention.through(loaded.model), attention.hooked(middle), torch.inference_mode():
        loaded.model(**batch, use_cache=False)
    found = shares(probe.weights[0], places)
    if found is None:
        raise ModelError(f"{row.id}: the image is out of reach of the answer in the model's middle layers")
    return found, places


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
    return np.divide(shares_P, areas, out=np.zeros_like(shares_P), where=areas > 0)


def source(
    model: str, revision: str | None = None, syntax: str | None = None, limits: Resolution = Resolution()
) -> Callable[..., Any]:
    """A source of maps for `curate noise`: the patches that a model looks at more than one deviation above the mean.

    Its confidence is the share of the attention to the image that lies on them.
    """
    loaded = load(model, revision=revision, syntax=syntax, limits=limits)
    if loaded.model.config.model_type not in LAYOUTS:
        raise ModelError(
            f"{loaded.name}: {loaded.model.config.model_type} models have no patch grid that is known here"
        )

    def of(dialogue: Dialogue, record: Record, array: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
        seen = loaded.chat.show(array, f"{dialogue.id}: {dialogue.image}")
        row = loaded.chat.encode(dialogue, seen, with_answer=True)
        found, places = looked_at(loaded, row)
        dense = density(found, places)
        bright = dense > dense.mean() + dense.std()
        picture = on_image(bright.astype(float), places, (array.shape[1], array.shape[0])) > 0
        return picture.astype(float), float(found[bright].sum())

    return of
