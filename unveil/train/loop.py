"""What every training recipe shares: order of the data, schedule, checkpoints, the log of metrics, progress.

Functions only; each recipe writes its own loop.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, load, parse_flag_from_env
from safetensors import SafetensorError
from torch import nn

from unveil import runs, screen
from unveil.models import Precision, default_dtype, parts_of
from unveil.rows import Encoded

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


def fitting(rows: list[Encoded], limit: int | None) -> list[Encoded]:
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


# -------------------------------------------------------------------------------------------------------- checkpoints


def accelerator(out: Path, trackers: Sequence[str], precision: Precision = "auto") -> Accelerator:
    """Devices, processes, precision and trackers of a run; says what it computes in, and why."""
    # patient, since others wait while one makes the reference
    state = PartialState(parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=timedelta(days=1))
    chosen, why = computing(precision, state.device)
    AcceleratorState._reset_state()  # else a process keeps the precision of its first run
    made = Accelerator(
        mixed_precision="no" if chosen == "float32" else chosen,
        log_with=list(trackers) or None,
        project_dir=str(out),
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # passes are weighed by the recipes
    )
    if made.is_main_process:
        screen.say(f"computing in {chosen}: {why}")
    return made


def finish(accelerator: Accelerator) -> None:
    """Ends the trackers of a run, and the group of its processes."""
    if accelerator.num_processes > 1:
        # gloo's thread needs the interpreter to free what was exchanged last; torch holds it while it ends the group
        # and waits for the thread: for ever, if that has not been let in before
        time.sleep(0.1)
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


def claim(folder: Path, config: dict[str, Any], resume: bool, restart: bool, accelerator: Accelerator) -> None:
    """Makes the checkpoint folder this run's own: refuses to mix with, or to overwrite, what another run has left."""
    if accelerator.is_main_process:
        _claim(folder, {**config, "processes": accelerator.num_processes}, resume, restart)
    accelerator.wait_for_everyone()


def _claim(folder: Path, config: dict[str, Any], resume: bool, restart: bool) -> None:
    about = folder / "config.json"
    relevant = runs.lasting(config)
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    if checkpoints(folder):
        if not resume:
            raise TrainingError(f"{folder} holds checkpoints: go on with --resume, or throw them away with --restart")
        before = json.loads(about.read_text()) if about.is_file() else {}
        if changed := sorted(k for k in relevant.keys() | before.keys() if relevant.get(k) != before.get(k)):
            raise TrainingError(f"{folder} is of a run with another {', '.join(changed)}: use --restart to begin anew")
    runs.write_json(about, relevant)


def save_only_what_is_trained(accelerator: Accelerator) -> None:
    """Leaves frozen weights out of checkpoints: they come from the base model, and an adapter's base may be huge."""

    def drop_frozen(models: list[nn.Module], states: list[dict[str, Any]], folder: str) -> None:
        for model, state in zip(models, states, strict=False):  # sharded training has no states here
            trained = {name for name, p in model.named_parameters() if p.requires_grad}
            for name in state.keys() - trained:
                del state[name]

    accelerator.register_save_state_pre_hook(drop_frozen)


def save_checkpoint(accelerator: Accelerator, folder: Path, step: int, keep: int = 2) -> Path:
    """Writes everything that is needed to go on exactly, all or nothing, and drops all but the newest ``keep``."""
    final = folder / f"step-{step:07d}"
    partial = folder / f"{final.name}.partial"
    try:
        if accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        if accelerator.is_main_process:
            (partial / "step.json").write_text(json.dumps({"step": step}))
            _sync(partial)
            shutil.rmtree(final, ignore_errors=True)
            partial.replace(final)
            for old in checkpoints(folder)[:-keep]:
                shutil.rmtree(old)
        accelerator.wait_for_everyone()
    except (OSError, RuntimeError, SafetensorError) as error:
        if accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        kept = [p.name for p in checkpoints(folder)]
        have = f"the last good one is {kept[-1]}" if kept else "there is none yet"
        raise TrainingError(f"checkpoint {final.name} could not be written to {folder} ({error}); {have}") from error
    return final


def _sync(folder: Path) -> None:
    """Waits until the files are on the disk, so that a rename never makes a half-written checkpoint look whole."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def drop(folder: Path, keep: bool) -> None:
    """Removes the checkpoints of a run that has ended, unless they are to be kept."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(p for p in folder.glob("step-*") if (p / "step.json").is_file() and p.suffix != ".partial")


def load_checkpoint(accelerator: Accelerator, folder: Path) -> int:
    """Restores the newest checkpoint; returns the number of updates done, 0 if there is none."""
    found = checkpoints(folder)
    if not found:
        return 0
    newest = found[-1]
    try:
        accelerator.load_state(str(newest), strict=False)  # frozen weights are not in it
    except RuntimeError as error:  # such as of a run of another version, which kept other things
        raise TrainingError(f"{newest} cannot be taken up ({error}): use --restart to begin anew") from error
    generators = load(newest / f"random_states_{accelerator.process_index}.pkl")
    if not torch.equal(generators["torch_manual_seed"], torch.get_rng_state()):  # where accelerate fails silently
        raise TrainingError(f"{newest}: the random generators' state could not be restored")
    return int(json.loads((newest / "step.json").read_text())["step"])


# ------------------------------------------------------------------------------------------------------------ metrics


def rewind(path: Path, step: int) -> None:
    """Drops the lines of a log that were written after ``step``: a run that is resumed there writes them again.

    A last line without its end is that of a killed run, and goes too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() and step else []
    kept = [line for line in whole if json.loads(line)["step"] <= step]
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    partial.replace(path)


class MetricsLog:
    """``metrics.jsonl``: one line per logged update, always; other trackers through accelerate as well, when asked."""

    def __init__(self, path: Path, accelerator: Accelerator, step: int):
        self.path, self.accelerator = path, accelerator
        if accelerator.is_main_process:
            rewind(path, step)

    def write(self, step: int, **values: float) -> None:
        if self.accelerator.is_main_process:
            with self.path.open("a") as out:
                out.write(json.dumps({"step": step, **values}) + "\n")
        self.accelerator.log(values, step=step)


def finite(value: torch.Tensor, ids: Sequence[str], what: str = "loss") -> float:
    """The value of a loss or a norm; one that is not finite stops the run and names the rows."""
    number = float(value.detach())
    if not math.isfinite(number):
        also = beyond_fp16(value.device)
        raise TrainingError(
            f"the {what} is {number} on {', '.join(ids)}: lower --learning-rate or look at these rows{also}"
        )
    return number


def beyond_fp16(device: torch.device) -> str:
    """What else to do where a number is not finite: nothing, unless fp16 is computed in here."""
    kind = device.type
    half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
    return "; the model may leave the range of fp16, so try --precision float32" if half else ""


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
