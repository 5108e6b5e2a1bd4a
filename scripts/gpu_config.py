"""Options of ``scripts.gpu_check``."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unveil.testing.models import loaded
from unveil.testing.sizes import LARGER, TINY, Size
from unveil.vlm.models import Loaded


@dataclass(frozen=True)
class Config:
    """Check on a GPU what no CPU can show."""

    device: str = "cuda"
    """Where: cuda, or cpu to try the command itself."""
    tenth: bool = False
    """Take the large model with a tenth of its weights, and the smallest of each family."""
    out: Path = Path("bench/results")
    """Folder for gpu-PART.json."""
    scratch: Path | None = None
    """Folder for what is made on the way, some 8 GB; by default a temporary one."""
    minutes: float = 8.0
    """When this much time has passed, no further part is begun, and one under way is ended."""
    parts: tuple[str, ...] = ()
    """Only these parts, in this order; by default all."""
    alone: str | None = None
    """Run this part in this process and print its figures (how the command calls itself)."""
    gather: Path | None = None
    """Gather wheels into this folder, and do nothing else (see ``scripts.gpu_wheels``)."""
    have: Path | None = None
    """gather: what the machine has, as `pip list --format freeze` prints it there."""

    @property
    def preset(self) -> Literal["3b", "3b-tenth"]:
        return "3b-tenth" if self.tenth else "3b"

    def family(self, name: str) -> Loaded:
        """A random model of a family, of one's own."""
        one = loaded(name, self.size)
        return replace(one, model=copy.deepcopy(one.model))

    @property
    def size(self) -> Size:
        return TINY if self.tenth else LARGER

    @property
    def folder(self) -> Path:
        assert self.scratch is not None
        return self.scratch
