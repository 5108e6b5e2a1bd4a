"""Models are loaded from folders and from the hub, their weights belong to parts; what cannot be used is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import transformers as tf
from huggingface_hub.errors import HfHubHTTPError
from peft import LoraConfig, get_peft_model
from PIL import Image
from torch import nn
from transformers import AutoModelForImageTextToText

from tests.conftest import SIZES, dialogue, draw
from tests.helpers.trees import linear_of
from unveil.core import pixels
from unveil.testing.models import TREES, loaded, parts, saved
from unveil.vlm import imports, model_parts, models
from unveil.vlm.chat import Chat
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError, Profile, profile_of
from unveil.vlm.models import Loaded


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    return [draw(folder / f"{i}.png", size, i) for i, size in enumerate(SIZES)]


def test_a_saved_model_is_loaded_and_answers_alike(tiny: Loaded, tiny_folder: Path, images: list[Path]) -> None:
    again = models.load(tiny_folder, device="cpu")
    assert again.chat.profile == Profile("bins-64", False)
    assert again.fingerprint == tiny.fingerprint and not again.model.training
    rows = [[m.chat.encode(dialogue("d", "0.png", "X"), images[0], with_answer=False)] for m in (tiny, again)]
    assert Engine(tiny).answer(rows[0], 5) == Engine(again).answer(rows[1], 5)


@pytest.mark.parametrize("name", ["llava_clip", "idefics3", "gemma3"])
def test_other_families_are_loaded_from_the_disk(name: str, tmp_path: Path) -> None:
    """Those whose processor takes no videos; the others need torchvision to be loaded, and say so."""
    again = models.load(saved(name, tmp_path), device="cpu")
    assert again.fingerprint == loaded(name).fingerprint
    assert again.chat.profile == profile_of(again.model.config)


@pytest.mark.parametrize("with_processor", [False, True])
def test_an_adapter_that_peft_wrote_is_loaded(with_processor: bool, tmp_path: Path) -> None:
    """It says nothing of boxes, which are its family's then, or as the user names them; TRL adds the processor."""
    base = AutoModelForImageTextToText.from_pretrained(saved("llava_clip", tmp_path / "base"))
    with imports.calm_peft():
        lora = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    lora.save_pretrained(tmp_path / "adapter")
    if with_processor:
        loaded("llava_clip").chat.processor.save_pretrained(tmp_path / "adapter")
    again = models.load(tmp_path / "adapter", device="cpu")
    assert again.fingerprint == model_parts.fingerprint(lora.merge_and_unload())
    assert again.chat.profile == Profile("unit-square")
    assert models.is_here(tmp_path / "adapter")
    assert models.chat_of(tmp_path / "adapter", box_format="json-1000").profile == Profile("json-1000")


def test_an_adapter_on_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": null}')
    with pytest.raises(ModelError, match=r"adapter_config\.json: the model under the adapter is not named"):
        models.chat_of(tmp_path)


@pytest.mark.skipif(tf.utils.is_torchvision_available(), reason="torchvision is here, so nothing is missing")
def test_a_missing_torchvision_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?is)cannot be loaded.*unveil\[video\].*torchvision"):
        models.load(saved("qwen2_5_vl", tmp_path), device="cpu")


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        models.load(tmp_path, device="cpu")


def test_pickled_weights_are_not_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    """A folder with pytorch_model.bin only: a pickle can run code, so it is never opened."""
    for file in tiny_folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(parts("llava_siglip")[0].state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        models.load(tmp_path, device="cpu")


def test_the_fingerprint_changes_with_any_weight_and_not_with_threads() -> None:
    """Also when two weights of a matrix are exchanged, which leaves their sum as it is."""
    layer = nn.Linear(300, 200)
    before, threads = model_parts.fingerprint(layer), torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        assert model_parts.fingerprint(layer) == before
    finally:
        torch.set_num_threads(threads)
    with torch.no_grad():
        layer.weight[0, :2] = layer.weight[0, [1, 0]]
    swapped = model_parts.fingerprint(layer)
    with torch.no_grad():
        layer.bias[7] = torch.nextafter(layer.bias[7], torch.tensor(9.0))
    assert len({before, swapped, model_parts.fingerprint(layer)}) == 3
    assert model_parts.fingerprint(layer.to(torch.bfloat16)) == model_parts.fingerprint(layer)


@pytest.mark.parametrize("name", ["llava_siglip", "llava_clip"])
def test_what_older_processors_leave_out_is_known_from_the_model(name: str, images: list[Path], tmp_path: Path) -> None:
    """Their files do not say how many patches an image has: the tower does. CLIP puts a token before them."""
    folder = saved(name, tmp_path)
    file = folder / "processor_config.json"
    about = json.loads(file.read_text())
    for key in ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"):
        about.pop(key, None)
    file.write_text(json.dumps(about))
    (folder / "preprocessor_config.json").unlink(missing_ok=True)
    found, own = models.load(folder, device="cpu"), loaded(name)
    assert len(found.chat.cached_image(images[0]).block) == 16
    asked = [dialogue("a", images[0].name, "Where is it?")]
    rows = [found.chat.encode(d, images[0], with_answer=False) for d in asked]
    assert Engine(found).answer(rows, 6) == Engine(own).answer([own.chat.encode(asked[0], images[0], False)], 6)


def test_what_a_processor_leaves_out_is_named() -> None:
    """Where the model's configuration does not say it either."""
    processor = copy.deepcopy(loaded("llava_clip").chat.processor)
    processor.patch_size = None
    chat = Chat(processor, loaded("llava_clip").chat.profile)
    with pytest.raises(
        ModelError, match=r"LlavaProcessor cannot process images: its processor_config.json does not say"
    ):
        chat.process(np.zeros((60, 90, 3), np.uint8), "a.png")


def test_a_processor_without_memory_is_not_called_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat(loaded("llava_clip").chat.processor, loaded("llava_clip").chat.profile)
    short = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    monkeypatch.setattr(chat, "_processed", mock.Mock(side_effect=short))
    with pytest.raises(RuntimeError) as told:
        chat.process(np.zeros((60, 90, 3), np.uint8), "a.png")
    assert told.value is short


@pytest.mark.parametrize(("width", "height"), [(3000, 10), (10, 3000)])
def test_a_shape_that_a_processor_refuses_is_named(width: int, height: int, tmp_path: Path) -> None:
    """With dialogue, file and size; with noise over it too. Others take the same image."""
    image = tmp_path / "long.png"
    Image.new("RGB", (width, height)).save(image)
    asked = dialogue("case-7/detection", image.name, "Is it?")
    told = rf"^case-7/detection: .*long\.png: Qwen2_5_VLProcessor cannot take {width} x {height} pixels: .*aspect ratio"
    with pytest.raises(pixels.ImageError, match=told):
        Chat(loaded("qwen2_5_vl").chat.processor, Profile("json-pixels")).encode(asked, image, with_answer=False)
    assert loaded("llava_clip").chat.encode(asked, image, with_answer=False).prompt


@pytest.mark.parametrize("name", TREES)
def test_every_weight_belongs_to_a_part(name: str) -> None:
    """By where transformers puts them; the projector of Qwen's models lies inside the tower."""
    model = parts(name)[0]
    inner = model.model
    tower = getattr(inner, "vision_tower", None) or getattr(inner, "visual", None) or inner.vision_model
    named = ("multi_modal_projector", "connector", "merger", "aligner", "embed_vision", "visual_embeddings_table")
    projector = next((getattr(inner, name) for name in named if hasattr(inner, name)), None)
    projecting = [projector] if projector else [m for n, m in tower.named_children() if "merger" in n]
    in_projector = {id(p) for m in projecting for p in m.parameters()}
    in_projector |= {id(p) for n, p in inner.named_parameters() if n == "image_newline"}
    in_tower = {id(p) for p in tower.parameters()} - in_projector
    part_of = model_parts.parts_of(model)
    for parameter_name, p in model.named_parameters():
        expected = "projector" if id(p) in in_projector else "tower" if id(p) in in_tower else "language"
        assert part_of(parameter_name) == expected, parameter_name
    language = model_parts.linear_layers(model, ["language"])
    assert len(language) == linear_of(name) and all("language_model" in n or "text_model" in n for n in language)
    assert not any("lm_head" in n for n in model_parts.linear_layers(model, ["language", "projector", "tower"]))


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "~/nowhere", "/nowhere/at/all"])
def test_a_name_that_looks_like_a_folder_is_one(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        models.located(name)


def test_a_file_and_an_empty_folder_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="a file, and a folder is needed"):
        models.located(tmp_path / "weights.bin")
    with pytest.raises(ModelError, match=r"no config\.json"):
        models.located(tmp_path)


def test_the_hub_is_asked_once_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network one request says so; a name that is not in the cache is not tried again and again."""
    asked = []

    def offline(url: str, **_: object) -> None:
        asked.append(url)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(models, "get_hf_file_metadata", offline)
    with pytest.raises(ModelError, match=r"some/model: no folder here, and the hub cannot be asked \(Name or service"):
        models.located("some/model")
    assert len(asked) == 1 and "some/model" in asked[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        *((status, "the hub has no such model for you at revision v2") for status in (401, 403, 404)),
        *((status, "the hub cannot be asked") for status in (429, 500, 503)),
    ],
)
def test_a_hub_that_fails_says_nothing_of_the_name(status: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does one that is asked too often."""
    answer: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    refused = mock.Mock(side_effect=HfHubHTTPError("as it says", response=answer))
    monkeypatch.setattr(models, "get_hf_file_metadata", refused)
    with pytest.raises(ModelError, match=rf"some/other-{status}: no folder here, and {said} \(as it says\)"):
        models.located(f"some/other-{status}", "v2")


def test_a_model_in_the_cache_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "try_to_load_from_cache", lambda *_, **__: str(tmp_path / "config.json"))
    monkeypatch.setattr(models, "get_hf_file_metadata", lambda *_, **__: pytest.fail("the network was used"))
    assert models.located("some/cached-model") == "some/cached-model"
