"""What each way to take less memory saves on a GPU, and what it costs: a DPO step of the large model."""

from __future__ import annotations

import gc
import importlib.util
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench import dpo, sides
from scripts.gpu_config import Config
from unveil.train import loop, optimizers

#: Options by the name of the way. Some are refused on a CPU, where only the others are looked at.
WAYS: dict[str, dict[str, Any]] = {
    "lora": {},
    "checkpointing": {"gradient_checkpointing": True},
    "offloading": {"offload_activations": True},
    "compiled": {"compile": True},
    "qlora": {"method": "qlora"},
    "adamw-8bit": {"optimizer": "adamw-8bit"},
}
#: Ways that need bitsandbytes.
PACKED = ("qlora", "adamw-8bit")
CPU = ("lora", "checkpointing")
WARMUP = 2


@dataclass(frozen=True)
class Fitted(dpo.Config):
    """A race's options, with others for our recipe."""

    more: dict[str, Any] = field(default_factory=dict)

    def options(self, folder: Path, **more: Any) -> dict[str, Any]:
        return super().options(folder, **more) | self.more


def fitting(config: Config, data: Path, steps: int = 5) -> dict[str, Any]:
    """Seconds of a step and peak memory in GB by way, and how far its loss lies from plain LoRA's first one."""
    there = importlib.util.find_spec("bitsandbytes") is not None
    ways = [way for way in (WAYS if config.device == "cuda" else CPU) if there or way not in PACKED]
    found = {way: _step(config, data, WAYS[way], steps) for way in ways}
    for one in found.values():
        one["loss_apart"] = abs(one["loss"] - found["lora"]["loss"])
    return {"ways": found, "left_out": [way for way in WAYS if way not in found]}


def _step(config: Config, data: Path, more: dict[str, Any], steps: int) -> dict[str, float]:
    gc.collect()
    gpu = config.device == "cuda"
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    side = dpo.Ours(Fitted(preset=config.preset, device=config.device, data=data, more=more), data)
    side.optimizer = optimizers.made(
        side.config.optimizer, loop.parameter_groups(side.model, 0.0), sides.RATE, torch.device(config.device)
    )
    loss = float(side.loss(0).detach())
    side.rewind()
    seconds = [side.step(step) for step in range(WARMUP + steps)][WARMUP:]
    peak = torch.cuda.max_memory_allocated() / 1e9 if gpu else 0.0
    return {"step_s": statistics.median(seconds), "peak_gb": peak, "loss": loss}
