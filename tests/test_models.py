"""A model sees what its own processor would show it, says what it would say alone, and writes boxes as declared."""

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
from PIL import Image, ImageOps
from torch import nn

from tests.conftest import SIZES, dialogue, draw
from unveil.core import pixels
from unveil.core.box_formats import mark
from unveil.core.geometry import ious
from unveil.testing.models import TREES, loaded, parts, saved
from unveil.vlm import model_parts, models
from unveil.vlm.chat import IGNORED, Chat
from unveil.vlm.engine import Engine
from unveil.vlm.families import ModelError, Profile, profile_of
from unveil.vlm.models import Loaded

QUESTIONS = (
    "Where is the nodule?",
    "Is anything abnormal in this image? Say why, and where",
    "X",
    "«Größe» 肺 🫁 of <box 5.00 6.00 20.00 30.00>",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    return [draw(folder / f"{i}.png", size, i) for i, size in enumerate(SIZES)]


def own_inputs(chat: Chat, image: Path, question: str) -> dict[str, torch.Tensor]:
    """What the processor itself makes of an image and a question, by its one-call way from turns to tensors."""
    picture = Image.open(image).convert("RGB")
    view = chat.look(image).view
    if chat.syntax.square:
        picture = ImageOps.pad(picture, (max(picture.size),) * 2, color=(127, 127, 127))
    text = chat.question(question, "detection", view)
    if chat.processor.chat_template is None:  # PaliGemma puts image, <bos> and line feed around a text by itself
        own = dict(chat.processor(text=[text], images=[picture], return_tensors="pt"))
        del own["labels"]
        return own
    content = [{"type": "image", "image": picture}, {"type": "text", "text": text}]
    turns = [{"role": "user", "content": content}]
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
    return dict(chat.processor.apply_chat_template(turns, **options))


# ------------------------------------------------------------------------------------------------ what a model is shown


@pytest.mark.parametrize("question", QUESTIONS)
def test_ids_and_tensors_are_the_processors_own(family: Loaded, images: list[Path], question: str) -> None:
    """For six image sizes; also token types where the family has them."""
    chat = family.chat
    for image in images:
        row = chat.encode(dialogue("d", image.name, question), image, with_answer=False)
        mine, own = chat.batch([row]), own_inputs(chat, image, question)
        del mine["labels"]
        assert mine.keys() == own.keys()
        for key, value in own.items():
            assert torch.equal(mine[key], value), key
        assert row.prompt[row.image_at :][: len(row.seen.block)] == row.seen.block


def test_an_image_is_processed_once(tiny: Loaded, images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat(tiny.chat.processor, tiny.chat.profile)
    calls = []
    monkeypatch.setattr(chat, "see", lambda image, see=chat.see: calls.append(image) or see(image))
    for question in QUESTIONS:
        chat.encode(dialogue("d", "0.png", question), images[0], with_answer=True)
    assert calls == [images[0]]


def test_images_are_forgotten_when_the_room_is_full(tiny: Loaded, images: list[Path]) -> None:
    """One image takes 3 x 56 x 56 x 4 B = 37,632 B: two fit into 0.08 MB, and what was seen last stays."""
    chat = Chat(tiny.chat.processor, tiny.chat.profile, cache_mb=1)
    chat._room = 80_000
    first, second = (chat.look(images[i]) for i in (0, 1))
    assert chat.look(images[0]) is first
    chat.look(images[2])
    assert chat.look(images[0]) is first
    assert chat.look(images[1]) is not second


def test_a_question_with_an_image_token_is_refused(family: Loaded, images: list[Path]) -> None:
    token = family.chat.processor.image_token
    with pytest.raises(ModelError, match=r"d7: the question holds the image token"):
        family.chat.encode(dialogue("d7", "0.png", f"Where {token}?"), images[0], with_answer=False)


def test_line_feeds_that_merge_with_the_images_are_refused(images: list[Path]) -> None:
    """Gemma writes two line feeds behind the image; with a third one before the question they are another token."""
    processor = copy.copy(loaded("gemma3").chat.processor)
    processor.chat_template = processor.chat_template.replace(" | trim", "")
    chat = Chat(processor, Profile("json-1000", hint=False))
    chat.encode(dialogue("d7", "0.png", "a\n\nb"), images[0], with_answer=False)
    with pytest.raises(ModelError, match="d8: the question's start merges"):
        chat.encode(dialogue("d8", "0.png", "\nb"), images[0], with_answer=False)


def test_a_processor_that_writes_differently_each_time_is_refused(tiny: Loaded, images: list[Path]) -> None:
    class Odd:
        """Changes the text behind the image, which cannot be put into another prompt."""

        chat_template, image_token = "x", "<image>"
        tokenizer = tiny.chat.tokenizer

        def apply_chat_template(self, *args: Any, **kwargs: Any) -> str:
            return tiny.chat.processor.apply_chat_template(*args, **kwargs)

        def __call__(self, text: list[str], **kwargs: Any) -> Any:
            return tiny.chat.processor(text=[text[0].replace("<image>", "a<image>") + "!"], **kwargs)

    with pytest.raises(ModelError, match="Odd: what it writes in the place of an image was not found"):
        Chat(Odd(), tiny.chat.profile).look(images[0])


def test_a_missing_image_is_named_with_its_dialogue(tiny: Loaded, tmp_path: Path) -> None:
    with pytest.raises(pixels.ImageError, match=r"d9: .*gone\.png: no such file"):
        tiny.chat.encode(dialogue("d9", "gone.png", "X"), tmp_path / "gone.png", with_answer=False)


def test_without_a_chat_template_or_an_image_token_nothing_can_be_asked(tiny: Loaded) -> None:
    bare = SimpleNamespace(tokenizer=tiny.chat.tokenizer, chat_template=None)
    with pytest.raises(ModelError, match="there is no chat template"):
        Chat(bare, tiny.chat.profile)
    blind = SimpleNamespace(tokenizer=tiny.chat.tokenizer, chat_template="x", image_token=None)
    with pytest.raises(ModelError, match="no token for images"):
        Chat(blind, tiny.chat.profile)


# -------------------------------------------------------------------------------------------------- answers and batches


def test_an_answer_stands_as_the_chat_template_writes_it(family: Loaded, images: list[Path]) -> None:
    """Prompt and answer put together are the conversation as the template renders it, up to the end of the turn.

    LLaVA-1.5 and Idefics write a space between ``Assistant:`` and the answer, LLaVA-1.5 no end but the tokenizer's.
    """
    chat = family.chat
    row = chat.encode(dialogue("d", "0.png", "X", "Yes. No."), images[0], with_answer=True)
    asked = {
        "role": "user",
        "content": [{"type": "image"}, {"type": "text", "text": chat.question("X", "detection", row.seen.view)}],
    }
    told = {"role": "assistant", "content": [{"type": "text", "text": "Yes. No."}]}
    whole = chat._rendered([asked, told]).rstrip()
    if family.name in ("llava_clip", "llava_mistral"):
        whole += "</s>"
    expected = chat._ids(whole.replace(chat.processor.image_token, row.seen.text), chat._wants_special(whole))
    assert [*row.prompt, *row.answer] == expected
    assert chat.text(row.answer) == "Yes. No."
    assert chat.stops >= {row.answer[-1]}


def test_labels_lie_on_the_answer_and_its_end_only(family: Loaded, images: list[Path]) -> None:
    """In a batch of rows of unlike length, padded on the right."""
    chat = family.chat
    rows = [
        chat.encode(
            dialogue(str(i), image.name, "Where? " * (i + 1), "Yes. " * (3 - i) + "No."), image, with_answer=True
        )
        for i, image in enumerate(images[:3])
    ]
    batch = chat.batch(rows)
    assert batch["labels"].shape == batch["input_ids"].shape == batch["attention_mask"].shape
    for row, ids, labels, mask in zip(rows, batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        answer = range(len(row.prompt), len(row))
        assert [i for i, label in enumerate(labels.tolist()) if label != IGNORED] == list(answer)
        assert labels[answer.start : answer.stop].tolist() == row.answer == ids[answer.start : answer.stop].tolist()
        assert mask.tolist() == [1] * len(row) + [0] * (len(mask) - len(row))
        assert row.answer[-len(chat.end) :] == chat.end


def test_answers_do_not_depend_on_the_batch(family: Loaded, images: list[Path]) -> None:
    """Greedy, in float32: prompts and images of unlike size, padded on the left, against one by one."""
    rows = [
        family.chat.encode(dialogue(str(i), image.name, "Where is it? " * (1 + i % 3)), image, with_answer=False)
        for i, image in enumerate(images)
    ]
    assert len({len(row) for row in rows}) > 2
    together = Engine(family).answer(rows, 6)
    assert together == [Engine(family).answer([row], 6)[0] for row in rows]
    assert len({text for text, _ in together}) > 1 or family.name in ("gemma3", "paligemma"), (
        "a model that always says the same"
    )


# ----------------------------------------------------------------------------------------------------------- box syntax


def test_a_models_own_declaration_goes_before_its_familys() -> None:
    declared = SimpleNamespace(model_type="qwen2_5_vl", unveil={"syntax": "bins-64", "hint": False})
    assert profile_of(declared) == Profile("bins-64", False)
    assert profile_of(SimpleNamespace(model_type="qwen2_5_vl")) == Profile("json-pixels", True)
    assert profile_of(declared, "unit") == Profile("unit", False), "what the user names goes before all"


def test_an_unknown_family_needs_a_syntax() -> None:
    stranger = SimpleNamespace(model_type="stranger")
    with pytest.raises(ModelError, match=r"'stranger'.*--box-format.*json-pixels.*unit-square"):
        profile_of(stranger)
    assert profile_of(stranger, "unit") == Profile("unit", True)


@pytest.mark.parametrize("own", [None, {"syntax": "polar", "hint": True}])
def test_an_unknown_syntax_is_refused_with_the_choices(own: dict | None) -> None:
    """Named by the user, or by a model that a later version has written."""
    config = SimpleNamespace(model_type="llava", unveil=own)
    with pytest.raises(ModelError, match=r"'polar' is not known: use one of json-pixels"):
        profile_of(config, None if own else "polar")


def test_qwens_frame_is_the_resized_image(images: list[Path]) -> None:
    """200 x 90 pixels go to multiples of 28: round(200 / 28) = 7 and round(90 / 28) = 3, hence 196 x 84 = 21 x 784.

    That is more than the 16 x 784 = 12544 pixels allowed: b = sqrt(200 x 90 / 12544) = 1.198, 200 / b = 166.96 and
    90 / b = 75.1 are cut to multiples of 28: 140 x 56. In that frame the right half of the image starts at 70.
    """
    chat = loaded("qwen2_5_vl").chat
    seen = chat.look(images[5])
    assert seen.view.frame == (140, 56)
    assert seen.tensors["image_grid_thw"].tolist() == [[1, 56 // 14, 140 // 14]]
    assert seen.view.write((100, 0, 200, 90)) == '{"bbox_2d": [70, 0, 140, 56]}'


def test_boxes_come_back_to_the_same_place(family: Loaded, images: list[Path]) -> None:
    """Written into a question for the model and read from an answer: within 1.5 steps of what the syntax can write."""
    for image, (width, height) in zip(images, SIZES, strict=True):
        view = family.chat.look(image).view
        assert view.size == (width, height)
        box = (0.2 * width, 0.25 * height, 0.7 * width, 0.8 * height)
        text = family.chat.question(f"What is here: {mark(box)}?", "recognition", view)
        read, malformed = view.read(text.partition("?")[0])
        assert malformed == 0 and len(read) == 1
        numbers = view.frame if view.syntax.grid is None else (view.syntax.grid / view.syntax.step,) * 2
        steps = [extent / n for extent, n in zip(view.canvas, numbers, strict=True)]
        assert all(abs(a - b) <= 1.5 * s for a, b, s in zip(box, read[0], steps * 2, strict=True))
        assert ious([box], read).item() > 0.85


def test_llava_sees_the_image_padded_to_a_square(images: list[Path]) -> None:
    """140 x 35 lies in the middle of 140 x 140, 52 pixels from the top: row 52 of 140 is 0.371, row 87 is 0.621."""
    chat = loaded("llava_clip").chat
    view = chat.look(images[2]).view
    assert view.write((0, 0, 140, 35)) == "[0.000, 0.371, 1.000, 0.621]"
    pixel_values = chat.look(images[2]).tensors["pixel_values"][0]
    top, middle = pixel_values[0, 5], pixel_values[0, 28]
    assert top.std() < 1e-6 < middle.std(), "the rows above the image are plain"


def test_pixels_need_a_processor_that_tells_the_size(tiny: Loaded, images: list[Path]) -> None:
    with pytest.raises(ModelError, match="LlavaProcessor does not tell the size of the resized image"):
        Chat(tiny.chat.processor, Profile("json-pixels")).look(images[0])


# ---------------------------------------------------------------------------------------------------------- load, parts


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


@pytest.mark.skipif(tf.utils.is_torchvision_available(), reason="torchvision is here, so nothing is missing")
def test_a_missing_torchvision_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?is)cannot be loaded.*torchvision"):
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
    assert len(found.chat.look(images[0]).block) == 16
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
        chat.show(np.zeros((60, 90, 3), np.uint8), "a.png")


def test_a_processor_without_memory_is_not_called_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat(loaded("llava_clip").chat.processor, loaded("llava_clip").chat.profile)
    short = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    monkeypatch.setattr(chat, "_show", mock.Mock(side_effect=short))
    with pytest.raises(RuntimeError) as told:
        chat.show(np.zeros((60, 90, 3), np.uint8), "a.png")
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
    projector = getattr(inner, "multi_modal_projector", None) or getattr(inner, "connector", None)
    projecting = [projector] if projector else [m for n, m in tower.named_children() if "merger" in n]
    in_projector = {id(p) for m in projecting for p in m.parameters()}
    in_projector |= {id(p) for n, p in inner.named_parameters() if n == "image_newline"}
    in_tower = {id(p) for p in tower.parameters()} - in_projector
    part_of = model_parts.parts_of(model)
    for parameter_name, p in model.named_parameters():
        expected = "projector" if id(p) in in_projector else "tower" if id(p) in in_tower else "language"
        assert part_of(parameter_name) == expected, parameter_name
    language = model_parts.linear_layers(model, ["language"])
    # 2 layers with q, k, v, o and gate, up, down
    assert len(language) == 2 * 7 and all("language_model" in n or "text_model" in n for n in language)
    assert not any("lm_head" in n for n in model_parts.linear_layers(model, ["language", "projector", "tower"]))


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "~/nowhere", "/nowhere/at/all"])
def test_a_name_that_looks_like_a_folder_is_one(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        models.located(name)


def test_a_file_and_an_empty_folder_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="no such folder"):
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
