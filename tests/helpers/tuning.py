"""Short runs of supervised fine-tuning, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from tests.conftest import SIZES, dialogue, draw
from unveil.train import sft
from unveil.train.dataloader import Stream
from unveil.vlm.chat import Chat, EncodedExample
from unveil.vlm.features import Features
from unveil.vlm.scorer import Scorer, whole


def short_run(model: Path, dialogues: Path, folder: Path) -> sft.Config:
    """A short run: all weights, three updates of two rows."""
    return sft.Config(
        dialogues=dialogues,
        out=folder / "out",
        model=str(model),
        method="full",
        batch_size=2,
        epochs=0.3,
        learning_rate=1e-2,
        lora_rank=4,
        lora_alpha=8.0,
        validate_every=2,
        checkpoint_every=2,
        keep_checkpoints=True,
        log_every=1,
    )


def rows_of(chat: Chat, folder: Path, count: int = 6) -> list[EncodedExample]:
    """Rows with images, questions and answers of unlike length."""
    out = []
    for i in range(count):
        image = draw(folder / f"{i}.png", SIZES[i], i)
        row = dialogue(f"d{i}", image.name, "Where is it? " * (1 + i % 3), "nodule. " * (1 + 2 * (i % 4)))
        out.append(chat.encode(row, image, with_answer=True))
    return out


def scorer_of(model: nn.Module, chat: Chat, **options: Any) -> Scorer:
    return Scorer(model, chat, Features(whole(model), chat.processor.image_processor, 10), **options)


def stream_of(scorer: Scorer, config: sft.Config) -> Stream:
    return Stream(scorer, config.dialogues, config)


def total(scorer: Scorer, rows: list[EncodedExample]) -> tuple[torch.Tensor, int]:
    """Summed negative log-likelihood of the rows' answers, and the number of their tokens."""
    logps_S = scorer(rows).logps_S
    return -logps_S.sum(), len(logps_S)


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*model.safetensors")
    return load_file(file)


def metrics(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.endswith("_per_s")} for line in lines]
