"""Supervised fine-tuning: abnormal-aware instruction tuning, stage 1 of UMed-LVLM (arXiv 2501.01377).

L_it = -sum_t log p(y_t | y_<t, x, q), on answer tokens only, averaged over the answer tokens of an update. Questions on
one image share it (``vlm.scorer``).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from unveil.core import digests, provenance
from unveil.core.console import keeping, progress
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, select
from unveil.core.sampling import seed_of
from unveil.train import (
    adapters,
    attention_loss,
    averages,
    benchmarks,
    budget,
    checkpoints,
    lengths,
    loop,
    losses,
    optimizers,
    outlook,
    questions,
    resources,
    validation,
)
from unveil.train.checkpoints import Checkpoints
from unveil.train.dataloader import Stream
from unveil.train.lengths import Asked
from unveil.train.options import SftOptions
from unveil.train.questions import Questions
from unveil.train.validation import Best
from unveil.vlm import forward_check
from unveil.vlm.features import Features
from unveil.vlm.generate import decoding
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, whole

LOG = logging.getLogger(__name__)


Config = SftOptions


def main(config: Config) -> Path:
    """Trains and returns the folder of the trained model."""
    inputs = [config.dialogues, *([config.records] if config.records else []), *digests.of_model(config.model)]
    if config.dry_run:
        rehearse(config)
    with provenance.output(config.out, "train sft", config, inputs, adapters.MODEL) as output:
        if output:
            with resources.memory_explained(config, foreseen):
                train_on(config, output)
    return config.out


def rehearse(config: Config) -> NoReturn:
    """Says what training would take; raises ``DryRun``."""
    train, val = data(config)
    asked_val = answered(config)
    answers = len(asked_val.val) * math.ceil(config.epochs) if asked_val else 0
    outlook.rehearse(config, "questions", [*train, *val], foreseen(config), outlook.Work(answers, config.batch_size))


def foreseen(config: Config) -> list[Asked]:
    """What is learnt from, with the sizes of the images."""
    train, _ = data(config)
    sizes = lengths.sizes(train, config.dialogues, config.records)
    return [Asked(d, size, (d.answer,)) for d, size in zip(train, sizes, strict=True)]


def train_on(config: Config, output: provenance.Output) -> None:
    """Trains, or goes on with it, and writes the model."""
    accelerator = loop.accelerator(config.out, config.trackers, config.precision)
    train, val = data(config)
    asked_val = answered(config)
    learnt = benchmarks.learnt([*train, *val], config.model, benchmarks.known(config.records))
    config = adapters.resolved(config, accelerator, lora=2e-4, full=1e-5, small=1e-3)
    config = budget.fitted(config, accelerator, foreseen)
    set_seed(config.seed)
    loaded = adapters.load(config, accelerator.device, teaches_form=True)
    chat, folder = loaded.chat, config.out / "checkpoints"
    truth = digests.sha256(config.records) if config.records else ""
    made_of = {"model": loaded.fingerprint, "dialogues": digests.sha256(config.dialogues), "records": truth}
    checkpoints.claim(folder, config, made_of, accelerator)
    model = adapters.prepare(loaded.model, config)
    rate = config.learning_rate or 0.0
    ends = epochs(len(train), config, accelerator)
    total = ends[-1]
    groups = loop.parameter_groups(model, config.weight_decay)
    optimizer = optimizers.made(config.optimizer, groups, rate, accelerator.device)
    seeing = Features(whole(model), chat.processor.image_processor, config.cache_mb, config.features)
    scorer = Scorer(model, chat, seeing, attention_gradients=config.attention_loss > 0)
    stream = Stream(scorer, config.dialogues, config)
    with accelerator.autocast():
        forward_check.settle(scorer, stream.first(train), draws=asked_val is not None)
    attention_loss.check(scorer, config)
    scorer, optimizer = adapters.spread(accelerator, scorer, optimizer, config.train_tower)
    policy, best = accelerator.unwrap_model(scorer), Best(folder)
    kept = Checkpoints(folder, accelerator, policy, optimizer, (best,))
    step = kept.load() if config.resume else 0
    if accelerator.is_main_process:
        adapters.reserve(model, config)
    log = loop.MetricsLog(config.out / "metrics.jsonl", accelerator, step)
    accelerator.init_trackers("unveil-sft", config=provenance.plain(config))

    scorer.train()
    images = [d.image for d in train]
    order = loop.endless(images, config.batch_size, config.together, config.seed, accelerator)
    todo = ([train[i] for i in batch] for batch in loop.after(order, step * config.accumulate))
    batches = stream(todo)
    with progress("train sft", total, step, accelerator.is_main_process) as advance, keeping(kept.stopped, total):
        while step < total:
            began = time.monotonic()
            factor = loop.cosine(step, total, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            rows = [next(batches)[1] for _ in range(config.accumulate)]
            loss, tokens, attended = update(scorer, optimizer, rows, accelerator, config)
            step += 1
            advance(note=f"loss {loss:.3f}")
            if step % config.log_every == 0 or step == total:
                speed = tokens / (time.monotonic() - began)
                log.write(step, loss=loss, lr=rate * factor, answer_tokens_per_s=speed, **attended)
            if val and config.validate_every and (step % config.validate_every == 0 or step == total):
                log.write(step, val_loss=validate(scorer, val, stream, config, accelerator))
            if asked_val and step in ends:
                answering = config.batch_size, config.max_new_tokens
                with accelerator.autocast():
                    found = validation.validate(policy, asked_val, stream, *answering)
                log.write(step, **found)
                best.offer(found.get("val_score"), step, policy.model, accelerator.is_main_process)
            if config.checkpoint_every and step % config.checkpoint_every == 0 and step < total:
                kept.save(step)
            if step < total:
                kept.heed(step)

    def write() -> None:
        best.bring_back(policy.model)
        adapters.save(policy.model, chat, config)
        choice: dict[str, Any] = {"method": config.method, "learning_rate": rate, "updates": total}
        choice |= {"kept": total if best.score is None else best.step, "precision": config.precision}
        about: dict[str, Any] = {"chosen": choice | budget.chosen(config), **learnt}
        if asked_val:
            told = {"temperature": 0.0, "max_new_tokens": config.max_new_tokens}
            about["decoding"] = decoding(chat, whole(policy.model).config, **told)
        output.write(**about)

    kept.deliver(total, write)
    kept.drop(config.keep_checkpoints)
    loop.finish(accelerator)


def data(config: Config) -> tuple[list[Dialogue], list[Dialogue]]:
    """Training and validation dialogues; the latter a fixed sample of at most ``validation_rows``."""
    rows = [d for d in read_jsonl(config.dialogues, Dialogue) if _learnt(d, config)]
    train, val = select(rows, "train"), select(rows, "val")
    benchmarks.refuse([*train, *val], config.allow_benchmark_test, config.dialogues, benchmarks.known(config.records))
    if not train:
        raise loop.TrainingError(
            f"{config.dialogues}: no dialogue has the split 'train'; "
            "`unveil check --records RECORDS --resplit FILE` deals splits, from which `unveil curate mau` asks anew"
        )
    return train, loop.sample(val, config.validation_rows, config.seed)


def answered(config: Config) -> Questions | None:
    """The validation questions that are answered; None where nothing is known of the truth, or there are none."""
    if config.records is None:
        return None
    which = (config.records, config.dialogues, config.kinds, config.validation_rows, config.seed)
    asked = questions.read(*which, config.allow_benchmark_test)
    if not asked.val:
        kinds = " or ".join(config.kinds)
        LOG.warning("%s: no %s question has the split 'val': the last weights are kept", config.dialogues, kinds)
        return None
    return asked


def epochs(rows: int, config: Config, accelerator: Accelerator) -> list[int]:
    """The updates after which an epoch has ended, the last of them all included."""
    whole_epochs = [e for e in range(1, int(config.epochs) + 1) if e < config.epochs]
    size, passes = config.batch_size, config.accumulate
    return sorted({loop.updates(rows, size, e, passes, accelerator) for e in (*whole_epochs, config.epochs)})


def _learnt(dialogue: Dialogue, config: Config) -> bool:
    """Whether a dialogue is learnt from; of those in which the model asks, a share that depends on their ids only."""
    if dialogue.kind != "self-question":
        return True
    return seed_of(config.seed, "self-question", dialogue.id) < config.self_questions * 2**48


def update(
    scorer: torch.nn.Module,
    optimizer: Any,
    batches: Sequence[Sequence[EncodedExample]],
    accelerator: Accelerator,
    config: Config,
) -> tuple[float, int, dict[str, float]]:
    """One optimiser update; returns over all processes the mean loss per answer token and the number of these.

    And, where it is taught, the share of the attention of tokens which write boxes that lies in the boxes.
    """
    ids = [row.id for batch in batches for row in batch]
    mine = torch.tensor(sum(len(row.answer) for batch in batches for row in batch), device=accelerator.device)
    tokens = accelerator.reduce(mine, "sum")
    summed, attended = torch.zeros((), device=accelerator.device), []
    for i, batch in enumerate(batches):
        with accelerator.autocast(), loop.synchronised(accelerator, scorer, i == len(batches) - 1):
            targets = attention_loss.targets(accelerator.unwrap_model(scorer), batch) if config.attention_loss else {}
            scores = scorer(batch, attention_loss.watched(targets))
            loss = -scores.logps_S.sum()
            shares = attention_loss.shares_N(scores, targets)
            # DDP averages gradients over processes; the loss is a sum over all of them
            whole_loss = loss + config.attention_loss * losses.attention(shares).sum()
            loop.finite(whole_loss, [row.id for row in batch])
            accelerator.backward(whole_loss * (accelerator.num_processes / tokens))
        summed += loss.detach()
        attended.append(shares.detach())
    loop.step(accelerator, scorer, optimizer, config.clip_norm, ids)
    found = averages.averaged([{"attention_share": averages.summed(torch.cat(attended))}], accelerator)
    return float(accelerator.reduce(summed, "sum") / tokens), int(tokens), found


@torch.no_grad()
def validate(
    scorer: torch.nn.Module, val: Sequence[Dialogue], stream: Stream, config: Config, accelerator: Accelerator
) -> float:
    """Mean loss per answer token on the validation dialogues."""
    scorer.eval()
    summed, tokens = 0.0, 0
    with progress("validation", len(val), show=accelerator.is_main_process) as advance:
        for batch, rows in stream(loop.parts(val, config.batch_size)):
            with accelerator.autocast():
                logps_S = scorer(rows).logps_S
            summed, tokens = summed - float(logps_S.sum()), tokens + len(logps_S)
            advance(len(batch))
    scorer.train()
    return summed / tokens
