"""Which letters each generated id writes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of ids, special tokens and all."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The part of the text that each generated id adds."""
    words = tokenizer.convert_ids_to_tokens(list(ids))
    plain = [
        _ASCII.sub(_letter, word.replace("\u0120", " ").replace("\u2581", " ").replace("\u010a", "\n"))
        for word in words
    ]
    if "".join(plain).strip() == decoded(tokenizer, ids).strip():
        return plain
    # a letter belongs to the id that completes it; what is not complete yet is decoded as the sign for that
    whole = [decoded(tokenizer, ids[: i + 1]).rstrip("\ufffd") for i in range(len(ids))]
    return [now[len(before) :] for before, now in itertools.pairwise(["", *whole])]


def spans(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text of generated ids, and from where to where in it each id reaches."""
    parts = pieces(tokenizer, ids)
    ends = list(itertools.accumulate(map(len, parts), initial=0))
    return "".join(parts), list(itertools.pairwise(ends))


def touching(tokens: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """The places of the tokens that have a letter of one of the spans, given where each token reaches."""
    return [t for t, (a, b) in enumerate(tokens) if any(a < y and x < b for x, y in spans)]


_ASCII = re.compile(r"<0x([0-7][0-9A-F])>")


def _letter(byte: re.Match[str]) -> str:
    """The letter that a token for a byte of ASCII stands for."""
    return chr(int(byte[1], 16))


def first_at(part: list[int], whole: list[int]) -> int | None:
    """Where ``part`` first stands in ``whole``."""
    size = len(part)
    return next((i for i, token in enumerate(whole) if token == part[0] and whole[i : i + size] == part), None)
