"""How finely a model looks at an image: what one costs, and the most that it may cost.

Families differ in what bounds an image. Some resize it freely up to an area or an edge, some cut it into so many tiles,
some have one size for all. The settings that a processor allows are tried, the finest first that no image goes beyond;
what one costs is not computed after a family's rule but seen from the processor itself.

Sizes are (width, height) in pixels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import isqrt, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import tyro

from unveil.vlm.families import ModelError

if TYPE_CHECKING:
    from unveil.vlm.chat import Chat
    from unveil.vlm.inputs import ImageInput


@dataclass(frozen=True)
class Resolution:
    """What an image may cost. A processor's own setting stands where it stays below."""

    seldom: ClassVar[tuple[str, ...]] = ("max_pixels",)

    image_tokens: int | None = None
    """Tokens that an image may take at the most; the finest resolution is chosen at which none takes more. One that is
    too long and narrow for that is refused. The resolution is saved with a trained model; by default it is as
    published."""
    max_pixels: int | None = None
    """The same in pixels, as the vision tower sees the image, all tiles together."""

    def __post_init__(self) -> None:
        for option, value in (("--image-tokens", self.image_tokens), ("--max-pixels", self.max_pixels)):
            if value is not None and value < 1:
                raise ModelError(f"{option} {value}: it must be 1 at least")

    def allow(self, cost: Cost) -> bool:
        """Whether an image may cost that much."""
        return not (
            (self.image_tokens is not None and cost.tokens > self.image_tokens)
            or (self.max_pixels is not None and cost.pixels > self.max_pixels)
        )

    def beyond(self, chat: Chat, seen: ImageInput) -> str | None:
        """What an image costs, in words, where that is too much."""
        found, (width, height) = _cost(chat, seen), seen.view.size
        if self.allow(found):
            return None
        options = (
            (f"--image-tokens {self.image_tokens}", self.image_tokens),
            (f"--max-pixels {self.max_pixels}", self.max_pixels),
        )
        limits = " and ".join(text for text, value in options if value is not None)
        return (
            f"{width} x {height} pixels take {found.tokens} tokens ({found.pixels} pixels) even at the resolution that "
            f"{limits} asks for: leave the image out, cut it, or raise the limit"
        )


#: Images that are tried where a processor has no setting, to see that it has one size for all.
LARGE = ((4096, 4096), (4096, 256), (256, 4096))

#: Two options of a command, without a prefix.
Limited = tyro.conf.OmitArgPrefixes[Resolution]


@dataclass(frozen=True)
class Cost:
    """What an image costs: tokens in its row, and pixels that the vision tower looks at."""

    tokens: int
    pixels: int


def cost(chat: Chat, size: tuple[int, int]) -> Cost:
    """What an image of a width and height costs, found out by an empty one; no model is needed (``models.chat_of``)."""
    return _cost(chat, chat.process(np.zeros((size[1], size[0], 3), np.uint8)))


def _cost(chat: Chat, seen: ImageInput) -> Cost:
    shown = max((t for t in seen.tensors.values() if t.is_floating_point()), key=lambda t: t.numel())
    frames = getattr(chat.processor.image_processor, "temporal_patch_size", 1) if shown.dim() == 2 else 1
    return Cost(len(seen.block), shown.numel() // (3 * frames))  # a patch of Qwen's holds an image twice, as a video


def resizes(chat: Chat) -> bool:
    """Whether a chat's processor has a coarser resolution than its own, so that images may cost less."""
    ladder = _ladder(chat.processor, Resolution(image_tokens=1))
    return ladder is not None and ladder.count > 1


def limit(chat: Chat, limits: Resolution) -> None:
    """Sets the chat's processor to the finest resolution within the limits, before anything is shown to it.

    Images that go beyond them all the same are refused from then on. Raises ``ModelError`` if even the coarsest
    resolution goes beyond them.
    """
    if limits == Resolution():
        return
    eyes = chat.processor.image_processor
    ladder = _ladder(chat.processor, limits) or Ladder(1, lambda step: Rung({}, LARGE))
    before = {name: getattr(eyes, name) for name in ladder.rung(0).setting}

    @cache
    def beyond(step: int) -> bool:
        _set(eyes, ladder.rung(step).setting)
        return not all(limits.allow(cost(chat, size)) for size in ladder.rung(step).sizes)

    low, high, stride = 0, ladder.likely, 1
    while high < ladder.count and not beyond(high):  # in growing strides: some families' finest take seconds to try
        low, high, stride = high + 1, min(high + stride, ladder.count), 2 * stride
    fitting = bisect_left(range(ladder.count), True, low, high, key=beyond)
    if fitting == 0:
        _set(eyes, ladder.rung(0).setting)
        dearest = [cost(chat, size) for size in ladder.rung(0).sizes]
        tokens, pixels = max(c.tokens for c in dearest), max(c.pixels for c in dearest)
        raise too_much(Cost(tokens, pixels), type(chat.processor).__name__)
    _set(eyes, before if fitting == ladder.count else ladder.rung(fitting - 1).setting)
    chat.bound = limits


def too_much(least: Cost, whose: str) -> ModelError:
    """The error where an image costs at the least what goes beyond the limits; ``whose`` setting that is."""
    said = f"an image takes up to {least.tokens} tokens ({least.pixels} pixels) even at the coarsest setting of {whose}"
    return ModelError(f"--image-tokens, --max-pixels: {said}")


def _set(eyes: Any, setting: Setting) -> None:
    for name, value in setting.items():
        setattr(eyes, name, value)


# ------------------------------------------------------------------------------------------------ settings by family

Setting = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """A setting of an image processor, and images that cost the most under it."""

    setting: Setting
    sizes: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Ladder:
    """Settings of a processor, from the coarsest to its own; each sets the same names."""

    count: int
    rung: Callable[[int], Rung]
    likely: int = 0
    """The step at which the limits are probably met."""


def _ladder(processor: Any, limits: Resolution) -> Ladder | None:
    """The settings that a processor has, by the names that transformers gives them; None where it has one size."""
    eyes = processor.image_processor
    size: Any = getattr(eyes, "size", None) or {}

    def has(name: str) -> Any:  # what a processor gives along goes before what its image part says
        return getattr(processor, "images_kwargs", {}).get(name, getattr(eyes, name, None))

    if has("image_grid_pinpoints"):
        return _grids(eyes)
    if has("max_image_tokens"):
        return _tokens(eyes, bool(has("do_image_splitting")), limits)
    if "longest_edge" in size and has("merge_size"):
        return _area(eyes, limits)
    if "longest_edge" in size and has("max_image_size"):
        return _splits(eyes) if has("do_image_splitting") else None
    for most, switch in TILES:
        if has(most) and has(switch) is not False:
            return _tiles(eyes, most, switch)
    if has("max_soft_tokens"):
        return _soft(eyes)
    return _edge(processor, limits) if "longest_edge" in size else None


def _rectangle(cells: int) -> tuple[int, int]:
    """Columns and rows of the largest rectangle of so many cells at the most, no more than 200 times as long as high.

    Of equal ones it is the one that is most like a square.
    """
    for count in range(cells, 0, -1):
        for rows in range(isqrt(count), 0, -1):
            if count % rows == 0 and count // rows <= 200 * rows:
                return count // rows, rows
    raise ValueError(cells)


#: How many times as long as wide an image is that few tokens must do for too. Where it cannot be made narrower it keeps
#: more of its length than its share, and is refused; from 200 tokens on, no image does that processors take.
LONG = 20


def _side(eyes: Any) -> int:
    """The edge of what becomes one token where images are resized freely, in pixels."""
    patch: Any = getattr(eyes, "encoder_patch_size", None) or getattr(eyes, "patch_size", 14)
    patch = patch if isinstance(patch, int) else int(patch["height"])
    side: int = patch * (getattr(eyes, "merge_size", None) or getattr(eyes, "downsample_factor", None) or 1)
    return side


def _cells(limits: Resolution, side: int) -> int:
    """The most cells with an edge of so many pixels that the limits allow, one token each."""
    allowed = [limits.image_tokens, None if limits.max_pixels is None else limits.max_pixels // side**2]
    return max(1, min(cells for cells in allowed if cells is not None))


#: Image processors that count an image twice, as two frames of a video.
TWICE = ("Glm4v", "Glm46V", "Glmga")


def _area(eyes: Any, limits: Resolution) -> Ladder:
    """Qwen-VL and others: resized freely between two areas, which are called edges."""
    side, size = _side(eyes), eyes.size
    cell = side**2 * (2 if type(eyes).__name__.startswith(TWICE) else 1)

    def rung(step: int) -> Rung:
        area, (columns, rows) = (step + 1) * cell, _rectangle(step + 1)
        bounds = {"longest_edge": area, "shortest_edge": min(size["shortest_edge"], area // 4)}  # it is rounded up
        return Rung({"size": size | bounds}, [(side * columns, side * rows), (side * LONG, side)])

    count = max(1, size["longest_edge"] // cell)
    return Ladder(count, rung, min(count, _cells(limits, side)) - 1)


def _tokens(eyes: Any, splits: bool, limits: Resolution) -> Ladder:
    """LFM2-VL and others: resized freely up to so many tokens; some cut what is larger into tiles."""
    side, whole = _side(eyes), eyes.max_image_tokens
    least = {name: getattr(eyes, name) for name in ("min_image_tokens",) if hasattr(eyes, name)}
    fewest = eyes.min_tiles if splits else 0

    def rung(step: int) -> Rung:
        tokens = min(step + 1, whole)
        setting: Setting = {"max_image_tokens": tokens, **{name: min(value, tokens) for name, value in least.items()}}
        columns, rows = _rectangle(tokens)
        sizes = [(side * columns, side * rows), (side * LONG, side)]
        if splits:
            tiles = step - whole + fewest
            setting |= {"do_image_splitting": tiles >= fewest, "max_tiles": max(tiles, fewest)}
            area = tiles * eyes.tile_size**2  # beside the tiles stands an overview of the image's proportions
            sizes = [*_cut(tiles, eyes.tile_size), *_shaped(area)] if tiles >= fewest else sizes
        return Rung(setting, sizes)

    return Ladder(whole + (eyes.max_tiles - fewest + 1 if splits else 0), rung, min(whole, _cells(limits, side)) - 1)


def _edge(processor: Any, limits: Resolution) -> Ladder:
    """Pixtral, Idefics2 and others: made smaller until the longest edge fits."""
    eyes = processor.image_processor
    side, size = _side(eyes) * (getattr(processor, "spatial_merge_size", None) or 1), eyes.size

    def rung(step: int) -> Rung:
        bounds = {
            name: min(size[name], (step + 1) * side) for name in ("longest_edge", "shortest_edge") if name in size
        }
        return Rung({"size": size | bounds}, [((step + 1) * side, (step + 1) * side)])

    count = -(-size["longest_edge"] // side)
    return Ladder(count, rung, min(count, isqrt(_cells(limits, side))) - 1)


def _splits(eyes: Any) -> Ladder:
    """Idefics3 and SmolVLM: the longest edge in tiles, which are cut beside an overview."""
    tile, size = eyes.max_image_size["longest_edge"], eyes.size

    def rung(step: int) -> Rung:
        edge = (step + 1) * tile
        return Rung({"size": size | {"longest_edge": edge}}, [(edge, edge), (edge, tile)])

    return Ladder(-(-size["longest_edge"] // tile), rung)


#: What bounds the number of tiles, and what switches cutting on, if that can be switched.
TILES = (
    ("max_patches", "crop_to_patches"),
    ("max_num_tiles", ""),
    ("max_slice_nums", "slice_mode"),
)


def _tiles(eyes: Any, most: str, switch: str) -> Ladder:
    """InternVL and others: cut into the grid of tiles that is most like the image."""
    size: Any = getattr(eyes, "size", None) or {}
    tile = getattr(eyes, "tile_size", None) or size.get("height") or getattr(eyes, "scale_resolution", 448)
    fewest = {name: getattr(eyes, name) for name in ("min_patches",) if hasattr(eyes, name)}
    shaped = hasattr(eyes, "scale_resolution")  # MiniCPM: its tiles have proportions of their own

    def rung(step: int) -> Rung:
        setting = {most: step + 1, **{name: min(least, step + 1) for name, least in fewest.items()}}
        return Rung(setting, _shaped((step + 1) * tile**2) if shaped else _cut(step + 1, tile))

    return Ladder(getattr(eyes, most), rung)


def _cut(tiles: int, edge: int) -> list[tuple[int, int]]:
    """Images that are cut into exactly so many tiles."""
    return [(edge * rows, edge * (tiles // rows)) for rows in range(1, tiles + 1) if tiles % rows == 0]


def _shaped(area: int) -> list[tuple[int, int]]:
    """Images of so many pixels, from ``LONG`` times as long as wide to as much wider: any may be rounded up most."""
    wide = [sqrt(area) * LONG ** (i / 24) for i in range(-12, 13)]
    return [(round(width), max(1, round(area / width))) for width in wide]


def _grids(eyes: Any) -> Ladder:
    """LLaVA-NeXT and others: fitted into the best of some canvases of tiles, (height, width), beside an overview."""
    own = sorted(eyes.image_grid_pinpoints, key=lambda canvas: canvas[0] * canvas[1])
    tile = min(min(canvas) for canvas in own)
    steps = [[[tile, tile]], *(own[: i + 1] for i in range(len(own)))]

    def rung(step: int) -> Rung:
        largest = steps[step][-1][0] * steps[step][-1][1]
        canvases = [(width, height) for height, width in steps[step] if height * width == largest]
        return Rung({"image_grid_pinpoints": steps[step]}, canvases)

    return Ladder(len(steps), rung)


def _soft(eyes: Any) -> Ladder:
    """Gemma 4: resized freely up to one of some numbers of tokens."""
    side = eyes.patch_size * eyes.pooling_kernel_size
    allowed = [tokens for tokens in (70, 140, 280, 560, 1120) if tokens <= eyes.max_soft_tokens]

    def rung(step: int) -> Rung:
        columns, rows = _rectangle(allowed[step])
        return Rung({"max_soft_tokens": allowed[step]}, [(side * columns, side * rows)])

    return Ladder(len(allowed), rung)
