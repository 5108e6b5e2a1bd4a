"""What `unveil check-served` can be told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from tyro.conf import Positional

from unveil.core.number_types import Count
from unveil.core.path_types import InputFolder, OutputFolder
from unveil.core.records import Split
from unveil.core.registry import PluginOptions
from unveil.experts.options import ServerOptions


@dataclass(frozen=True, kw_only=True)
class ServedOptions(PluginOptions, ServerOptions):
    """Ask a server that runs a trained model the test questions, and tell whether it answers as the model does here."""

    passing: ClassVar = {"least", *(f.name for f in fields(ServerOptions))}
    groups: ClassVar = {"serving": tuple(f.name for f in fields(ServerOptions))}
    seldom: ClassVar[tuple[str, ...]] = ("seed", "resamples", "least")

    url: Positional[str]
    """Address of the server, such as http://127.0.0.1:8000/v1."""
    run: InputFolder
    """Folder that `unveil run` has filled, or that of the trained model: what the server is said to run."""
    name: str | None = None
    """Which model of a run, such as aar; by default sft."""
    server_model: str | None = None
    """How the server calls it; needed where it has several."""
    engine: Literal["vllm", "openai", "transformers"] = "vllm"
    """What the server is: vLLM (SGLang too), another one with OpenAI's chat completions, or `transformers serve`."""
    split: Split = "test"
    """Which split's questions are asked."""
    limit: Count | None = None
    """Only the first so many questions."""
    least: float = 0.99
    """Share of equal answers that is enough; with fewer the command ends with 1."""
    out: OutputFolder | None = None
    """Folder for the answers and figures; by default `served` in the model's folder."""
    resamples: int = 2000
    """Bootstrap resamples, over patients where they are known."""
    seed: int = 0
    """Seed of the bootstrap."""
    restart: bool = False
    """Ask again, although a server has answered these questions under these settings."""
