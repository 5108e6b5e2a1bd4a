"""The token tree: what several rows have in common is computed once.

Rows about one image begin alike: the image, then perhaps the same question. A tree writes each common run of tokens
once, and what differs behind it, branch after branch::

    rows                          tree                             one row of a forest

    I I w h e r e ? | y e s       I I ─┬─ w h e r e ? ─┬─ y e s    I  I  where?  yes  no  what?  cyst
    I I w h e r e ? | n o              │               └─ n o
    I I w h a t ? | c y s t            └─ w h a t ? ─── c y s t

Each token attends to its ancestors and to itself, and its position is the one that it has in its own row, so that what
a model computes for it is what it computes for the plain row, to rounding. In depth-first order one number per token
says it all: ``until``, the end of what stands below it. Token i sees token j when ``j <= i < until[j]``::

                    until    I I W y n H c
    I  image          7      ■
    I  image          7      ■ ■
    W  where?         5      ■ ■ ■
    y  yes            4      ■ ■ ■ ■
    n  no             5      ■ ■ ■   ■             "no" does not see "yes"
    H  what?          7      ■ ■       ■           "what?" does not see "where?" nor its answers
    c  cyst           7      ■ ■       ■ ■

Trees that stand in one row of a forest do not see one another for the same reason, and padding (``until[j] = j + 1``)
is seen by nobody.

Shapes: B rows of the forest, T their length, S scored tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unveil.vlm.attention import Queries
from unveil.vlm.families import ModelError
from unveil.vlm.inputs import EncodedExample, ImageInput


@dataclass(frozen=True)
class Node:
    """A run of tokens and what may follow it. A leaf's tokens are scored; ``row`` is its number among the rows."""

    ids: list[int]
    below: list[Node] = field(default_factory=list)
    row: int | None = None

    @cached_property
    def size(self) -> int:
        """Tokens of the run and of all that follows."""
        return len(self.ids) + sum(node.size for node in self.below)


@dataclass(frozen=True)
class Tree:
    """Rows on one image: their common run of tokens with the image inside, and what follows it."""

    seen: ImageInput
    image_at: int
    root: Node

    def __len__(self) -> int:
        return self.root.size


def _rows(node: Node) -> list[int]:
    """The rows whose answers stand below a node."""
    own = [] if node.row is None else [node.row]
    return [*own, *(row for child in node.below for row in _rows(child))]


def grow(rows: Sequence[EncodedExample], *, share_image: bool = True) -> list[Tree]:
    """Trees of encoded rows: those on one image share it, those with one prompt share that.

    Each prompt is tokenised whole beforehand and what is shared is its longest common run of ids, so the ids of every
    path are exactly those of its row. Rows that have no more in common than what stands before the image get trees of
    their own. Without ``share_image`` only answers to one and the same prompt share it, for models whose image attends
    to the question. Raises ``ModelError`` for a row without an answer to score.
    """
    together: dict[object, list[int]] = {}
    for i, row in enumerate(rows):
        if not row.answer:
            raise ModelError(f"{row.id}: there is no answer to score")
        key = (row.seen.digest, row.image_at) if share_image else (row.seen.digest, *row.prompt)
        together.setdefault(key, []).append(i)
    return [tree for group in together.values() for tree in _plant(rows, group)]


def _plant(rows: Sequence[EncodedExample], group: Sequence[int]) -> list[Tree]:
    """The trees of rows that show one image in one place."""
    first = rows[group[0]]
    shared = common([rows[i].prompt for i in group])
    if shared < first.image_at + len(first.seen.block):  # the text before the image differs
        return [Tree(first.seen, first.image_at, _branch(rows, part, 0)) for part in _alike(rows, group, 0)]
    parts = _alike(rows, group, shared)
    if len(parts) == 1:
        return [Tree(first.seen, first.image_at, _branch(rows, group, 0))]
    below = [node for part in parts for node in _spliced(_branch(rows, part, shared))]
    return [Tree(first.seen, first.image_at, Node(first.prompt[:shared], below))]


def _alike(rows: Sequence[EncodedExample], group: Sequence[int], start: int) -> list[list[int]]:
    """A group in parts of one prompt each, from ``start`` on."""
    parts: dict[tuple[int, ...], list[int]] = {}
    for i in group:
        parts.setdefault(tuple(rows[i].prompt[start:]), []).append(i)
    return list(parts.values())


def _branch(rows: Sequence[EncodedExample], group: Sequence[int], start: int) -> Node:
    """One prompt from ``start`` on, with its answers below."""
    return Node(rows[group[0]].prompt[start:], [Node(rows[i].answer, row=i) for i in group])


def _spliced(node: Node) -> list[Node]:
    """The node, or what is below it where it has no tokens of its own."""
    return [node] if node.ids else node.below


def common(runs: Sequence[Sequence[int]]) -> int:
    """How many ids all runs begin with."""
    shortest = min(map(len, runs))
    return next((i for i in range(shortest) if len({run[i] for run in runs}) > 1), shortest)


# --------------------------------------------------------------------------------------------------------- forests


@dataclass(frozen=True)
class Forest:
    """Trees packed into rows of tokens. All tensors are on one device; see the head of this file for ``until``."""

    ids_BT: Tensor
    offsets_BT: Tensor
    """How many tokens stand before a token on its own path."""
    until_BT: Tensor
    roots_BT: Tensor
    """The number of the tree whose root a token is part of, -1 elsewhere."""
    trees: list[Tree]
    places: list[tuple[int, int]]
    """Row and column at which each tree begins."""
    before_S: Tensor
    """Flat index (row * T + column) of the token that predicts each scored token."""
    targets_S: Tensor
    own_S: Tensor
    """Flat index of each scored token itself."""
    leaves_S: Tensor
    """The number of the row, among those that the trees were grown from, that a scored token belongs to."""

    @property
    def tokens(self) -> int:
        """Tokens that pass the language model, padding left out."""
        return sum(map(len, self.trees))

    @cached_property
    def _leaves(self) -> dict[int, tuple[int, int]]:
        """Of each of the caller's rows the number of its tree and of its first scored token."""
        first: dict[int, int] = {}
        for s, leaf in enumerate(self.leaves_S.tolist()):
            first.setdefault(leaf, s)
        return {leaf: (number, first[leaf]) for number, tree in enumerate(self.trees) for leaf in _rows(tree.root)}

    def tree_of(self, row: int) -> int:
        """The number of the tree in which a row stands."""
        return self._leaves[row][0]

    def queries(self, row: int, tokens: Sequence[int], image_token: int) -> Queries:
        """Where some tokens of a row's answer stand, and the tokens of its image."""
        number, first = self._leaves[row]
        b, column = self.places[number]
        own = (self.own_S[first + torch.tensor(list(tokens), device=self.own_S.device)] % self.ids_BT.shape[1]).tolist()
        ids = self.trees[number].root.ids
        return Queries(b, own, [column + i for i, token in enumerate(ids) if token == image_token])


def plant(trees: Sequence[Tree], budget: int | None = None, pad: int = 0, device: torch.device | str = "cpu") -> Forest:
    """Packs trees into rows of at most ``budget`` tokens, first the longest; by default that of the longest tree.

    A longer tree has a row of its own. What is left of a row is padding.
    """
    longest = max(map(len, trees))
    rows: list[list[Tree]] = []
    room: list[int] = []
    for tree in sorted(trees, key=len, reverse=True):
        at = next((r for r, free in enumerate(room) if free >= len(tree)), len(rows))
        if at == len(rows):
            rows.append([])
            room.append(max(budget or 0, longest))
        rows[at].append(tree)
        room[at] -= len(tree)
    return _laid_out(rows, pad, device)


def _laid_out(rows: Sequence[Sequence[Tree]], pad: int, device: torch.device | str) -> Forest:
    width = max(sum(map(len, row)) for row in rows)
    shape = (len(rows), width)
    ids, offsets = np.full(shape, pad), np.zeros(shape, np.int64)
    until, roots = np.tile(np.arange(1, width + 1), (len(rows), 1)), np.full(shape, -1)
    places: list[tuple[int, int]] = []
    scored: list[tuple[int, int, int, int]] = []
    for r, row in enumerate(rows):
        column = 0
        for tree in row:
            places.append((r, column))
            roots[r, column : column + len(tree.root.ids)] = len(places) - 1
            walk = _Walk(ids[r], offsets[r], until[r], scored, base=r * width)
            column = walk.visit(tree.root, column, before=-1, depth=0)
    before, own, targets, leaves = (torch.tensor(v, device=device) for v in zip(*scored, strict=True))
    return Forest(
        ids_BT=torch.from_numpy(ids).to(device),
        offsets_BT=torch.from_numpy(offsets).to(device),
        until_BT=torch.from_numpy(until).to(device),
        roots_BT=torch.from_numpy(roots).to(device),
        trees=[tree for row in rows for tree in row],
        places=places,
        before_S=before,
        own_S=own,
        targets_S=targets,
        leaves_S=leaves,
    )


@dataclass(frozen=True)
class _Walk:
    """Writes a tree into one row, depth first."""

    ids: np.ndarray
    offsets: np.ndarray
    until: np.ndarray
    scored: list[tuple[int, int, int, int]]
    base: int

    def visit(self, node: Node, column: int, before: int, depth: int) -> int:
        """Writes a node from ``column`` on; ``before`` is its last ancestor's column. Returns the first free column."""
        end = column + len(node.ids)
        self.ids[column:end] = node.ids
        self.offsets[column:end] = np.arange(depth, depth + len(node.ids))
        if node.row is not None:
            predictors = [before, *range(column, end - 1)]
            places = zip(predictors, range(column, end), node.ids, strict=True)
            self.scored.extend((self.base + p, self.base + o, t, node.row) for p, o, t in places)
        after = end
        for child in node.below:
            after = self.visit(child, after, end - 1, depth + len(node.ids))
        self.until[column:end] = after
        return after


# ----------------------------------------------------------------------------------------------------------- masks


def allowed(forest: Forest, both_ways_BT: Tensor | None = None, window: int | None = None) -> Tensor:
    """Which token may attend to which, (B, 1, T, T), true where it may: row i attends to column j.

    Tokens with the same number >= 0 in ``both_ways_BT`` see one another, whichever comes first (the image tokens of
    Gemma 3, the prompt of PaliGemma). With a ``window``, what stands ``window`` tokens or more before a token on its
    own path is out of its sight, as in sliding attention, and so is the start of a longer image.
    """
    at = torch.arange(forest.ids_BT.shape[1], device=forest.ids_BT.device)
    i, j = at[:, None], at[None, :]
    seen = (j <= i) & (i < forest.until_BT[:, None, :])
    if both_ways_BT is not None:
        seen |= (both_ways_BT[:, :, None] == both_ways_BT[:, None, :]) & (both_ways_BT[:, :, None] >= 0)
    if window is not None:
        seen &= forest.offsets_BT[:, :, None] - forest.offsets_BT[:, None, :] < window
    return seen[:, None]


def block_mask(forest: Forest, both_ways_BT: Tensor | None = None, window: int | None = None) -> object:
    """The same as a mask of blocks for FlexAttention, which skips what nobody sees."""
    from torch.nn.attention.flex_attention import create_block_mask

    until, offsets = forest.until_BT, forest.offsets_BT

    def sees(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        seen = (j <= i) & (i < until[b, j])
        if both_ways_BT is not None:
            seen = seen | ((both_ways_BT[b, i] == both_ways_BT[b, j]) & (both_ways_BT[b, i] >= 0))
        if window is not None:
            seen = seen & (offsets[b, i] - offsets[b, j] < window)
        return seen

    rows, length = forest.ids_BT.shape
    return create_block_mask(sees, rows, None, length, length, device=str(forest.ids_BT.device))
