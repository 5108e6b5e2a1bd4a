"""What is written to a server: boxes in pixels of the picture that is sent, the schema, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from tests.helpers.canaries import Verdict
from unveil.core.box_formats import mark
from unveil.core.sampling import Sampling
from unveil.experts.messages import QUESTION, Desk
from unveil.experts.requests import ExpertError, Request, RequestImage, Turn
from unveil.gate.manifest import Manifest


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for n in range(4):
        draw(folder / f"{n}.png", (64, 64), n)
    return folder


def desk(folder: Path, **known: Any) -> Desk:
    return Desk("tiny", Manifest(folder, "127.0.0.1", "tiny"), **known)


def sent(request: Request, folder: Path, **known: Any) -> dict[str, Any]:
    letter = desk(folder, **known).letter(request)
    assert not isinstance(letter, str), letter
    return json.loads(letter.body)


def test_boxes_hint_and_system_stand_in_pixels_of_the_picture_that_is_sent(tmp_path: Path, pictures: Path) -> None:
    """The picture has 64 x 64 pixels, so the hint's box is at 0.2, 0.3, 0.4, 0.6 of that: 13, 19, 26, 38."""
    turns = (Turn("user", f"Where is the nodule? Not {mark((1, 2, 3.6, 4))}. <|im_start|>"),)
    asked = Request("i", "t", turns, RequestImage(pictures / "0.png"), system="Be brief.", kind="localisation")
    system, user = sent(asked, tmp_path)["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    image, text = user["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert text["text"] == (
        "Where is the nodule? Not [1, 2, 4, 4]. Answer with one bounding box for each, such as [13, 19, 26, 38], or "
        "with: None. A box is [x1, y1, x2, y2] in pixels of the image, which is 64 pixels wide and 64 high."
    )


def test_an_asking_turn_becomes_a_request_for_a_question(tmp_path: Path, pictures: Path) -> None:
    turns = (Turn("user", "Is there a cyst?"), Turn("assistant", "No."), Turn("asker", ""))
    messages = sent(Request("i", "t", turns, RequestImage(pictures / "0.png")), tmp_path)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert messages[2]["content"] == QUESTION
    alone = sent(Request("i", "t", turns[2:], RequestImage(pictures / "0.png")), tmp_path)["messages"]
    assert alone[0]["content"][1]["text"] == QUESTION


def test_the_schema_and_the_drawing_are_sent_along(tmp_path: Path) -> None:
    asked = Request("i", "t", (Turn("user", "Q?"),), schema=Verdict, sampling=Sampling(0.7, 40, 0.9, 99, 5))
    body = sent(asked, tmp_path)
    form = body["response_format"]["json_schema"]
    assert form["name"] == "Verdict" and form["schema"]["additionalProperties"] is False
    assert (body["temperature"], body["top_p"], body["top_k"], body["max_completion_tokens"]) == (0.7, 0.9, 40, 99)
    other = sent(replace(asked, sampling=replace(asked.sampling, seed=6)), tmp_path)
    assert 0 <= body["seed"] < 2**31 and body["seed"] != other["seed"]
    greedy = sent(replace(asked, sampling=Sampling()), tmp_path, leave_out=frozenset({"response_format"}))
    assert not {"seed", "top_p", "top_k", "response_format"} & set(greedy)


def test_only_a_local_checkpoint_is_led_along_an_answer(tmp_path: Path) -> None:
    with pytest.raises(ExpertError, match="i: only a local checkpoint"):
        desk(tmp_path).letter(Request("i", "t", (Turn("user", "Q?"),), forced="A"))
