"""Limits on what an image costs: none costs more, the finest setting is taken, and it is saved with the model."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import dialogue, draw
from unveil import cli
from unveil.core.box_formats import neutral, unmark
from unveil.core.pixels import ImageError
from unveil.testing.models import TREES, loaded, saved
from unveil.train import adapters
from unveil.train.options import RecipeOptions
from unveil.vlm import models
from unveil.vlm.chat import Chat
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError
from unveil.vlm.resolution import Cost, Resolution, cost, limit, resizes

SIZES = ((33, 47), (64, 64), (300, 200), (200, 300), (900, 60), (60, 600), (1200, 1200), (80, 56))


def chat_of(name: str, **settings: Any) -> Chat:
    """A family's chat with a processor of its own, whose image part is set otherwise."""
    processor = copy.deepcopy(loaded(name).chat.processor)
    for key, value in settings.items():
        setattr(processor.image_processor, key, value)
    return Chat(processor, loaded(name).chat.profile)


def dearest(chat: Chat) -> Cost:
    found = [cost(chat, size) for size in SIZES]
    return Cost(max(c.tokens for c in found), max(c.pixels for c in found))


def test_what_an_image_costs_by_hand() -> None:
    """Qwen2-VL makes a token of 28 x 28 pixels: 280 x 140 are 10 x 5. InternVL makes 4 of a tile of 56 x 56, between
    two tokens: 112 x 56 are two tiles and an overview. LLaVA's images all are 56 x 56, with 16 patches."""
    qwen = chat_of("qwen2_vl", size={"shortest_edge": 784, "longest_edge": 784 * 100})
    assert cost(qwen, (280, 140)) == Cost(50, 280 * 140)
    assert cost(chat_of("internvl", max_patches=12), (112, 56)) == Cost(3 * 4 + 2, 3 * 56 * 56)
    assert {cost(chat_of("llava_siglip"), size) for size in SIZES} == {Cost(16, 56 * 56)}


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("limits", [Resolution(24), Resolution(60), Resolution(max_pixels=10_000)], ids=str)
def test_no_image_costs_more(name: str, limits: Resolution) -> None:
    """Whatever its size; a family whose coarsest image costs more is refused, and says how much that is."""
    chat = chat_of(name)
    before = dearest(chat)
    try:
        limit(chat, limits)
    except ModelError as error:
        assert f"{dearest(chat).tokens} tokens ({dearest(chat).pixels} pixels) even at the coarsest" in str(error)
        assert not limits.allow(dearest(chat))
        return
    assert limits.allow(dearest(chat))
    if limits.allow(before):
        assert dearest(chat) == before, "what stays below is left as it is published"


@pytest.mark.parametrize(
    ("name", "settings", "tokens", "expected"),
    [
        ("qwen2_vl", {"size": {"shortest_edge": 784, "longest_edge": 784 * 400}}, 100, {"longest_edge": 784 * 100}),
        ("qwen3_vl", {"size": {"shortest_edge": 784, "longest_edge": 784 * 400}}, 64, {"longest_edge": 784 * 64}),
        ("internvl", {"max_patches": 12}, 20, 3),  # 3 tiles and an overview of 4 tokens, between two: 18; 4 tiles: 22
        ("idefics3", {"size": {"longest_edge": 224}}, 40, {"longest_edge": 112}),  # 2 x 2 tiles, 33; 3 x 3 more than 40
    ],
)  # fmt: skip
def test_the_finest_setting_is_taken(name: str, settings: Any, tokens: int, expected: Any) -> None:
    chat = chat_of(name, **settings)
    limit(chat, Resolution(image_tokens=tokens))
    eyes = chat.processor.image_processor
    if isinstance(expected, dict):
        assert {key: eyes.size[key] for key in expected} == expected
    else:
        assert eyes.max_patches == expected


@pytest.mark.parametrize("limits", [Resolution(24), Resolution(max_pixels=24 * 784), Resolution(60)], ids=str)
def test_an_image_that_is_too_long_for_the_limit_is_refused(limits: Resolution, tmp_path: Path) -> None:
    """28 pixels cannot be made narrower than one token, and 5572 keep more than their share; named with its tokens."""
    chat = chat_of("qwen2_vl", size={"shortest_edge": 784, "longest_edge": 784 * 400})
    limit(chat, limits)
    image = tmp_path / "strip.png"
    Image.new("RGB", (5572, 28)).save(image)
    with pytest.raises(
        ImageError, match=r"^case-7: .*strip\.png: 5572 x 28 pixels take (69|109) tokens \(.* --\w"
    ) as told:
        chat.encode(dialogue("case-7", image.name, "Is it?"), image, with_answer=False)
    assert f"take {69 if limits != Resolution(60) else 109} tokens" in str(told.value)


def test_both_limits_hold_and_pixels_are_those_of_all_tiles() -> None:
    """56 x 56 pixels a tile: three tiles and an overview are 12544, one more 15680; by tokens five would be allowed."""
    chat = chat_of("internvl", max_patches=12)
    limit(chat, Resolution(image_tokens=26, max_pixels=15_679))
    assert chat.processor.image_processor.max_patches == 3


def test_a_processor_without_a_known_setting_is_refused_where_sizes_matter() -> None:
    """Nothing says how to bound it, and a small image that stays below would be no proof."""
    chat = chat_of("qwen2_vl", size={"shortest_edge": 784, "longest_edge": 784 * 100})
    eyes = chat.processor.image_processor

    class Unknown:
        """Takes images as before, but has nothing that is called a size."""

        def __call__(self, *images: Any, **options: Any) -> Any:
            return eyes(*images, **options)

        def __getattr__(self, name: str) -> Any:
            if name == "size":
                raise AttributeError(name)
            return getattr(eyes, name)

    chat.processor.image_processor = Unknown()
    with pytest.raises(ModelError, match=r"an image takes up to \d+ tokens"):
        limit(chat, Resolution(image_tokens=50))


@pytest.mark.parametrize("value", [0, -3])
def test_nonsense_is_refused(value: int) -> None:
    with pytest.raises(ModelError, match=rf"--image-tokens {value}: it must be 1 at least"):
        Resolution(image_tokens=value)


def test_boxes_in_pixels_refer_to_the_smaller_image() -> None:
    """Qwen2.5-VL writes pixels of what it sees: of 560 x 280 shrunk to 280 x 140, (140, 70)-(280, 140) is half as much
    on each axis, and is read back as the box on the file."""
    chat = chat_of("qwen2_5_vl", size={"shortest_edge": 784, "longest_edge": 784 * 400})
    limit(chat, Resolution(image_tokens=50))
    view = chat.process(np.zeros((280, 560, 3), np.uint8)).view
    assert view.frame == (280, 140)
    written = view.write((140, 70, 280, 140))
    assert "[70, 35, 140, 70]" in written
    assert unmark(neutral(written, view)) == [(140.0, 70.0, 280.0, 140.0)]


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", ["qwen2_5_vl", "internvl", "llava_next"])
def test_a_trained_model_is_saved_with_it(
    name: str, method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever loads the folder without an option gets the same ids and pixels; the processor's files hold it."""
    image = draw(tmp_path / "a.png", (300, 200), 0)
    base = saved(name, tmp_path / "base")
    own = loaded(name).chat.processor
    monkeypatch.setattr(models.AutoProcessor, "from_pretrained", lambda *_, **__: copy.deepcopy(own))
    limits = Resolution(image_tokens=13 if name != "llava_next" else 40)
    config: Any = RecipeOptions(model=str(base), out=tmp_path / "out", method=method, lora_rank=2, limits=limits)
    start = adapters.load(config, torch.device("cpu"))
    assert adapters.load(config, torch.device("cpu"), teaches_form=True).chat.bound == start.chat.bound == limits
    before, now = loaded(name).chat.process(np.zeros((200, 300, 3), np.uint8)), start.chat.cached_image(image)
    assert len(now.block) < len(before.block) and len(now.block) <= (limits.image_tokens or 0)
    model = adapters.prepare(start.model, replace(config, train_projector=False))
    adapters.save(model, start.chat, config)
    kept = type(own.image_processor).from_pretrained(config.out)
    written = copy.deepcopy(own)
    written.image_processor = kept
    monkeypatch.setattr(models.AutoProcessor, "from_pretrained", lambda *_, **__: copy.deepcopy(written))
    after = models.load(config.out, device="cpu")
    again = after.chat.cached_image(image)
    assert again.block == now.block and again.tensors.keys() == now.tensors.keys()
    assert all(torch.equal(again.tensors[key], now.tensors[key]) for key in now.tensors)
    asked = after.chat.encode(dialogue("a", image.name, "Is there a nodule?"), image, with_answer=False)
    assert Engine(after).answer([asked], 2), "model and processor count alike"


def test_commands_take_the_options(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model with one size for all images is refused with what an image costs; where it fits nothing changes."""
    image = draw(tmp_path / "a.png", (96, 64), 0)
    asked = ["ask", "--image", str(image), "--model", str(tiny_folder), "--max-new-tokens", "4"]
    assert cli.main([*asked, "--image-tokens", "15"]) != 0
    assert "an image takes up to 16 tokens (3136 pixels)" in capsys.readouterr().err
    assert cli.main([*asked, "--image-tokens", "16", "--max-pixels", "3136"]) == 0


def test_cost_is_told_without_weights(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.AutoModelForImageTextToText, "from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    assert cost(models.chat_of(tiny_folder), (300, 200)) == Cost(16, 56 * 56)


@pytest.mark.parametrize(
    ("name", "settings", "coarser"),
    [
        ("qwen2_vl", {"size": {"shortest_edge": 784, "longest_edge": 784 * 100}}, True),
        ("internvl", {"max_patches": 12}, True),
        ("llava_siglip", {}, False),
    ],
)
def test_families_of_one_resolution_are_known(name: str, settings: dict[str, Any], coarser: bool) -> None:
    """What they refuse is not advised either."""
    chat = chat_of(name, **settings)
    assert resizes(chat) == coarser
    less = Resolution(image_tokens=len(chat.process(np.zeros((480, 640, 3), np.uint8)).block) // 2)
    with nullcontext() if coarser else pytest.raises(ModelError):
        limit(chat_of(name, **settings), less)
