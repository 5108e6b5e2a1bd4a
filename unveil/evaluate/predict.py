"""What a model answers to the questions of a split: greedy, all questions on an image together, resumable."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from unveil.core import digests, provenance
from unveil.core.records import KINDS, Dialogue, Kind, Prediction, RecordError, Split, image_path, read_jsonl, select
from unveil.evaluate import unfinished
from unveil.vlm import models
from unveil.vlm.chat import Chat
from unveil.vlm.choice import ModelChoice, Precision
from unveil.vlm.engine import Engine
from unveil.vlm.generate import batches, decoding
from unveil.vlm.inputs import Encoded
from unveil.vlm.models import Loaded
from unveil.vlm.processes import device, processes


@dataclass(frozen=True)
class Config(ModelChoice):
    """Let a model answer the questions of dialogues.jsonl; the answers in it are not shown to the model."""

    passing: ClassVar = {"batch_size"}
    dialogues: Path
    """Dialogues, as `unveil curate mau` writes them."""
    out: Path
    """Where the answers go: predictions.jsonl."""
    name: str | None = None
    """How the model is called in predictions and report; by default what --model says."""
    split: Split = "test"
    """Which split's questions are asked."""
    kinds: tuple[Kind, ...] = KINDS
    """Which kinds of questions are asked."""
    limit: int | None = None
    """Only the first so many questions."""
    batch_size: int = 64
    """Images whose questions are answered at a time; at most eight times as many questions."""
    max_new_tokens: int = 384
    """Longest answer in tokens; an answer that hits it is marked as cut."""
    precision: Precision = "auto"
    """What the model computes in; auto takes bf16 where the device computes in it, else float32."""
    restart: bool = False
    """Write over the answers of another run, finished or not."""


def main(config: Config) -> Path:
    """Writes ``config.out``; a run that was stopped is gone on with, if it had the same model and questions."""
    inputs = [config.dialogues, *digests.of_model(config.model)]
    with provenance.output(config.out, "predict", config, inputs) as output:
        if output:
            output.write(**_answer(config))
    return config.out


def _answer(config: Config) -> dict[str, Any]:
    """Writes all answers; returns the fingerprint of the model that gave them, and how they were decoded."""
    dialogues = questions(config)
    dtype = models.DTYPES.get(config.precision)
    loaded = models.load(config.model, **config.how, device=device(), dtype=dtype)
    engine = Engine(loaded)
    unfinished.complete(
        config.out,
        Prediction,
        _identity(config, loaded),
        config.restart,
        "predict",
        dialogues,
        lambda rest: batches(rest, _images(rest, config)),
        lambda batch: encoded(loaded.chat, batch, config),
        lambda batch, rows: answer_batch(engine, batch, rows, config),
    )
    how = {"temperature": 0.0, "max_new_tokens": config.max_new_tokens}
    return {"model": loaded.fingerprint, "decoding": decoding(loaded.chat, loaded.model.config, **how)}


def questions(config: Config) -> list[Dialogue]:
    """The dialogues whose questions are asked."""
    chosen = (d for d in select(read_jsonl(config.dialogues, Dialogue), config.split) if d.kind in config.kinds)
    rows = list(chosen)[: config.limit]
    if not rows:
        raise RecordError(
            f"{config.dialogues}: no question of the kinds {', '.join(config.kinds)} in split {config.split}"
        )
    if twice := [name for name, count in Counter(d.id for d in rows).items() if count > 1]:
        raise RecordError(f"{config.dialogues}: several dialogues have the id {twice[0]}")
    return rows


def _images(asked: Sequence[Dialogue], config: Config) -> int:
    """Images of a batch: as many as are asked for, and few enough that every process gets a batch."""
    share = math.ceil(len({d.image for d in asked}) / processes().num_processes)
    return min(config.batch_size, max(1, share))


def encoded(chat: Chat, batch: Sequence[Dialogue], config: Config) -> list[Encoded]:
    """A batch of questions as the model takes them, without their answers."""
    return [chat.encode(d, image_path(d, config.dialogues), with_answer=False) for d in batch]


def answer_batch(
    engine: Engine, batch: Sequence[Dialogue], rows: Sequence[Encoded], config: Config
) -> list[Prediction]:
    """The model's answers to a batch of questions."""
    answers = engine.answer(rows, config.max_new_tokens)
    return [
        Prediction(
            id=dialogue.id,
            record=dialogue.record,
            kind=dialogue.kind,
            answer=text,
            syntax=row.seen.view.syntax.name,
            frame=row.seen.view.frame,
            model=config.name or config.model,
            cut=cut,
        )
        for dialogue, row, (text, cut) in zip(batch, rows, answers, strict=True)
    ]


def _identity(config: Config, loaded: Loaded) -> dict:
    """What must be the same for answers of two runs to belong together."""
    return {
        "model": loaded.fingerprint,
        "chat": loaded.chat.fingerprint,
        "dialogues": digests.sha256(config.dialogues),
        "max_new_tokens": config.max_new_tokens,
        "name": config.name or config.model,
    }
