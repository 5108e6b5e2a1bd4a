"""A judge of answers while a model learns: how relevant is what it says (UMed-LVLM's r^LLM, arXiv 2501.01377)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from unveil.core.grading import Case
from unveil.core.records import image_path
from unveil.experts.expert import Expert
from unveil.experts.requests import Request, RequestImage, Strict, Turn, prompt
from unveil.gate.delimiters import quoted
from unveil.gate.said import fill

ASK = """Question about this medical image:
{question}
The reference, from the annotations of the image:
{truth}
An answer:
{answer}
How relevant is the answer, from 0 to 1? 1: it says all that the reference says about what was asked, and nothing that \
contradicts it. 0: it has nothing to do with the question, or all of it is wrong. Judge what is named, not where boxes \
lie. Reply with "score"."""


def scores(expert: Expert, cases: Sequence[Case], dialogues: Path) -> list[float | None]:
    """A relevance from 0 to 1 for each answer, None for one that the judge gave no usable reply to.

    Equal answers to one question are asked about once.
    """
    asked: dict[str, Request] = {}
    names = []
    for case in cases:
        name = f"{case.dialogue.id}/{case.text}"
        names.append(name)
        asked.setdefault(name, _request(case, name, dialogues))
    found = {reply.id: reply.value.score for reply in expert.answer(asked.values()) if reply.error is None}
    return [found.get(name) for name in names]


def _request(case: Case, name: str, dialogues: Path) -> Request:
    dialogue = case.dialogue
    text = fill(ASK, question=quoted(dialogue.question), truth=quoted(dialogue.answer), answer=quoted(case.text))
    return Request(
        id=name,
        task="judge",
        **prompt(Turn("user", text)),
        picture=RequestImage(image_path(dialogue, dialogues)),
        schema=Score,
        record=case.record,
    )


class Score(Strict):
    """A relevance from 0 to 1."""

    score: float = Field(ge=0, le=1)
