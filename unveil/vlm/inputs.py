"""What a model is given: an image as it sees it, and a row of ids with that image inside.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from unveil.core.box_formats import View

CROSSED = "cross_attention_mask"
"""What processors call the tiles that each token of a row sees by cross-attention."""
OF_ROW = ("input_ids", "attention_mask", CROSSED)
"""What processors give of a row, not of its image."""


@dataclass(frozen=True)
class ImageInput:
    """An image as one model sees it: its tensors, the text and the ids that stand for it, the frame of coordinates."""

    tensors: dict[str, Tensor]
    text: str
    block: list[int]
    types: dict[str, list[int]]
    view: View
    was: bytes | None = None
    """The digest of the whole image, where its pixels were let go."""
    tiles: list[int] = field(default_factory=list)
    """Which of its tiles there are (1, else 0) where tokens see an image by cross-attention; else empty."""

    @cached_property
    def digest(self) -> bytes:
        """A hash of the processed image: of its pixels and of all that the processor did to them."""
        if self.was is not None:
            return self.was
        found = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.tensors.items()):
            found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            found.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return found.digest()

    def __getstate__(self) -> dict[str, Any]:
        """Travels between processes by value: each tensor in shared memory would hold a file open while it lives."""
        return {**vars(self), "tensors": {k: v.numpy() for k, v in self.tensors.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, tensors={k: torch.from_numpy(v) for k, v in state["tensors"].items()})

    @property
    def whole(self) -> bool:
        """Whether a tower can look at it."""
        return self.was is None

    @property
    def nbytes(self) -> int:
        """What its tensors hold."""
        return sum(t.nbytes for t in self.tensors.values())

    def light(self) -> ImageInput:
        """The same without pixels: sizes and grids only. Enough where the tower's features are known."""
        small = {k: v for k, v in self.tensors.items() if not v.is_floating_point() and v.dim() <= 2}
        return replace(self, tensors=small, was=self.digest)


@dataclass(frozen=True)
class EncodedExample:
    """One row: the prompt's ids with the image inside, and the answer's ids (empty when the model is to answer)."""

    id: str
    seen: ImageInput
    prompt: list[int]
    answer: list[int]
    image_at: int

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    def types(self, key: str) -> list[int]:
        """Token types of the whole row: those of the image's tokens, 0 elsewhere."""
        types = self.seen.types[key]
        return [0] * self.image_at + types + [0] * (len(self) - self.image_at - len(types))

    def tiles(self) -> list[list[list[int]]]:
        """Which tiles of its one image each token of the row sees by cross-attention: from the image's token on, all
        that there are."""
        unseen = [0] * len(self.seen.tiles)
        return [[unseen]] * self.image_at + [[self.seen.tiles]] * (len(self) - self.image_at)


def stack_images(tensors: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Image tensors of several rows behind one another, padded where images have different numbers of tiles."""
    out = {}
    for key in tensors[0]:
        parts = [t[key] for t in tensors]
        if key == "pixel_values" and "target_sizes" in tensors[0]:  # MiniCPM: the patches of all images in one row
            out[key] = torch.cat(parts, -1)
            continue
        if parts[0].dim() == 5 and len(tensors[0]) == 1:  # PerceptionLM, which is not told where tiles are padding
            out[key] = torch.cat(parts, 1)
            continue
        shape = [max(p.shape[d] for p in parts) for d in range(1, parts[0].dim())]
        padded = []
        for part in parts:
            gaps = [g for d in reversed(range(1, part.dim())) for g in (0, shape[d - 1] - part.shape[d])]
            padded.append(nn.functional.pad(part, gaps) if any(gaps) else part)
        out[key] = torch.cat(padded)
    return out
