"""Where patches lie: a token changes with just those pixels that its place holds."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf

from unveil.core.geometry import covered
from unveil.testing import llava
from unveil.testing.models import TREES, fresh
from unveil.vlm import patch_grid
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.features import Features
from unveil.vlm.model_parts import parts_of
from unveil.vlm.models import Loaded

SIZES = ((96, 64), (64, 96), (64, 64), (200, 90))


def blind(copy: Loaded) -> Any:
    """The model with a tower whose patches know nothing of one another: attention and position add nothing."""
    part_of = parts_of(copy.model)
    for name, p in copy.model.named_parameters():
        if part_of(name) == "tower" and any(
            w in name for w in ("out_proj", "attn.proj", "o_proj", "projection_layer", "pwconv2")
        ):
            torch.nn.init.zeros_(p)
    return copy.model


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", TREES)
def test_a_patch_sees_its_own_place(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """A bright square on a dark image changes the features of just those tokens whose places it touches.

    The tower's attention is switched off, so that a token knows nothing but its own pixels. Resizing blurs: tokens
    whose place ends within some pixels of the square may change or not.
    """
    sees_its_own_place(fresh(name), size)


def sees_its_own_place(copy: Loaded, size: tuple[int, int]) -> None:
    model = blind(copy)
    width, height = size
    dark = np.full((height, width, 3), 40, np.uint8)
    lit = dark.copy()
    square = (width * 0.55, height * 0.2, width * 0.85, height * 0.6)
    x1, y1, x2, y2 = map(round, square)
    lit[y1:y2, x1:x2] = 250
    features = []
    for array in (dark, lit):
        seen = copy.chat.process(array)
        found = Features(model, copy.chat.processor.image_processor, 0)([seen]).pooler_output
        features.append(torch.cat(list(found)) if not isinstance(found, torch.Tensor) else found.flatten(0, -2))
    places = patch_grid.patches(copy.chat, model.config, seen)
    changed = ((features[0] - features[1]).abs().max(-1).values > 1e-6).numpy()
    assert len(changed) == len(places)
    real = ~np.isnan(places[:, 0])
    assert not changed[~real].any()
    near = 0.06 * max(size)
    inner, outer = (x1 + near, y1 + near, x2 - near, y2 - near), (x1 - near, y1 - near, x2 + near, y2 + near)
    must, may = (covered(places[real], [box]) > 0 for box in (inner, outer))
    assert must.any() and (changed[real] >= must).all(), "a token in the square did not change"
    assert (changed[real] <= may).all(), "a token far from the square changed"


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_that_are_too_many_are_made_coarser(size: tuple[int, int]) -> None:
    """LLaVA-OneVision with room for two tiles, of which each picture has four."""
    copy = fresh("llava_onevision")
    model, processor = llava.llava_onevision(most=2)
    model.load_state_dict(copy.model.state_dict())
    few = replace(copy, model=model.eval(), chat=Chat(processor, copy.chat.profile))
    array = np.zeros((size[1], size[0], 3), np.uint8)
    assert len(few.chat.process(array).block) < len(copy.chat.process(array).block)
    sees_its_own_place(few, size)


def test_the_grid_nearest_to_a_picture_is_that_of_its_processor() -> None:
    """Command A Vision's, whose file needs torchvision: its two functions are taken from there."""
    file = Path(tf.__file__).parent / "models/cohere2_vision/image_processing_cohere2_vision.py"
    source = ast.parse(file.read_text())
    functions: list[ast.stmt] = [part for part in source.body if isinstance(part, ast.FunctionDef)]
    theirs: dict[str, Any] = {"np": np, "lru_cache": lru_cache}
    exec(compile(ast.Module(functions, []), file, "exec"), theirs)
    sizes = [(w, h) for w in range(20, 900, 53) for h in range(20, 900, 47)]
    for most in (1, 3, 12):
        for width, height in sizes:
            chosen = theirs["get_optimal_tiled_canvas"]((height, width), (56, 56), 1, most)
            assert patch_grid.nearest_grid((width, height), 56, most) == tuple(chosen), (width, height, most)


def test_the_grid_that_a_picture_fits_is_that_of_its_processor() -> None:
    """PerceptionLM's, whose file needs torchvision too."""
    file = Path(tf.__file__).parent / "models/perception_lm/image_processing_perception_lm.py"
    body = [part for part in ast.parse(file.read_text()).body if isinstance(part, ast.ClassDef)][-1].body
    theirs: dict[str, Any] = {"math": math, "reduce": reduce}
    chosen: tuple[str, ...] = ("_factors", "_find_supported_aspect_ratios", "_get_image_height_width")
    chosen += ("_fit_image_to_canvas", "_find_closest_aspect_ratio")
    functions: list[ast.stmt] = [part for part in body if isinstance(part, ast.FunctionDef) and part.name in chosen]
    exec(compile(ast.Module(functions, []), file, "exec"), theirs)
    for most in (1, 4, 36):
        eyes = type("Eyes", (), {name: theirs[name] for name in chosen} | {"max_num_tiles": most})()
        for width, height in [(w, h) for w in range(20, 900, 53) for h in range(20, 900, 47)] + [(56, 56), (112, 112)]:
            fitting = eyes._fit_image_to_canvas(width, height, 56)
            expected = fitting or eyes._find_closest_aspect_ratio(width, height, 56)
            assert patch_grid.fitted_grid((width, height), 56, most) == expected, (width, height, most)


def test_places_of_a_padded_and_of_a_cropped_picture(tmp_path: Path) -> None:
    """40 x 20 pixels padded to 40 x 40 begin at row 10: a grid of 4 x 4 has its rows at -10, 0, 10, 20 to 30.

    A processor that resizes the shorter edge and crops the centre shows the middle 20 x 20 of it unpadded: its
    columns from 10 to 30.
    """
    copy = fresh("llava_clip")
    padded = copy.chat.process(np.zeros((20, 40, 3), np.uint8))
    places = patch_grid.patches(copy.chat, copy.model.config, padded)
    assert places[0].tolist() == [0, -10, 10, 0] and places[-1].tolist() == [30, 20, 40, 30]
    chat = Chat(copy.chat.processor, replace(copy.chat.profile, box_format="unit"))
    places = patch_grid.patches(chat, copy.model.config, chat.process(np.zeros((20, 40, 3), np.uint8)))
    assert places[0].tolist() == [10, 0, 15, 5] and places[-1].tolist() == [25, 15, 30, 20]


def test_unknown_families_are_refused() -> None:
    copy = fresh("llava_clip")
    copy.model.config.model_type = "unheard"
    with pytest.raises(ModelError, match="unheard models have no patch grid"):
        patch_grid.patches(copy.chat, copy.model.config, copy.chat.process(np.zeros((20, 40, 3), np.uint8)))
