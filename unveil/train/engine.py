"""Log-probabilities of answers, on the token tree where the architecture can take it, else on plain rows.

Everything that trains or scores goes through ``Scorer``: rows in, one log-probability per answer token out, with
gradients where the model is trained. A frozen tower is run outside of the graph and once per image
(``features``); the head runs on the scored tokens only, in chunks.

Shapes: B rows of a forest, T their length, S scored tokens, D width, V vocabulary, L leaves (rows of the caller).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from unveil.encoding import IGNORED, Chat, Encoded
from unveil.train import attention
from unveil.train.features import Features
from unveil.train.losses import token_logps
from unveil.train.tree import Forest, Tree, allowed, block_mask, grow, plant

LOG = logging.getLogger(__name__)
CHUNK = 2**22  # logits that are held at a time
DENSE = ("sdpa", attention.NAME)  # take a mask of true and false


@dataclass(frozen=True)
class Architecture:
    """What a family's attention asks of a tree."""

    both_ways: Literal["none", "image", "prompt"] = "none"
    """Which tokens see one another whichever comes first; with "prompt", only answers can share."""
    first: int = 0
    """The position of a row's first token."""


#: By ``model_type``. Checked against plain rows by the tests; others run on plain rows.
ARCHITECTURES: dict[str, Architecture] = {
    "llava": Architecture(),
    "llava_next": Architecture(),
    "qwen2_vl": Architecture(),
    "qwen2_5_vl": Architecture(),
    "qwen3_vl": Architecture(),
    "internvl": Architecture(),
    "idefics3": Architecture(),
    "smolvlm": Architecture(),
    "gemma3": Architecture(both_ways="image"),
    "paligemma": Architecture(both_ways="prompt", first=1),
}


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of the scored tokens (S,), and which of the caller's rows each belongs to (S,)."""

    logps_S: Tensor
    rows_S: Tensor
    count: int

    def in_order(self) -> Tensor:
        """The log-probabilities row after row, in the caller's order of rows."""
        return self.logps_S[torch.argsort(self.rows_S, stable=True)]

    def summed(self) -> Tensor:
        """Of each row's answer, (L,)."""
        return self.logps_S.new_zeros(self.count).index_add(0, self.rows_S, self.logps_S)


class Scorer(nn.Module):
    """A model that gives the log-probabilities of answers. Its parameters are those of the model.

    ``budget`` is the number of tokens that trees are packed to; by default the longest tree's.
    """

    def __init__(
        self, model: nn.Module, chat: Chat, features: Features, *, tree: bool = True, budget: int | None = None
    ):
        super().__init__()
        self.model = model
        self.chat = chat
        self.features = features
        self.budget = budget
        self.counts = {"lm_tokens": 0}
        base = whole(model)
        self.architecture = ARCHITECTURES.get(base.config.model_type) if tree else None
        if tree and (why := refusal(base)):
            self.architecture = None
            LOG.warning("%s; each answer runs as a row of its own, which is right but slower", why)
        if self.architecture and self.architecture.both_ways == "none" and attention_of(base) == "sdpa":
            base.set_attn_implementation({"text_config": attention.NAME})

    def forward(self, rows: Sequence[Encoded]) -> Scores:
        """The log-probability of each token of each row's answer."""
        if self.architecture is None:
            return self._plain(rows)
        trees = grow(rows, share_image=self.architecture.both_ways != "prompt")
        pad = self.chat.tokenizer.pad_token_id or 0
        forest = plant(trees, self.budget, pad, next(self.model.parameters()).device)
        self.counts["lm_tokens"] += forest.tokens
        base = whole(self.model)
        hidden_BTD = base.model(
            input_ids=forest.ids_BT,
            attention_mask=masks(base, forest, self.architecture),
            position_ids=positions(base, forest, self.architecture),
            mm_encoder_outputs={"image": self.features([t.seen for t in forest.trees])},
            use_cache=False,
        ).last_hidden_state
        logps = head(base, hidden_BTD.flatten(0, 1)[forest.before_S], forest.targets_S)
        return Scores(logps, forest.leaves_S, len(rows))

    def _plain(self, rows: Sequence[Encoded]) -> Scores:
        """Padded rows, each with its own image, as any model takes them."""
        device = next(self.model.parameters()).device
        base = whole(self.model)
        known = self.features.keeps == "features" and "mm_encoder_outputs" in signature(base.model.forward).parameters
        shown = [replace(row, seen=row.seen.light()) for row in rows] if known else rows
        batch: dict[str, Any] = {**self.chat.batch(shown, device)}
        if known:
            batch["mm_encoder_outputs"] = {"image": self.features([row.seen for row in rows])}
        labels_BT = batch.pop("labels")
        self.counts["lm_tokens"] += sum(map(len, rows))
        hidden_BTD = base.model(**batch, use_cache=False).last_hidden_state
        row, column = (labels_BT != IGNORED).nonzero(as_tuple=True)
        logps = head(base, hidden_BTD[row, column - 1], labels_BT[row, column])
        return Scores(logps, row, len(rows))


def whole(model: Any) -> Any:
    """The model of transformers inside of adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def attention_of(base: Any) -> str:
    """How the language model computes attention, by transformers' name for it."""
    return base.config.get_text_config()._attn_implementation


def refusal(base: Any) -> str | None:
    """Why a model cannot take a tree, None if it can."""
    kind, text = base.config.model_type, base.config.get_text_config()
    if kind not in ARCHITECTURES:
        return f"{kind} models are not known to take a token tree"
    if attention_of(base) not in (*DENSE, "eager", "flex_attention"):
        return f"{attention_of(base)} takes no mask of ours (sdpa, eager and flex_attention do)"
    if kind == "paligemma" and getattr(text, "sliding_window", None):
        return "PaliGemma 2 builds its sliding masks itself"
    return None


# ----------------------------------------------------------------------------------------------- masks and positions


def masks(base: Any, forest: Forest, architecture: Architecture) -> Any:
    """The forest's mask in the form that the model takes: one, or one for each type of layer."""
    text = base.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    types = set(getattr(text, "layer_types", None) or ())
    both_ways = _both_ways(base, forest, architecture)

    def one(window: int | None) -> Any:
        if attention_of(base) == "flex_attention":
            return block_mask(forest, both_ways, window)
        seen = allowed(forest, both_ways, window)
        return seen if attention_of(base) in DENSE else _additive(seen, base.dtype)

    if "sliding_attention" in types and len(types) > 1:
        return {"full_attention": one(None), "sliding_attention": one(window)}
    return one(window if not types or "sliding_attention" in types else None)


def _additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def _both_ways(base: Any, forest: Forest, architecture: Architecture) -> Tensor | None:
    """A number >= 0 that tokens share which see one another both ways, -1 for others: (B, T)."""
    if architecture.both_ways == "none":
        return None
    if architecture.both_ways == "prompt":
        return forest.roots_BT
    inside = forest.ids_BT == base.config.image_token_id
    starts = inside & ~nn.functional.pad(inside, (1, -1))
    return torch.where(inside, starts.cumsum(1), -1)


def positions(base: Any, forest: Forest, architecture: Architecture) -> Tensor:
    """Each token's position on its own path: (B, T), or (3, B, T) where an image has three axes of positions."""
    if not hasattr(base.model, "get_rope_index"):
        return forest.offsets_BT + architecture.first
    out = forest.offsets_BT.expand(3, -1, -1).clone()
    for tree, (row, column) in zip(forest.trees, forest.places, strict=True):
        own, end = len(tree.root.ids), column + len(tree)
        root = _rope_of_root(base.model, tree).to(out.device)
        shift = int(root.max()) + 1 - own  # what follows the image counts on from its largest position
        out[:, row, column + own : end] += shift
        out[:, row, column : column + own] = root
    return out


def _rope_of_root(model: Any, tree: Tree) -> Tensor:
    """Positions of a root's tokens, (3, R), by the model's own rule."""
    ids = torch.tensor([tree.root.ids])
    types = torch.zeros_like(ids)
    for values in tree.seen.types.values():
        types[0, tree.image_at : tree.image_at + len(values)] = torch.tensor(values)
    grid = tree.seen.tensors["image_grid_thw"].cpu()
    return model.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid)[0][:, 0]


# ------------------------------------------------------------------------------------------------------------- head


def head(base: Any, hidden_SD: Tensor, targets_S: Tensor) -> Tensor:
    """Log-probabilities of the targets, (S,): the head in chunks whose logits are not kept for the backward pass."""
    cap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)

    def part(hidden: Tensor, targets: Tensor) -> Tensor:
        logits = base.lm_head(hidden)
        return token_logps(cap * torch.tanh(logits / cap) if cap else logits, targets)

    size = max(1, CHUNK // base.lm_head.weight.shape[0])
    if len(targets_S) <= size:
        return part(hidden_SD, targets_S)
    chunks = zip(hidden_SD.split(size), targets_S.split(size), strict=True)
    return torch.cat([checkpoint(part, h, t, use_reentrant=False) for h, t in chunks])
