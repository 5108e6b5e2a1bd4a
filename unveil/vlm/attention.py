"""The language model's attention as this project computes it, registered with transformers under two names.

Three things that stock attention does not do, each switched on by what hangs on an attention module:

- over a forest (``train/tree``) it works in parts (``FOREST``), none of which computes what stands behind it: a dense
  mask makes SDPA's kernel compute all pairs of tokens, although no token of a forest sees one that stands after it. Cut
  into rows of queries, each with the keys up to its own end, n parts leave (n + 1) / 2n of that work;
- a ``Probe`` reads what chosen tokens look at, and only that;
- ``branches.Branches`` lets many answers go on from keys and values that exist once.

Shapes: B rows, H heads, K heads of keys and values, T tokens, D width of a head, N chosen tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

FOREST, WHOLE = "unveil_forest", "unveil_whole"
PART = 320
"""Fewest queries of a part: shorter ones cost more in calls than they save."""
_HOOK = "unveil_hook"


class Hook:
    """Something that hangs on an attention module while it runs."""

    def observe(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        """Is shown what the module attends with: (B, H, T, D), (B, K, T, D), (B, K, T, D), (B or 1, 1, T, T)."""

    def instead(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor | None:
        """The module's output (B, T, H, D) where it is computed in another way, else None."""
        return None


def forest_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """``whole_attention`` in parts, for masks in which no token sees a later one: (B, H, T, D) to (B, T, H, D)."""
    if (out := _hooked(module, query, key, value, attention_mask)) is not None:
        return out, None
    length = query.shape[2]
    parts = length // PART
    causal = getattr(module, "is_causal", False)  # cross-attention says nothing, whose keys may be as many as queries
    if attention_mask is None or parts < 2 or key.shape[2] != length or not causal:
        whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return whole
    ends = [length * i // parts for i in range(parts + 1)]
    found = [
        sdpa_attention_forward(
            module, query[:, :, a:b], key[:, :, :b], value[:, :, :b], attention_mask[..., a:b, :b], **options
        )[0]
        for a, b in itertools.pairwise(ends)
    ]
    return torch.cat(found, 1), None


def whole_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """SDPA as transformers calls it, shown to what hangs on the module: (B, H, T, D) to (B, T, H, D)."""
    if (out := _hooked(module, query, key, value, attention_mask)) is not None:
        return out, None
    whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return whole


def _hooked(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor | None:
    """Shows the hook what passes, if there is one; the module's output where the hook computes it."""
    hook = vars(module).get(_HOOK)
    if hook is None:
        return None
    hook.observe(module, query, key, value, mask)
    out: Tensor | None = hook.instead(module, query, key, value)
    return out


for _name, _function in ((FOREST, forest_attention), (WHOLE, whole_attention)):
    AttentionInterface.register(_name, _function)
    AttentionMaskInterface.register(_name, sdpa_mask)


def of(base: Any) -> str:
    """How the language model computes attention, by transformers' name for it."""
    name: str = base.config.get_text_config()._attn_implementation
    return name


def restore(base: Any) -> None:
    """Lets the language model attend as transformers has it, where a function of this file is its standing one."""
    if of(base) in (FOREST, WHOLE):
        base.set_attn_implementation({"text_config": "sdpa"})


@contextmanager
def stock(base: Any) -> Iterator[None]:
    """The same for a while."""
    before = of(base)
    restore(base)
    try:
        yield
    finally:
        if of(base) != before:
            base.set_attn_implementation({"text_config": before})


@contextmanager
def through(base: Any) -> Iterator[None]:
    """Lets the language model attend by a function of this file for a while."""
    before = of(base)
    if before in (FOREST, WHOLE):
        yield
        return
    base.set_attn_implementation({"text_config": WHOLE})
    try:
        yield
    finally:
        base.set_attn_implementation({"text_config": before})


def modules(language_model: nn.Module) -> dict[int, nn.Module]:
    """The attention modules of a language model by the number of their layer."""
    found = {
        int(m.layer_idx): m
        for name, m in language_model.named_modules()
        if name.split(".")[-1] == "self_attn" and hasattr(m, "layer_idx")
    }
    if not found:
        raise ValueError(f"{type(language_model).__name__}: its attention modules were not found")
    return found


@contextmanager
def hooked(hooks: Mapping[nn.Module, Hook]) -> Iterator[None]:
    """Hangs hooks on modules for a while."""
    for module, hook in hooks.items():
        vars(module)[_HOOK] = hook
    try:
        yield
    finally:
        for module in hooks:
            vars(module).pop(_HOOK, None)


def watched(module: nn.Module) -> bool:
    """Whether a hook hangs on a module."""
    return _HOOK in vars(module)


def middle_third(layers: int) -> range:
    """The numbers of the layers in the middle third; of fewer than three layers all."""
    third = layers // 3
    return range(third, layers - third)


def scale(module: nn.Module, query: Tensor) -> float:
    """What the products of queries and keys are multiplied by."""
    return float(getattr(module, "scaling", None) or query.shape[-1] ** -0.5)


def grouped(query: Tensor, key: Tensor) -> Tensor:
    """Queries by the head of keys that serves them: (..., H, T, D) to (..., K, H / K, T, D)."""
    heads = key.shape[-3]
    groups: Tensor = query.unflatten(-3, (heads, query.shape[-3] // heads))
    return groups


# ---------------------------------------------------------------------------------------------- what tokens look at


@dataclass(frozen=True)
class Queries:
    """Tokens of one answer whose attention is asked for: their row, their columns, and the columns of the image."""

    row: int
    tokens: Sequence[int]
    image: Sequence[int]


@dataclass
class Probe(Hook):
    """Reads attention from chosen tokens to the image, layer after layer, of these tokens' rows only.

    ``weights[i]`` becomes the softmax attention of ``queries[i]``, averaged over heads and layers, (its tokens, its
    patches): what ``output_attentions`` of eager attention gives in those rows and columns.
    """

    queries: Sequence[Queries]
    graph: bool = False
    """Whether gradients go through what is read."""
    weights: list[Tensor] = field(default_factory=list)
    layers: int = 0

    def observe(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        exact = torch.autocast(query.device.type, enabled=False)  # in float32, whatever the model computes in
        with torch.set_grad_enabled(self.graph and torch.is_grad_enabled()), exact:
            self._observe(module, query, key, mask)

    def _observe(self, module: nn.Module, query: Tensor, key: Tensor, mask: Tensor | None) -> None:
        self.layers += 1
        found: list[Tensor] = [query.new_empty(0)] * len(self.queries)
        for row, group in itertools.groupby(sorted(range(len(self.queries)), key=self._row), key=self._row):
            numbers = list(group)
            columns_N = torch.tensor([t for i in numbers for t in self.queries[i].tokens], device=query.device)
            mean_NT = _attended(module, query[row][:, columns_N], key[row], _mask(mask, row, columns_N, key.shape[2]))
            counts = [len(self.queries[i].tokens) for i in numbers]
            for i, part in zip(numbers, mean_NT.split(counts), strict=True):
                found[i] = part[:, torch.tensor(list(self.queries[i].image), device=part.device)]
        before = self.weights or [torch.zeros_like(part) for part in found]
        self.weights = [b + (f - b) / self.layers for b, f in zip(before, found, strict=True)]

    def _row(self, number: int) -> int:
        return self.queries[number].row


def _attended(module: nn.Module, query_HND: Tensor, key_KTD: Tensor, seen_NT: Tensor) -> Tensor:
    """Softmax attention of N tokens of one row, mean over heads, (N, T) in float32."""
    logits = grouped(query_HND, key_KTD).float() @ key_KTD.float()[:, None].transpose(-1, -2) * scale(module, query_HND)
    return logits.masked_fill(~seen_NT, float("-inf")).softmax(-1).mean((0, 1))


def _mask(mask: Tensor | None, row: int, columns_N: Tensor, length: int) -> Tensor:
    """Which columns the tokens see, (N, T); without a mask all up to their own."""
    if mask is None:
        return torch.arange(length, device=columns_N.device) <= columns_N[:, None]
    own = mask[min(row, len(mask) - 1), 0, columns_N, :length]
    return own if own.dtype == torch.bool else own >= 0
