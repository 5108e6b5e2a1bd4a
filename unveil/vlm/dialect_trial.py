"""Which box dialect a model answers in, seen from its answers: it is asked for the same boxes in each.

A checkpoint's name, or its family's row, declares how it writes boxes; what it was tuned on may have taught it another
way. So it is told the form of each box format in turn, and what it answers is read in that form only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unveil.core import bootstrap, console, pixels
from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, View, written
from unveil.core.dialects import dialect_of, heard
from unveil.core.geometry import Box, mean_iou
from unveil.core.records import Dialogue
from unveil.core.sampling import Sampling
from unveil.core.wordings import QUESTIONS
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError
from unveil.vlm.generate import drawn_from, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer

AT_ONCE = 64
"""Questions that are answered together."""


@dataclass(frozen=True)
class LesionImage:
    """An image with one abnormality: its pixels (height, width, 3), what it is called and where it lies, in pixels."""

    pixels: NDArray[np.uint8]
    label: str
    box: Box


@dataclass(frozen=True)
class Trial:
    """What was answered in one box format, one answer for each picture."""

    box_format: str
    ious: tuple[float, ...] = ()
    """Of each answer (``geometry.mean_iou``): 0 where it gives no box that can be read."""
    readable: int = 0
    """Answers with a box."""
    out_of_range: int = 0
    """Boxes with a number that the format does not have."""
    malformed: int = 0
    """Boxes that cannot be for another reason: inverted, cut, of three numbers."""
    silent: int = 0
    """Answers without any box, not even a malformed one."""
    cut: int = 0
    """Answers that were cut at the length limit."""
    example: str = ""
    """The first answer, as the model wrote it."""
    left_out: str | None = None
    """Why the model was not asked in this format."""

    @property
    def iou(self) -> float:
        return float(np.mean(self.ious))

    def interval(self) -> tuple[float, float] | str:
        """The 95 % interval of the mean IoU, each picture being of another patient; or why there is none."""
        return _interval(self.ious, 0.0)


def _interval(values: Sequence[float], lowest: float) -> tuple[float, float] | str:
    values_C = np.array(values)
    (sums_B,) = bootstrap.resampled([values_C])
    return bootstrap.interval(float(values_C.mean()), sums_B / len(values), len(values), lowest, 1.0)


def beyond(best: Trial, other: Trial) -> tuple[float, tuple[float, float] | str]:
    """The mean difference of two formats' IoUs on the same pictures, and its 95 % interval or why there is none."""
    gaps = np.subtract(best.ious, other.ious)
    return float(gaps.mean()), _interval(list(gaps), -1.0)


def tried(scorer: Scorer, pictures: Sequence[LesionImage], max_new_tokens: int) -> list[Trial]:
    """Asks for the abnormality of each picture, greedily, in each box format that the model can be asked in."""
    declared, out = scorer.chat.profile.box_format, list[Trial]()
    asked = dict[str, list[EncodedExample]]()
    for name in BOX_FORMATS:
        found = _rows(scorer.chat, name, declared, pictures)
        if isinstance(found, str):
            out.append(Trial(name, left_out=found))
        else:
            asked[name] = found
    rows = [row for of_picture in zip(*asked.values(), strict=True) for row in of_picture]  # those on an image together
    texts = list[tuple[str, bool]]()
    with console.progress("ask for boxes", len(rows)) as advance:
        for some in (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)):
            drawn = rollout(scorer, some, 1, max_new_tokens, drawn_from(scorer, Sampling()))
            texts += [(scorer.chat.text(one.ids), one.cut) for one in drawn]
            advance(len(some))
    for i, name in enumerate(asked):
        own = [(row.seen.view, *answer) for row, answer in zip(rows, texts, strict=True)][i :: len(asked)]
        out.append(_trial(name, pictures, own))
    order = list(BOX_FORMATS)
    return sorted(out, key=lambda trial: order.index(trial.box_format))


def _rows(chat: Chat, name: str, declared: str, pictures: Sequence[LesionImage]) -> list[EncodedExample] | str:
    """The questions in a box format, or why the model cannot be asked in it."""
    box_format = BOX_FORMATS[name]
    if name != declared and dialect_of(box_format).system:
        return f"it takes thoughts of many tokens: --box-format {name} asks for it"
    if box_format.token_bins:
        view = View(box_format, (100, 100), (100, 100))
        tokens = re.findall(r"<[^<>]+>", view.write((10, 20, 60, 70)))
        if missing := [token for token in tokens if token not in chat.tokenizer.get_vocab()]:
            return f"its vocabulary has no {missing[0]}"
    profile = replace(chat.profile, box_format=name, hint=chat.profile.hint if name == declared else True)
    own = Chat(chat.processor, profile, bound=chat.bound, blind=chat.blind)
    try:
        return [_row(own, i, picture) for i, picture in enumerate(pictures)]
    except (ModelError, pixels.ImageError) as error:
        return str(error)


def _row(chat: Chat, number: int, picture: LesionImage) -> EncodedExample:
    question = QUESTIONS["localisation"][0].format(picture.label)
    about: dict[str, Any] = {"record": f"{number}", "image": "synthetic", "split": "test", "answer": ""}
    name = f"{number}/{chat.box_format.name}"
    asked = Dialogue(name, kind="localisation", question=question, target=picture.label, **about)
    return chat.encode(asked, chat.process(picture.pixels, name), with_answer=False)


def _trial(name: str, pictures: Sequence[LesionImage], answers: Sequence[tuple[View, str, bool]]) -> Trial:
    """What the answers to the questions on the pictures, with the view of each, come to."""
    ious, readable, silent, outside, malformed = list[float](), 0, 0, 0, 0
    for picture, (view, text, _) in zip(pictures, answers, strict=True):
        read = parse("localisation", text, view, (), picture.label)
        over = sum(_outside(view, text))
        ious.append(mean_iou(read.boxes, [picture.box]))
        readable, silent = readable + bool(read.boxes), silent + (not read.boxes and not read.malformed)
        outside, malformed = outside + over, malformed + max(0, read.malformed - over)
    cut = sum(cut for *_, cut in answers)
    return Trial(name, tuple(ious), readable, outside, malformed, silent, cut, answers[0][1])


def _outside(view: View, text: str) -> list[bool]:
    """Of each box of an answer whose numbers can be read, whether one of them is beyond the format's range."""
    box_format = view.box_format
    most = max(view.frame) if box_format.grid is None else box_format.grid
    said = heard(text, "localisation", box_format).text
    numbers = [one.numbers for place in written(said, box_format) for one in place if one.numbers]
    return [min(four) < 0 or max(four) > most + box_format.step for four in numbers]
