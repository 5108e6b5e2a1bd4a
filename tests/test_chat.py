"""A model sees what its own processor would show it, says what it would say alone, and writes boxes as declared."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from tests.conftest import SIZES, dialogue, draw
from unveil.core import pixels
from unveil.core.box_formats import mark
from unveil.core.geometry import ious
from unveil.testing.models import loaded
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
    view = chat.cached_image(image).view
    if chat.box_format.square:
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
    monkeypatch.setattr(chat, "read_image", lambda image, read=chat.read_image: calls.append(image) or read(image))
    for question in QUESTIONS:
        chat.encode(dialogue("d", "0.png", question), images[0], with_answer=True)
    assert calls == [images[0]]


def test_images_are_forgotten_when_the_room_is_full(tiny: Loaded, images: list[Path]) -> None:
    """One image takes 3 x 56 x 56 x 4 B = 37,632 B: two fit into 0.08 MB, and what was seen last stays."""
    chat = Chat(tiny.chat.processor, tiny.chat.profile, cache_mb=1)
    chat._room = 80_000
    first, second = (chat.cached_image(images[i]) for i in (0, 1))
    assert chat.cached_image(images[0]) is first
    chat.cached_image(images[2])
    assert chat.cached_image(images[0]) is first
    assert chat.cached_image(images[1]) is not second


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
        Chat(Odd(), tiny.chat.profile).cached_image(images[0])


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

    LLaVA-1.5 and Idefics write a space between ``Assistant:`` and the answer; LLaVA-1.5 and GLM write no end, so that
    it is the tokenizer's.
    """
    chat = family.chat
    row = chat.encode(dialogue("d", "0.png", "X", "Yes. No."), images[0], with_answer=True)
    asked = {
        "role": "user",
        "content": [{"type": "image"}, {"type": "text", "text": chat.question("X", "detection", row.seen.view)}],
    }
    told = {"role": "assistant", "content": [{"type": "text", "text": "Yes. No."}]}
    whole = chat._rendered([asked, told]).rstrip()
    if family.name in ("llava_clip", "llava_mistral", "glm4v", "glm46v"):
        whole += chat.tokenizer.eos_token
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


# ----------------------------------------------------------------------------------------------------------- box format


def test_a_models_own_declaration_goes_before_its_familys() -> None:
    declared = SimpleNamespace(model_type="qwen2_5_vl", unveil={"box_format": "bins-64", "hint": False})
    assert profile_of(declared) == Profile("bins-64", False)
    assert profile_of(SimpleNamespace(model_type="qwen2_5_vl")) == Profile("json-pixels", True)
    assert profile_of(declared, "unit") == Profile("unit", False), "what the user names goes before all"


def test_an_unknown_family_needs_a_box_format() -> None:
    stranger = SimpleNamespace(model_type="stranger")
    with pytest.raises(ModelError, match=r"'stranger'.*--box-format.*json-pixels.*unit-square"):
        profile_of(stranger)
    assert profile_of(stranger, "unit") == Profile("unit", True)


@pytest.mark.parametrize("own", [None, {"box_format": "polar", "hint": True}])
def test_an_unknown_box_format_is_refused_with_the_choices(own: dict | None) -> None:
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
    seen = chat.cached_image(images[5])
    assert seen.view.frame == (140, 56)
    assert seen.tensors["image_grid_thw"].tolist() == [[1, 56 // 14, 140 // 14]]
    assert seen.view.write((100, 0, 200, 90)) == '{"bbox_2d": [70, 0, 140, 56]}'


def test_boxes_come_back_to_the_same_place(family: Loaded, images: list[Path]) -> None:
    """Written into a question for the model and read from an answer: within 1.5 steps of what the format can write."""
    for image, (width, height) in zip(images, SIZES, strict=True):
        view = family.chat.cached_image(image).view
        assert view.size == (width, height)
        box = (0.2 * width, 0.25 * height, 0.7 * width, 0.8 * height)
        text = family.chat.question(f"What is here: {mark(box)}?", "recognition", view)
        read, malformed = view.read(text.partition("?")[0])
        assert malformed == 0 and len(read) == 1
        numbers = view.frame if view.box_format.grid is None else (view.box_format.grid / view.box_format.step,) * 2
        steps = [extent / n for extent, n in zip(view.canvas, numbers, strict=True)]
        assert all(abs(a - b) <= 1.5 * s for a, b, s in zip(box, read[0], steps * 2, strict=True))
        assert ious([box], read).item() > 0.85


def test_llava_sees_the_image_padded_to_a_square(images: list[Path]) -> None:
    """140 x 35 lies in the middle of 140 x 140, 52 pixels from the top: row 52 of 140 is 0.371, row 87 is 0.621."""
    chat = loaded("llava_clip").chat
    view = chat.cached_image(images[2]).view
    assert view.write((0, 0, 140, 35)) == "[0.000, 0.371, 1.000, 0.621]"
    pixel_values = chat.cached_image(images[2]).tensors["pixel_values"][0]
    top, middle = pixel_values[0, 5], pixel_values[0, 28]
    assert top.std() < 1e-6 < middle.std(), "the rows above the image are plain"


def test_pixels_need_a_processor_that_tells_the_size(tiny: Loaded, images: list[Path]) -> None:
    with pytest.raises(ModelError, match="LlavaProcessor does not tell the size of the resized image"):
        Chat(tiny.chat.processor, Profile("json-pixels")).cached_image(images[0])
