"""``--memory``: batch size, accumulation and checkpointing chosen so that an update fits what memory there is.

An update learns from as many rows whatever the memory is; only how many of them pass the model together changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from accelerate import Accelerator

from unveil.core import console
from unveil.train import adapters, footprint, lengths
from unveil.train.footprint import Footprint, Kind
from unveil.train.lengths import Asked, Lengths
from unveil.train.options import RecipeOptions
from unveil.train.resources import NeedsError, lighter, memory, parted, size
from unveil.vlm import models
from unveil.vlm.masks import refusal
from unveil.vlm.model_parts import language_model

Some = TypeVar("Some", bound=RecipeOptions)
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
LONG = 8192
"""Tokens of a row from which on pairs of them are worth skipping: by its memory, since no GPU has measured it yet."""
MARGIN = 0.05
"""Share of the memory that is left free: what is told is not exact (docs/how-to/memory.md), and it goes in pieces."""


def parsed(text: str) -> int:
    """Bytes, from words such as 24GB, 24 GiB or 800MB; raises ``NeedsError`` for others."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)b?\s*", text.lower())
    if found is None or not float(found[1]):
        raise NeedsError(f"--memory {text}: say how much, such as 24GB")
    return int(float(found[1]) * UNITS[found[2]])


def fitted(config: Some, accelerator: Accelerator, asked: Callable[[Some], Sequence[Asked]]) -> Some:
    """The configuration with what ``--memory`` and ``--attention auto`` choose, which is said.

    ``asked`` tells what is to be learnt from, where that has to be known.

    Raises ``NeedsError`` where not even one row at a time fits, and says what would.
    """
    config = attending(config, accelerator, asked)
    if config.memory is None:
        return config
    room, rows = parsed(config.memory), lengths.measured(adapters.chat_of(config), asked(config))
    chosen, needed = choice(config, rows, footprint.kind_of(accelerator.device), room, footprint_of)
    if accelerator.is_main_process:
        console.say(f"--memory {config.memory}: {words(chosen)}: about {size(needed)}")
    return chosen


def attending(config: Some, accelerator: Accelerator, asked: Callable[[Some], Sequence[Asked]]) -> Some:
    """The configuration with what ``--attention auto`` chooses, which is said where it is not the usual."""
    if config.attention != "auto":
        return config
    usual = replace(config, attention="sdpa")
    if accelerator.device.type != "cuda" or config.reads_attention or not _has_flex(config):
        return usual
    rows = lengths.measured(adapters.chat_of(config), asked(config))
    longest = max(batch.longest for batch in rows.batches(usual, footprint_of(usual).shares))
    if longest <= LONG:
        return usual
    if accelerator.is_main_process:
        console.say(f"--attention flex_attention: rows of up to {longest:,} tokens")
    return replace(config, attention="flex_attention")


def _has_flex(config: RecipeOptions) -> bool:
    """Whether transformers can let the language model attend by blocks, and a token tree can be grown for it."""
    base = models.blank(config.model, config.revision)
    return refusal(base) is None and bool(getattr(language_model(base), "_supports_flex_attn", False))


def words(config: RecipeOptions) -> str:
    """What was chosen, in words."""
    recomputing = ", gradient checkpointing" if config.gradient_checkpointing else ""
    return f"--batch-size {config.batch_size} --accumulate {config.accumulate}{recomputing}"


def footprint_of(config: RecipeOptions) -> Footprint:
    """Of the model that a configuration names, whose precision is chosen."""
    return footprint.of(models.blank(config.model, config.revision), config, config.precision)


def choice(
    config: Some, rows: Lengths, kind: Kind, room: int, found: Callable[[RecipeOptions], Footprint]
) -> tuple[Some, int]:
    """The first of the ``candidates`` that fits into so many bytes, and what it takes; ``found`` tells footprints."""
    known = dict[bool, Footprint]()
    for one in candidates(config):
        if one.gradient_checkpointing not in known:
            known[one.gradient_checkpointing] = found(one)
        needed = memory(known[one.gradient_checkpointing], rows, one, kind)
        if needed <= room * (1 - MARGIN):
            return one, needed
    ways = ["--image-tokens shows less of each image"] if rows.resizes else []
    for way, small in lighter(one, known[one.gradient_checkpointing], kind):
        ways.append(f"{way}, in about {size(memory(found(small), rows, small, kind))}")
    hint = ", or ".join(ways) or "take a smaller model, or more memory"
    raise NeedsError(f"--memory {config.memory}: one row at a time takes about {size(needed)}: {hint}", needed)


def candidates(config: Some) -> Iterator[Some]:
    """Batches as an update may be ``parted``, the largest first.

    Recomputing costs a third more time, so it comes after smaller batches, but before such as part the rows that share
    an image. Where nothing can be computed again, there are only the former.
    """
    ways = list(parted(config))
    least = min(config.together, ways[0].batch_size) if config.recomputes else 1
    if not config.gradient_checkpointing:
        yield from (one for one in ways if one.batch_size >= least)
    if config.recomputes or config.gradient_checkpointing:
        yield from (replace(one, gradient_checkpointing=True) for one in ways)


def chosen(config: RecipeOptions) -> dict[str, Any]:
    """What was chosen, for run.json; nothing where nothing was."""
    names = ("batch_size", "accumulate", "gradient_checkpointing") if config.memory else ()
    return {name: getattr(config, name) for name in (*names, "attention")}
