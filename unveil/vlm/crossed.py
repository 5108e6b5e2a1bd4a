"""Images that enter a language model by layers of cross-attention (Llama 3.2 Vision), for the rows of a forest.

An image is one token of the row. Its features stand beside the row, and in some layers every token behind that token
attends to them, to those of tiles that the image has. Tokens before it attend to them too, all alike, in transformers:
a token that may see nothing sees everything, and only its MLP is left out. A forest keeps both to the image of a
token's own tree, so that what is computed for a token is what is computed in its plain row.

Shapes: B rows of a forest, T their length, N trees, M images of the row that has most, X features of an image (tiles
times patches, with those of tiles that only fill up), D width, I images that are answered on, Q questions, G answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unveil.vlm import branches
from unveil.vlm.attention import Hook, Queries, grouped, scale
from unveil.vlm.branches import Branches, Prompts, Recorder
from unveil.vlm.masks import mask_of, windows
from unveil.vlm.model_parts import language_model
from unveil.vlm.token_tree import Forest


def features(base: Any, pixel_values: Tensor, aspect_ratio_ids: Tensor, aspect_ratio_mask: Tensor) -> Tensor:
    """What tower and projector make of images, one to a row of the tensors: (N, X, D)."""
    seen = base.model.vision_model(
        pixel_values=pixel_values, aspect_ratio_ids=aspect_ratio_ids, aspect_ratio_mask=aspect_ratio_mask
    ).last_hidden_state
    states: Tensor = base.model.multi_modal_projector(seen).flatten(1, -2)
    return states


def modules(language_model: nn.Module) -> dict[int, nn.Module]:
    """The modules of cross-attention of a language model by the number of their layer."""
    found = (m for name, m in language_model.named_modules() if name.split(".")[-1] == "cross_attn")
    return {int(m.layer_idx): m for m in found}


def seen_features(tiles: Sequence[int], count: int) -> Tensor:
    """Which of an image's ``count`` features stand on tiles that it has, (X,)."""
    return torch.tensor(tiles, dtype=torch.bool).repeat_interleave(count // len(tiles))


def slots(forest: Forest) -> tuple[list[int], int]:
    """The place of each tree's image among those of its row, and how many the row has that has most."""
    counts: dict[int, int] = {}
    found = []
    for row, _ in forest.places:
        found.append(counts.get(row, 0))
        counts[row] = found[-1] + 1
    return found, max(found) + 1


def beside(base: Any, forest: Forest, states_NXD: Tensor) -> dict[str, Tensor]:
    """What the language model is given of the images of a forest, by its own names.

    The features of each row (B, M X, D), which of them a token sees (B, 1, T, M X) in the form that it takes, and which
    tokens stand behind an image (B, 1, T, 1), 1 where they do. Padding sees the row's first image, and nobody it.
    """
    rows, length = forest.ids_BT.shape
    count, width = states_NXD.shape[1:]
    places, most = slots(forest)
    states = states_NXD.new_zeros(rows, most, count, width)
    seen = torch.zeros(rows, length, most, count, dtype=torch.bool, device=states.device)
    behind = torch.zeros(rows, length, dtype=base.dtype, device=states.device)
    seen[:, :, 0] = True
    for states_XD, tree, (row, column), slot in zip(states_NXD, forest.trees, forest.places, places, strict=True):
        shown, end = column + tree.root.ids.index(base.config.image_token_id), column + len(tree)
        states[row, slot] = states_XD
        seen[row, column:end, 0] = False
        seen[row, column:shown, slot] = True
        seen[row, shown:end, slot] = seen_features(tree.seen.tiles, count).to(seen.device)
        behind[row, shown:end] = 1
    return {
        "cross_attention_states": states.flatten(1, 2),
        "cross_attention_mask": mask_of(base, seen.flatten(2)[:, None]),
        "full_text_row_masked_out_mask": behind[:, None, :, None],
    }


def beside_row(base: Any, forest: Forest, row: int, found: Queries) -> Queries:
    """Tokens of one of the caller's rows whose attention is asked for, with the features of its image beside it."""
    number = forest.tree_of(row)
    count = len(forest.trees[number].seen.tiles) * base.model.vision_model.num_patches
    first = slots(forest)[0][number] * count
    return replace(found, image=range(first, first + count))


# ---------------------------------------------------------------------------------------------------------- answers


@dataclass
class CrossBranches(Hook):
    """The keys and values of one layer of cross-attention, once for each image, for all tokens that are written."""

    prompts: Prompts
    key_IKXD: Tensor
    value_IKXD: Tensor
    hidden_IX: Tensor
    """Features of tiles that an image does not have."""

    def instead(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        questions, width = len(self.prompts.image_Q), query.shape[-1]
        query_QGKhD = grouped(query, key)[..., 0, :].unflatten(0, (questions, -1))
        answers, heads, shared = query_QGKhD.shape[1:4]
        query_QKAD = query_QGKhD.transpose(1, 2).reshape(questions, heads, answers * shared, width)
        scores = self.prompts.packed(query_QKAD, self.key_IKXD.transpose(-1, -2)).float() * scale(module, query)
        scores = scores.masked_fill(self.hidden_IX[self.prompts.image_Q][:, None, None], float("-inf"))
        on_image = self.prompts.packed(scores.softmax(-1).to(query.dtype), self.value_IKXD)
        out: Tensor = on_image.unflatten(2, (answers, shared)).transpose(1, 2)
        return out.reshape(questions * answers, 1, heads * shared, width)

    def keep(self, questions: Tensor, answers: Tensor, images: Tensor | None) -> None:
        """As that of ``branches.Branches``: these images are left."""
        if images is not None:
            for name in ("key_IKXD", "value_IKXD", "hidden_IX"):
                setattr(self, name, getattr(self, name)[images])


def branch(
    base: Any, forest: Forest, order: Tensor, recorders: Mapping[int, Recorder], answers: int
) -> tuple[Prompts, dict[int, Branches | CrossBranches]]:
    """As ``branches.branch``, with the state of each layer of cross-attention, of what was recorded over a forest."""
    crossing = modules(language_model(base))
    own = {layer: recorded for layer, recorded in recorders.items() if layer not in crossing}
    prompts, found = branches.branch(forest, order, own, answers, windows(base))
    out: dict[int, Branches | CrossBranches] = {**found}
    numbers = list(dict.fromkeys(forest.tree_of(leaf) for leaf in forest.leaves_S[order].tolist()))
    places, most = slots(forest)
    row_I = torch.tensor([forest.places[number][0] for number in numbers])
    slot_I = torch.tensor([places[number] for number in numbers])
    for layer in crossing:
        key, value = recorders[layer].key_BKTD, recorders[layer].value_BKTD
        assert key is not None and value is not None
        held = [v.unflatten(2, (most, -1))[row_I, :, slot_I] for v in (key, value)]
        seen = [seen_features(forest.trees[number].seen.tiles, held[0].shape[2]) for number in numbers]
        out[layer] = CrossBranches(prompts, held[0], held[1], ~torch.stack(seen).to(key.device))
        recorders[layer].key_BKTD = recorders[layer].value_BKTD = None
    return prompts, out
