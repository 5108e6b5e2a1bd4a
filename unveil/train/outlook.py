"""``--dry-run``: what training would take, before a weight is downloaded or a model is trained.

A model that is not on this machine is known by its configuration, a few kB from the hub, or where there is no network
by its published shape (``vlm.shapes``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, NoReturn

import torch

from unveil.core import console, provenance
from unveil.core.records import SPLITS, Dialogue, Pair
from unveil.train import adapters, budget, footprint, lengths, loop, resources, throughput
from unveil.train.footprint import Footprint, Kind
from unveil.train.lengths import Asked, Lengths
from unveil.train.options import RecipeOptions
from unveil.train.throughput import EFFICIENCY, GPUS, Device
from unveil.vlm import models, shapes
from unveil.vlm.chat import Chat
from unveil.vlm.models import HubError
from unveil.vlm.shapes import UnknownCostError


class Foretold(NamedTuple):
    """A line of the table: what it is about, the figure, and whether that was measured or computed, and from what."""

    what: str
    figure: str
    how: str


@dataclass(frozen=True)
class Work:
    """What a command does beside its updates."""

    answers: int = 0
    """Answers that are written: on validation, on the test questions, to be rewarded."""
    at_once: int = 1
    """How many are written together."""
    passes: float = 0.0
    """Times that all rows pass the model without being learnt from."""
    updates: int = 1
    """Updates from the same rows."""


@dataclass(frozen=True)
class Model:
    """A model as far as this machine knows it; without a chat where its tokenizer is not here."""

    config: Any
    how: str
    chat: Chat | None


def rehearse(
    config: RecipeOptions, what: str, rows: Sequence[Dialogue | Pair], asked: Sequence[Asked], work: Work
) -> NoReturn:
    """Says what training would take; raises ``DryRun``, which ends the command.

    ``rows`` are all that is read, of which training learns from what is ``asked``; ``what`` names them.
    """
    images = {row.image: row.split for row in rows}
    counts = [counted("images", [*images.values()]), counted(what, [row.split for row in rows])]
    show([*counts, *lines(config, asked, work)])
    raise provenance.DryRun(DONE)


DONE = "nothing was downloaded, trained or written"


def show(table: Sequence[Foretold]) -> None:
    """Prints the lines in columns."""
    console.say("\n".join(written(table)))


def written(table: Sequence[Foretold]) -> list[str]:
    """The lines in columns."""
    wide = max(len(line.figure) for line in table)
    return [f"{line.what:<10}  {line.figure:<{wide}}  {line.how}".rstrip() for line in table]


def counted(
    what: str, splits: Sequence[str | None], how: str = "measured: the files that are read", times: float = 1.0
) -> Foretold:
    """A line about how many there are of something, in all and by split; ``times`` as many as are given."""
    parts = [f"{round(times * splits.count(split)):,} {split}" for split in SPLITS if split in splits]
    return Foretold(what, f"{round(times * len(splits)):,}" + (f": {', '.join(parts)}" if parts else ""), how)


def lines(config: RecipeOptions, asked: Sequence[Asked], work: Work, times: float = 1.0) -> list[Foretold]:
    """Tokens, weights, updates, memory, disk and time of training on ``times`` as much as is asked."""
    try:
        model = model_of(config)
    except HubError as error:
        return [Foretold("model", "not known", str(error))]
    return lines_of(model, config, asked, work, times)


def lines_of(
    model: Model, config: RecipeOptions, asked: Sequence[Asked], work: Work, times: float = 1.0
) -> list[Foretold]:
    """The same of a model; what follows from tokens is not known where an image's are not."""
    here = models.default_device()
    named = GPUS[config.device_type] if config.device_type else None
    if named is None:
        adapters.refuse(config, here)
    kind: Kind = "cuda" if named else footprint.kind_of(here)
    config = replace(config, precision=_precision(config, here, named))
    count = round(times * len(asked))
    try:
        rows = tokens_of(model, config, asked)
    except UnknownCostError as error:
        return _without_tokens(model, config, count, str(error))
    rows = replace(rows, pictures=round(times * rows.pictures))
    room = named.memory if named else resources.free_memory(here)
    if config.memory is not None:
        config, _ = budget.choice(config, rows, kind, budget.parsed(config.memory), partial(_footprint, model))
    found = _footprint(model, config)
    device = named or throughput.tried(here, models.DTYPES[config.precision])
    return [
        _tokens(found, rows, config),
        _weights(found, model),
        _updates(config, count),
        _memory(found, rows, config, kind, room, named),
        _disk(found, config),
        _time(found, rows, config, work, device, count, shapes.patches_a_token(model.config)),
    ]


def _without_tokens(model: Model, config: RecipeOptions, count: int, why: str) -> list[Foretold]:
    found = _footprint(model, config)
    made = [] if config.memory else [_updates(config, count)]  # else batches are chosen by their tokens
    unknown = [Foretold(what, "not known", "it follows from the tokens") for what in ("memory", "time")]
    return [Foretold("tokens", "not known", why), _weights(found, model), *made, _disk(found, config), *unknown]


def model_of(config: RecipeOptions) -> Model:
    """The model; raises ``ModelError`` where there is none, ``HubError`` where that cannot be told."""
    try:
        found, how = models.configuration(config.model, config.revision), "its configuration"
    except HubError:
        if config.model not in shapes.SHAPES:
            raise
        found, how = shapes.config_of(config.model), "its published shape; the hub cannot be asked"
    here = models.is_here(config.model, config.revision)
    return Model(found, how, adapters.chat_of(config) if here else None)


def tokens_of(model: Model, config: RecipeOptions, asked: Sequence[Asked]) -> Lengths:
    """The rows in tokens, by the model's processor where it is here, else by its family's rule.

    Raises ``UnknownCostError`` where that is not known.
    """
    if model.chat:
        return lengths.measured(model.chat, asked)
    rule: Callable[[lengths.Size], int] = partial(shapes.image_tokens, model.config, limits=config.limits)
    return lengths.by_rule(asked, rule)


def _footprint(model: Model, config: RecipeOptions) -> Footprint:
    return footprint.of(models.unfilled(model.config), config, config.precision)


def _precision(config: RecipeOptions, here: torch.device, named: Device | None) -> Any:
    if named is None:
        return loop.computing(config.precision, here)[0]
    return "bf16" if config.precision == "auto" else config.precision


# ---------------------------------------------------------------------------------------------------------- the lines


def _tokens(found: Footprint, rows: Lengths, config: RecipeOptions) -> Foretold:
    least, _, most = rows.images
    image = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    largest = max(batch.tokens for batch in rows.batches(config, found.shares))
    figure = f"{image} an image, {rows.text:,} a question with its answer, {largest:,} a batch of {config.batch_size}"
    return Foretold("tokens", figure, rows.how)


def _weights(found: Footprint, model: Model) -> Foretold:
    figure = f"{resources.count(found.weights)} weights, {resources.count(found.trained)} of them trained"
    return Foretold("model", figure, f"computed: {model.how}")


def _updates(config: RecipeOptions, rows: int) -> Foretold:
    total = updates(config, rows)
    size = config.batch_size * config.accumulate
    way = f"{config.accumulate} batches of {config.batch_size}" if config.accumulate > 1 else "one batch"
    return Foretold("updates", f"{total:,} of {size:,} rows ({way})", f"computed: {config.epochs:g} epochs")


def updates(config: RecipeOptions, rows: int) -> int:
    """How many updates one process makes."""
    return max(1, math.ceil(math.ceil(rows / config.batch_size) * config.epochs / config.accumulate))


def _memory(
    found: Footprint, rows: Lengths, config: RecipeOptions, kind: Kind, room: int, named: Device | None
) -> Foretold:
    needed = resources.memory(found, rows, config, kind)
    of = f"{resources.size(room)} {f'of a {named.title}' if named else 'free'}"
    how = "computed: a pass without weights" + (", with gradient checkpointing" * config.gradient_checkpointing)
    if needed > room:
        how = f"too much: {resources.ways_out(found, rows, config, kind, room)}"
    return Foretold("memory", f"{resources.size(needed)} of {of}", how)


def _disk(found: Footprint, config: RecipeOptions) -> Foretold:
    needed = resources.disk(found, adapters.chosen(config, found.weights).method == "full")
    figure = f"{resources.size(needed)} of {resources.size(resources.free_disk(config.out))} free"
    return Foretold("disk", figure, "computed: the model and its checkpoints")


def _time(
    found: Footprint, rows: Lengths, config: RecipeOptions, work: Work, device: Device, count: int, patches: float
) -> Foretold:
    learning, answering = seconds(found, rows, config, work, device, count, patches)
    parts = f": training {console.lasting(learning)}, answers {console.lasting(answering)}" if answering else ""
    how = f"computed: {EFFICIENCY:.0%} of {device.rate / 1e12:.3g} TFLOP/s ({device.title}, {device.how})"
    return Foretold("time", f"{console.lasting(learning + answering)}{parts}", how)


def seconds(
    found: Footprint, rows: Lengths, config: RecipeOptions, work: Work, device: Device, count: int, patches: float
) -> tuple[float, float]:
    """Seconds of learning from so many rows, and of writing answers, before which each image is looked at once."""
    again = count / len(rows.rows)
    batches = rows.batches(config, found.shares)
    one = sum(throughput.learning(found, batch, config.gradient_checkpointing) for batch in batches)
    passing = sum(2.0 * found.products * batch.tokens for batch in batches)
    looking = throughput.looking(found, rows.pictures * rows.images[1], patches) * looks(found, rows, config, work)
    operations = again * (config.epochs * work.updates * one + work.passes * passing) + looking
    asked = sum(row.around + row.question for row in rows.rows) / len(rows.rows)
    images = rows.images[1] * rows.pictures / count  # each is looked at once for all questions on it
    answers = [max(row.answers) for row in rows.rows]
    steps = math.ceil(work.answers / work.at_once) * max(answers)
    tokens = work.answers * (asked + images + sum(answers) / len(answers))
    answering = throughput.answering(found, tokens, steps, device) if work.answers else 0.0
    return throughput.seconds(operations, device), answering


def looks(found: Footprint, rows: Lengths, config: RecipeOptions, work: Work) -> float:
    """How often an image passes the vision encoder, a pass back there counting as much as operations it takes.

    What is kept of an image spares all passes but the first; a trained encoder passes there and back each time.
    """
    learnt = config.epochs * work.updates
    if config.train_tower:
        full = adapters.chosen(config, found.weights).method == "full"
        return learnt * (2 + full + config.gradient_checkpointing) + work.passes
    passes = learnt + work.passes
    return min(1.0, passes) + max(0.0, passes - 1) * (1 - resources.seen_once(found, rows, config))
