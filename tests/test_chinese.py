"""Chinese answers to questions for yes or no: the question's words again are read, whatever else is said is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.outcomes import dialogue, outcome, record
from unveil.core.answers import says_yes

FRACTURE = ("图像中有骨折吗？", "图中是否有骨折？", "有没有骨折", "有无骨折？")


@pytest.mark.parametrize("question", FRACTURE)
@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("未见骨折", False),
        ("未见骨折。", False),
        ("没有骨折", False),
        ("无骨折", False),
        ("图中未见明显骨折。", False),
        ("没有", False),
        ("否，未见骨折", False),
        ("有骨折", True),
        ("图像中可见骨折。", True),
        ("有", True),
        ("可能有骨折", None),
        ("无法判断是否有骨折", None),
        ("未见积液", None),
        ("有陈旧性骨折", None),
        ("未见骨折，可见积液", None),
        ("骨折线不清", None),
        ("正常", None),
    ],
)
def test_whether_something_is_there(question: str, answer: str, yes: bool | None) -> None:
    """A hedge, another thing, a narrower one and a second clause are no answer; 正常 may speak of anything."""
    assert says_yes(question, answer, ["骨折"]) is yes


@pytest.mark.parametrize(
    ("question", "answer", "yes"),
    [
        ("图像中存在肿块吗？", "存在", True),
        ("图像中存在肿块吗？", "不存在", False),
        ("图像中存在肿块吗？", "包含", None),
        ("图像中包含肝脏吗？", "不包含", False),
        ("图像中有异常发现吗？", "未见异常发现", False),
        ("肺部健康吗？", "健康", True),
        ("肺部健康吗？", "不健康。", False),
        ("肺部是否正常？", "不正常", False),
        ("图像是否异常？", "正常", None),
        ("图像是否异常？", "异常", True),
        ("肺部不健康吗？", "不健康", None),
        ("图像中没有骨折吗？", "没有骨折", None),
        ("有骨折和积液吗？", "有积液", None),
        ("哪里有骨折？", "未见骨折", None),
        ("Is there a fracture?", "未见骨折", None),
    ],
)
def test_the_questions_own_word_again(question: str, answer: str, yes: bool | None) -> None:
    """A question that denies is read by 是 and 否 alone, and 正常 is no answer to whether something is abnormal."""
    assert says_yes(question, answer) is yes


def test_a_closed_question_is_graded_by_it() -> None:
    asked = replace(dialogue("closed", "否"), question="图像中有骨折吗？")
    said = [outcome(record(), asked, text) for text in ("未见骨折", "可见骨折", "疑似骨折")]
    assert [(o.right, o.status) for o in said] == [(True, "ok"), (False, "ok"), (False, "unparsable")]
