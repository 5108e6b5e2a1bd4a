"""Keys and values that many answers share while they are written side by side, a token at a time.

What stands before an answer exists once, on three levels: the prefix of an image, seen by all questions on it; the rest
of each question, seen by its answers; and each answer's own tokens so far::

    image ─┬─ question ─┬─ answer
           │            └─ answer
           └─ question ─── answer

So an image of 576 tokens with eight questions is kept, and read in each step, once instead of eight times.

Shapes: I images, R columns of their prefixes, Q questions, T columns of their rests, G answers to each, N columns of an
answer, A = G times the heads of queries per head of keys, K heads of keys and values, D width of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unveil.vlm.attention import Hook, grouped, scale
from unveil.vlm.token_tree import Forest

COMPACT = 0.75
"""Share of what is held that is still needed, at or below which the rest is cleared away."""
FIRST = 16
"""Columns that answers have room for at first; the room doubles when it is full."""


@dataclass
class Recorder(Hook):
    """Keeps the keys and values that pass: (B, K, T, D) each."""

    key_BKTD: Tensor | None = None
    value_BKTD: Tensor | None = None

    def observe(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        self.key_BKTD, self.value_BKTD = key.detach(), value.detach()


@dataclass(frozen=True)
class ForestColumns:
    """Where something lies in a forest: rows and columns (X, C), which of them there are, their offsets on the path."""

    row_X: Tensor
    at_XC: Tensor
    seen_XC: Tensor
    offsets_XC: Tensor

    def of(self, values_BKTD: Tensor) -> Tensor:
        """The part of what was recorded that lies there, (X, K, C, D)."""
        return values_BKTD.transpose(1, 2)[self.row_X[:, None], self.at_XC].transpose(1, 2).contiguous()


def _columns(forest: Forest, row_X: Tensor, there_XT: Tensor) -> ForestColumns:
    width = int(there_XT.sum(1).max())
    at_XC = torch.argsort(there_XT.int(), dim=1, descending=True, stable=True)[:, :width]
    return ForestColumns(row_X, at_XC, there_XT.gather(1, at_XC), forest.offsets_BT[row_X[:, None], at_XC])


@dataclass
class Prompts:
    """What the answers go on from, the same for every layer: which question belongs to which image, and who is seen."""

    image_Q: Tensor
    root_seen_IR: Tensor
    root_offsets_IR: Tensor
    rest_seen_QT: Tensor
    rest_offsets_QT: Tensor
    ends_Q: Tensor
    """How many tokens a prompt has."""
    place_Q: Tensor = field(init=False)
    """The place of a question among all places, as many for each image as the one with most questions needs."""
    most: int = field(init=False)
    """Questions of the image that has most."""
    order_Q: Tensor = field(init=False)
    counts: list[int] = field(init=False)
    """Questions by their images, and how many each image has."""
    straight: bool = field(init=False)
    """Whether the questions stand in the order of the images, one on each."""
    _hidden: tuple[Tensor, Tensor] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        self._hidden = None
        counts_I = torch.bincount(self.image_Q, minlength=len(self.root_seen_IR))
        self.most = int(counts_I.max())
        self.order_Q, self.counts = torch.argsort(self.image_Q, stable=True), counts_I.tolist()
        order_Q, numbers_Q = self.order_Q, torch.arange(len(self.image_Q), device=self.image_Q.device)
        self.straight = len(counts_I) == len(numbers_Q) and bool((self.image_Q == numbers_Q).all())
        rank_Q = numbers_Q - (counts_I.cumsum(0) - counts_I)[self.image_Q[order_Q]]
        self.place_Q = torch.empty_like(order_Q)
        self.place_Q[order_Q] = self.image_Q[order_Q] * self.most + rank_Q

    def hidden(self, written: int, window: int | None) -> tuple[Tensor, Tensor]:
        """Columns of prefix and rest that a question's next token does not see: (Q, 1, 1, R) and (Q, 1, 1, T)."""
        if window is None and self._hidden:  # the same until questions leave
            return self._hidden
        root_QR, rest_QT = self.root_seen_IR[self.image_Q], self.rest_seen_QT
        if window is not None:
            root_QR = root_QR & self._near(self.root_offsets_IR[self.image_Q], written, window)
            rest_QT = rest_QT & self._near(self.rest_offsets_QT, written, window)
        found = ~root_QR[:, None, None], ~rest_QT[:, None, None]
        if window is None:
            self._hidden = found
        return found

    def _near(self, offsets_QX: Tensor, written: int, window: int) -> Tensor:
        return (self.ends_Q + written)[:, None] - offsets_QX < window

    def keep(self, questions: Tensor) -> Tensor | None:
        """Leaves the questions named; returns the images that are left too, where enough have gone to clear them."""
        for name in ("image_Q", "rest_seen_QT", "rest_offsets_QT", "ends_Q"):
            setattr(self, name, getattr(self, name)[questions])
        images = None
        used = list(dict.fromkeys(self.image_Q.tolist()))  # in the order of their questions
        if len(used) <= COMPACT * len(self.root_seen_IR):
            images = self.image_Q.new_tensor(used)
            self.image_Q = torch.argsort(images)[torch.searchsorted(images.sort().values, self.image_Q)]
            self.root_seen_IR, self.root_offsets_IR = self.root_seen_IR[images], self.root_offsets_IR[images]
        self._arrange()
        return images

    def packed(self, left_QKAX: Tensor, right_IKXY: Tensor) -> Tensor:
        """Of all questions on an image at once: left @ right of their image, (Q, K, A, Y)."""
        images, rows = len(right_IKXY), left_QKAX.shape[2]
        if self.straight:
            return left_QKAX @ right_IKXY
        if images * self.most > 2 * len(left_QKAX):  # most places would be empty
            return self._apart(left_QKAX, right_IKXY)
        packed = left_QKAX.new_zeros(images * self.most, *left_QKAX.shape[1:])
        packed[self.place_Q] = left_QKAX
        packed = packed.unflatten(0, (images, self.most)).transpose(1, 2).flatten(2, 3)  # (I, K, M A, X)
        out = (packed @ right_IKXY).unflatten(2, (self.most, rows)).transpose(1, 2).flatten(0, 1)
        products: Tensor = out[self.place_Q]
        return products

    def _apart(self, left_QKAX: Tensor, right_IKXY: Tensor) -> Tensor:
        """The same image by image."""
        rows = left_QKAX.shape[2]
        parts = left_QKAX[self.order_Q].split(self.counts)
        found = [
            (part.transpose(0, 1).flatten(1, 2) @ right).unflatten(1, (len(part), rows)).transpose(0, 1)
            for part, right in zip(parts, right_IKXY, strict=True)
            if len(part)
        ]
        out = torch.cat(found)
        products: Tensor = torch.empty_like(out).index_copy_(0, self.order_Q, out)
        return products


@dataclass
class Branches(Hook):
    """The keys and values of one layer. Each new token attends to its prefix, its question's rest, and its answer."""

    prompts: Prompts
    window: int | None
    root_key_IKRD: Tensor
    root_value_IKRD: Tensor
    rest_key_QKTD: Tensor
    rest_value_QKTD: Tensor
    own_key_QGKND: Tensor
    own_value_QGKND: Tensor
    length: int = 0
    """Columns of the answers that are filled."""

    def instead(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        questions, answers = self.own_key_QGKND.shape[:2]
        self._append(key, value)
        query_QGKhD = grouped(query, key)[..., 0, :].unflatten(0, (questions, answers))
        heads, shared, width = query_QGKhD.shape[2:]
        query_QKAD = query_QGKhD.transpose(1, 2).reshape(questions, heads, answers * shared, width)
        to_root = self.prompts.packed(query_QKAD, self.root_key_IKRD.transpose(-1, -2)).float()
        to_rest = (query_QKAD @ self.rest_key_QKTD.transpose(-1, -2)).float()
        hidden_root, hidden_rest = self.prompts.hidden(self.length - 1, self.window)
        to_root = to_root.masked_fill(hidden_root, float("-inf"))
        to_rest = to_rest.masked_fill(hidden_rest, float("-inf"))
        first = 0 if self.window is None else max(0, self.length - self.window)
        own_key, own_value = (v[:, :, :, first : self.length] for v in (self.own_key_QGKND, self.own_value_QGKND))
        to_own = (query_QGKhD @ own_key.transpose(-1, -2)).float()
        to_own = to_own.transpose(1, 2).reshape(questions, heads, answers * shared, -1)
        scores = torch.cat([to_root, to_rest, to_own], -1) * scale(module, query)  # in float32
        weights = scores.softmax(-1).to(query.dtype)
        on_root, on_rest, on_own = weights.split([part.shape[-1] for part in (to_root, to_rest, to_own)], -1)
        on_prompt = self.prompts.packed(on_root, self.root_value_IKRD) + on_rest @ self.rest_value_QKTD
        on_prompt, on_own = (v.unflatten(2, (answers, shared)).transpose(1, 2) for v in (on_prompt, on_own))
        out: Tensor = (on_prompt + on_own @ own_value).reshape(questions * answers, 1, heads * shared, width)
        return out

    def _append(self, key: Tensor, value: Tensor) -> None:
        """Writes each row's new key and value behind its answer, whose room doubles when it is full."""
        if self.length == self.own_key_QGKND.shape[3]:
            for name in ("own_key_QGKND", "own_value_QGKND"):
                full = getattr(self, name)
                more = full.new_empty(*full.shape[:3], max(FIRST, self.length), full.shape[4])
                setattr(self, name, torch.cat([full, more], 3))
        for own, new in ((self.own_key_QGKND, key), (self.own_value_QGKND, value)):
            own[:, :, :, self.length] = new[:, :, 0].unflatten(0, own.shape[:2])
        self.length += 1

    def keep(self, questions: Tensor, answers: Tensor, images: Tensor | None) -> None:
        """Leaves of the questions (Q',) those named, of each of them the answers (Q', G') named, and these images."""
        for name in ("rest_key_QKTD", "rest_value_QKTD"):
            setattr(self, name, getattr(self, name)[questions])
        for name in ("own_key_QGKND", "own_value_QGKND"):
            setattr(self, name, getattr(self, name)[:, :, :, : self.length][questions[:, None], answers])
        if images is not None:
            self.root_key_IKRD, self.root_value_IKRD = self.root_key_IKRD[images], self.root_value_IKRD[images]


def branch(
    forest: Forest,
    order: Tensor,
    recorders: Mapping[int, Recorder],
    answers: int,
    windows: Sequence[int | None],
) -> tuple[Prompts, dict[int, Branches]]:
    """What ``answers`` answers to each question go on from, and the state of each layer.

    ``order`` are the questions' scored tokens in the forest, one each, in the order in which they are to stand.
    """
    length, device = forest.ids_BT.shape[1], forest.ids_BT.device
    row_Q, end_Q = (part(forest.before_S[order], length) for part in (torch.floor_divide, torch.remainder))
    tree_Q = [forest.tree_of(leaf) for leaf in forest.leaves_S[order].tolist()]
    images = {number: i for i, number in enumerate(dict.fromkeys(tree_Q))}  # in the order of their questions
    image_Q = torch.tensor([images[number] for number in tree_Q], device=device)
    row_I, first_I = torch.tensor([forest.places[number] for number in images], device=device).unbind(1)
    size_I = torch.tensor([len(forest.trees[number].root.ids) for number in images], device=device)
    at_T = torch.arange(length, device=device)
    path_QT = (at_T <= end_Q[:, None]) & (end_Q[:, None] < forest.until_BT[row_Q])
    in_root_IT = (at_T >= first_I[:, None]) & (at_T < (first_I + size_I)[:, None])
    root = _columns(forest, row_I, in_root_IT)
    rest = _columns(forest, row_Q, path_QT & ~in_root_IT[image_Q])
    prompts = Prompts(image_Q, root.seen_XC, root.offsets_XC, rest.seen_XC, rest.offsets_XC, path_QT.sum(1))
    out = {}
    for layer, recorded in recorders.items():
        key, value = recorded.key_BKTD, recorded.value_BKTD
        assert key is not None and value is not None
        own = key.new_empty(len(order), answers, key.shape[1], FIRST, key.shape[3])
        held = root.of(key), root.of(value), rest.of(key), rest.of(value)
        out[layer] = Branches(prompts, windows[layer], *held, own, own.clone())
        recorded.key_BKTD = recorded.value_BKTD = None  # of each layer only what is copied is needed from here on
    return prompts, out
