"""Which model a command works with: the options that all those have which load one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from unveil.core.registry import PluginOptions
from unveil.vlm.resolution import Limited, Resolution

TINY = "tiny"
"""The base model that comes along."""
Precision = Literal["auto", "float32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class ModelChoice(PluginOptions):
    """A vision-language model, how it writes boxes, and how finely it looks."""

    seldom: ClassVar[tuple[str, ...]] = ("box_format",)

    model: str = TINY
    """Hub id or local folder of a vision-language model of transformers, or of an adapter; "tiny" is the base model
    that comes along."""
    revision: str | None = None
    """Revision of a hub model."""
    box_format: str | None = None
    """How the model writes boxes, and its dialect, where it does not declare that, or to say otherwise."""
    limits: Limited = field(default_factory=Resolution)
    """What an image may cost."""

    @property
    def how(self) -> dict[str, Any]:
        """What ``models.load`` and ``models.chat_of`` are told beside the model's name."""
        return {"revision": self.revision, "box_format": self.box_format, "limits": self.limits}
