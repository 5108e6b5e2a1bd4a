"""What a kind of picture is, and the tools its drawers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scripts.gate_corpus.pictures_files import Drawn, png
from scripts.gate_corpus.pictures_grounds import COLOUR, GREY, MODALITY, Ground, Rng, black
from scripts.gate_corpus.pictures_letters import FONTS, fitting, put, spot
from scripts.gate_corpus.pictures_words import Lines, Vocabulary, filled, pick
from scripts.gate_corpus.pictures_words_held import HELD
from scripts.gate_corpus.pictures_words_open import OPEN

Value = TypeVar("Value")


@dataclass(frozen=True)
class Task:
    """One picture to be drawn."""

    half: str
    turn: int
    """How many of this kind and half came before it."""
    rng: Rng
    lines: Lines
    """What is to be written on it."""
    name: str

    def of(self, opened: Sequence[Value], held: Sequence[Value]) -> Value:
        """The half's values, by turns."""
        values = opened if self.half == "open" else held
        return values[self.turn % len(values)]

    def face(self) -> str:
        return pick(self.rng, FONTS[self.half])

    def scan(self) -> Ground:
        """A grey ground with dark corners."""
        return GREY[self.half][int(self.rng.integers(len(GREY[self.half])))]

    def colour(self) -> Ground:
        return self.of(COLOUR["open"], COLOUR["held"])


Words = Callable[[Vocabulary, Rng, int], Lines]
"""The lines of a picture, from a half's vocabulary and the turn."""


@dataclass(frozen=True)
class Kind:
    name: str
    open: int
    held: int
    """Pictures of each half."""
    words: Words
    draw: Callable[[Task], Drawn]


def forms(field: str) -> Words:
    """One of the vocabulary's forms, filled in. Forms of single lines are drawn, all others come by turns."""

    def words(vocabulary: Vocabulary, rng: Rng, turn: int) -> Lines:
        known = getattr(vocabulary, field)
        found = pick(rng, known) if field in ("lines", "names") else known[turn % len(known)]
        return filled((found,) if isinstance(found, str) else found, vocabulary, rng)

    return words


def nothing(vocabulary: Vocabulary, rng: Rng, turn: int) -> Lines:
    return ()


def vocabulary_of(half: str) -> Vocabulary:
    return OPEN if half == "open" else HELD


def lettered(
    task: Task,
    ground: Ground,
    side: int | tuple[int, int],
    size: int,
    *,
    level: float | Sequence[float] = 255,
    where: str = "corner",
    face: str | None = None,
    spread: float = 0,
    change: Callable[[np.ndarray], np.ndarray] = lambda mask: mask,
) -> np.ndarray:
    """A ground with the task's lines on it; `change` turns or bends their mask."""
    height, width = (side, side) if isinstance(side, int) else side
    picture = ground(task.rng, height, width)
    hard = size >= 11 and task.rng.random() < 0.35
    mask = change(text(task, size, height, width, face=face, spread=spread, hard=hard))
    if max(mask.shape[0] / height, mask.shape[1] / width) > 1:
        raise ValueError(f"{task.name}: {task.lines} do not fit")
    if picture.ndim == 3 and isinstance(level, int | float):
        level = (level,) * 3
    put(picture, mask, *spot(task.rng, picture, mask, where), level)
    return picture


def text(
    task: Task, size: int, height: int, width: int, *, face: str | None = None, spread: float = 0, hard: bool = False
) -> np.ndarray:
    return fitting(
        task.lines, face or task.face(), size, int(0.92 * height), int(0.94 * width), spread=spread, hard=hard
    )


def plain(task: Task, picture: np.ndarray, ground: Ground = black) -> Drawn:
    return png(picture, MODALITY[ground])
