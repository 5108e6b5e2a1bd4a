"""Masks and positions of a forest in the form that a model takes, as its family's row asks.

Shapes: B rows of a forest, T their length, R tokens of a root.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unveil.vlm import attention, states
from unveil.vlm.families import Family, family_of
from unveil.vlm.token_tree import Forest, Tree, allowed, block_mask

DENSE = ("sdpa", attention.FOREST, attention.WHOLE)  # take a mask of true and false


def refusal(base: Any) -> str | None:
    """Why a model cannot take a tree, None if it can."""
    kind, text = base.config.model_type, base.config.get_text_config()
    family, how = family_of(base.config), attention.of(base)
    if family.shares == "rows":
        return f"{kind} models are not known to take a token tree"
    if family.shares == "tree" and (stateful := {*kinds(base)}.intersection(states.KINDS)):
        return f"{kind} models with layers of {' and '.join(sorted(stateful))} hand a state along the row"
    if how not in (*DENSE, "eager", "flex_attention"):
        return f"{how} takes no mask of ours (sdpa, eager and flex_attention do)"
    if family.crossed and how == "flex_attention":
        return f"{kind} models take no mask of blocks for what they see of images (sdpa and eager take a dense one)"
    if family.own_sliding_masks and getattr(text, "sliding_window", None):
        return f"{kind} models with a sliding window make its masks themselves"
    return None


def masks(base: Any, forest: Forest, family: Family, stretches: states.Stretches | None = None) -> Any:
    """The forest's mask in the form that the model takes: one, or one for each type of layer.

    Layers with a state are given ``stretches`` in its place, by default the forest's.
    """
    both_ways, how = _both_ways(base, forest, family), attention.of(base)

    def one(window: int | None) -> Any:
        own = None if window is None and family.both_ways == "image in windows" else both_ways
        if how == "flex_attention":
            return block_mask(forest, own, window)
        return mask_of(base, allowed(forest, own, window))

    found = windows(base)
    if family.shares == "fork":
        return {"full_attention": one(None), **dict.fromkeys(states.KINDS, stretches or states.stretches(forest))}
    if len(set(found)) > 1:
        return {"full_attention": one(None), "sliding_attention": one(next(filter(None, found)))}
    return one(found[0])


def going_on(base: Any, family: Family, carried: states.Carried, rows: int) -> dict[str, Any]:
    """What the language model is given beside tokens that are written behind a forest, one for each of the answers.

    There is no mask but where states go on. Layers of cross-attention run only where they are given something to see:
    what they do see, ``crossed.CrossBranches`` keeps.
    """
    mask = {"full_attention": None, **dict.fromkeys(states.KINDS, carried)} if family.shares == "fork" else None
    given: dict[str, Any] = {"attention_mask": mask}
    if family.crossed:
        width = base.config.get_text_config().hidden_size
        given["cross_attention_states"] = torch.zeros(rows, 1, width, dtype=base.dtype, device=base.device)
    return given


def windows(base: Any) -> list[int | None]:
    """The sliding window of each layer of the language model, None where it sees everything before."""
    text = base.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    return [window if kind == "sliding_attention" else None for kind in kinds(base)]


def kinds(base: Any) -> list[str]:
    """The type of each layer of the language model; where a configuration tells none, all may have a window."""
    text = base.config.get_text_config()
    return getattr(text, "layer_types", None) or ["sliding_attention"] * text.num_hidden_layers


def mask_of(base: Any, seen: Tensor) -> Tensor:
    """A mask that is true where a token sees something, in the form that the model's attention takes."""
    if attention.of(base) in DENSE:
        return seen
    dtype: torch.dtype = base.dtype
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def _both_ways(base: Any, forest: Forest, family: Family) -> Tensor | None:
    """A number >= 0 that tokens share which see one another both ways, -1 for others: (B, T)."""
    told = getattr(base.config.get_text_config(), "use_bidirectional_attention", None)
    if family.both_ways == "none" or (family.both_ways == "image in windows" and told != "vision"):
        return None
    if family.both_ways == "prompt":
        return forest.roots_BT
    inside = forest.ids_BT == base.config.image_token_id
    starts = inside & ~nn.functional.pad(inside, (1, -1))
    return torch.where(inside, starts.cumsum(1), -1)


def positions(base: Any, forest: Forest, family: Family) -> Tensor:
    """Each token's position on its own path: (B, T), or (3, B, T) where an image has three axes of positions."""
    if not hasattr(base.model, "get_rope_index"):
        return forest.offsets_BT + family.first_position
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
    positions: Tensor = model.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid)[0][:, 0]
    return positions
