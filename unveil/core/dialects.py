"""Dialects: what a model was taught beside a way to write boxes, and how its answers are heard.

A dialect goes by the name of its box format, so that whatever names the one, as predictions and trained models do,
names the other. Most models have none of their own. MedGemma 1.5 (arXiv 2604.05081) sees the image padded with black to
a square, may think before it answers, marks where its answer begins (``Final Answer:``) and gives boxes with their
names as one list of JSON in a fence. What an answer in a dialect says stands there alone: neither thoughts nor words
before it or around its list are scored or rewarded. ``said`` writes such answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from unveil.core import thoughts
from unveil.core.aligned import Aligned, composed, joined
from unveil.core.box_formats import BoxFormat, View
from unveil.core.grounding import without_empty
from unveil.core.records import WITH_BOXES, Kind
from unveil.core.wordings import HINTS


@dataclass(frozen=True)
class Dialect:
    """What a model was taught beside a way to write boxes. The defaults are of one that has no dialect."""

    hints: Mapping[Kind, str]
    """What it is told of an answer's form; ``{box}`` is an example of a box."""
    black: bool = False
    """Whether an image is made a square with black around it, not with grey, where boxes refer to one."""
    system: str = ""
    """What it is told before all else."""
    final: bool = False
    """Whether it may think first, marks its answer, and lists boxes with their names."""
    thinks: tuple[str, str] = ("", "")
    """The tokens between which it thinks (``thoughts`` knows them)."""

    def hint(self, kind: Kind, view: View) -> str:
        """What is told of the form of an answer to a question of this kind."""
        width, height = view.size
        example = view.write((0.2 * width, 0.3 * height, 0.4 * width, 0.6 * height))
        return self.hints[kind].replace("{box}", example[:-1] + ', "label": "its name"}' if self.final else example)


_LIST = (
    'End with "Final Answer: X", where X is a JSON list of objects such as {box}. '
    "A box is [y0, x0, y1, x1]: its upper left and its lower right corner, in whole numbers from 0 to 1000. "
)
_PLAIN = Dialect(HINTS)
_MEDGEMMA = Dialect(
    HINTS
    | {
        "localisation": f"{_LIST}Give one object for each, or an empty list if there is none.",
        "grounding": f"{_LIST}Give one object for each place.",
        "diagnosis": f"{_LIST}Give one object for each abnormality, or an empty list if nothing is abnormal.",
    },
    black=True,
    final=True,
    thinks=("<unused94>", "<unused95>"),
)
#: By the name of a box format.
_DIALECTS = {
    "medgemma-1.5": _MEDGEMMA,
    "medgemma-1.5-thinking": replace(_MEDGEMMA, system="SYSTEM INSTRUCTION: think silently if needed."),
}


def told() -> list[str]:
    """All that models are told of the form of answers."""
    return [text for one in (_PLAIN, *_DIALECTS.values()) for text in (*one.hints.values(), one.system)]


def dialect_of(box_format: BoxFormat) -> Dialect:
    """The dialect of models that write boxes so."""
    return _DIALECTS.get(box_format.name, _PLAIN)


_FINAL = re.compile(
    r"(?<!\w)final\s+answer[*_ \t]*:[*_]*|^[#*_ \t]*final[ \t]+answer[*_ \t]*$",
    re.I | re.M,
)
_FENCE = re.compile(r"```[ \t]*\w*+(.*?)(?:```|\Z)", re.S)


def answer(text: Aligned, box_format: BoxFormat) -> Aligned:
    """What of a reply is its answer: no thoughts, and what stands behind the last sign that the answer begins."""
    if not dialect_of(box_format).final:
        return text
    said = thoughts.without(text)
    marks = list(_FINAL.finditer(said.text))
    return said.part(marks[-1].end(), len(said.text)) if marks else said


def answer_text(text: str, box_format: BoxFormat) -> str:
    """The same of a text, stripped; a text of a model without a dialect as it is."""
    return answer(Aligned.of(text), box_format).text.strip() if dialect_of(box_format).final else text


def heard(text: str, kind: Kind, box_format: BoxFormat) -> Aligned:
    """What of a reply to a question of this kind is read: of an answer that gives places in fences, these alone."""
    said = answer(composed(text), box_format)
    if dialect_of(box_format).final and kind in WITH_BOXES:
        fences = [said.part(*fence.span(1)) for fence in _FENCE.finditer(said.text) if re.search(r"[\[{]", fence[1])]
        said = joined("\n", fences) if fences else said
    return without_empty(said)
