"""Where the patches of an image lie: the part of it that each image token stands for.

It follows from what the processor did to the image: padding to a square, resizing, cropping, merging of patches, tiles
with or without an overview.

Shapes: P patches (image tokens, in the order of the prompt).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.vlm import crossed
from unveil.vlm.chat import Chat
from unveil.vlm.families import Grid, ModelError, family_of
from unveil.vlm.inputs import ImageInput

Boxes = NDArray[np.float64]


def patches(chat: Chat, config: Any, seen: ImageInput) -> Boxes:
    """The part of the image that each image token stands for, (P, 4) in pixels of the image; NaN for one of none.

    Parts may lead outside of the image, where it was padded. Raises ``ModelError`` for a family of which this is not
    known.
    """
    kind, grid = config.model_type, family_of(config).patch_grid
    if grid is None:
        raise ModelError(f"{kind} models have no patch grid that is known here")
    tokens = sum(token == config.image_token_id for token in seen.block)
    if seen.tiles:  # its features stand beside the row
        tokens = crossed.count(config)
    boxes = GRIDS[grid](chat, config, seen, tokens)
    if len(boxes) != tokens:
        raise ModelError(f"{kind}: {tokens} image tokens, and {len(boxes)} places for them")
    left, top = seen.view.offset
    places: Boxes = boxes - np.array([left, top, left, top])
    return places


def _lattice(box: Sequence[float] | Boxes, rows: int, columns: int) -> Boxes:
    """A box cut into rows and columns, row after row."""
    x, y = np.linspace(box[0], box[2], columns + 1), np.linspace(box[1], box[3], rows + 1)
    cells = [(x[c], y[r], x[c + 1], y[r + 1]) for r in range(rows) for c in range(columns)]
    return np.array(cells, np.float64).reshape(-1, 4)


def _square(box: Sequence[float] | Boxes, tokens: int) -> Boxes:
    side = round(tokens**0.5)
    return _lattice(box, side, side)


def _canvas(seen: ImageInput) -> tuple[float, float, float, float]:
    """What the processor is given: the image, padded where the family wants a square."""
    width, height = seen.view.canvas
    return 0.0, 0.0, float(width), float(height)


def _cropped(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
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


def _padded(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """DeepSeek-VL: the longer edge resized, the shorter one too if long enough, and padded to a square."""
    eyes, canvas = chat.processor.image_processor, seen.view.canvas
    edge, around = eyes.size["height"], []
    for length in canvas:
        scale = max(round(length * edge / max(canvas)), eyes.min_size) / length
        start = ((edge - scale * length) // 2) / scale
        around.append((-start, edge / scale - start))
    (left, right), (top, bottom) = around
    return _square((left, top, right, bottom), tokens)


def _stretched(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """One picture, stretched to a square; several (pan and scan) lie where only the processor knows."""
    if (pictures := len(seen.tensors.get("pixel_values", [0]))) > 1:
        raise ModelError(
            f"{config.model_type}: an image was cut into {pictures} by pan and scan, whose places are lost"
        )
    return _square(_canvas(seen), tokens)


def _native(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """A picture of its own proportions, its patches merged by squares."""
    merged = config.vision_config.spatial_merge_size
    _, rows, columns = seen.tensors["image_grid_thw"][0].tolist()
    return _lattice(_canvas(seen), rows // merged, columns // merged)


def _rows(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Mistral 3: a picture of its own proportions, patches merged by squares, a line of tokens for each row."""
    side = config.vision_config.patch_size * config.spatial_merge_size
    height, width = seen.tensors["image_sizes"][0].tolist()
    return _lattice(_canvas(seen), height // side, width // side)


def _soft_tokens(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Gemma 4: as many squares of patches as the processor allows, the picture near its own proportions."""
    from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

    eyes, (width, height) = chat.processor.image_processor, seen.view.canvas
    side, most = eyes.patch_size * eyes.pooling_kernel_size, eyes.max_soft_tokens * eyes.pooling_kernel_size**2
    sides = get_aspect_ratio_preserving_size(height, width, eyes.patch_size, most, eyes.pooling_kernel_size)
    return _lattice(_canvas(seen), *(length // side for length in sides))


def _tiles_and_overview(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """InternVL and Aya Vision: rows of tiles, and the whole picture once more where there are several."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

    eyes, (width, height) = chat.processor.image_processor, seen.view.canvas
    size = eyes.size["height"], eyes.size["width"]
    columns, rows = get_optimal_tiled_canvas((height, width), size, eyes.min_patches, eyes.max_patches)
    return _tiled(config, seen, columns, rows, tokens)


def _near_tiles_and_overview(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Command A Vision: the same in a grid nearest to the picture's size."""
    eyes = chat.processor.image_processor
    return _tiled(config, seen, *nearest_grid(seen.view.canvas, eyes.size["height"], eyes.max_patches), tokens)


def nearest_grid(size: tuple[int, int], tile: int, most: int) -> tuple[int, int]:
    """Columns and rows of the grid of ``most`` tiles or fewer for which a picture is enlarged least; where it must be
    made smaller for all of them, of the grid for which it is made smaller least. Of equal ones it is the smaller."""
    width, height = size
    grids = [(columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1)]
    scales = {(c, r): min(c * tile / width, r * tile / height) for c, r in sorted(grids, key=math.prod)}
    larger = [grid for grid, scale in scales.items() if scale >= 1]
    return min(larger, key=scales.__getitem__) if larger else max(scales, key=scales.__getitem__)


def _thumbnail_and_tiles(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """PerceptionLM: the whole picture, then rows of tiles, of which there is one at least."""
    eyes, whole = chat.processor.image_processor, np.array(_canvas(seen))
    parts = [whole]
    if eyes.vision_input_type == "thumb+tile":
        columns, rows = fitted_grid(seen.view.canvas, eyes.tile_size, eyes.max_num_tiles)
        parts += [*_lattice(whole, rows, columns)]
    return np.concatenate([_square(part, tokens // len(parts)) for part in parts])


def fitted_grid(size: tuple[int, int], tile: int, most: int) -> tuple[int, int]:
    """Columns and rows of the grid of ``most`` tiles or fewer in which a picture that is not made smaller is largest;
    one that fits into none has the largest grid of the proportions that are next to its own, nearer to a square."""
    width, height = size
    ratios: dict[float, list[tuple[int, int]]] = {}
    for count in range(most, 0, -1):
        for columns in (n for n in range(1, count + 1) if count % n == 0):
            rows = count // columns
            ratios.setdefault(columns / rows, []).append((columns, rows))

    def shorter(grid: tuple[int, int]) -> float:
        """The picture's shorter side in a grid, its proportions kept."""
        scale, ratio = min(grid[0] * tile / width, grid[1] * tile / height), width / height
        if ratio > 1:
            return math.floor(scale * width / ratio)
        return scale * height if ratio == 1 else math.floor(scale * height * ratio)

    grids = [grid for group in ratios.values() for grid in group]
    if large := [grid for grid in grids if grid[0] * tile >= width and grid[1] * tile >= height]:
        return max(reversed(large), key=shorter)
    if width >= height:
        return max(ratios[max(ratio for ratio in ratios if ratio <= width / height)])
    return max(ratios[min(ratio for ratio in ratios if ratio > width / height)], key=lambda grid: grid[1])


def _overview_and_tiles(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Ovis2: the whole picture, then rows and columns of tiles with tokens between them."""
    rows, columns = seen.text.count("<IMG_ROW>") + 1, seen.text.count("<IMG_COL>")
    columns = columns // rows + 1
    whole = np.array(_canvas(seen))
    parts = [whole, *_lattice(whole, rows, columns)] if rows * columns > 1 else [whole]
    return np.concatenate([_square(part, tokens // len(parts)) for part in parts])


def _tiled(config: Any, seen: ImageInput, columns: int, rows: int, tokens: int) -> Boxes:
    """Tiles, row after row, and the whole picture behind them; alone where it was not cut."""
    tower: Any = config.vision_config
    each = (
        getattr(config, "image_seq_length", None)
        or (tower.image_size // tower.patch_size // config.downsample_factor) ** 2
    )
    if tokens == each:
        return _square(_canvas(seen), each)
    parts = [*_lattice(_canvas(seen), rows, columns), np.array(_canvas(seen))]
    return np.concatenate([_square(part, each) for part in parts])


_TILE = re.compile(r"row_(\d+)_col_(\d+)")


def _named_tiles(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Idefics 3 and SmolVLM: tiles named by row and column, and the whole picture at the end."""
    tiles = [(int(r), int(c)) for r, c in _TILE.findall(seen.text)]
    each = tokens // (len(tiles) + 1)
    if not tiles:
        return _square(_canvas(seen), each)
    grid = _lattice(_canvas(seen), max(r for r, _ in tiles), columns := max(c for _, c in tiles))
    parts = [grid[(r - 1) * columns + c - 1] for r, c in tiles]
    return np.concatenate([_square(part, each) for part in [*parts, np.array(_canvas(seen))]])


def _named_tiles_and_thumbnail(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """LFM2-VL: the same where each picture has its own proportions, and one that is not cut stands alone."""
    tiles = [(int(r), int(c)) for r, c in _TILE.findall(seen.text)]
    rows, columns = np.max(tiles, axis=0, initial=0) if tiles else (0, 0)
    grid = _lattice(_canvas(seen), rows, columns)
    parts = [*(grid[(r - 1) * columns + c - 1] for r, c in tiles), np.array(_canvas(seen))]
    return _pictures(parts, seen.tensors["spatial_shapes"] // config.downsample_factor)


def _overview_and_slices(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """MiniCPM-V: the whole picture, then slices of it, a line of text for each row of them."""
    shapes = seen.tensors["target_sizes"] // (2 if config.downsample_mode == "4x" else 4)
    rows = seen.text.count("\n") + 1
    return _pictures([np.array(_canvas(seen)), *_lattice(_canvas(seen), rows, (len(shapes) - 1) // rows)], shapes)


def _pictures(parts: Sequence[Boxes], shapes: Any) -> Boxes:
    """Parts of an image, each cut into rows and columns of its own."""
    return np.concatenate([_lattice(part, *shape) for part, shape in zip(parts, shapes.tolist(), strict=True)])


def _any_resolution(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """LLaVA-NeXT: the whole picture, then tiles put together, without their padding, a token at the end of each row.

    LLaVA-OneVision makes features of more tiles than its ``vision_aspect_ratio`` names coarser.
    """
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
    if most := re.search(r"anyres_max_(\d+)", getattr(config, "vision_aspect_ratio", None) or ""):
        ratio = (kept[..., 0].size / (int(most[1]) * side**2)) ** 0.5
        if ratio > 1.1:
            coarser = (int(n // ratio) for n in kept.shape[:2])
            kept = _lattice([*kept[0, 0, :2], *kept[-1, -1, 2:]], *(shape := (*coarser,))).reshape(*shape, 4)
    ends = np.full((len(kept), 1, 4), np.nan)
    return np.concatenate([_square(_canvas(seen), side**2), np.concatenate([kept, ends], 1).reshape(-1, 4)])


def _tiles_of_a_canvas(chat: Chat, config: Any, seen: ImageInput, tokens: int) -> Boxes:
    """Llama 3.2 Vision: rows of tiles, a class token before the patches of each; the picture begins at their corner.

    Tiles that only fill up stand for no place.
    """
    from transformers.models.mllama.image_processing_pil_mllama import get_image_size_fit_to_canvas

    side, (width, height) = config.vision_config.image_size, seen.view.canvas
    rows, columns = config.vision_config.supported_aspect_ratios[int(seen.tensors["aspect_ratio_ids"]) - 1]
    high, wide = get_image_size_fit_to_canvas(height, width, rows * side, columns * side, side)
    tiles = _lattice((0, 0, columns * side * width / wide, rows * side * height / high), rows, columns)
    places = np.full((len(seen.tiles), tokens // len(seen.tiles), 4), np.nan)
    for tile, place in enumerate(tiles):
        places[tile, 1:] = _square(place, places.shape[1] - 1)
    return places.reshape(-1, 4)


#: By the name that a family's row gives it.
GRIDS: dict[Grid, Callable[[Chat, Any, ImageInput, int], Boxes]] = {
    "cropped": _cropped,
    "padded": _padded,
    "stretched": _stretched,
    "native": _native,
    "rows": _rows,
    "soft tokens": _soft_tokens,
    "tiles and overview": _tiles_and_overview,
    "near tiles and overview": _near_tiles_and_overview,
    "overview and tiles": _overview_and_tiles,
    "thumbnail and tiles": _thumbnail_and_tiles,
    "named tiles": _named_tiles,
    "named tiles and thumbnail": _named_tiles_and_thumbnail,
    "overview and slices": _overview_and_slices,
    "any resolution": _any_resolution,
    "tiles of a canvas": _tiles_of_a_canvas,
}
