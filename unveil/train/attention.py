"""Attention over a forest in parts, none of which computes what stands behind it.

A dense mask makes SDPA's kernel compute all pairs of tokens, although no token of a forest sees one that stands after
it. Cut into rows of queries, each with the keys up to its own end, n parts leave (n + 1) / 2n of that work.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "unveil_forest"
PART = 320
"""Fewest queries of a part: shorter ones cost more in calls than they save."""


def forest_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """SDPA as transformers calls it, for masks in which no token sees a later one: (B, H, T, D) to (B, T, H, D).

    Whatever else SDPA is asked for, such as one new token after a cache of others, it does as ever.
    """
    length = query.shape[2]
    parts = length // PART
    if attention_mask is None or parts < 2 or key.shape[2] != length:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    ends = [length * i // parts for i in range(parts + 1)]
    found = [
        sdpa_attention_forward(
            module, query[:, :, a:b], key[:, :, :b], value[:, :, :b], attention_mask[..., a:b, :b], **options
        )[0]
        for a, b in itertools.pairwise(ends)
    ]
    return torch.cat(found, 1), None


AttentionInterface.register(NAME, forest_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
