"""States that run along a row, in layers where no mask can branch: handed from what rows share to where they part.

In layers of linear attention (Qwen3.5's gated delta rule) and in short convolutions (LFM2) a token knows what stands
before it by a state that the tokens before it have left: a matrix for each head, the last inputs of a convolution. Over
a forest (``token_tree``) such a layer works on stretches of tokens between one parting of ways and the next, level by
level, the stretches of one level side by side::

    tree                              what a layer does

    image ─┬─ where? ─┬─ yes          1. image              from nothing      leaves a state to 2
           │          └─ no           2. where?             from image's      leaves a state to 3
           └─ what? ─── cyst             what? cyst         from image's
                                      3. yes, no            from where?'s

All happens inside of the layer: what surrounds it (full attention by mask, the rest token by token) sees a forest, and
gradient checkpointing repeats the layer with its states. These are new tensors wherever they are handed on, so that
gradients go from each branch through its ancestors.

Padding stands behind a stretch, where nothing before it sees it, and enters no state: a stretch that leaves one stands
beside such as are of its own length.

Shapes: B rows of a forest, T their length, D width, R stretches, C columns of a batch of stretches, Q questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import signature
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, LinearAttentionLayer

from unveil.vlm.token_tree import Forest, Node

KINDS = ("linear_attention", "conv")
"""Types of layers, by transformers' names, that hand a state along the row."""
CACHES = ("cache", "cache_params", "past_key_values")
"""What such layers call their cache: since transformers 5.24, and before."""
CHUNK = 64
"""Tokens that the delta rule works on at once: stretches below it cost the same, whatever their length."""

States = dict[str, dict[int, Tensor]]
"""Of a layer, the states of its convolutions and its recurrent ones, by their number: (R, …)."""


# ------------------------------------------------------------------------------------------------------- the stretches


@dataclass(frozen=True)
class Stretch:
    """Tokens between two partings of ways: ``length`` columns of a row from ``column`` on."""

    row: int
    column: int
    length: int
    level: int
    parent: int | None
    """The number of the stretch whose state it goes on from."""
    leaves: bool
    """Whether it leaves a state that is needed."""


@dataclass(frozen=True)
class StretchBatch:
    """Stretches of one level that a layer takes side by side, padded behind."""

    level: int
    at_RC: Tensor
    """Flat index (row * T + column) of each token; padding repeats a stretch's last one."""
    parents_R: Tensor | None
    """Where the states that they go on from are among those that the level before has left; None at the roots."""
    leaves: bool
    """Whether they leave states that are needed."""


@dataclass(frozen=True)
class Stretches:
    """A forest as layers with a state take it: given to a model in the place of these layers' mask."""

    batches: list[StretchBatch]
    from_BT: Tensor
    """Where each token's output is among those of all batches, behind one another; 0, a row of zeros, for none."""
    ends_Q: Tensor | None = None
    """Where the states before answers that are yet to be written are among all that are left."""
    kept: dict[int, States] = field(default_factory=dict)
    """By the number of a layer these states, question after question."""


def stretches(forest: Forest, asked: Sequence[int] | None = None) -> Stretches:
    """The stretches of a forest.

    ``asked`` are rows whose answers are yet to be written: what stands in the forest for these is left out, and the
    states before them are kept.
    """
    found: list[Stretch] = []
    ends = dict.fromkeys(asked or (), -1)
    for tree, (row, column) in zip(forest.trees, forest.places, strict=True):
        _visit(found, tree.root, row, column, 0, None, ends)
    device, (rows, length) = forest.ids_BT.device, forest.ids_BT.shape
    source_N = torch.zeros(rows * length, dtype=torch.long)
    batches: list[StretchBatch] = []
    filled = 1
    left: dict[int, list[int]] = {}
    for level, leaves, group in _groups(found):
        fewest = 1 if leaves else 2  # kernels for a single token that goes on from a state have no backward pass
        width = max(fewest, *(found[i].length for i in group))
        at_RC = torch.empty(len(group), width, dtype=torch.long)
        for r, number in enumerate(group):
            stretch = found[number]
            first = stretch.row * length + stretch.column
            at_RC[r] = first + torch.arange(width).clamp_max(stretch.length - 1)
            source_N[first : first + stretch.length] = filled + r * width + torch.arange(stretch.length)
        filled += at_RC.numel()
        before = {number: place for place, number in enumerate(left.get(level - 1, ()))}
        parents_R = torch.tensor([before[p] for i in group if (p := found[i].parent) is not None], device=device)
        batches.append(StretchBatch(level, at_RC.to(device), parents_R if level else None, leaves))
        if leaves:
            left.setdefault(level, []).extend(group)
    from_BT = source_N.view(rows, length).to(device)
    if asked is None:
        return Stretches(batches, from_BT)
    places = {number: place for place, number in enumerate(n for numbers in left.values() for n in numbers)}
    return Stretches(batches, from_BT, torch.tensor([places[ends[row]] for row in asked], device=device))


def _visit(
    found: list[Stretch], node: Node, row: int, column: int, level: int, parent: int | None, ends: dict[int, int]
) -> None:
    """Notes the stretches of a node and of all below it, and behind which each row of ``ends`` is to be written."""
    start, below = column, node.below
    column += len(node.ids)
    while len(below) == 1 and below[0].row not in ends:
        column += len(below[0].ids)
        below = below[0].below
    number = len(found)
    found.append(Stretch(row, start, column - start, level, parent, bool(below)))
    for child in below:
        if child.row in ends:
            ends[child.row] = number
        else:
            _visit(found, child, row, column, level + 1, number, ends)
        column += child.size


def _groups(found: Sequence[Stretch]) -> Iterator[tuple[int, bool, list[int]]]:
    """Level after level, whether stretches leave a state, and the numbers of those that go side by side.

    Where a state is needed, stretches of one length; others where the longest is at most twice as long as the shortest.
    """
    groups: dict[tuple[int, bool, int], list[int]] = {}
    for number, stretch in enumerate(found):
        about = stretch.length if stretch.leaves else max(stretch.length - 1, CHUNK - 1).bit_length()
        groups.setdefault((stretch.level, stretch.leaves, about), []).append(number)
    for level, leaves, about in sorted(groups):
        yield level, leaves, groups[level, leaves, about]


# ---------------------------------------------------------------------------------------------------------- the states


class StateLayer(LinearAttentionLayer):  # type: ignore[misc]  # transformers has no types here
    """The states of a layer, begun anew or handed on by another: assigned, since a graph may hold what they were."""

    def __init__(self, states: States | None = None):
        super().__init__(max(map(len, states.values())) if states else 1)
        self.record_past = torch.is_grad_enabled()  # else a single token is written into the convolution's state
        if states:
            self.conv_states |= states["conv"]
            self.recurrent_states |= states["recurrent"]
            self.has_previous_state: dict[int, bool] = dict.fromkeys(range(self.number_of_states), True)

    def update_conv_state(
        self, conv_states: Tensor, state_idx: int = 0, conv_kernel_size: int | None = None, **_: Any
    ) -> Tensor:
        """New inputs of a convolution behind those that it still sees, (B, D, K + T); keeps the last K of them."""
        kept = conv_kernel_size or conv_states.shape[-1]
        if self.has_previous_state[state_idx]:
            full = torch.cat([self.conv_states[state_idx], conv_states], -1)
        else:
            full = nn.functional.pad(conv_states, (max(0, kept - conv_states.shape[-1]), 0))
            self.has_previous_state[state_idx] = True
        self.conv_states[state_idx] = full[..., -kept:]
        return full

    def update_recurrent_state(self, recurrent_states: Tensor, state_idx: int = 0, **_: Any) -> Tensor:
        """Keeps the state that a row's tokens have left, (B, H, K, V)."""
        self.recurrent_states[state_idx] = recurrent_states
        return recurrent_states

    def states(self) -> States:
        """What it has now."""
        both = {"conv": self.conv_states, "recurrent": self.recurrent_states}
        return {name: {i: v for i, v in of.items() if v is not None} for name, of in both.items()}


def _chosen(held: Sequence[States], places: Tensor) -> States:
    """Of states of several batches, behind one another, those at some places: new tensors."""
    return {
        name: {i: torch.cat([one[name][i] for one in held]).index_select(0, places) for i in of}
        for name, of in held[0].items()
    }


def _repeated(states: States, times: int) -> States:
    return {name: {i: v.repeat_interleave(times, 0) for i, v in of.items()} for name, of in states.items()}


# ---------------------------------------------------------------------------------------------------------- the layers


@dataclass
class Carried:
    """The states of answers under way, by the number of a layer: given to a model as ``Stretches`` are."""

    layers: dict[int, StateLayer]

    @classmethod
    def of(cls, stretches: Stretches, answers: int) -> Carried:
        """So many answers to each question."""
        return cls({number: StateLayer(_repeated(states, answers)) for number, states in stretches.kept.items()})

    def keep(self, rows: Tensor) -> None:
        """Leaves the answers named."""
        self.layers = {number: StateLayer(_chosen([one.states()], rows)) for number, one in self.layers.items()}


@dataclass(frozen=True)
class Forking:
    """The forward pass of a layer with a state: over a forest level by level, over anything else the layer's own."""

    forward: Callable[..., Tensor]
    number: int
    cache: str
    """What it calls its cache."""

    def __call__(self, hidden_states: Tensor, attention_mask: Any = None, **options: Any) -> Tensor:
        if isinstance(attention_mask, Stretches):
            return self._over(hidden_states, attention_mask, options)
        if isinstance(attention_mask, Carried):
            return self._on(hidden_states, attention_mask.layers[self.number], options)
        return self.forward(hidden_states=hidden_states, attention_mask=attention_mask, **options)

    def _on(self, hidden_RCD: Tensor, layer: StateLayer, options: dict[str, Any]) -> Tensor:
        """Stretches that go on from a layer's states, and leave theirs in it."""
        cache = Cache(layers=[layer] * (self.number + 1))  # where a layer looks for its own
        return self.forward(hidden_states=hidden_RCD, attention_mask=None, **options | {self.cache: cache})

    def _over(self, hidden_BTD: Tensor, stretches: Stretches, options: dict[str, Any]) -> Tensor:
        hidden_ND = hidden_BTD.flatten(0, 1)
        found = [hidden_ND.new_zeros(1, hidden_ND.shape[1])]
        held: list[States] = []
        left: list[States] = []
        for _, level in groupby(stretches.batches, key=lambda batch: batch.level):
            before, held = held, []
            for batch in level:
                layer = StateLayer(None if batch.parents_R is None else _chosen(before, batch.parents_R))
                out_RCD = self._on(hidden_ND[batch.at_RC], layer, options)
                found.append(out_RCD.flatten(0, 1))
                if batch.leaves:
                    held.append(layer.states())
            left += held
        if stretches.ends_Q is not None:
            stretches.kept[self.number] = _chosen(left, stretches.ends_Q)
        out: Tensor = torch.cat(found)[stretches.from_BT]
        return out


def mixers(language_model: nn.Module) -> dict[int, nn.Module]:
    """The modules that hand a state along the row, by the number of their layer."""
    found: Iterator[Any] = (m for m in language_model.modules() if getattr(m, "layer_type", None) in KINDS)
    return {int(m.layer_idx): m for m in found}


def fork(language_model: nn.Module) -> None:
    """Lets layers with a state take ``Stretches`` and ``Carried`` for a mask; for any other they stay what they are."""
    for number, module in mixers(language_model).items():
        if not isinstance(module.forward, Forking):
            cache = next(name for name in signature(module.forward).parameters if name in CACHES)
            module.forward = Forking(module.forward, number, cache)
