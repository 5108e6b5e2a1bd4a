"""What every training recipe shares: order of the data, schedule, checkpoints, the log of metrics, progress.

Functions only; each recipe writes its own loop.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, load
from safetensors import SafetensorError
from torch import nn

from unveil import runs
from unveil.models import default_device, default_dtype, parts_of
from unveil.rows import Encoded

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
    """The batches of this process, epoch after epoch, without end."""
    rank, world = accelerator.process_index, accelerator.num_processes
    for epoch in itertools.count():
        order = batches(images, size, together, seed, epoch)
        even = len(order) + -len(order) % world  # every process gets the same number
        yield from itertools.islice(itertools.cycle(order), rank, even, world)


def after(order: Iterator[list[int]], skip: int) -> Iterator[list[int]]:
    """Batches without the first ``skip``."""
    return itertools.islice(order, skip, None)


def parts(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    """The rows in order, ``size`` at a time; the last part may be smaller."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def updates(rows: int, size: int, epochs: float, accumulate: int, accelerator: Accelerator) -> int:
    """How many updates the epochs make."""
    return max(1, math.ceil(math.ceil(rows / size) * epochs / (accumulate * accelerator.num_processes)))


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


def accelerator(out: Path, trackers: Sequence[str]) -> Accelerator:
    """Devices, processes, precision and trackers of a run."""
    half = default_dtype(default_device()) == torch.bfloat16
    patient = InitProcessGroupKwargs(timeout=timedelta(days=1))  # others wait while one makes the reference
    return Accelerator(
        mixed_precision="bf16" if half else "no",
        log_with=list(trackers) or None,
        project_dir=str(out),
        kwargs_handlers=[patient],
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
        raise TrainingError(f"the {what} is {number} on {', '.join(ids)}: lower --learning-rate or look at these rows")
    return number


def synchronised(accelerator: Accelerator, model: nn.Module, last: bool) -> Any:
    """Gradients are exchanged between processes with the last pass of an update only."""
    return nullcontext() if last else accelerator.no_sync(model)


def step(accelerator: Accelerator, model: nn.Module, optimizer: Any, clip_norm: float, ids: Sequence[str]) -> None:
    """One step of the optimiser with clipped gradients; a norm that is not finite stops the run first."""
    norm = accelerator.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], clip_norm)
    if norm is not None:  # DeepSpeed clips by itself
        finite(torch.as_tensor(norm), ids, "gradient's norm")
    optimizer.step()
    optimizer.zero_grad()


def averaged(parts: Sequence[dict[str, float]], accelerator: Accelerator) -> dict[str, float]:
    """Mean of each figure over the passes of an update and over processes."""
    own = {k: sum(p[k] for p in parts) / len(parts) for k in parts[0]}
    if accelerator.num_processes == 1:
        return own
    values = torch.tensor(list(own.values()), device=accelerator.device)
    return dict(zip(own, accelerator.reduce(values, "mean").tolist(), strict=True))
