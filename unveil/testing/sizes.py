"""How large the models of this folder are built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """How large a model is built: ``TINY`` for tests, ``WIDE`` where memory is measured, ``LARGER`` where cost is."""

    hidden: int = 32
    layers: int = 2
    head: int = 16
    """Width of an attention head."""
    picture: int = 56
    """Width and height of what the tower takes, in pixels; a patch has 14."""
    longest: int = 1024
    """Most tokens of a row."""
    window: int = 24
    """Sliding window of Mistral, and with 40 more of Gemma: shorter than a row in tests."""

    @property
    def patches(self) -> int:
        """Patches of a picture, before any are merged."""
        return (self.picture // 14) ** 2

    @property
    def text(self) -> dict[str, Any]:
        """Of the language model's configuration."""
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // self.head,
            "num_key_value_heads": self.hidden // self.head // 2,
            "max_position_embeddings": self.longest,
            "bos_token_id": None,
        }

    @property
    def tower(self) -> dict[str, Any]:
        """Of the vision tower's configuration."""
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // self.head,
            "image_size": self.picture,
            "patch_size": 14,
        }

    @property
    def qwen_tower(self) -> dict[str, Any]:
        """Of a Qwen tower's configuration, which names things otherwise."""
        return {
            "depth": self.layers,
            "hidden_size": self.hidden,
            "intermediate_size": self.hidden * 3 // 2,
            "num_heads": self.hidden // self.head,
            "out_hidden_size": self.hidden,
        }

    def rope(self, *section: int) -> dict[str, Any]:
        """Positions of three axes, which share a head's 8 pairs of 16 features as ``section`` says."""
        parts = [n * self.head // 16 for n in section]
        return {"rope_type": "default", "mrope_section": parts, "rope_theta": 10000.0}

    @property
    def siglip(self) -> dict[str, Any]:
        """Of SigLIP's image processor: stretched to a square."""
        return {
            "size": {"height": self.picture, "width": self.picture},
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        }

    @property
    def clip(self) -> dict[str, Any]:
        """Of CLIP's image processor: the shorter edge resized, the centre cropped."""
        square = {"height": self.picture, "width": self.picture}
        return {"size": {"shortest_edge": self.picture}, "crop_size": square}

    @property
    def qwen(self) -> dict[str, Any]:
        """Of Qwen's image processor: as many pixels as the square of others."""
        return {"size": {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * self.patches}}

    @property
    def idefics(self) -> dict[str, Any]:
        """Of Idefics' image processor: four tiles at the most."""
        return {"size": {"longest_edge": 2 * self.picture}, "max_image_size": {"longest_edge": self.picture}}


TINY = Size()
#: Wide enough that the language model takes most of the memory, as it does in models of use.
WIDE = Size(hidden=128, layers=5, head=32, picture=112, longest=2048, window=1024)
LARGER = Size(hidden=256, layers=4, head=64, picture=336, longest=8192, window=4096)
