"""The answers that a question lets choose from, as a model begins to write them: its options, or yes and no."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unveil.core.answers import yes_no, yes_or_no_alone
from unveil.core.chinese import IN_CHINESE
from unveil.core.choices import LETTERS, write_choice
from unveil.core.records import Dialogue

_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
#: How a question for yes or no begins in English, and what makes one for one of two things of it.
_ASKS = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might)\b(?!.*\bor\b)", re.I | re.S
)
_ASKS_IN_CHINESE = re.compile(r"吗\s*[？?]?\s*\Z|是否|是不是|有没有|有无")


@dataclass(frozen=True)
class Wording:
    """An answer as it is written, and how many of its first letters tell it from the other answers."""

    text: str
    decides: int


def _words(*words: str) -> tuple[Wording, ...]:
    return tuple(Wording(word, len(word.rstrip("."))) for word in words)


_IN_ENGLISH = _words("Yes", "Yes.", "yes"), _words("No", "No.", "no")
_CHINESE = (
    _words(*(word for word in IN_CHINESE if yes_no(word))),
    _words(*(word for word in IN_CHINESE if yes_no(word) is False)),
)


def asks_yes_or_no(dialogue: Dialogue) -> bool:
    """Whether a question is one for yes or no: by its kind, by its true answer, or by its words where it has none."""
    if dialogue.kind != "closed":
        return dialogue.kind == "detection"
    if dialogue.answer.strip():
        return yes_or_no_alone(dialogue.answer) is not None
    return bool(_ASKS.match(dialogue.question) or _ASKS_IN_CHINESE.search(dialogue.question))


def alternatives(dialogue: Dialogue) -> tuple[tuple[Wording, ...], ...]:
    """The answers that a question lets choose from, each in the ways in which it is written; nothing of another one.

    Of multiple choice it is the option's letter that decides. What is scored is the beginning of "B. pneumonia" up to
    that letter, not the text behind it: a long text, or one of rare words, would be the less likely for that alone.
    Yes and no are scored up to the word's end in the question's language, in capitals and small letters, and in Chinese
    as the several words that answers are read by (是 and 有, 否 and 没有). Nothing of this is taken from the true
    answer but that it is a yes or a no.
    """
    if dialogue.kind == "choice":
        options = range(len(dialogue.choices)) if len(dialogue.choices) <= len(LETTERS) else ()
        return tuple((Wording(write_choice(dialogue.choices, i), 1),) for i in options)
    if not asks_yes_or_no(dialogue):
        return ()
    chinese = dialogue.language == "zh" or (dialogue.language is None and _IDEOGRAPH.search(dialogue.question))
    return _CHINESE if chinese else _IN_ENGLISH
