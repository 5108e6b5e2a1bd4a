"""Multiple choice: options with letters before them, and which of them an answer chooses.

A question lists its options as lines "A. …"; the true answer is the letter with the text of its option, "B. pneumonia".
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence

from unveil.core.words import tokens

LETTERS = string.ascii_uppercase


def listed(question: str, choices: Sequence[str]) -> str:
    """A question with its options below it, each on a line of its own."""
    return "\n".join([question, *(write_choice(choices, i) for i in range(len(choices)))])


def write_choice(choices: Sequence[str], index: int) -> str:
    """The answer that chooses an option: its letter and its text."""
    return f"{LETTERS[index]}. {choices[index]}"


def index_of(choices: Sequence[str], answer: str) -> int | None:
    """Which of the options an answer is, word for word; None where it is none of them, or several."""
    same = [i for i, choice in enumerate(choices) if _words(choice) == _words(answer)]
    return same[0] if len(same) == 1 else None


def read_choice(text: str, choices: Sequence[str]) -> int | None:
    """The option that an answer chooses; None where it chooses none, or contradicts itself.

    It is read, in this order, from an option as ``write_choice`` has it; from an option's letter and text, or its text
    alone; from what is called the answer ("The answer is (B), since …"); and from letters that stand where an option's
    letter does ("B. …", "(B)", "option B"). Two letters, or a letter before the text of another option, are a
    contradiction.
    """
    written = {write_choice(choices, i): i for i, _ in enumerate(choices[: len(LETTERS)])}
    if text.strip() in written:
        return written[text.strip()]
    plain = _MARKS.sub("", unicodedata.normalize("NFKC", text)).strip()
    bare = _LEAD.sub("", plain, count=1)
    whole = {given for given in (_whole(part, choices) for part in {plain, bare}) if given is not None}
    if whole:
        return _only(whole, choices)
    called = {found[1] or found[2] for found in [*_CALLED.finditer(plain), *_CALLED_EAST.finditer(plain)]}
    said = called or set(_letters(plain))
    together = [set(found.groups()) for found in _TOGETHER.finditer(plain)]
    said = said.union(*(letters for letters in together if letters & said or not said))
    return _only({_at(letter) for letter in said}, choices)


_MARKS = re.compile(r"[*_`#$]|\\boxed|\\text|</?answer>")
#: A letter with what stands around it: brackets, a stop. An A or I before a word is no letter of an option.
_LETTER = r"[(\[{]?\s*(?:([B-HJ-Z])(?![\w'-])|([A-Za-z])(?=\s*(?:[)\]}.:,;]|$|\n)|\s+(?:because|since|as|due)\b))"
_LEAD = re.compile(
    r"\A(?:so\W+)?(?:the\s+|my\s+)?(?:correct\s+|right\s+|final\s+|best\s+)*answer(?:\s+is)?\s*:?\s*", re.I
)
_CALLED = re.compile(
    r"(?i:\b(?:answer|respuesta|choice|option|opci[oó]n)(?:\s+correcta)?\s*(?:is|es|would\s+be|:|=)+\s*:?\s*"
    r"(?:option\s+|choice\s+|la\s+|opci[oó]n\s+)*)" + _LETTER
)
_CALLED_EAST = re.compile(
    r"(?:答案|选项|选择|选)\s*(?:是|为|:)?\s*:?\s*" + _LETTER.replace(r"(?![\w'-])", r"(?![A-Za-z'-])")
)
_DENIED = r"(?!\s*\)?\s+(?:is|are|was)\s+(?:not|wrong|incorrect|false|unlikely|excluded|ruled)\b)"
_PLACED = re.compile(
    r"(?:^|\n)[ \t]*[(\[{]?([A-Z])\s*[)\]}.:](?!\w)"  # at the beginning of a line
    r"|(?:^|\n)[ \t]*[(\[{]?([a-z])\s*[)\]}.](?!\w)"
    r"|(?<!not )[(\[]([A-Z])[)\]]"
    r"|(?<!not )\b(?i:option|choice|opci[oó]n)\s+[(\[]?([A-Z])(?![\w'-])" + _DENIED
)
#: Two letters in one breath: "A or B", "A/B", "A, B".
_TOGETHER = re.compile(
    r"(?<![\w'-])([A-Z])[)\].]?\s*(?:\b(?i:or|and)\b|[/&]|,(?=\s*[(\[]?[A-Z]\s*(?:$|[.)\],\n]|(?:or|and)\b)))"
    r"\s*[(\[]?([A-Z])(?![\w'-])"
)


def likeliest(logps: Sequence[float]) -> list[int]:
    """The options that are the likeliest: one, or several that are equally likely, as logits in half precision are."""
    most = max(logps, default=0.0)
    return [i for i, logp in enumerate(logps) if logp == most]


def _letters(text: str) -> Iterable[str]:
    return (letter for found in _PLACED.findall(text) for letter in found if letter)


def _whole(text: str, choices: Sequence[str]) -> int | None:
    """The option that a text gives and nothing else: by its letter, by both, or by its text; -1 for two at once."""
    if found := re.fullmatch(r"\W*([A-Za-z])\W*", text):
        return _at(found[1])
    alone = index_of(choices, text)
    if found := re.match(r"[(\[{]?\s*([A-Za-z])(?![\w'])\s*[)\]}.:,]*[\s-]*(?=\S)", text):
        rest = text[found.end() :]
        same = {i for i, choice in enumerate(choices) if _words(choice) == _words(rest)}
        if same and alone is None:
            return _at(found[1]) if _at(found[1]) in same else -1
    return alone


def _at(letter: str) -> int:
    return LETTERS.index(letter.upper())


def _only(said: set[int], choices: Sequence[str]) -> int | None:
    """The only option that was said, if there is one and it is on the list."""
    index = next(iter(said)) if len(said) == 1 else -1
    return index if 0 <= index < len(choices) else None


def _words(text: str) -> list[str]:
    return tokens(text) or [text.strip().casefold()]
