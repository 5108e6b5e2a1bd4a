"""What every training recipe shares: order of the data, schedule, checkpoints, the log of metrics, progress.

Functions only; each recipe writes its own loop.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from accelerate.utils import GradientAccumulationPlugin, parse_flag_from_env
from torch import nn

from unveil.core import console, files
from unveil.vlm.choice import Precision
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.model_parts import parts_of
from unveil.vlm.models import beyond_fp16, default_dtype
from unveil.vlm.processes import calm, processes

LOG = logging.getLogger(__name__)
Row = TypeVar("Row")


class TrainingError(ValueError):
    """Training that cannot start or go on; the message says what was kept and what to do."""


def batches(images: Sequence[str], size: int, together: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch as lists of row numbers: random, but up to ``together`` rows of one image side by side.

    ``images`` names each row's image. More rows side by side share more work and make a batch less varied. Every row
    occurs once; the last batch may be smaller.
    """
    rng = np.random.default_rng([seed, epoch])
    of_image: dict[str, list[int]] = {}
    for i in rng.permutation(len(images)).tolist():
        of_image.setdefault(images[i], []).append(i)
    parts = [rows[i : i + together] for rows in of_image.values() for i in range(0, len(rows), together)]
    order = [i for part in rng.permutation(len(parts)) for i in parts[part]]
    return [order[i : i + size] for i in range(0, len(order), size)]


def endless(
    images: Sequence[str], size: int, together: int, seed: int, accelerator: Accelerator
) -> Iterator[list[int]]:
    """The batches of this process, epoch after epoch, without end; every process gets the same number.

    What is left for the last of them is shared evenly, so that every row comes once in an epoch in one of the
    processes. Raises ``TrainingError`` where there are fewer rows than processes.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    rounds = _rounds(len(images), size, world)
    for epoch in itertools.count():
        order = [i for batch in batches(images, size, together, seed, epoch) for i in batch]
        for n in range(rounds):
            end = (n + 1) * size * world if n + 1 < rounds else len(order)
            yield np.array_split(order[n * size * world : end], world)[rank].tolist()


def _rounds(rows: int, size: int, world: int) -> int:
    """How many batches each process gets in an epoch; fewer rows than processes do not make one more."""
    if rows < world:
        raise TrainingError(f"{rows} rows cannot be shared among {world} processes: start fewer")
    full, rest = divmod(rows, size * world)
    return full + (rest >= world)


def after(order: Iterator[list[int]], skip: int) -> Iterator[list[int]]:
    """Batches without the first ``skip``."""
    return itertools.islice(order, skip, None)


def parts(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    """The rows in order, ``size`` at a time; the last part may be smaller."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def updates(rows: int, size: int, epochs: float, accumulate: int, accelerator: Accelerator) -> int:
    """How many updates the epochs make."""
    return max(1, math.ceil(_rounds(rows, size, accelerator.num_processes) * epochs / accumulate))


def sample(rows: Sequence[Row], most: int, seed: int) -> list[Row]:
    """At most so many rows, always the same ones, in order."""
    if len(rows) <= most:
        return list(rows)
    picks = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return [rows[i] for i in sorted(picks[:most].tolist())]


def fitting(rows: list[EncodedExample], limit: int | None) -> list[EncodedExample]:
    """The rows, if none is longer than ``limit`` tokens."""
    for row in rows:
        if limit and len(row) > limit:
            raise TrainingError(
                f"{row.id}: {len(row)} tokens are more than {limit}, the limit of --max-length or else of the model; "
                "nothing is cut: leave the row out, or raise the limit"
            )
    return rows


def cosine(step: int, total: int, warmup: float) -> float:
    """The learning rate's factor before update ``step`` (from 0): linear warm-up over a share of all, cosine to 0."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def trainable(model: nn.Module, parts: set[str]) -> list[nn.Parameter]:
    """Freezes all but the named parts ("language", "projector", "tower"); returns what is trained."""
    part_of = parts_of(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in parts)
    chosen = [p for p in model.parameters() if p.requires_grad]
    if not chosen:
        raise TrainingError(f"nothing is left to train: the model has no part named {', '.join(sorted(parts))}")
    return chosen


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters in two groups: matrices, which decay, and norms and biases, which do not."""
    chosen = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in chosen if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in chosen if p.dim() < 2], "weight_decay": 0.0},
    ]


# ---------------------------------------------------------------------------------------------------------- processes


SHARDING = ("FSDP", "DEEPSPEED", "MEGATRON_LM")
"""Ways to share out a model's weights among processes, by accelerate's names."""


def refuse_sharding(names: Iterable[str]) -> None:
    """Raises ``TrainingError`` where processes are to share out the weights: each needs all, one of them to save."""
    if asked := [name for name in names if name in SHARDING]:
        raise TrainingError(
            f"{asked[0]} is not supported yet: let every process hold the whole model (`torchrun`, or "
            "`accelerate launch --multi_gpu`), with --method lora and --gradient-checkpointing where memory is short"
        )


def accelerator(out: Path, trackers: Sequence[str], precision: Precision = "auto") -> Accelerator:
    """Devices, processes, precision and trackers of a run; says what it computes in, and why."""
    refuse_sharding(name for name in SHARDING if parse_flag_from_env(f"ACCELERATE_USE_{name}"))
    refuse_missing(trackers)
    chosen, why = computing(precision, processes().device)
    AcceleratorState._reset_state()  # else a process keeps the precision of its first run
    made = Accelerator(
        mixed_precision="no" if chosen == "float32" else chosen,
        log_with=list(trackers) or None,
        project_dir=str(out),
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # passes are weighed by the recipes
    )
    if made.is_main_process:
        console.say(f"computing in {chosen}: {why}")
    return made


def refuse_missing(trackers: Sequence[str]) -> None:
    """Raises ``TrainingError`` for a tracker that is not installed, which accelerate would leave out without a word."""
    if missing := [name for name in trackers if name not in get_available_trackers()]:
        raise TrainingError(f"--trackers {' '.join(missing)}: not installed; pip install 'unveil[trackers]'")


def finish(accelerator: Accelerator) -> None:
    """Ends the trackers of a run, and the group of its processes."""
    calm()
    accelerator.end_training()


def computing(precision: Precision, device: torch.device) -> tuple[str, str]:
    """What a run computes in on this device, and why; "auto" takes bf16 where that is computed and not emulated.

    Not fp16: it is right only for models that never leave its range, which those trained in bf16 may.
    """
    usual = "bf16" if default_dtype(device) == torch.bfloat16 else "float32"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"the {device.type.upper()}"
    emulates = device.type == "cuda" and usual == "float32"
    if precision == "fp16" and device.type == "cpu":
        raise TrainingError("--precision fp16 needs a GPU; a CPU computes in float32, or in bf16")
    if precision != "auto":
        slow = f", though {name} only emulates it" if emulates and precision == "bf16" else ""
        return precision, f"--precision{slow}"
    if not emulates:
        return usual, name
    return usual, (
        f"{name} only emulates bf16; --precision fp16 is faster and needs half the memory, but models that were "
        "trained in bf16 may leave its range"
    )


# ------------------------------------------------------------------------------------------------------------ metrics


def rewind(path: Path, step: int) -> None:
    """Drops the lines of a log that were written after ``step``: a run that is resumed there writes them again.

    A last line without its end is that of a killed run, and goes too.
    """
    whole = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() and step else []
    kept = [line for line in whole if json.loads(line)["step"] <= step]
    files.write_text(path, "".join(f"{line}\n" for line in kept))


class MetricsLog:
    """``metrics.jsonl``: one line per logged update, always; other trackers through accelerate as well, when asked.

    Lines that a full disk refuses wait for room, so that they do not end a run.
    """

    def __init__(self, path: Path, accelerator: Accelerator, step: int):
        self.path, self.accelerator = path, accelerator
        self.waiting = ""
        if accelerator.is_main_process:
            rewind(path, step)
            console.say(f"log: {path}")

    def write(self, step: int, /, **values: float) -> None:
        if self.accelerator.is_main_process:
            told = bool(self.waiting)
            self.waiting += json.dumps({"step": step, **values}) + "\n"
            try:
                files.append(self.path, self.waiting)
                self.waiting = ""
            except files.WriteError as error:
                if not told:
                    LOG.warning("%s; its lines wait until there is room", error)
        self.accelerator.log(values, step=step)


# ------------------------------------------------------------------------------------------------------------ an update


def finite(value: torch.Tensor, ids: Sequence[str], what: str = "loss") -> float:
    """The value of a loss or a norm; one that is not finite stops the run and names the rows."""
    number = float(value.detach())
    if not math.isfinite(number):
        also = beyond_fp16(value.device)
        raise TrainingError(
            f"the {what} is {number} on {', '.join(ids)}: lower --learning-rate or look at these rows{also}"
        )
    return number


def synchronised(accelerator: Accelerator, model: nn.Module, last: bool) -> Any:
    """Gradients are exchanged between processes with the last pass of an update only."""
    return nullcontext() if last else accelerator.no_sync(model)


def step(accelerator: Accelerator, model: nn.Module, optimizer: Any, clip_norm: float, ids: Sequence[str]) -> None:
    """One step of the optimiser with clipped gradients; a norm that is not finite stops the run first.

    Not with fp16, whose range gradients leave now and then: the scaler leaves such a step out and halves its scale. The
    run stops when the scale is used up, since then they are too large by themselves.
    """
    norm = accelerator.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], clip_norm)
    if norm is not None:  # DeepSpeed clips by itself
        scale = accelerator.scaler.get_scale() if accelerator.scaler else 0.0
        if scale < 1:
            finite(torch.as_tensor(norm), ids, "gradient's norm")
        elif not torch.isfinite(torch.as_tensor(norm)):
            LOG.warning("an update is left out: its gradients, times %.0f, are beyond fp16 (%s)", scale, ", ".join(ids))
    optimizer.step()
    optimizer.zero_grad()
