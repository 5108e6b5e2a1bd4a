"""JSON that is read item by item says the same, and complains of the same, as JSON that is read whole."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from unveil.core.untrusted import JsonError, parse_json
from unveil.ingest import streamed
from unveil.ingest.streamed import Json

GOOD = [
    '{"images": [{"id": 1}, {"id": 2.5e3}], "annotations": [], "info": {"a": [1, {"b": null}]}}',
    ' {"a" : [ 12345 , -1 ,"x\\u00e9\\ud83d\\ude00 ]}" , true ] ,\n\n "b":17 } \n',
    '{"a": [NaN, Infinity, [[], {}]], "é": "日本"}',
    "[1, 22, [3]]",
    "{}",
    "[]",
    "1234567",
]
BAD = [
    "",
    "   ",
    "{",
    '{"a"',
    '{"a" 1}',
    '{"a": }',
    '{"a": 1',
    '{"a": 1}}',
    '{"a": [1, 2',
    '{"a": [1 2]}',
    '{"a":\n [1,\n  {"b": nul}, 3, 4, 5, 6, 7, 8, 9]}',
    '{"a": ["not closed, 1, 2, 3, 4, 5]}',
    '{"a": ["x\\q and more of it"]}',
    '{"a": [{"b": 1, "b": 2}]}',
    '{"a": [1], "b": 2, "a": 3}',
    '{"a": [' + "[" * 70 + "]" * 70 + "]}",
    '{"a": [' + "[" * 5000 + "]" * 5000 + "]}",
    '{"a": [' + "9" * 5000 + "]}",
    "{a: 1}",
    "nonsense",
]


def read(text: str) -> Any:
    found: dict[str | None, Any] = {}
    for member in Json(io.StringIO(text, newline="")).members():
        if member.items is None:
            found[member.name] = member.value
        else:
            items = list(member.items)
            assert [json.loads(item.text) for item in items] == [item.value for item in items] or "NaN" in text
            found[member.name] = [item.value for item in items]
    return found.get(None, found)


@pytest.mark.parametrize("part", [1, 3, 10, 2**18])
def test_reads_as_the_whole_text_does(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the parts of the text end."""
    monkeypatch.setattr(streamed, "PART", part)
    for text in GOOD:
        assert repr(read(text)) == repr(parse_json(text, lenient=True))
    for text in BAD:
        with pytest.raises(JsonError) as whole:
            parse_json(text, lenient=True)
        with pytest.raises(JsonError) as streaming:
            read(text)
        assert str(streaming.value) == str(whole.value), text


def test_an_item_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "PART", 4)
    monkeypatch.setattr(streamed, "MAX_ITEM", 200)
    assert read(json.dumps({"a": ["x" * 150] * 10})) == {"a": ["x" * 150] * 10}
    with pytest.raises(JsonError, match="a value of more than 200 characters, from character 7 on"):
        read(json.dumps({"a": ["x" * 1000]}))
    with pytest.raises(JsonError, match="line 1 column 8 "):  # a fault is told, however long what follows
        read('{"a": [nul, ' + "1, " * 1000 + "1]}")
