"""What training will need, told before its first hour: weights, tokens of an image, memory, disk.

Nothing here needs the weights. Models are built without storage (``models.blank``), and what a forward pass keeps
for the backward pass is counted on such a model, whatever its layers are.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from unveil.core.records import Dialogue, Record, read_jsonl
from unveil.train import adapters, checkpoints, loop
from unveil.train.options import RecipeOptions
from unveil.vlm import models, resolution
from unveil.vlm.chat import Chat
from unveil.vlm.families import family_of
from unveil.vlm.model_parts import language_model
from unveil.vlm.models import default_device

#: Bytes of a weight that is trained beyond the weight itself, all in float32: its gradient and Adam's two moments.
TRAINED_EXTRA = 12
#: Bytes that a checkpoint holds of a trained weight: itself and two moments.
CHECKPOINTED = 12
SIZES, TEXTS = 12, 256  # how many sizes of images, and dialogues, are tried


class NeedsError(loop.TrainingError):
    """The machine has not what training needs."""


@dataclass(frozen=True)
class Outlook:
    """What is known of a model before anything is read."""

    chat: Chat
    needs: Needs
    device: torch.device
    line: str
    """About the model, its boxes, disk and memory."""


def first_look(config: RecipeOptions, trainings: int) -> Outlook:
    """What is known of the model to start from.

    Raises ``ModelError`` where the model cannot be had or spoken with, and ``NeedsError`` where disk or memory will not
    do for so many trainings, one after the other.
    """
    chat, device = adapters.chat_of(config), default_device()
    needs = of(config, device)
    line = f"{config.model}: boxes as {chat.box_format.name}; {fits(needs, config.out, device, trainings)}"
    return Outlook(chat, needs, device, line)


def foretold(known: Outlook, config: RecipeOptions, dialogues: Sequence[Dialogue], file: Path) -> str:
    """Lines about tokens and memory of training on dialogues, about images of a file of records."""
    sizes = {record.id: record.size for record in read_jsonl(file, Record)}
    long = rows(known.chat, [(dialogue, sizes[dialogue.record]) for dialogue in dialogues])
    return told(known.needs, long, config, known.device)


@dataclass(frozen=True)
class Needs:
    """What training a model takes, in bytes where not said otherwise."""

    weights: int
    """Number of weights, adapters among them."""
    trained: int
    """Number of those that are trained."""
    held: int
    """Memory of weights, gradients and Adam's moments."""
    shares: bool
    """Whether rows of one image share it: on a token tree, which known families take."""
    token: int
    """Memory that a token of a forward pass keeps for the backward pass, in the language model."""
    model: int
    """Disk for a trained model."""
    going_on: int
    """Disk for the checkpoints while a model trains, and the weights that did best."""


def of(config: RecipeOptions, device: torch.device) -> Needs:
    """What training with this configuration needs on a device, by process. No weights are read."""
    base = models.blank(config.model, config.revision)
    config = adapters.chosen(config, base.num_parameters())
    narrow = loop.computing(config.precision, device)[0] != "float32"
    with torch.device("meta"):
        model = adapters.prepare(base, config)
    weights = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    kept = 2 if narrow and config.method == "lora" else 4  # what is frozen beside trained weights stays float32
    return Needs(
        weights=weights,
        trained=trained,
        held=kept * (weights - trained) + (4 + TRAINED_EXTRA) * trained,
        shares=family_of(base.config).shares == "tree",
        token=_token(model) // (2 if narrow else 1),
        model=4 * (weights if config.method == "full" else trained),
        going_on=(checkpoints.KEPT + 1) * CHECKPOINTED * trained + 2 * 4 * trained,
    )


def _token(model: Any) -> int:
    """Bytes that a token keeps for the backward pass in float32, found out by a pass of 64 tokens and one of 128.

    What attention keeps for each pair of tokens grows by the square of their number and is taken off: the kernels that
    train here (SDPA's, FlexAttention) keep none.
    """
    few, many = _kept(model, 64), _kept(model, 128)
    return (4 * few - many) // (2 * 64)


def _kept(model: Any, tokens: int) -> int:
    inner = language_model(model)
    width = model.get_input_embeddings().embedding_dim
    own = {p.untyped_storage()._cdata for p in inner.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage._cdata not in own:
            held[storage._cdata] = storage
        return value

    embedded = torch.empty(1, tokens, width, device="meta", requires_grad=True)
    mask = torch.zeros(1, 1, tokens, tokens, device="meta")  # as it is used: none has to be made from what tokens hold
    with saved_tensors_hooks(keep, lambda value: value):
        inner(inputs_embeds=embedded, attention_mask=mask, use_cache=False)
    return sum(storage.nbytes() for storage in held.values())


@dataclass(frozen=True)
class Rows:
    """How long the rows of training are, in tokens."""

    images: tuple[int, int, int]
    """Of an image: the least, the mean, the most."""
    texts: tuple[int, int]
    """Of a question with its answer: the mean, the most."""
    resizes: bool
    """Whether the model can be shown less of an image."""

    def tokens(self, config: RecipeOptions, shares: bool) -> int:
        """Of a forward pass; ``shares`` says whether rows of one image share it."""
        images = math.ceil(config.batch_size / config.together) if shares else config.batch_size
        usual = config.batch_size * self.texts[0] + images * self.images[1]
        return max(usual, self.images[2] + self.texts[1])


def rows(chat: Chat, dialogues: Sequence[tuple[Dialogue, tuple[int, int]]]) -> Rows:
    """How long the rows of dialogues on images of these sizes are, found out by empty images and by some of them."""
    uses, named = Counter(size for _, size in dialogues), {size: dialogue.id for dialogue, size in dialogues}
    ordered = sorted(uses, key=lambda size: size[0] * size[1])
    tried = {*ordered[:: math.ceil(len(ordered) / SIZES)], ordered[-1]}
    blank = {(width, height): np.zeros((height, width, 3), np.uint8) for width, height in tried}
    seen = {size: chat.process(array, named[size]) for size, array in blank.items()}
    costs = {size: len(seen[size].block) for size in tried}
    mean = sum(costs[size] * uses[size] for size in tried) / sum(uses[size] for size in tried)
    longest = max((dialogue for dialogue, _ in dialogues), key=lambda d: len(d.question) + len(d.answer))
    some = [*(dialogue for dialogue, _ in dialogues[:: math.ceil(len(dialogues) / TEXTS)]), longest]
    small = seen[ordered[0]]
    texts = [len(chat.encode(dialogue, small, with_answer=True)) - len(small.block) for dialogue in some]
    return Rows(
        images=(min(costs.values()), round(mean), max(costs.values())),
        texts=(round(sum(texts) / len(texts)), max(texts)),
        resizes=resolution.resizes(chat),
    )


def free_memory(device: torch.device) -> int:
    """Of the device, in bytes: what nobody uses."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else int(psutil.virtual_memory().available)


def free_disk(folder: Path) -> int:
    """Of the disk that a folder, which need not exist yet, lies on, in bytes."""
    return shutil.disk_usage(
        next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    ).free


def fits(needs: Needs, folder: Path, device: torch.device, trainings: int) -> str:
    """A line about weights, disk and memory; raises ``NeedsError`` where there is less than is needed for certain."""
    disk, memory = needs.model * trainings + needs.going_on, needs.held
    free, room = free_disk(folder), free_memory(device)
    if disk > free:
        raise NeedsError(f"{folder}: training needs {_gb(disk)} of disk, and {_gb(free)} are free")
    if memory > room:
        raise NeedsError(
            f"weights, gradients and Adam's moments need {_gb(memory)} of memory, and {_gb(room)} are free: "
            "--method lora trains adapters only, or take a smaller model"
        )
    return (
        f"{_count(needs.weights)} weights, {_count(needs.trained)} of them trained: needs {_gb(disk)} of disk "
        f"({_gb(free)} free), and {_gb(memory)} of memory ({_gb(room)} free) besides what rows take"
    )


def told(needs: Needs, rows: Rows, config: RecipeOptions, device: torch.device) -> str:
    """Lines about tokens and memory, and what to change where memory will hardly do. An estimate, no promise."""

    def memory(size: int) -> int:
        return needs.held + needs.token * rows.tokens(replace(config, batch_size=size), needs.shares)

    (least, mean, most), size, room = rows.images, config.batch_size, free_memory(device)
    image = f"{most:,} tokens" if least == most else f"{least:,} to {most:,} tokens, {mean:,} on average"
    said = (
        f"an image takes {image}, a question with its answer {rows.texts[0]:,}; a batch of {size} rows takes "
        f"{rows.tokens(config, needs.shares):,} tokens, and training with it about {_gb(memory(size))} of memory "
        f"({_gb(room)} free)"
    )
    if memory(size) <= room:
        return said
    while size > 1 and memory(size) > room:
        size //= 2
    ways = []
    if size < config.batch_size and memory(size) <= room:
        passes = math.ceil(config.batch_size * config.accumulate / size)
        ways += [f"--batch-size {size} --accumulate {passes} learns the same with less"]
    ways += ["--image-tokens shows less of each image"] if rows.resizes else []
    ways += ["--method lora trains adapters only"] if 2 * needs.trained > needs.weights else []
    return f"{said}\nthat will hardly do: {', '.join(ways) or 'take a smaller model, or a machine with more memory'}"


def _gb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def _count(number: int) -> str:
    return f"{number / 1e9:.3g} billion" if number >= 1e9 else f"{number / 1e6:.3g} million"
