"""What models write around their answers: the answer is read wherever it is clear, and nothing is guessed where not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field

from unveil.core.box_formats import BOX_FORMATS, PIXELS, View, mark
from unveil.core.sampling import Sampling
from unveil.experts.expert import read
from unveil.experts.parsing import answer, only_object, with_boxes
from unveil.experts.requests import Raw, Request, Strict, Turn


class Score(Strict):
    """What is asked for."""

    score: float = Field(ge=0, le=1)


GOOD = '{"score": 0.5}'
DRAFT = '{"score": 0.9}'
ASKED = Request("i", "t", (Turn("user", "Q?"),), schema=Score, sampling=Sampling(max_tokens=9))
THOUGHTS = "it ends in its thoughts, without an answer"


def why(text: str, **more: Any) -> str | None:
    value, error = read(Raw(text, **more), ASKED)
    assert (value is None) == (error is not None) and (value is None or value.score == 0.5)
    return error


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f" \n{GOOD}\n",
        '{\n  "score": 5e-1\n}',
        f"<think>\nThe answer names a nodule.\n</think>\n\n{GOOD}",
        f"<think>\n\n</think>\n\n{GOOD}",
        f"<think></think>{GOOD}",
        f"<think>Perhaps {DRAFT}? No.</think>\n```json\n{GOOD}\n```",
        f"Perhaps {DRAFT}? No.\n</think>\n{GOOD}",  # the chat template opens the thoughts
        f"<think>one</think><think>two</think>{GOOD}",
        f"<think>a <think>nested</think> thought</think>{GOOD}",
        f"{GOOD}\n<think>That was easy.</think>",
        f"<THINK>\n{DRAFT}</THINK>\n{GOOD}",
        f"<thinking>{DRAFT}</thinking>{GOOD}",
        f"<reasoning>{DRAFT}</reasoning> <answer>{GOOD}</answer>",
        f"[THINK]{DRAFT}[/THINK]{GOOD}",
        f"◁think▷{DRAFT}◁/think▷{GOOD}",
        f"<seed:think>{DRAFT}</seed:think>{GOOD}",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>{GOOD}<|END_RESPONSE|>",
        f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>{GOOD}",
        f"<unused94>thought\n{DRAFT}<unused95>{GOOD}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}",
        f"```json\n{GOOD}\n```",
        f"```json {GOOD} ```",
        f"```JSON\n{GOOD}\n```",
        f"```json\n{GOOD}```",
        f"```{GOOD}```",
        f"```\n{GOOD}\n```\n",
        f"```\r\n{GOOD}\r\n```",
        f"~~~json\n{GOOD}\n~~~",
        f"````json5\n{GOOD}\n````",
        f"Sure! {GOOD}",
        f"Here is my score:\n\n```json\n{GOOD}\n```\n\nI hope this helps.",
        f"The 5\" lesion at [10, 20, 30, 40] is named.\n{GOOD}\nNote: it isn't sure.",
        f"I'm sorry for the mistake. {GOOD}",
        f"{GOOD} I cannot provide medical advice.",
        f"{GOOD} <think>Not {DRAFT}?</think>",
        f"I cannot see a nodule in it, so: {GOOD}",
        f"\ufeff{GOOD}",
    ],
)  # fmt: skip
def test_one_clear_answer_is_read(text: str) -> None:
    assert why(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty reply"),
        ("<think></think>", THOUGHTS),
        (f"<think>Perhaps {GOOD}", THOUGHTS),
        (f"<think>one</think><think>Perhaps {GOOD}", THOUGHTS),
        (f"[THINK] {GOOD}", THOUGHTS),
        (f"{GOOD} {GOOD}", "there are 2 JSON objects in it, and one was asked for"),
        (f"First {DRAFT}, then {GOOD}.", "there are 2 JSON objects in it, and one was asked for"),
        (f"[{GOOD}]", "it is a list, and one JSON object was asked for"),
        (f"```json\n[\n{GOOD}]\n```", "it is a list, and one JSON object was asked for"),
        (f"{GOOD}}}", "its JSON is broken: a bracket too many"),
        (f'{{"first": {GOOD}', "its JSON is broken: Expecting ',' delimiter"),
        (f"{{a draft}} {GOOD}", "its JSON is broken: Expecting property name enclosed in double quotes"),
        ("{'score': 0.5}", "its JSON is broken: Expecting property name enclosed in double quotes"),
        ('{"score": 0.5', "its JSON is broken: Expecting ',' delimiter"),
        (json.dumps(GOOD), "its JSON is broken: Expecting property name enclosed in double quotes"),
        ('{"score": 0.9, "score": 0.5}', "a name stands twice in its JSON"),
        ('{"a":' * 100_000, "its JSON is nested too deeply"),
        ("<think>" * 100_000 + GOOD, THOUGHTS),  # within seconds
        (f'{{"x": {GOOD}}}', "not the form that was asked for: score: Field required"),
        ("0.5", "there is no JSON object in it"),
        ("The score is one half.", "there is no JSON object in it"),
        ("I cannot assist with medical images.", "a refusal in words"),
        ("I’m sorry, but I can’t help with that.", "a refusal in words"),
        ("Sorry, this goes too far.", "a refusal in words"),
        ("As an AI language model, I have no eyes.", "a refusal in words"),
        ("I am not able to provide a diagnosis. Ask a doctor.", "a refusal in words"),
        ("I must decline to score this.", "a refusal in words"),
        (f"I'm unable to evaluate this image. {GOOD}", "a refusal in words"),
        (f"<think>Not allowed.</think>I can't assess this: {GOOD}", "a refusal in words"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_no_answer(text: str, reason: str) -> None:
    assert why(text) == reason


def test_thousands_of_digits_are_not_the_form() -> None:
    assert str(why('{"score": ' + "1" * 5000 + "}")).startswith("not the form that was asked for: ")


def test_a_reply_that_was_cut_says_what_allows_more() -> None:
    """In its thoughts or later: JSON that happens to be whole may go on."""
    told = "cut at 9 tokens; --thinking-tokens allows more"
    assert why(GOOD, cut=True) == why("<think>Perhaps", cut=True) == why("", cut=True) == told
    plain = Request("i", "t", (Turn("user", "Q?"),), sampling=Sampling(max_tokens=9))
    assert read(Raw("<think>Perhaps", cut=True), plain) == (None, told)
    assert read(Raw("<think>so</think>Yes, a", cut=True), plain) == ("Yes, a", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", "Yes."),
        ("<think>no?</think>\n\nYes.\n", "Yes."),
        ("<think>no?</think><answer> Yes. </answer>", "Yes."),
        ("It is smaller than <5 mm.", "It is smaller than <5 mm."),
        ("I think it is a cyst.", "I think it is a cyst."),
        ('{"reason":"the text has <think> in it","score":3}', '{"reason":"the text has <think> in it","score":3}'),
        ('<think>{}</think>{"a": "<think>b</think>"}', '{"a": "<think>b</think>"}'),
        ("I'm sorry, I cannot help.", "I'm sorry, I cannot help."),  # of a model that is asked for words it is one
    ],
)
def test_thoughts_are_no_part_of_a_text(text: str, expected: str) -> None:
    assert answer(text) == expected
    assert read(Raw(text), Request("i", "t", (Turn("user", "Q?"),))) == (expected, None)


def test_boxes_are_read_in_the_answer_alone() -> None:
    """A quotation mark or a list in thoughts or prose does not shift what is a string of the JSON."""
    view, box = View(PIXELS, (100, 100), (100, 100)), mark((1, 2, 3, 4))
    held = json.dumps({"text": f"at {box}", "list": [5, 6, 7, 8]})
    said = json.dumps({"text": "at [1, 2, 3, 4]", "list": [5, 6, 7, 8]})
    for before in ("", '<think>5" at [9, 9, 10, 10]</think>', 'A 5" cyst at [9, 9, 10, 10]: '):
        assert json.loads(only_object(with_boxes(before + said, view, as_json=True))[1]) == json.loads(held)
    assert with_boxes("<think>[9, 9, 10, 10]</think>[1, 2, 3, 4]", view, as_json=False) == box
    assert with_boxes("<think>At [9, 9", view, as_json=False) == "<think>At [9, 9"


def test_of_a_dialect_the_answer_alone_is_kept() -> None:
    """What it learns from itself is what it answered, not how it came to it; [y0, x0, y1, x1] of 1000 on 100 pixels."""
    said = '[{"box_2d": [100, 200, 300, 400], "label": "cyst"}]'
    text = f"<unused94>At [1, 2, 3, 4]?<unused95>I see one.\nFinal Answer:\n```json\n{said}\n```"
    kept = with_boxes(text, View(BOX_FORMATS["medgemma-1.5"], (100, 100), (100, 100)), as_json=False)
    assert kept == f'```json\n[{{"box_2d": {mark((20, 10, 40, 30))}, "label": "cyst"}}]\n```'
