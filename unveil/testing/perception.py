"""PerceptionLM: square tiles behind a thumbnail, whose projected features are pooled."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf
from torch import Tensor
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs

from unveil.testing.processors import IM_TEMPLATE, partly, stills
from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer
from unveil.vlm.patch_grid import fitted_grid


class PerceptionLMKwargs(ImagesKwargs, total=False):  # type: ignore[misc,call-arg]  # transformers has no types here
    """What the processor of transformers takes beside the usual."""

    vision_input_type: str | None
    tile_size: int
    max_num_tiles: int


class PerceptionLMImageProcessorPil(PilBackend):  # type: ignore[misc]
    """The published processor without torchvision."""

    do_resize = do_rescale = do_normalize = do_convert_rgb = True
    resample = PILImageResampling.BICUBIC
    rescale_factor = 1 / 255
    image_mean, image_std = IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD
    vision_input_type, tile_size, max_num_tiles = "thumb+tile", 448, 36
    size = {"height": 448, "width": 448}  # noqa: RUF012  # as transformers' processors have it
    valid_kwargs = PerceptionLMKwargs
    model_input_names = ["pixel_values"]  # noqa: RUF012

    def _preprocess(self, images: list[Any], return_tensors: str | None = None, **told: Any) -> Any:
        tile, found = told["tile_size"], []
        for image in images:
            height, width = image.shape[-2:]
            columns, rows = fitted_grid((width, height), tile, told["max_num_tiles"])
            large = self._resized(image, (rows * tile, columns * tile), told)
            tiles = large.reshape(-1, rows, tile, columns, tile).permute(1, 3, 0, 2, 4).flatten(0, 1)
            found.append(torch.cat([self._resized(image, (tile, tile), told)[None], tiles]))
        return tf.BatchFeature({"pixel_values": found}, tensor_type=return_tensors)

    def _resized(self, image: Any, size: tuple[int, int], told: dict[str, Any]) -> Tensor:
        """An image of another height and width, its colours as the tower takes them."""
        scaled = self.rescale(self.resize(image, SizeDict(*size), resample=told["resample"]), told["rescale_factor"])
        return torch.from_numpy(self.normalize(scaled, told["image_mean"], told["image_std"])).float()


def perception_lm(size: Size = TINY) -> tuple[Any, Any]:
    """A CLIP tower stands for the published one, which needs timm: a row of patches behind a class token too."""
    named = {"image_token": "<|image|>", "video_token": "<|video|>"}
    words = train_tokenizer(
        ["<|im_start|>", "<|im_end|>", *named.values()], size, eos="<|im_end|>", extra_special_tokens=named
    )
    config = tf.PerceptionLMConfig(
        vision_config={
            **size.tower,
            "model_type": "clip_vision_model",
            "model_args": {"embed_dim": size.hidden},
        },
        text_config={**size.text, **ids_of(words), "model_type": "llama"},
        projector_pooling_ratio=2,
        image_token_id=words.convert_tokens_to_ids("<|image|>"),
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
    )
    eyes = PerceptionLMImageProcessorPil(tile_size=size.picture, max_num_tiles=4)
    names = ["video_processor", "image_processor", "tokenizer"]
    template = IM_TEMPLATE.format(image="<|image|>")
    kind = stills(tf.PerceptionLMProcessor)
    processor = partly(kind, names, None, eyes, words, patch_size=14, chat_template=template)
    return tf.PerceptionLMForConditionalGeneration(config), processor
