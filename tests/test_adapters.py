"""A model is asked in the form in which it was trained."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import dialogue, draw
from tests.helpers.pairs import pairs_in
from tests.helpers.updating import updated, write_open
from unveil.core import digests
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue
from unveil.testing.models import ENTRIES, KINDS, saved
from unveil.train import adapters, loop, sft
from unveil.train.dataloader import Stream
from unveil.train.options import RecipeOptions
from unveil.vlm import imports, models
from unveil.vlm.chat import Chat
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, whole


@pytest.fixture(scope="session")
def base(family: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family's model on the disk."""
    return saved(family.name, tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("teaches_form", [True, False])
@pytest.mark.parametrize("family", KINDS, indirect=True)
def test_prompts_of_training_are_those_of_predict(
    family: Loaded, base: Path, teaches_form: bool, method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ids, for the stream of a recipe and for the folder that it saves."""
    processor = family.chat.processor  # some need more than tests have to be read from a file
    monkeypatch.setattr(models.AutoProcessor, "from_pretrained", lambda *_, **__: processor)
    named = ENTRIES[family.name].box_format
    config: Any = RecipeOptions(
        model=str(base), out=tmp_path / "out", method=method, lora_rank=2, workers=0, box_format=named
    )
    told = models.load(base, device="cpu", box_format=named).chat
    start = adapters.load(config, torch.device("cpu"), teaches_form)
    model = adapters.prepare(start.model, replace(config, train_projector=False))
    draw(tmp_path / "a.png", (70, 90), 0)
    kinds: Any = ("detection", "localisation", "closed")
    asked = [dialogue(kind, "a.png", "Is there a nodule?", kind=kind) for kind in kinds]
    scorer = Scorer(model, start.chat, Features(whole(model), start.chat.processor.image_processor, 10))
    stream = Stream(scorer, tmp_path / "dialogues.jsonl", sft.Config(dialogues=tmp_path, out=tmp_path, workers=0))
    trained = {row.id: row.prompt for _, rows in stream(loop.parts(asked, 3)) for row in rows}
    adapters.save(model, start.chat, config)
    chat = models.load(config.out, device="cpu").chat
    assert chat.profile.hint == (told.profile.hint and not teaches_form)
    assert trained == {d.id: chat.encode(d, tmp_path / d.image, with_answer=False).prompt for d in asked}
    before = {d.id: told.encode(d, tmp_path / d.image, with_answer=False).prompt for d in asked}
    assert (trained == before) == (told.profile == chat.profile), "a published model is told the form of an answer"


def test_a_model_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an input, whether or not it was trained here, and an adapter on it finds it again."""
    base = saved("llava_siglip", tmp_path / "base")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(map(digests.digest, digests.of_model("~/base"))) == list(map(digests.digest, digests.of_model(base)))
    config: Any = RecipeOptions(model="~/base", out=tmp_path / "out", lora_rank=2, method="lora")
    start = adapters.load(config, torch.device("cpu"))
    adapters.save(adapters.prepare(start.model, config), start.chat, config)
    assert json.loads((config.out / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)


def test_a_save_that_is_killed_leaves_no_finished_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any of its moves: run.json is gone before the first file of the new model is there, the old weights are there
    until the new ones are, and saving again makes it whole."""
    base, out = saved("llava_siglip", tmp_path / "base"), tmp_path / "out"
    config: Any = RecipeOptions(model=str(base), out=out, lora_rank=2, method="lora")
    start = adapters.load(config, torch.device("cpu"))
    model, real = adapters.prepare(start.model, config), Path.replace
    adapters.save(model, start.chat, config)
    names = sorted(path.name for path in out.iterdir())
    old = b"of another run"
    for died in range(len(names) + 1):
        for name in ("adapter_model.safetensors", "adapter_old.bin", "run.json"):
            (out / name).write_bytes(old)

        def replace(path: Path, target: Path, moves: Iterator[int] = iter(range(died))) -> Path:
            if target.parent == out:
                assert not (out / "run.json").exists()
                if next(moves, None) is None:
                    raise KeyboardInterrupt
            return real(path, target)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(Path, "replace", replace)
            adapters.save(model, start.chat, config)
        assert ((out / "adapter_model.safetensors").read_bytes() == old) == (died < len(names))
        assert (out / "adapter_old.bin").exists() == (died < len(names))
        assert not (out / "run.json").exists()
    assert sorted(path.name for path in out.iterdir()) == names


def learn(recipe: str, folder: Path, model: Path, out: Path) -> None:
    """A short run of a recipe on synthetic images."""
    if recipe == "sft":
        usual: dict[str, Any] = {"epochs": 1.0, "validate_every": 0, "checkpoint_every": 0, "workers": 0}
        write_open(folder)
        sft.main(sft.Config(dialogues=folder / "dialogues.jsonl", out=out, model=str(model), **usual))
    elif recipe == "dpo":
        write_jsonl(folder / "pairs.jsonl", pairs_in(folder))
        updated(recipe, folder, model, out)
    else:
        write_open(folder)
        updated(recipe, folder, model, out)


@pytest.mark.parametrize(("recipe", "hint"), [("sft", False), ("dpo", True), ("grpo", True), ("ppo", True)])
def test_what_each_recipe_saves_is_asked_as_it_was_trained(
    recipe: str, hint: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All prompts that a run made are made again by the chat of the folder that it saved."""
    made: list[tuple[Dialogue, Any, list[int]]] = []
    real = Chat.encode

    def encode(self: Chat, dialogue: Dialogue, image: Any, *more: Any, **options: Any) -> EncodedExample:
        row = real(self, dialogue, image, *more, **options)
        made.append((dialogue, image, row.prompt))
        return row

    monkeypatch.setattr(Chat, "encode", encode)
    learn(recipe, tmp_path, saved("llava_clip", tmp_path / "base"), tmp_path / "out")
    monkeypatch.undo()
    chat = models.load(tmp_path / "out", device="cpu").chat
    assert made and chat.profile.hint is hint
    for asked, image, prompt in made:
        assert chat.encode(asked, image, with_answer=False).prompt == prompt, asked.id


def test_warnings_of_peft_about_an_adapter_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the one that is told in our own words."""
    peft, base = imports.peft(), saved("llava_clip", tmp_path / "base")
    with imports.calm_peft():
        lora = peft.get_peft_model(
            models.load(base, device="cpu").model, peft.LoraConfig(r=2, target_modules=["q_proj"])
        )
    lora.active_peft_config.base_model_name_or_path = str(base)
    lora.save_pretrained(tmp_path / "adapter")
    load = peft.PeftModel.from_pretrained

    def warned(*given: Any, **named: Any) -> Any:
        warnings.warn("the settings are of another version", stacklevel=1)
        return load(*given, **named)

    monkeypatch.setattr(peft.PeftModel, "from_pretrained", warned)
    with pytest.warns(UserWarning, match="of another version"):
        models.load(tmp_path / "adapter", device="cpu")
