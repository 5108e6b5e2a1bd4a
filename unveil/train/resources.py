"""What training will need, told before its first hour: weights, tokens of an image, memory, disk.

Nothing here needs the weights. Models are built without storage (``models.blank``), and what a forward pass keeps
for the backward pass is counted on such a model, whatever its layers are (``footprint``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch

from unveil.core import faults, files
from unveil.train import adapters, checkpoints, footprint, lengths, loop
from unveil.train.footprint import Footprint, Kind
from unveil.train.lengths import Asked, Lengths
from unveil.train.options import RecipeOptions
from unveil.vlm import models
from unveil.vlm.chat import Chat

Some = TypeVar("Some", bound=RecipeOptions)
#: Bytes of a trained weight as it is written: in float32.
WRITTEN = 4


class NeedsError(loop.TrainingError):
    """The machine has not what training needs; ``needed`` are bytes of memory, where that is what there is too little
    of."""

    def __init__(self, message: str, needed: int | None = None) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True)
class Outlook:
    """What is known of a model before anything is read."""

    chat: Chat
    found: Footprint
    device: torch.device
    line: str
    """About the model, its boxes, disk and memory."""


def first_look(config: RecipeOptions, trainings: int = 1) -> Outlook:
    """All that can be looked at before the data are read, for so many trainings one after the other.

    Raises ``WriteError`` where the output cannot be written, ``TrainingError`` where what is asked for cannot be had on
    this machine, ``ModelError`` where the model cannot be had or spoken with, and ``NeedsError`` where disk or memory
    will not do.
    """
    files.writable(config.out)
    device = models.default_device()
    adapters.refuse(config, device)
    chat = adapters.chat_of(config)
    found = _footprint(config, device)
    line = f"{config.model}: boxes as {chat.box_format.name}; {fits(found, config, device, trainings)}"
    return Outlook(chat, found, device, line)


def foretold(known: Outlook, config: RecipeOptions, asked: Sequence[Asked]) -> str:
    """Lines about tokens and memory of training on what is asked."""
    return told(known.found, lengths.measured(known.chat, asked), config, known.device)


# --------------------------------------------------------------------------------------------------------- disk, memory


def free_memory(device: torch.device) -> int:
    """Of the device, in bytes: what nobody uses."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else int(psutil.virtual_memory().available)


def whole_memory(device: torch.device) -> int:
    """Of the device, in bytes."""
    return int(torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else int(psutil.virtual_memory().total)


def free_disk(folder: Path) -> int:
    """Of the disk that a folder, which need not exist yet, lies on, in bytes."""
    return shutil.disk_usage(
        next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    ).free


def disk(found: Footprint, full: bool, trainings: int = 1) -> int:
    """Bytes that so many trained models take, with the checkpoints and the best weights of the one under way."""
    model = WRITTEN * (found.weights if full else found.trained)
    going_on = (checkpoints.KEPT + 1) * (WRITTEN * found.trained + found.moments) + 2 * WRITTEN * found.trained
    return model * trainings + going_on


def fits(found: Footprint, config: RecipeOptions, device: torch.device, trainings: int) -> str:
    """A line about weights, disk and memory; raises ``NeedsError`` where there is less than is needed for certain."""
    full, kind = adapters.chosen(config, found.weights).method == "full", footprint.kind_of(device)
    needed, memory = disk(found, full, trainings), found.held
    free, room = free_disk(config.out), free_memory(device)
    if needed > free:
        raise NeedsError(f"{config.out}: training needs {size(needed)} of disk, and {size(free)} are free")
    if memory > room:
        raise NeedsError(
            f"weights, gradients and Adam's moments need {size(memory)} of memory, and {size(room)} are free: "
            + ", or ".join([*_words(_fewer_held(config, found, kind)), "take a smaller model"]),
            memory,
        )
    return (
        f"{count(found.weights)} weights, {count(found.trained)} of them trained: needs {size(needed)} of disk "
        f"({size(free)} free), and {size(memory)} of memory ({size(room)} free) besides what rows take"
    )


def memory(found: Footprint, rows: Lengths, config: RecipeOptions, kind: Kind) -> int:
    """Bytes that an update takes on a device at the most, with the program, features, and models beside this one."""
    remembered = min(config.cache_mb * 2**20, features(found, rows))
    most = max(found.peak(batch, config.accumulate, kind) for batch in rows.batches(config, found.shares))
    full = adapters.chosen(config, found.weights).method == "full"
    return footprint.PROGRAM[kind] + remembered + most + (config.copies * found.kept if full else 0)


def seen_once(found: Footprint, rows: Lengths, config: RecipeOptions) -> float:
    """Share of the images that the vision encoder looks at in the first epoch only: what it made of them is kept."""
    needed = features(found, rows)
    return min(1.0, config.cache_mb * 2**20 / needed) if needed else 0.0


def features(found: Footprint, rows: Lengths) -> int:
    """Bytes of what the vision encoder makes of all images, where that is kept; else 0."""
    return rows.pictures * rows.images[1] * found.remembered


def told(found: Footprint, rows: Lengths, config: RecipeOptions, device: torch.device) -> str:
    """Lines about tokens and memory, and what to change where memory will hardly do. An estimate, no promise."""
    (least, mean, most), room, kind = rows.images, free_memory(device), footprint.kind_of(device)
    image = f"{most:,} tokens" if least == most else f"{least:,} to {most:,} tokens, {mean:,} on average"
    needed = memory(found, rows, config, kind)
    largest = max(batch.tokens for batch in rows.batches(config, found.shares))
    said = (
        f"an image takes {image}, a question with its answer {rows.text:,}; a batch of {config.batch_size} rows takes "
        f"up to {largest:,} tokens, and training with it about {size(needed)} of memory ({size(room)} free)"
    )
    if needed <= room:
        return said
    return f"{said}\nthat will hardly do: {ways_out(found, rows, config, kind, room)}"


def parted(config: Some) -> Iterator[Some]:
    """Batches whose size divides the rows of an update, the largest first, and what they are accumulated to."""
    update = config.batch_size * config.accumulate
    for n in range(update, 0, -1):
        if update % n == 0:
            yield replace(config, batch_size=n, accumulate=update // n)


def ways_out(found: Footprint, rows: Lengths, config: RecipeOptions, kind: Kind, room: int) -> str:
    """What to change so that an update takes no more than so many bytes."""
    smaller = [one for one in parted(config) if one.batch_size < config.batch_size]
    fitting = next((one for one in smaller if memory(found, rows, one, kind) <= room), None)
    ways = [f"--memory {int(room // 1e9)}GB"] if room >= 2e9 else []
    if fitting:
        ways += [f"--batch-size {fitting.batch_size} --accumulate {fitting.accumulate} learns the same with less"]
    ways += ["--gradient-checkpointing"] if config.recomputes and not config.gradient_checkpointing else []
    ways += ["--image-tokens shows less of each image"] if rows.resizes else []
    ways += _words(lighter(config, found, kind))
    return ", or ".join(ways) or "take a smaller model, or a machine with more memory"


def lighter(config: Some, found: Footprint, kind: Kind) -> Iterator[tuple[str, Some]]:
    """What else would take less memory, whatever the batch: in words, and as a configuration."""
    yield from _fewer_held(config, found, kind)
    if kind == "cuda" and not config.offload_activations:
        away = "--offload-activations keeps activations in the host's memory"
        yield away, replace(config, offload_activations=True)


def _fewer_held(config: Some, found: Footprint, kind: Kind) -> Iterator[tuple[str, Some]]:
    """What of it takes less for weights, gradients and moments, which no batch changes."""
    method = adapters.chosen(config, found.weights).method
    if 2 * found.trained > found.weights:
        yield "--method lora trains adapters only", replace(config, method="lora")
    if method == "full" and config.optimizer == "adamw":
        yield "--optimizer adamw-8bit keeps a quarter of Adam's moments", replace(config, optimizer="adamw-8bit")
    if kind == "cuda" and method == "lora":
        yield "--method qlora keeps frozen weights in 4 bits", replace(config, method="qlora")


def _words(ways: Iterator[tuple[str, Some]]) -> list[str]:
    return [words for words, _ in ways]


def _footprint(config: RecipeOptions, device: torch.device) -> Footprint:
    precision = loop.computing(config.precision, device)[0]
    return footprint.of(models.blank(config.model, config.revision), config, precision)


@contextmanager
def memory_explained(config: Some, asked: Callable[[Some], Sequence[Asked]]) -> Iterator[None]:
    """Gives an error that memory has run out a sentence about what was needed (``needs``), which the user is told.

    ``asked`` tells what is learnt from. What --memory chooses is chosen again, since the error is of that; where the
    estimate itself fails, the error gets a note of it.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if faults.out_of_memory(error) and not os.environ.get("UNVEIL_DEBUG"):
            _explain(error, config, asked)
        raise


def _explain(error: BaseException, config: Some, asked: Callable[[Some], Sequence[Asked]]) -> None:
    try:
        vars(error).setdefault("needs", _needs(config, asked(config)))
    except Exception as why:  # an estimate that fails must not hide what has happened
        error.add_note(f"what was needed cannot be told: {type(why).__name__}: {why}")


def _needs(config: RecipeOptions, asked: Sequence[Asked]) -> str:
    from unveil.train import budget  # which chooses by what is computed here

    device = models.default_device()
    kind, rows, room = (
        footprint.kind_of(device),
        lengths.measured(adapters.chat_of(config), asked),
        whole_memory(device),
    )
    if config.memory is not None:
        precision: Any = loop.computing(config.precision, device)[0]
        precise = replace(config, precision=precision)
        config, _ = budget.choice(precise, rows, kind, budget.parsed(config.memory), budget.footprint_of)
    found = _footprint(config, device)
    needed = memory(found, rows, config, kind)
    return (
        f"a batch of {config.batch_size} needs about {size(needed)} of {size(room)}; "
        f"try {ways_out(found, rows, config, kind, min(room, needed - 1))}"
    )


def size(number: int) -> str:
    """So many bytes in words."""
    return f"{number / 1e6:,.0f} MB" if number < 1e9 else f"{number / 1e9:,.1f} GB"


def count(number: int) -> str:
    """A large number in words."""
    return f"{number / 1e9:.3g} billion" if number >= 1e9 else f"{number / 1e6:.3g} million"
