"""What a model wrote around its answer: thoughts, a fence, prose before and after a JSON object.

Thoughts are taken off, whatever the reply is to be. Of JSON nothing is repaired: a reply must hold exactly one object,
and what stands around it may only be words.
"""

from __future__ import annotations

import json
import re
from typing import Any

from unveil.core import dialects, thoughts
from unveil.core.aligned import Aligned
from unveil.core.box_formats import View, neutral, neutral_json

_ANSWER = re.compile(r"\s*<answer>(.*)</answer>\s*", re.S | re.I)

#: Words of somebody who will not answer, in the first person, so that what is said of an image is none.
REFUSES = re.compile(
    r"\b(?:i(?:['’]m| am| must| have to)?|we)(?: \w+){0,2} ?"
    r"(?:can ?not|can['’]t|unable to|not able to|not (?:permitted|allowed|qualified) to|won['’]t|will not|decline)\b"
    r"[^.\n]{0,60}?\b(?:assist|help|comply|fulfil\w*|provide|offer|give|assess|evaluat\w+|analy[sz]\w+|interpret\w*|"
    r"examin\w+|diagnos\w+|view|process|score|rate|judge|answer|continue)\b|\bas an ai\b",
    re.I,
)
_SORRY = re.compile(r"\W*(?:(?:i['’]m|i am) )?(?:very |so )?(?:sorry|afraid|unable to|not able to)\b", re.I)


def answer(text: str) -> str:
    """A reply without its thoughts (``core.thoughts``); empty where it ends in them."""
    said = thoughts.without(Aligned.of(text)).text
    wrapped = _ANSWER.fullmatch(said)
    return (wrapped[1] if wrapped else said).strip()


def only_object(text: str) -> tuple[str, str, str]:
    """The one JSON object of a text, and what stands before and after it. Raises ``ValueError`` with the reason where
    there is none, or another one, or where it is broken; words of refusal before it, or without it, are called that."""
    found, at, decoder = [(0, 0)], 0, json.JSONDecoder(object_pairs_hook=_distinct, parse_int=str)
    while (start := text.find("{", at)) >= 0:
        try:
            _, at = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise ValueError(f"its JSON is broken: {error.msg}") from None
        except RecursionError:
            raise ValueError("its JSON is nested too deeply") from None
        found.append((start, at))
    (start, end), around = found[-1], text[: found[-1][0]] + text[found[-1][1] :]
    refused = text[:start] if len(found) == 2 else text if len(found) == 1 else ""
    if REFUSES.search(refused) or (len(found) == 1 and _SORRY.match(text)):
        raise ValueError("a refusal in words")
    if len(found) == 1:
        raise ValueError("there is no JSON object in it")
    if len(found) > 2:
        raise ValueError(f"there are {len(found) - 1} JSON objects in it, and one was asked for")
    if "}" in around:
        raise ValueError("its JSON is broken: a bracket too many")
    if text[:start].rstrip().endswith("["):
        raise ValueError("it is a list, and one JSON object was asked for")
    return text[:start], text[start:end], text[end:]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice in its JSON")
    return dict(pairs)


def with_boxes(text: str, view: View, as_json: bool) -> str:
    """A reply without its thoughts, a model's own boxes in neutral markup: in JSON, only inside of its strings.

    Of a model with a dialect, what is its answer is as there (``dialects.answer``).
    """
    if not as_json:
        said = dialects.answer_text(answer(text) or text, view.box_format)
        return neutral(said, view)
    try:
        before, held, after = only_object(answer(text))
    except ValueError:
        return text  # as it came, for who is asked again
    return before + neutral_json(held, view) + after
