"""In which box dialect a model answers, by answers written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unveil.core.box_formats import BOX_FORMATS, View
from unveil.testing.models import fresh
from unveil.vlm import dialect_trial
from unveil.vlm.chat import Chat
from unveil.vlm.dialect_trial import LesionImage, Trial, beyond, tried
from unveil.vlm.features import Features
from unveil.vlm.generate import Rollout
from unveil.vlm.scorer import Scorer

PICTURE = LesionImage(np.zeros((100, 200, 3), np.uint8), "cyst", (20.0, 10.0, 60.0, 50.0))
VIEW = View(BOX_FORMATS["json-1000"], (200, 100), (200, 100))


def trial_of(*answers: str, cut: bool = False) -> Trial:
    return dialect_trial._trial("json-1000", [PICTURE] * len(answers), [(VIEW, text, cut) for text in answers])


def test_answers_are_counted_by_what_they_hold() -> None:
    """The box 20-60 x 10-50 of 200 x 100 is 100-300 x 100-500 in thousandths.

    1: right, IoU 1. 2: its left half, 800 of 1,600 pixels: 0.5. 3: right and a surplus box: 1 of 2. 4: 1,200 is no
    thousandth. 5: left and right exchanged. 6: words.
    """
    found = trial_of(
        '{"bbox_2d": [100, 100, 300, 500]}',
        '{"bbox_2d": [100, 100, 200, 500]}',
        '[{"bbox_2d": [100, 100, 300, 500]}, {"bbox_2d": [800, 100, 900, 500]}]',
        '{"bbox_2d": [100, 100, 1200, 500]}',
        '{"bbox_2d": [300, 100, 100, 500]}',
        "It lies on the left.",
    )
    assert found.ious == pytest.approx((1.0, 0.5, 0.5, 0.0, 0.0, 0.0))
    assert (found.readable, found.out_of_range, found.malformed, found.silent, found.cut) == (3, 1, 1, 1, 0)
    assert found.iou == pytest.approx(2 / 6) and found.example.startswith('{"bbox_2d"')
    interval = found.interval()  # of 6 pictures, the fewest that have one
    assert isinstance(interval, tuple) and 0 <= interval[0] < 2 / 6 < interval[1] <= 1


def test_few_pictures_have_no_interval() -> None:
    assert trial_of('{"bbox_2d": [100, 100, 300, 500]}', "No.").interval() == "fewer than 6 clusters"
    assert trial_of("No.", cut=True).cut == 1


def test_differences_are_paired() -> None:
    """1 better on each of 8 pictures: the exact interval of what always happens, from 2 * 0.025^(1/8) - 1 on."""
    gap, interval = beyond(Trial("unit", (1.0,) * 8), Trial("internvl", (0.0,) * 8))
    assert gap == 1 and interval == pytest.approx((0.2612, 1.0), abs=1e-4)


def scorer(name: str = "llava_clip") -> Scorer:
    one = fresh(name)
    return Scorer(one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 64, trained=()))


def test_a_model_that_speaks_one_dialect_whatever_it_is_asked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes shares of 0-1 of the image. In `unit` that is right; in `unit-square` the image of 200 x 100 is taken
    for the middle of a square, so that the box is read as 20-60 x -30-50, of which 0-50 is inside the image: 1,600 of
    2,000 pixels are right. JSON is not what it writes."""
    said = "[0.100, 0.100, 0.300, 0.500]"

    def answer(scorer: Any, rows: Any, *_: Any) -> list[Rollout]:
        ids = scorer.chat.tokenizer(said, add_special_tokens=False)["input_ids"]
        return [Rollout(i, ids, [0.0] * len(ids), False) for i, _ in enumerate(rows)]

    monkeypatch.setattr(dialect_trial, "rollout", answer)
    found = {one.box_format: one for one in tried(scorer(), [PICTURE] * 6, 8)}
    assert list(found) == list(BOX_FORMATS)
    assert found["unit"].ious == pytest.approx([1.0] * 6) and found["unit"].readable == 6
    assert found["unit-square"].ious == pytest.approx([0.8] * 6)
    assert not any(found["json-1000"].ious) and found["json-1000"].example == said
    assert max((one for one in found.values() if one.ious), key=lambda one: one.iou).box_format == "unit"


def test_formats_that_a_model_cannot_be_asked_in_are_told() -> None:
    """Whose tokens its vocabulary lacks, which need the size of a resized image, or thoughts without end."""
    left_out = {one.box_format: one.left_out for one in tried(scorer(), [PICTURE], 2)}
    assert left_out["loc-1024"] == "its vocabulary has no <loc0204>"
    assert left_out["json-pixels"] == "LlavaProcessor does not tell the size of the resized image"
    assert "thoughts of many tokens" in str(left_out["medgemma-1.5-thinking"]) and left_out["unit"] is None
    assert {one.box_format for one in tried(scorer("qwen2_5_vl"), [PICTURE], 2) if one.left_out is None} >= {
        "json-pixels"
    }


def test_what_a_model_is_told_is_what_it_is_asked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question holds an example of a box in its own format; a trained model is asked as it was trained."""
    prompts: dict[str, str] = {}
    real = dialect_trial._rows

    def rows(chat: Chat, name: str, *more: Any) -> Any:
        found = real(chat, name, *more)
        if not isinstance(found, str):
            prompts[name] = chat.decode(found[0].prompt)
        return found

    monkeypatch.setattr(dialect_trial, "_rows", rows)
    tried(scorer("llava_siglip"), [PICTURE], 1)
    assert '"bbox_2d": [' in prompts["json-1000"] and "<box>[[" in prompts["internvl"]
    assert "Where is the cyst?" in prompts["bins-64"] and "Answer" not in prompts["bins-64"]
