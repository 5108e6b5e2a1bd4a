"""The words of an answer, by which answers of free form are compared."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

# In this order: a number with its decimal point; a word; a sign that changes the meaning ("< 3 cm", "HER2-", "-3").
_TOKEN = re.compile(r"\d+(?:\.\d+)*|\.\d+|[^\W\d_]\w*|[%<>≤≥±+]|(?<!\w)-(?=\d)|(?<=\w)-(?!\w)")
_IDEOGRAPH = re.compile(r"([\u3400-\u9fff])")


def tokens(text: str) -> list[str]:
    """The words and numbers of an answer for comparison: folded case, no punctuation, "3.5cm" as "3.5 cm".

    Number words are not turned into numbers, articles are kept, and a Chinese character is a word.
    """
    return list(_tokens_again(text)) if len(text) <= SHORT else _tokens(text)


#: Characters of a text that is likely to come again: a true answer, an option, "Yes.".
SHORT = 200


@lru_cache(maxsize=1 << 14)
def _tokens_again(text: str) -> tuple[str, ...]:
    return tuple(_tokens(text))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(_IDEOGRAPH.sub(r" \1 ", unicodedata.normalize("NFKC", text).casefold()))


class Overlap(NamedTuple):
    """Shares of tokens that prediction and reference have in common, each counted as often as both hold it."""

    precision: float
    recall: float
    f1: float


def overlap(predicted: str, reference: str) -> Overlap:
    """Token precision, recall and their harmonic mean; all 0 if nothing is shared or a side is empty."""
    return (
        _overlap_again(predicted, reference)
        if len(predicted) + len(reference) <= SHORT
        else _overlap(predicted, reference)
    )


@lru_cache(maxsize=1 << 14)
def _overlap_again(predicted: str, reference: str) -> Overlap:
    return _overlap(predicted, reference)


def _overlap(predicted: str, reference: str) -> Overlap:
    p, r = Counter(tokens(predicted)), Counter(tokens(reference))
    shared = (p & r).total()
    if not shared:
        return Overlap(0.0, 0.0, 0.0)
    return Overlap(shared / p.total(), shared / r.total(), 2 * shared / (p.total() + r.total()))


def holds(text: str, part: str) -> bool:
    """Whether all words of ``part`` stand in ``text``, side by side and in order."""
    words, wanted = tokens(text), tokens(part)
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1))
