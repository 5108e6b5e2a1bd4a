"""A reply of a chat completion that is heard while it is written, as server-sent events bring it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from unveil.core.untrusted import JsonError, parse_json, printable

Hear = Callable[[str], None]
#: What a message is made of.
PARTS = ("content", "reasoning_content", "reasoning", "refusal")


class BrokenOff(ValueError):
    """A reply that did not come to its end, or is none."""


def reply(client: Any, body: bytes, hear: Hear) -> dict[str, Any]:
    """The reply to a request that asks for a stream, put together: a chat completion with one choice.

    ``hear`` gets all of its text that has come so far. A server that does not stream is heard once. Raises
    ``BrokenOff`` for a stream that is none or has no end, and what ``client``, that of ``openai``, raises.
    """
    import openai

    came = dict.fromkeys(PARTS, "")
    end, usage = None, None
    with client.post(
        "/chat/completions", cast_to=object, content=body, stream=True, stream_cls=openai.Stream[Any]
    ) as chunks:
        if "event-stream" not in chunks.response.headers.get("content-type", ""):
            return _at_once(chunks.response, hear)
        try:
            for chunk in chunks:
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices") or ():
                    end = choice.get("finish_reason") or end
                    _add(came, choice.get("delta") or {}, hear)
        except openai.APIError as error:
            raise BrokenOff(str(error)) from error
        except (json.JSONDecodeError, AttributeError, TypeError) as error:
            raise BrokenOff(f"it is no stream of chat completions ({type(error).__name__})") from error
    if end is None:
        raise BrokenOff("the server ended it in the middle")
    return {"choices": [{"message": came, "finish_reason": end}], "usage": usage}


def _add(came: dict[str, str], delta: Mapping[str, Any], hear: Hear) -> None:
    for name in PARTS:
        more = delta.get(name) or ""
        if not isinstance(more, str):
            raise TypeError("its content is no text")
        came[name] += printable(more)
    if delta.get("content"):
        hear(came["content"])


def _at_once(response: Any, hear: Hear) -> dict[str, Any]:
    try:
        whole: dict[str, Any] = parse_json(response.read(), lenient=True)
        text = whole["choices"][0]["message"].get("content") or ""
        if not isinstance(text, str):
            raise TypeError("its content is no text")
    except (JsonError, LookupError, TypeError, AttributeError) as error:
        raise BrokenOff(f"it is no chat completion ({type(error).__name__})") from error
    hear(printable(text))
    return whole
