"""Supervised fine-tuning: abnormal-aware instruction tuning, stage 1 of UMed-LVLM (arXiv 2501.01377).

L_it = -sum_t log p(y_t | y_<t, x, q), on answer tokens only, averaged over the answer tokens of an update. Questions on
one image share it (``engine``).
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader

from unveil import models, runs
from unveil.encoding import Chat, Encoded
from unveil.models import Loaded
from unveil.records import Dialogue, image_path, read_jsonl, select
from unveil.screen import progress
from unveil.train import loop
from unveil.train.engine import Scorer, whole
from unveil.train.features import Features


@dataclass(frozen=True)
class SftConfig:
    """Fine-tune a vision-language model on the true answers of dialogues.jsonl (training split)."""

    dialogues: Path
    """Dialogues, as `unveil curate mau` writes them."""
    out: Path
    """Folder for the trained model, its checkpoints and metrics.jsonl."""
    model: str = models.TINY
    """Hub id or local folder of the model to start from; "tiny" is the base model that comes along."""
    revision: str | None = None
    """Revision of a hub model."""
    box_syntax: str | None = None
    """How the model writes boxes, for models that do not declare it."""
    method: Literal["auto", "lora", "full"] = "auto"
    """Train adapters on the linear layers of the language model, or all of its weights; auto takes all weights of
    models under 50 million and adapters of larger ones."""
    lora_rank: int = 64
    """Rank of the adapters."""
    lora_alpha: float = 128.0
    """Scale of the adapters."""
    lora_dropout: float = 0.0
    """Dropout before the adapters."""
    train_tower: bool = False
    """Train the vision tower too."""
    train_projector: bool | None = None
    """Train the projector between tower and language model too; by default with all weights, not with adapters."""
    epochs: float = 3.0
    """Passes over the training dialogues."""
    batch_size: int = 8
    """Dialogues per forward pass and process."""
    accumulate: int = 1
    """Forward passes per update."""
    together: int = 4
    """Questions on one image that stand in one batch and share the image, at the most."""
    learning_rate: float | None = None
    """Peak learning rate, cosine to 0; by default 2e-4 for adapters, 1e-5 for all weights, 1e-3 for those of a model
    under 50 million."""
    warmup: float = 0.03
    """Share of all updates over which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    clip_norm: float = 1.0
    """Largest gradient norm."""
    max_length: int | None = None
    """Longest row in tokens; a longer one stops the run by its id, nothing is cut. By default the tokenizer's limit."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory."""
    validate_every: int = 100
    """Updates between validations; 0 never."""
    validation_rows: int = 256
    """Validation dialogues used each time, at the most."""
    checkpoint_every: int = 200
    """Updates between checkpoints; 0 never."""
    keep_checkpoints: bool = False
    """Keep the last checkpoints when the run has ended; else they are removed then."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Where else to log. Only figures are sent, never an image or a text."""
    workers: int = 0
    """Processes that decode images and encode rows."""
    cache_mb: int = 2048
    """Memory for processed images, and as much for the features of a frozen tower, per process."""
    features: Path | None = None
    """Folder that keeps the features of a frozen tower for other runs; by default they last as long as this run."""
    seed: int = 0
    """Seed of data order, adapters and dropout."""
    resume: bool = False
    """Go on from the newest checkpoint in `out`, if there is one."""
    restart: bool = False
    """Throw away checkpoints that are in `out` and begin anew."""


SMALL = 50_000_000


@dataclass(frozen=True)
class Rows(torch.utils.data.Dataset):
    """Dialogues as encoded rows, encoded when asked for."""

    dialogues: Sequence[Dialogue]
    file: Path
    chat: Chat

    def __len__(self) -> int:
        return len(self.dialogues)

    def __getitem__(self, i: int) -> Encoded:
        dialogue = self.dialogues[i]
        return self.chat.encode(dialogue, image_path(dialogue, self.file), with_answer=True)


def main(config: SftConfig) -> Path:
    """Trains and returns the folder of the trained model."""
    asked, started = config, time.monotonic()
    half = models.default_dtype(models.default_device()) == torch.bfloat16
    accelerator = Accelerator(
        mixed_precision="bf16" if half else "no", log_with=list(config.trackers) or None, project_dir=str(config.out)
    )
    train, val = data(config)
    config = resolved(config)
    set_seed(config.seed)
    loaded = models.load(
        config.model,
        revision=config.revision,
        syntax=config.box_syntax,
        device=accelerator.device,
        dtype=torch.float32 if config.method == "full" else None,  # what is frozen needs no more than the device's own
    )
    checkpoints = config.out / "checkpoints"
    if accelerator.is_main_process:
        same = {"processes": accelerator.num_processes, "weights": loaded.fingerprint}
        same["data"] = runs.sha256(config.dialogues)
        loop.claim(checkpoints, {**runs.plain(config), **same}, config.resume, config.restart)
    accelerator.wait_for_everyone()
    chat = loaded.chat
    chat.resize_cache(config.cache_mb)
    model = prepare(loaded, config)
    rate = config.learning_rate or 0.0
    total = updates(len(train), config, accelerator.num_processes)
    optimizer = torch.optim.AdamW(loop.parameter_groups(model, config.weight_decay), lr=rate, betas=(0.9, 0.98))
    seeing = Features(whole(model), chat.processor.image_processor, config.cache_mb, config.features)
    scorer, optimizer = accelerator.prepare(Scorer(model, chat, seeing), optimizer)
    loop.save_only_what_is_trained(accelerator)
    step = loop.load_checkpoint(accelerator, checkpoints) if config.resume else 0
    log = loop.MetricsLog(config.out / "metrics.jsonl", accelerator, step)
    accelerator.init_trackers("unveil-sft", config=runs.plain(config))

    scorer.train()
    stream = batch_stream(train, chat, config, accelerator, skip=step * config.accumulate)
    with progress("train sft", total, step, accelerator.is_main_process) as advance:
        while step < total:
            began = time.monotonic()
            factor = loop.cosine(step, total, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            rows = [next(stream) for _ in range(config.accumulate)]
            loss, tokens = update(scorer, optimizer, rows, accelerator, config)
            step += 1
            advance(note=f"loss {loss:.3f}")
            if step % config.log_every == 0 or step == total:
                speed = tokens / (time.monotonic() - began)
                log.write(step, loss=loss, lr=rate * factor, answer_tokens_per_s=speed)
            if val and config.validate_every and (step % config.validate_every == 0 or step == total):
                log.write(step, val_loss=validate(scorer, val, chat, config, accelerator))
            if config.checkpoint_every and step % config.checkpoint_every == 0 and step < total:
                loop.save_checkpoint(accelerator, checkpoints, step)

    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save(accelerator.unwrap_model(scorer).model, chat, config)
        choice = {"method": config.method, "learning_rate": config.learning_rate, "updates": total}
        runs.write(config.out, "train sft", asked, [config.dialogues], time.monotonic() - started, chosen=choice)
        if not config.keep_checkpoints:
            shutil.rmtree(checkpoints)
    accelerator.end_training()
    return config.out


def resolved(config: SftConfig) -> SftConfig:
    """The configuration with what was left open chosen by the model's size and the method."""
    small = models.size(config.model, config.revision) < SMALL
    method = config.method if config.method != "auto" else ("full" if small else "lora")
    usual = 2e-4 if method == "lora" else (1e-3 if small else 1e-5)
    projector = method == "full" if config.train_projector is None else config.train_projector
    return replace(config, method=method, learning_rate=config.learning_rate or usual, train_projector=projector)


def data(config: SftConfig) -> tuple[list[Dialogue], list[Dialogue]]:
    """Training and validation dialogues; the latter a fixed sample of at most ``validation_rows``."""
    rows = list(read_jsonl(config.dialogues, Dialogue))
    train, val = select(rows, "train"), select(rows, "val")
    if not train:
        raise loop.TrainingError(f"{config.dialogues}: no dialogue has the split 'train'")
    if len(val) > config.validation_rows:
        picks = torch.randperm(len(val), generator=torch.Generator().manual_seed(config.seed))
        val = [val[i] for i in sorted(picks[: config.validation_rows].tolist())]
    return train, val


def prepare(loaded: Loaded, config: SftConfig) -> torch.nn.Module:
    """The model with what is trained unfrozen, or with adapters."""
    model = loaded.model
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    parts = {"language"} | {n for n, on in (("tower", config.train_tower), ("projector", config.train_projector)) if on}
    if config.method == "full":
        loop.trainable(model, parts)
        return model
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        revision=config.revision,
        target_modules=models.linear_layers(model, sorted(parts)),
    )
    return get_peft_model(model, lora)


def updates(rows: int, config: SftConfig, processes: int) -> int:
    """How many updates the configured epochs make."""
    per_epoch = math.ceil(rows / config.batch_size)
    return max(1, math.ceil(per_epoch * config.epochs / (config.accumulate * processes)))


def batch_stream(
    train: Sequence[Dialogue], chat: Chat, config: SftConfig, accelerator: Accelerator, skip: int
) -> Iterator[list[Encoded]]:
    """Batches for this process, epoch after epoch, without end; the first ``skip`` are left out without being made."""
    images = [d.image for d in train]
    epoch, rank, world = 0, accelerator.process_index, accelerator.num_processes
    while True:
        order = loop.batches(images, config.batch_size, config.together, config.seed, epoch)
        order = [*order, *order[: -len(order) % world]][rank::world]  # every process gets the same number
        if skip >= len(order):
            skip -= len(order)
        else:
            yield from loader(train, chat, config, order[skip:])
            skip = 0
        epoch += 1


def loader(rows: Sequence[Dialogue], chat: Chat, config: SftConfig, order: list[list[int]]) -> DataLoader:
    """Encoded batches in the given order."""

    def collate(encoded: list[Encoded]) -> list[Encoded]:
        limit = config.max_length or chat.longest
        for row in encoded:
            if limit and len(row) > limit:
                raise loop.TrainingError(f"{row.id}: {len(row)} tokens are more than --max-length {limit}")
        return encoded

    return DataLoader(
        Rows(rows, config.dialogues, chat),
        batch_sampler=order,
        collate_fn=collate,
        num_workers=config.workers,
        generator=torch.Generator().manual_seed(config.seed),  # else it draws from the one that dropout uses
    )


def update(
    scorer: torch.nn.Module,
    optimizer: Any,
    batches: Sequence[list[Encoded]],
    accelerator: Accelerator,
    config: SftConfig,
) -> tuple[float, int]:
    """One optimiser update; returns over all processes the mean loss per answer token and the number of these."""
    mine = torch.tensor(sum(len(row.answer) for batch in batches for row in batch), device=accelerator.device)
    tokens = accelerator.reduce(mine, "sum")
    summed = torch.zeros((), device=accelerator.device)
    for i, batch in enumerate(batches):
        last = i == len(batches) - 1
        with accelerator.autocast(), _synchronised(accelerator, scorer, last):
            loss = -scorer(batch).logps_S.sum()
            loop.finite(loss, [row.id for row in batch])
            # DDP averages gradients over processes; the loss is a sum over all of them
            accelerator.backward(loss * (accelerator.num_processes / tokens))
        summed += loss.detach()
    norm = accelerator.clip_grad_norm_([p for p in scorer.parameters() if p.requires_grad], config.clip_norm)
    if norm is not None:  # DeepSpeed clips by itself
        loop.finite(torch.as_tensor(norm), [row.id for batch in batches for row in batch], "gradient's norm")
    optimizer.step()
    optimizer.zero_grad()
    return float(accelerator.reduce(summed, "sum") / tokens), int(tokens)


def _synchronised(accelerator: Accelerator, model: torch.nn.Module, last: bool) -> Any:
    """Gradients are exchanged between processes with the last pass of an update only."""
    return nullcontext() if last else accelerator.no_sync(model)


@torch.no_grad()
def validate(
    scorer: torch.nn.Module, val: Sequence[Dialogue], chat: Chat, config: SftConfig, accelerator: Accelerator
) -> float:
    """Mean loss per answer token on the validation dialogues."""
    scorer.eval()
    order = [list(range(i, min(i + config.batch_size, len(val)))) for i in range(0, len(val), config.batch_size)]
    summed, tokens = 0.0, 0
    for batch in loader(val, chat, config, order):
        with accelerator.autocast():
            logps_S = scorer(batch).logps_S
        summed, tokens = summed - float(logps_S.sum()), tokens + len(logps_S)
    scorer.train()
    return summed / tokens


def save(model: Any, chat: Chat, config: SftConfig) -> None:
    """The trained model (or its adapter) with its processor, declared as one that knows the answers' form."""
    about = {"syntax": chat.syntax.name, "hint": False}
    if config.method == "full":
        model.config.unveil = about
        model.save_pretrained(config.out)
    else:  # what the adapter was put on, which may be an adapter itself
        local = config.model != models.TINY and Path(config.model).is_dir()
        base = str(Path(config.model).resolve()) if local else config.model
        model.active_peft_config.base_model_name_or_path = base
        model.save_pretrained(config.out, save_embedding_layers=False)
    chat.processor.save_pretrained(config.out)
    runs.write_json(config.out / "unveil.json", about)
