"""Two ways to do the same step, run alternately in one process, and what each costs.

Counts come from hooks on the same modules of both sides, so they do not depend on what a side says of itself.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn


class Counted(ABC):
    """One way to do the step. ``model`` is the model of transformers, adapters and all."""

    name: str
    model: nn.Module
    reference: nn.Module | None = None
    """A second model that runs in each step, counted too."""
    rollout_s: float | None = None
    """Seconds of a step that were spent on sampling answers, where a step does so."""

    @abstractmethod
    def step(self, step: int) -> float:
        """One whole step; returns its seconds."""

    def count(self) -> None:
        """Begins to count images that pass the tower and tokens that pass the language model."""
        self.tower_encodings = self.lm_tokens = 0
        for model in filter(None, (self.model, self.reference)):
            self._hook(model.get_base_model() if hasattr(model, "get_base_model") else model)

    def _hook(self, base: Any) -> None:
        def images(module: nn.Module, args: tuple, options: dict) -> None:
            grid = options.get("grid_thw")
            given = args[0] if args else options.get("pixel_values")
            self.tower_encodings += len(grid) if grid is not None else len(given)

        def tokens(module: nn.Module, args: tuple, options: dict) -> None:
            given = options.get("inputs_embeds")
            given = options["input_ids"] if given is None else given
            self.lm_tokens += given.shape[0] * given.shape[1]

        tower = base.model.vision_tower if hasattr(base.model, "vision_tower") else base.model.visual
        tower.register_forward_pre_hook(images, with_kwargs=True)
        base.model.language_model.register_forward_pre_hook(tokens, with_kwargs=True)


class Side(Counted):
    """One way to do a step of training."""

    optimizer: torch.optim.Optimizer

    @abstractmethod
    def loss(self, step: int) -> torch.Tensor:
        """From the files to the loss of step ``step``, data and reference included."""

    def step(self, step: int) -> float:
        began = clock()
        self.loss(step).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return clock() - began


def clock() -> float:
    """Now, when the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def race(sides: Sequence[Counted], steps: int, warmup: int) -> dict[str, Any]:
    """Runs the sides alternately, step by step; ``step_s`` is the median after the warm-up, in which caches fill.

    ``cpus_s`` are the seconds that this process computed in each step, on all its threads: what else the machine does
    moves them less than the clock.
    """
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    drawing: dict[str, list[float]] = {side.name: [] for side in sides}
    computing: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:
        side.count()
    for step in range(warmup + steps):
        if step == warmup:
            before = {s.name: (s.tower_encodings, s.lm_tokens) for s in sides}
        for side in sides if step % 2 else reversed(sides):
            began = time.process_time()
            seconds[side.name].append(side.step(step))
            computing[side.name].append(time.process_time() - began)
            drawing[side.name].append(side.rollout_s or 0.0)
    out: dict[str, Any] = {}
    for side in sides:
        timed = seconds[side.name][warmup:]
        images, tokens = before[side.name]
        out[side.name] = {
            "step_s": statistics.median(timed),
            "steps_s": [round(s, 4) for s in timed],
            "cpus_s": [round(s, 4) for s in computing[side.name][warmup:]],
            "tower_encodings": (side.tower_encodings - images) / steps,
            "lm_tokens": (side.lm_tokens - tokens) / steps,
        }
        if side.rollout_s is not None:
            rest = [s - drawn for s, drawn in zip(seconds[side.name], drawing[side.name], strict=True)][warmup:]
            out[side.name] |= {"rollout_s": statistics.median(drawing[side.name][warmup:])}
            out[side.name] |= {"update_s": statistics.median(rest)}
    return out


def alike(ours: Side, theirs: Side) -> None:
    """Gives both sides the same trained weights."""
    source = dict(ours.model.named_parameters())
    with torch.no_grad():
        for name, p in theirs.model.named_parameters():
            if p.requires_grad:
                p.copy_(source[name])


def difference(ours: Side, theirs: Side) -> dict[str, float]:
    """Loss and gradients of the same step on the same weights: absolute and relative to the largest gradient."""
    losses, grads = [], []
    for side in (ours, theirs):
        loss = side.loss(0)
        loss.backward()
        losses.append(float(loss.detach()))
        grads.append({_bare(n): p.grad.float().clone() for n, p in side.model.named_parameters() if p.grad is not None})
        side.optimizer.zero_grad()
    if grads[0].keys() != grads[1].keys():
        raise RuntimeError(f"the sides train different weights: {sorted(grads[0].keys() ^ grads[1].keys())[:5]}")
    largest = max(float(g.abs().max()) for g in grads[1].values())
    apart = max(float((grads[0][n] - grads[1][n]).abs().max()) for n in grads[0])
    return {"loss": losses[0], "loss_diff": abs(losses[0] - losses[1]), "grad_diff": apart / largest}


def _bare(name: str) -> str:
    return name.removeprefix("module.")


class Memory:
    """What a process has needed at the most since this was made, in MB: of the GPU where there is one."""

    def __init__(self) -> None:
        self.before = self._now()

    def _now(self) -> float:
        if torch.cuda.is_available():
            return 0.0
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    def peak(self) -> float:
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status").read_text()  # getrusage would tell the parent's peak from before the exec
        return int(status.split("VmHWM:")[1].split()[0]) / 1024 - self.before


def surroundings() -> dict[str, Any]:
    """What the figures were measured with and on: ``versions`` of what is installed, and ``machine``."""
    known = {name.lower() for one in metadata.distributions() if (name := one.metadata["Name"])}
    names = [n for n in ("torch", "transformers", "accelerate", "peft", "trl") if n in known]
    cpu = next((ln.split(":")[1].strip() for ln in _cpuinfo() if ln.startswith("model name")), platform.machine())
    return {
        "versions": {n: metadata.version(n) for n in names},
        "machine": {
            "cpu": cpu,
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def show(title: str, found: dict[str, Any]) -> None:
    """A short table."""
    ours, theirs = found["ours"], found["trl"]
    print(f"\n{title}")
    print(f"{'':24}{'ours':>12}{'TRL':>12}{'TRL / ours':>14}")
    for name, unit in (
        ("step_s", "s"),
        ("rollout_s", "s"),
        ("update_s", "s"),
        ("peak_mb", "MB"),
        ("tower_encodings", ""),
        ("lm_tokens", ""),
    ):
        if ours.get(name) is None:
            continue
        ratio = f"{theirs[name] / ours[name]:.2f}" if ours[name] else "–"
        print(f"{name + (f' ({unit})' if unit else ''):24}{ours[name]:>12.3f}{theirs[name]:>12.3f}{ratio:>14}")
    print(f"before the first step: ours {found['ours']['setup_s']:.2f} s")
    print(f"loss {found['loss']:.4f}, apart by {found['loss_diff']:.1e}; gradients apart by {found['grad_diff']:.1e}")


def write(path: Path | None, found: dict[str, Any]) -> None:
    """The figures as JSON, if asked for."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n")
