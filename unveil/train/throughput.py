"""How long training takes: its floating-point operations over what a device does in a second. An estimate.

A token that passes a weight costs two operations, in the backward pass two for the activation and two for the gradient
of a weight that is trained: 6 for each weight and token where all are trained, 4 where adapters are; checkpointing adds
2. Writing an answer reads all weights once for each token of the longest of those that are written together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from unveil.train.footprint import Footprint
from unveil.train.lengths import Batch
from unveil.train.options import DeviceType

EFFICIENCY = 0.4
"""Share of a device's rate of matrix products that a step of training reaches: what ``bench.floor`` found for LoRA on
``small`` (bench/results/floor-small-lora.json). It was found on a CPU; GPUs have not been measured."""


@dataclass(frozen=True)
class Device:
    """What a device does."""

    title: str
    rate: float
    """Floating-point operations a second of matrix products, in what is computed in."""
    bandwidth: float
    """Bytes a second that it reads."""
    memory: int
    """Bytes that it has."""
    how: str
    """How that is known."""


def _published(title: str, teraflops: float, bandwidth: float, memory: int) -> Device:
    return Device(title, teraflops * 1e12, bandwidth * 1e9, memory * 10**9, "published peak in bf16, without sparsity")


#: GPUs by what --device-type calls them, as their data sheets have them.
GPUS: dict[DeviceType, Device] = {
    "h200": _published("H200 SXM", 989, 4800, 141),
    "h100": _published("H100 SXM", 989, 3350, 80),
    "a100": _published("A100 80GB SXM", 312, 2039, 80),
    "l40s": _published("L40S", 362, 864, 48),
    "a6000": _published("RTX A6000", 155, 768, 48),
    "rtx4090": _published("RTX 4090", 165, 1008, 24),
}


@cache
def tried(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> Device:
    """This machine's device, by large matrix products and copies for about so long; once in a process."""
    gpu = device.type == "cuda"
    n = 8192 if gpu else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    rate = 2 * n**3 * _times(lambda: a @ b, device, 0.7 * seconds)
    source = torch.empty(2**28 if gpu else 2**25, dtype=torch.uint8, device=device)
    bandwidth = 2 * source.nbytes * _times(source.clone, device, 0.3 * seconds)
    title = torch.cuda.get_device_name(device) if gpu else f"this {device.type.upper()}"
    memory = torch.cuda.mem_get_info(device)[1] if gpu else 0
    return Device(title, rate, bandwidth, memory, f"tried here in {dtype}".replace("torch.", ""))


def _times(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """How often a second something is done, after it was done once."""

    def wait() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    work()
    began, count = wait(), 0
    while wait() - began < seconds or not count:
        work()
        count += 1
    return count / (wait() - began)


def learning(found: Footprint, batch: Batch, checkpointing: bool) -> float:
    """Operations of a forward and a backward pass."""
    forward = 2.0 * found.products * batch.tokens
    head = 2.0 * found.vocabulary * found.width * batch.scored
    return (3.0 if checkpointing else 2.0) * forward + 2.0 * found.trained * batch.tokens + 3 * head


def looking(found: Footprint, tokens: int, patches: float) -> float:
    """Operations of the vision encoder for images of so many tokens."""
    return 2.0 * found.tower * tokens * patches


def seconds(operations: float, device: Device) -> float:
    """What so many operations take."""
    return operations / (EFFICIENCY * device.rate)


def answering(found: Footprint, tokens: float, steps: int, device: Device) -> float:
    """Seconds to write answers: tokens of all prompts and answers, and steps that each read all weights."""
    width = 2 if found.narrow else 4
    return seconds(2.0 * found.products * tokens, device) + steps * width * found.weights / device.bandwidth
