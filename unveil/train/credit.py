"""Credit for coordinates: what a box would have earned, had one of its coordinates been another.

An answer's reward tells little about which of its tokens earned it. But where a model writes a coordinate as one token,
the intersection over union of every alternative to it is known without asking the model again. So instead of the one
coordinate that was drawn, all of them can be learnt from:

    L = -sum_v pi(v | s_t) IoU(box with coordinate v, its true box) / max(boxes said, boxes true)

the all-actions policy gradient (arXiv 1709.00503; 1706.05374), here with a reward that knows the geometry. What follows
the coordinate is held as it was drawn, as is which true box belongs to it.

Shapes: N coordinates, V values that a coordinate may have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from unveil.encoding import Chat
from unveil.geometry import Box, ious
from unveil.syntax import View
from unveil.train.experience import Experience, Rewarded


@dataclass(frozen=True)
class Coordinates:
    """Coordinates that answers hold, row after row; those of a box without a true one to be compared with earn nothing.

    They are all tokens that stand for a coordinate, whether or not they are part of a box.
    """

    worth_NV: Tensor
    """What each value would earn the answer."""
    judged_N: Tensor
    """Whether that is known."""
    at_N: Tensor
    """Their places among the tokens of all answers, row after row."""


def values(chat: Chat) -> list[int] | None:
    """The ids of the tokens that stand for coordinates, in order; None where a coordinate is several tokens."""
    syntax = chat.syntax
    if not syntax.token_bins or syntax.grid is None:
        return None
    out = []
    for number in range(int(syntax.grid)):
        ids = chat.tokenizer(syntax.write([float(number)] * 4), add_special_tokens=False)["input_ids"]
        if len(ids) != 4 or len(set(ids)) > 1:
            return None
        out.append(ids[0])
    return out


def coordinates(experience: Experience, worth: Rewarded, ids: Sequence[int]) -> Coordinates:
    """All coordinates of all answers, with what each value would earn."""
    number = {token: v for v, token in enumerate(ids)}
    every = [[number.get(token) for token in drawn.ids] for drawn in experience.drawn]
    known = {
        (row, t): earned
        for row, numbers in enumerate(every)
        for t, earned in _of(row, numbers, experience, worth, len(ids))
    }
    places = [(row, t) for row, numbers in enumerate(every) for t, v in enumerate(numbers) if v is not None]
    starts = np.cumsum([0, *map(len, every)])
    nothing = np.zeros(len(ids))
    return Coordinates(
        worth_NV=torch.tensor(np.array([known.get(place, nothing) for place in places]).reshape(-1, len(ids))).float(),
        judged_N=torch.tensor([place in known for place in places], dtype=torch.bool),
        at_N=torch.tensor([int(starts[row]) + t for row, t in places], dtype=torch.long),
    )


def _of(
    row: int, numbers: Sequence[int | None], experience: Experience, worth: Rewarded, values: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The coordinates of one answer by their places, with what each value would earn."""
    answered = worth.answered[row]
    true, said, places = answered.true_boxes, answered.case.parsed.boxes, _boxes_at(numbers)
    if not true or not said or not answered.usable or len(places) != len(said):
        return
    view, most = experience.rows[row].seen.view, max(len(true), len(said))
    for i, j in _partners(said, true):
        written = np.array(numbers[places[i] : places[i] + 4], np.float64)
        for k in range(4):
            yield places[i] + k, _if_it_were(written, k, values, view, true[j]) / most


def _boxes_at(numbers: Sequence[int | None]) -> list[int]:
    """Where four coordinates stand side by side."""
    out, t = [], 0
    while t + 4 <= len(numbers):
        if None not in numbers[t : t + 4]:
            out.append(t)
            t += 4
        else:
            t += 1
    return out


def _partners(said: Sequence[Box], true: Sequence[Box]) -> list[tuple[int, int]]:
    """Which true box each box is compared with: the matching of the reward, and the nearest one where none touches."""
    middle = [np.array([[(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] for b in boxes]) for boxes in (said, true)]
    apart = np.linalg.norm(middle[0][:, None] - middle[1][None], axis=-1)
    rows, columns = linear_sum_assignment(ious(said, true) - 1e-6 * apart / max(1.0, float(apart.max())), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]


def _if_it_were(written: NDArray[np.float64], k: int, values: int, view: View, true: Box) -> NDArray[np.float64]:
    """IoU with the true box for each value of the k-th number as it is written, (V,)."""
    numbers = np.tile(written, (values, 1))
    numbers[:, k] = np.arange(values)
    upright = np.empty_like(numbers)
    upright[:, view.syntax.order] = numbers + 0.5  # a bin stands for its middle
    (width, height), (left, top), size = view.canvas, view.offset, view.size
    boxes = upright / values * np.array([width, height, width, height]) - np.array([left, top, left, top])
    boxes = boxes.clip(0, np.array([*size, *size]))
    return ious(boxes.tolist(), [true])[:, 0]


def gain(choices_NV: Tensor, known: Coordinates, scale_N: Tensor) -> Tensor:
    """What the policy's coordinates earn on average over their values, summed: a scalar with gradients.

    sum_n scale_n sum_v pi(v | s_n) worth_nv. ``choices_NV`` are log-probabilities of the values.
    """
    return (scale_N * (choices_NV.exp() * known.worth_NV).sum(1))[known.judged_N].sum()
