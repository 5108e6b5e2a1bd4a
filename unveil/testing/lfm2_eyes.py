"""The image processor of LFM2-VL without torchvision, which that of transformers needs."""

from __future__ import annotations

import math
from typing import Any

import torch
import transformers as tf
from torch import Tensor, nn
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs


class Lfm2VlKwargs(ImagesKwargs, total=False):  # type: ignore[misc,call-arg]  # transformers has no types here
    """What the processor of transformers takes beside the usual."""

    downsample_factor: int
    do_image_splitting: bool
    min_tiles: int
    max_tiles: int
    use_thumbnail: bool
    min_image_tokens: int
    max_image_tokens: int
    encoder_patch_size: int
    tile_size: int
    max_pixels_tolerance: float
    return_row_col_info: bool


class Lfm2VlImageProcessorPil(PilBackend):  # type: ignore[misc]
    """Small images resized freely to so many tokens; larger ones cut into a grid of tiles beside an overview."""

    do_resize = do_rescale = do_normalize = do_image_splitting = use_thumbnail = True
    resample = PILImageResampling.BILINEAR
    rescale_factor = 1 / 255
    image_mean, image_std = IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD
    return_row_col_info = False
    downsample_factor, encoder_patch_size, tile_size, max_pixels_tolerance = 2, 16, 512, 2.0
    min_tiles, max_tiles, min_image_tokens, max_image_tokens = 2, 10, 64, 256
    size = {"height": 512, "width": 512}  # noqa: RUF012  # as transformers' processors have it
    valid_kwargs = Lfm2VlKwargs
    model_input_names = ["pixel_values", "pixel_attention_mask", "spatial_shapes"]  # noqa: RUF012

    def _preprocess(self, images: list[Any], return_tensors: str | None = None, **told: Any) -> Any:
        side, patch = told["encoder_patch_size"] * told["downsample_factor"], told["encoder_patch_size"]
        splits = told["do_image_splitting"] and told["max_tiles"] > 1
        most = max(
            told["max_image_tokens"] * told["downsample_factor"] ** 2,
            (told["tile_size"] // patch) ** 2 if told["do_image_splitting"] else 0,
        )
        data: dict[str, list[Any]] = {name: [] for name in ("image_rows", "image_cols", "image_sizes")}
        pictures: list[Tensor] = []
        for image in images:
            height, width = image.shape[-2:]
            size = _resized(height, width, side, told["min_image_tokens"], told["max_image_tokens"])
            whole = self._resized(image, size, told)
            rows = columns = 1
            rounded = [max(patch, round(n / side) * side) for n in (height, width)]
            if splits and math.prod(rounded) > told["max_image_tokens"] * side**2 * told["max_pixels_tolerance"]:
                columns, rows = _grid(width, height, told["min_tiles"], told["max_tiles"], told["tile_size"])
                tile = told["tile_size"]
                large = self._resized(image, (rows * tile, columns * tile), told)
                pictures += [*large.reshape(-1, rows, tile, columns, tile).permute(1, 3, 0, 2, 4).flatten(0, 1)]
            if rows * columns == 1 or told["use_thumbnail"]:
                pictures.append(whole)
            for name, value in (("image_rows", rows), ("image_cols", columns), ("image_sizes", [*size])):
                data[name].append(value)
        patches = [_patches(picture, patch) for picture in pictures]
        out: dict[str, Any] = data if told["return_row_col_info"] else {}
        out["pixel_values"] = torch.stack([nn.functional.pad(p, (0, 0, 0, max(0, most - len(p)))) for p in patches])
        out["pixel_attention_mask"] = torch.tensor([[int(i < len(p)) for i in range(most)] for p in patches]).int()
        out["spatial_shapes"] = torch.tensor([[n // patch for n in p.shape[-2:]] for p in pictures])
        return tf.BatchFeature(out, tensor_type=return_tensors)

    def _resized(self, image: Any, size: tuple[int, int], told: dict[str, Any]) -> Tensor:
        """An image of another height and width, its colours as the tower takes them."""
        scaled = self.rescale(self.resize(image, SizeDict(*size), resample=told["resample"]), told["rescale_factor"])
        return torch.from_numpy(self.normalize(scaled, told["image_mean"], told["image_std"])).float()


def _resized(height: int, width: int, side: int, least: int, most: int) -> tuple[int, int]:
    """Height and width in whole cells of ``side`` pixels, of which there are neither too few nor too many."""
    cells = [max(side, round(n / side) * side) for n in (height, width)]
    for bound, to, beyond in ((most, math.floor, 1), (least, math.ceil, -1)):
        if (math.prod(cells) - bound * side**2) * beyond > 0:
            factor = math.sqrt(height * width / (bound * side**2))
            return tuple(max(side, to(n / factor / side) * side) for n in (height, width))  # type: ignore[return-value]
    return cells[0], cells[1]


def _grid(width: int, height: int, least: int, most: int, tile: int) -> tuple[int, int]:
    """Columns and rows of the grid most like the image; of two as like, the larger one if the image fills it."""
    ratios = {(w, h) for w in range(1, most + 1) for h in range(1, most + 1) if least <= w * h <= most}
    best, apart = (1, 1), math.inf
    for columns, rows in sorted(ratios, key=lambda ratio: (ratio[0] * ratio[1], ratio)):
        other = abs(width / height - columns / rows)
        if other < apart or (other == apart and width * height > 0.5 * tile**2 * columns * rows):
            best = columns, rows
        apart = min(apart, other)
    return best


def _patches(picture: Tensor, patch: int) -> Tensor:
    """A picture (C, H, W) as its patches, row after row: (patches, patch * patch * C)."""
    channels, height, width = picture.shape
    cells = picture.reshape(channels, height // patch, patch, width // patch, patch).permute(1, 3, 2, 4, 0)
    return cells.reshape(-1, patch * patch * channels)
