"""The answers that a question lets choose from, and how a model begins to write them."""

from __future__ import annotations

import pytest

from tests.helpers.outcomes import dialogue
from unveil.core.alternatives import Wording, alternatives, asks_yes_or_no


def texts(*args, **more) -> list[list[str]]:
    return [[way.text[: way.decides] for way in ways] for ways in alternatives(dialogue(*args, **more))]


def test_an_option_is_told_by_its_letter():
    asked = dialogue("choice", "B. cyst", choices=("mass", "cyst"))
    assert alternatives(asked) == ((Wording("A. mass", 1),), (Wording("B. cyst", 1),))
    assert alternatives(dialogue("choice", "A. 0", choices=tuple(map(str, range(27))))) == ()  # more than letters


@pytest.mark.parametrize("answer", ["yes", "No.", ""])
def test_yes_and_no_do_not_depend_on_which_is_true(answer):
    found = texts("closed", answer, language="en") if answer else texts("detection")
    assert found == [["Yes", "Yes", "yes"], ["No", "No", "no"]]


@pytest.mark.parametrize("answer", ["有", "没有", "是", "否", "yes"])
def test_chinese_questions_are_answered_in_chinese(answer):
    yes, no = texts("closed", answer, language="zh")
    assert yes == ["是", "是的", "对", "有"] and no == ["否", "不是", "不是的", "不", "不对", "错", "没有", "没", "无"]


def test_what_is_no_question_for_yes_or_no_has_none():
    assert not any(map(texts, ("open", "recognition", "diagnosis", "localisation", "grounding")))
    assert texts("closed", "Left") == []


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Is there a nodule?", True),
        ("Are the lungs normal?", True),
        ("Is it left or right?", False),
        ("Which side?", False),
        ("这是胸片吗？", True),
        ("是否有积液？", True),
        ("这是什么？", False),
    ],
)
def test_without_a_true_answer_the_words_tell(question, asks):
    """A question whose answer is not known may still be asked."""
    from dataclasses import replace

    assert asks_yes_or_no(replace(dialogue("closed"), question=question)) is asks
