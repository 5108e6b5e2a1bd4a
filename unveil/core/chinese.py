"""Chinese answers to a question for yes or no: by a word of their own, or by the question's words again.

Chinese puts no spaces between words, so nothing is looked for within a sentence. An answer says yes or no only where it
is, as a whole, the thing that the question asks for with a word for that it is there or is not (未见骨折 to 有骨折吗?),
or the property that the question asks for, with or without 不 (不健康 to 肺部健康吗?). A hedge (可能有骨折), another
thing and a second clause leave it unread, and so does a question that denies something itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Answers, each with the contrary; that of a yes does not hold it.
_AFFIRMATIONS = {"是": "否", "是的": "否", "对": "错", "有": "无"}
_DENIALS = {"是": "否 不是 不是的 不", "对": "不对 错", "有": "没有 没 无"}
IN_CHINESE = _AFFIRMATIONS | {no: yes for yes, several in _DENIALS.items() for no in several.split()}

_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
_END = r"[\s?？。.!！]*\Z"
_THERE = r"(?:有|存在|包含|可见|看到|看见|发现|显示)"
#: 图中有骨折吗, 图中是否有骨折, 有没有骨折, 有无骨折: what is asked for is what follows the last word for "there is".
_ASKS_FOR_A_THING = (
    re.compile(rf".*(?P<word>{_THERE})(?P<thing>.+?)(?:吗|么){_END}"),
    re.compile(rf".*(?:是否|能否)(?:能|可以)?(?P<word>{_THERE})(?P<thing>.+?){_END}"),
    re.compile(rf".*(?P<word>有)(?:没有|无)(?P<thing>.+?){_END}"),
)
#: What is asked of a thing: these words mean the same with nothing before them.
_PROPERTIES = "正常 异常 健康 对称 清晰 完整 增大 扩大 肿大 恶性 良性 急性 慢性"
_PROPERTY = rf"(?P<property>{'|'.join(_PROPERTIES.split())})的?"
_ASKS_WHETHER = re.compile(rf".*{_PROPERTY}(?:吗|么){_END}"), re.compile(rf".*是否(?:是|为)?{_PROPERTY}{_END}")
#: 是否, 有没有 and the like ask; these deny.
_DENIES = re.compile(r"[不没无未非否]")
_ASKING = re.compile(r"是否|能否|是不是|有没有|有无")
_PICTURE = r"(?:(?:该|此|本|这张)?(?:图像|图片|影像|图|片|照片|扫描)(?:中|上|里|内)?(?:显示)?)?"
_NONE = r"(?:未见到?(?:明显)?|未发现|未显示|没有(?:看到|看见|发现|显示)?|没见到|看不到|不存在|不包含|无(?:明显)?)"
_SAID = re.compile(rf"{_PICTURE}(?:(?P<no>{_NONE})|(?P<yes>可以看到|{_THERE}))(?P<thing>.*?){_END}")


def said_first(text: str) -> bool | None:
    """Yes or no, of an answer that begins with one of the words for it: 是的，有积液。"""
    first = re.split(r"[\s，,。.；;！!]", text.strip(), maxsplit=1)[0]
    return first in _AFFIRMATIONS if first in IN_CHINESE else None


@lru_cache(maxsize=1 << 12)
def said_again(question: str, text: str) -> bool | None:
    """Yes or no, of an answer that says what the question asks for again; None of any other."""
    asked, answer = question.strip(), re.sub(rf"{_END}", "", text.strip())
    if not _IDEOGRAPH.search(answer) or _DENIES.search(_ASKING.sub("", asked)):
        return None
    if found := next(filter(None, (pattern.fullmatch(asked) for pattern in _ASKS_FOR_A_THING)), None):
        said = _SAID.fullmatch(answer)
        alone = answer in (found["word"], f"不{found['word']}")  # 不存在
        return said["no"] is None if said and (alone or said["thing"] == found["thing"]) else None
    if whether := next(filter(None, (pattern.fullmatch(asked) for pattern in _ASKS_WHETHER)), None):
        return {whether["property"]: True, f"不{whether['property']}": False}.get(answer)
    return None
