"""A DPO step, ours against TRL's ``DPOTrainer``: same weights, pairs, pictures, dtype, adapters, optimiser and batch.

python -m bench.dpo --preset small

Ours computes reference and features of the frozen tower beforehand (``setup_s``); TRL does so in every step.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from accelerate import Accelerator

from bench import race, sides
from bench.models import PRESETS
from unveil.core.jsonl import read_jsonl
from unveil.core.pairs import to_trl
from unveil.core.records import Pair
from unveil.train import dpo, loop
from unveil.train.dataloader import Stream


@dataclass(frozen=True)
class Config(sides.Config):
    """Race DPO steps against TRL's."""

    @property
    def images(self) -> int:
        return PRESETS[self.preset].pairs * self.warmup


def stir(model: torch.nn.Module) -> None:
    """Moves the trained weights a little, so that the policy is not its reference."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.requires_grad and ("lora_B" in name or "lora_" not in name):
                p.add_(torch.randn(p.shape, generator=generator).to(p) * 0.01)


class Ours(sides.Ours):
    """Our recipe's own parts in its own order."""

    def __init__(self, config: Config, folder: Path):
        size = PRESETS[config.preset].pairs
        self.config = dpo.Config(pairs=folder / "pairs.jsonl", **config.options(folder, batch_size=size))
        self.load(config, self.config)
        pairs = list(read_jsonl(self.config.pairs, Pair))
        accelerator = Accelerator(cpu=config.device == "cpu")
        for old in folder.glob("*.reference-*"):  # of another race in this folder
            old.unlink()
        began = race.clock()
        self.stream = Stream(self.scorer, self.config.pairs, self.config)
        self.held = dpo.before_training(self.config, accelerator, self.scorer, self.stream, pairs, {"made": "here"})
        self.setup_s = race.clock() - began
        self.model.train()
        stir(self.model)
        self.order = loop.parts(pairs, size)
        self.rewind()

    def rows(self, batches: Iterator[Any]) -> Iterator[Any]:
        return self.stream(batches, partial(dpo.asked_of, terms=self.config.terms))

    def loss(self, step: int) -> torch.Tensor:
        batch, rows = next(self.batches)
        return dpo.losing(self.config, self.held)(self.scorer, batch, rows)[0]


class Theirs(sides.Theirs):
    """TRL's trainer, with its reference."""

    def __init__(self, config: Config, folder: Path):
        from trl import DPOConfig, DPOTrainer

        rows = [to_trl(pair) for pair in read_jsonl(folder / "pairs.jsonl", Pair)]
        self.data = sides.pictures([{k: v for k, v in row.items() if k != "id"} for row in rows], folder)
        self.size = PRESETS[config.preset].pairs
        model, processor, lora = self.load(config, folder)
        self.trainer = DPOTrainer(
            model=model,
            ref_model=None if lora else copy.deepcopy(model).eval(),
            args=DPOConfig(**self.arguments(config, folder)),
            processing_class=processor,
            train_dataset=self.data,
            peft_config=lora,
        )
        self.reference = self.trainer.ref_model
        self.begin()


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    size = PRESETS[config.preset].pairs
    return sides.run(config, Ours, Theirs, f"DPO, {size} pairs a step", pairs=size)


if __name__ == "__main__":
    main(tyro.cli(Config))
