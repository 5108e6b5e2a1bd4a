"""How many tokens the rows of training have, and which forward passes are made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from unveil.core import image_files
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Record, image_path
from unveil.train import loop
from unveil.train.options import RecipeOptions
from unveil.vlm import resolution, token_tree
from unveil.vlm.chat import Chat

SIZES, TEXTS, SAMPLE = 12, 256, 20_000  # how many sizes of images, texts, and rows are looked at
LETTERS = 3.5
"""Characters of a token, where there is no tokenizer to ask."""
AROUND = 20
"""Tokens that a chat template writes around a question, where there is none to ask."""

Size = tuple[int, int]
Shared = Literal["image", "prompt", "nothing"]
"""What rows of a batch share: the image, by all that is asked of it; an image with a question, by the answers to it; or
nothing, where each answer is a row of its own."""


@dataclass(frozen=True)
class Asked:
    """A question on an image of a width and height, with the answers to it that stand in one forward pass."""

    dialogue: Dialogue
    size: Size
    answers: tuple[str, ...]
    apart: bool = False
    """Whether the last answer stands under another image, as the worse side of a preference pair may."""


@dataclass(frozen=True)
class TokenRow:
    """The same in tokens."""

    id: str
    image: str
    seen: int
    """Of an image."""
    question: int
    answers: tuple[int, ...]
    apart: bool = False
    around: int = 0
    """What all prompts have in common around the image and behind it."""

    @property
    def trees(self) -> list[tuple[str, int, int]]:
        """What it adds to token trees: the image of a tree, the tokens of its root, those of the texts on it."""
        here = self.answers[:-1] if self.apart else self.answers
        root = self.seen + self.around
        found = [(self.image, root, self.question + sum(here))]
        return [*found, (f"beside {self.id}", root, self.question + self.answers[-1])] if self.apart else found

    @property
    def plain(self) -> list[int]:
        """Of a row for each answer, where nothing is shared."""
        return [self.seen + self.around + self.question + answer for answer in self.answers]


@dataclass(frozen=True)
class Batch:
    """A forward pass."""

    tokens: int
    """Padding included."""
    longest: int
    """Of its longest row."""
    scored: int
    """Tokens of answers."""


@dataclass(frozen=True)
class Lengths:
    """Rows of training; of a large set, a sample."""

    rows: list[TokenRow]
    pictures: int
    """Images of the whole set."""
    how: str
    """By what they were found out."""
    resizes: bool = False
    """Whether the model can be shown less of an image."""

    @property
    def images(self) -> tuple[int, int, int]:
        """Tokens of an image: the least, the mean, the most."""
        seen = [row.seen for row in self.rows]
        return min(seen), round(sum(seen) / len(seen)), max(seen)

    @property
    def text(self) -> int:
        """Tokens of a question with an answer, on average."""
        return round(sum(row.around + row.question + max(row.answers) for row in self.rows) / len(self.rows))

    def batches(self, config: RecipeOptions, shares: Shared) -> list[Batch]:
        """The forward passes of an epoch."""
        images = [row.image for row in self.rows]
        order = loop.batches(images, config.batch_size, config.together, config.seed, epoch=0)
        return [packed([self.rows[i] for i in batch], shares) for batch in order]


def packed(rows: Sequence[TokenRow], shares: Shared) -> Batch:
    """A forward pass of these rows, as ``token_tree.plant`` packs trees, or padded where nothing is shared."""
    scored = sum(sum(row.answers) for row in rows)
    if shares == "nothing":
        lengths = [length for row in rows for length in row.plain]
        return Batch(len(lengths) * max(lengths), max(lengths), scored)
    trees: dict[tuple[str, str], int] = {}
    for row in rows:
        for image, root, texts in row.trees:
            key = (image, row.id if shares == "prompt" else "")
            trees[key] = trees.get(key, root) + texts
    room: list[int] = []
    longest = max(trees.values())
    for length in sorted(trees.values(), reverse=True):
        at = next((i for i, free in enumerate(room) if free >= length), len(room))
        if at == len(room):
            room.append(longest)
        room[at] -= length
    return Batch(len(room) * longest, longest, scored)


def sizes(dialogues: Sequence[Dialogue], file: Path, records: Path | None = None) -> list[Size]:
    """Width and height of the image of each dialogue in a file: from its record, or from the head of the image."""
    known = {record.id: record.size for record in read_jsonl(records, Record)} if records else {}

    @cache
    def probed(path: Path) -> Size:
        header = image_files.probe(path)
        return header.width, header.height

    return [known.get(d.record) or probed(image_path(d, file)) for d in dialogues]


def measured(chat: Chat, asked: Sequence[Asked]) -> Lengths:
    """As the model's processor makes them: of empty images of some sizes, and of some of the texts."""
    some = loop.sample(asked, SAMPLE, seed=0)
    named = {one.size: one.dialogue.id for one in some}
    ordered = sorted(named, key=_area)
    tried = sorted({*ordered[:: math.ceil(len(ordered) / SIZES)], ordered[-1]}, key=_area)
    blank = {size: chat.process(np.zeros((size[1], size[0], 3), np.uint8), named[size]) for size in tried}
    seen = {size: len(blank[min(tried, key=lambda t: abs(_area(t) - _area(size)))].block) for size in named}
    small, prompts, answers = blank[tried[0]], dict[str, list[int]](), dict[str, int]()
    for one in loop.sample(some, TEXTS, seed=0):
        for answer in dict.fromkeys(one.answers):
            row = chat.encode(replace(one.dialogue, answer=answer), small, with_answer=True)
            prompts[one.dialogue.question], answers[answer] = row.prompt, len(row.answer)
    root = token_tree.common([*prompts.values()])
    questions = {text: len(prompt) - root for text, prompt in prompts.items()}
    many = f"{len(tried)} size{'s' if len(tried) > 1 else ''} of images and {len(answers)} answers"
    how = f"measured: {type(chat.processor).__name__} on {many}"
    rows = _rows(some, lambda size: seen[size], _lengths(questions), _lengths(answers), root - len(small.block))
    return Lengths(rows, _pictures(asked), how, resolution.resizes(chat))


def by_rule(asked: Sequence[Asked], image: Callable[[Size], int]) -> Lengths:
    """Where there is no processor: ``image`` tells the tokens of one, and texts have so many characters to a token."""
    some = loop.sample(asked, SAMPLE, seed=0)
    rows = _rows(some, image, _tokens, lambda text: 1 + _tokens(text), AROUND)
    how = f"computed: the family's rule for images, {LETTERS} characters to a token"
    return Lengths(rows, _pictures(asked), how)


def _pictures(asked: Sequence[Asked]) -> int:
    return len({one.dialogue.image for one in asked}) + sum(one.apart for one in asked)


def _rows(
    asked: Sequence[Asked],
    image: Callable[[Size], int],
    question: Callable[[str], int],
    answer: Callable[[str], int],
    around: int,
) -> list[TokenRow]:
    return [
        TokenRow(
            one.dialogue.id,
            one.dialogue.image,
            image(one.size),
            question(one.dialogue.question),
            tuple(map(answer, one.answers)),
            one.apart,
            around,
        )
        for one in asked
    ]


def _lengths(known: dict[str, int]) -> Callable[[str], int]:
    """Tells the tokens of a text: those that are known, and of others what a line through them says."""
    letters, tokens = [len(text) for text in known], [*known.values()]
    slope, start = np.polyfit(letters, tokens, 1) if len(set(letters)) > 1 else (0.0, tokens[0])
    return lambda text: known.get(text, max(0, round(start + slope * len(text))))


def _tokens(text: str) -> int:
    return math.ceil(len(text) / LETTERS)


def _area(size: Size) -> int:
    return size[0] * size[1]
