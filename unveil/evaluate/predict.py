"""What a model answers to the questions of a split: greedy, all questions on an image together, resumable."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unveil.core import digests, provenance
from unveil.core.box_formats import View
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Prediction, RecordError, select
from unveil.evaluate import unfinished
from unveil.evaluate.images import images
from unveil.evaluate.options import PredictOptions
from unveil.vlm import models
from unveil.vlm.chat import Chat
from unveil.vlm.confidence import options_of, tokens_of
from unveil.vlm.engine import Engine
from unveil.vlm.generate import GenerationError, Rollout, banned, batches, decoding
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.processes import device, processes
from unveil.vlm.scorer import Distribution

Config = PredictOptions


def main(config: Config) -> Path:
    """Writes ``config.out``; a run that was stopped is gone on with, if it had the same model and questions."""
    inputs = [config.dialogues, *digests.of_model(config.model)]
    if config.records and config.image != "own":
        inputs.append(config.records)
    with provenance.output(config.out, "predict", config, inputs) as output:
        if output:
            output.write(**_answer(config))
    return config.out


def _answer(config: Config) -> dict[str, Any]:
    """Writes all answers; returns who gave them, and how they were decoded."""
    seen = images(config)
    wanted = questions(config)
    dialogues = seen.shown(wanted)[: config.limit]
    writer = _own(config) if config.engine == "own" else _served(config)
    if config.dry_run:
        batch = next(batches(dialogues, _images(dialogues, config)))
        writer.answer(batch, seen.encoded(writer.chat, batch))  # ends the command
    unfinished.complete(
        config.out,
        Prediction,
        _identity(config, writer) | seen.identity,
        config.restart,
        "predict",
        dialogues,
        lambda rest: batches(rest, _images(rest, config)),
        lambda batch: seen.encoded(writer.chat, batch),
        lambda batch, rows: [seen.said(one) for one in answer_batch(writer, batch, rows, config)],
    )
    return {"model": writer.name, "decoding": writer.decoding, **seen.about(wanted, dialogues)}


@dataclass(frozen=True)
class Writer:
    """Who writes answers: this process or a server."""

    name: str
    """The fingerprint of the weights, or what the server calls them."""
    chat: Chat
    decoding: dict[str, Any]
    answer: Callable[[Sequence[Dialogue], Sequence[EncodedExample]], tuple[list[Rollout], list[tuple[float, ...]]]]
    """The answers, and of each question the log-probabilities of its options, empty where they are not known."""


def _own(config: Config) -> Writer:
    others = ["dry_run", "allow_remote", "server", "server_model"]
    if config.records and config.image == "own":
        told = "only another --engine, or an --image that was taken away, needs them: leave it out"
        raise RecordError(f"--records: {told}")
    if given := [f"--{name.replace('_', '-')}" for name in others if getattr(config, name)]:
        raise RecordError(f"only another --engine than this process takes {', '.join(given)}: leave it out")
    loaded = models.load(config.model, **config.how, device=device(), dtype=models.DTYPES.get(config.precision))
    engine = Engine(loaded)
    rule = decoding(loaded.chat, loaded.model.config, temperature=0.0, max_new_tokens=config.max_new_tokens)

    def answer(
        batch: Sequence[Dialogue], rows: Sequence[EncodedExample]
    ) -> tuple[list[Rollout], list[tuple[float, ...]]]:
        options = options_of(loaded.chat, batch if config.confidence else (), rows if config.confidence else ())
        drawn, logps = engine.answer_beside(rows, config.max_new_tokens, options.rows)
        return drawn, options.likely(logps) or [()] * len(rows)

    return Writer(loaded.fingerprint, loaded.chat, rule, answer)


def _served(config: Config) -> Writer:
    """The same model behind an address: what it is shown, and what it may say, is as here."""
    from unveil.experts.remote_answers import RemoteAnswers
    from unveil.experts.requests import ExpertError

    if config.image != "own":
        raise RecordError(f"--image {config.image}: only this process shows it; leave --engine {config.engine} out")
    if not (config.server and config.server_model and config.engine != "own"):
        raise RecordError(f"--engine {config.engine}: name --server, and how it calls the model by --server-model")
    chat = models.chat_of(config.model, **config.how)
    if config.engine != "vllm" and _loses_boxes(chat):
        lost = "box tokens" if chat.dialect.thinks == ("", "") else "tokens of boxes or thoughts"
        raise RecordError(f"--engine {config.engine}: its text leaves this model's {lost} out; use --engine vllm")
    never = banned(chat, models.blank(config.model, config.revision).config)
    remote = RemoteAnswers(
        config.server,
        config.engine,
        config,
        config.dialogues,
        config.records,
        config.out.parent,
        config.split,
        kept=config.confidence,
        exact=chat.box_format.grid is None,
    )
    remote.model = config.server_model
    greedy = Distribution(0.0, tuple(never))

    def answer(
        batch: Sequence[Dialogue], rows: Sequence[EncodedExample]
    ) -> tuple[list[Rollout], list[tuple[float, ...]]]:
        try:
            drawn = remote(chat, batch, rows, 1, config.max_new_tokens, greedy, 0)
        except GenerationError as error:
            raise ExpertError(f"{error}; the same command goes on from here") from error
        return drawn, [()] * len(rows)

    rule = {"temperature": 0.0, "max_new_tokens": config.max_new_tokens, "stop_ids": sorted(chat.stops)}
    return Writer(f"{config.server_model} at {remote.host}", chat, rule | {"banned_ids": never}, answer)


def _loses_boxes(chat: Chat) -> bool:
    """Whether a text without special tokens, which servers give unless they are told otherwise, has lost a box, or
    where thoughts end."""
    box = View(chat.box_format, (100, 100), (100, 100)).write((10, 10, 60, 60))
    ids = chat.tokenizer("".join(chat.dialect.thinks) + box, add_special_tokens=False)["input_ids"]
    return bool(chat.tokenizer.decode(ids, skip_special_tokens=True).strip() != chat.decode(ids).strip())


def questions(config: Config) -> list[Dialogue]:
    """The dialogues of the split and kinds that are wanted; of them those are asked whose images can be shown."""
    rows = [d for d in select(read_jsonl(config.dialogues, Dialogue), config.split) if d.kind in config.kinds]
    if not rows[: config.limit]:
        raise RecordError(
            f"{config.dialogues}: no question of the kinds {', '.join(config.kinds)} in split {config.split}"
        )
    if twice := [name for name, count in Counter(d.id for d in rows).items() if count > 1]:
        raise RecordError(f"{config.dialogues}: several dialogues have the id {twice[0]}")
    return rows


def _images(asked: Sequence[Dialogue], config: Config) -> int:
    """Images of a batch: as many as are asked for, and few enough that processes have about as many each.

    A server's replies are kept batch by batch, so that few are asked for again where one fails.
    """
    if config.engine != "own":
        return max(1, config.concurrency)
    share: int = math.ceil(len({d.image for d in asked}) / processes().num_processes)
    return min(config.batch_size, max(1, share))


def answer_batch(
    writer: Writer, batch: Sequence[Dialogue], rows: Sequence[EncodedExample], config: Config
) -> list[Prediction]:
    """The model's answers to a batch of questions."""
    drawn, options = writer.answer(batch, rows)
    return [
        Prediction(
            id=dialogue.id,
            record=dialogue.record,
            kind=dialogue.kind,
            answer=writer.chat.text(said.ids),
            box_format=row.seen.view.box_format.name,
            frame=row.seen.view.frame,
            model=config.name or config.model,
            cut=said.cut,
            tokens=tokens_of(writer.chat, said) if config.confidence else (),
            options=likely,
        )
        for dialogue, row, said, likely in zip(batch, rows, drawn, options, strict=True)
    ]


def _identity(config: Config, writer: Writer) -> dict[str, Any]:
    """What must be the same for answers of two runs to belong together."""
    return {
        "model": writer.name,
        "chat": writer.chat.fingerprint,
        "dialogues": digests.sha256(config.dialogues),
        "max_new_tokens": config.max_new_tokens,
        "name": config.name or config.model,
        "confidence": config.confidence,
    }
