"""An SFT step, ours against TRL's ``SFTTrainer``: same weights, questions, pictures, adapters, optimiser and batch.

python -m bench.sft --preset small

Each picture has several questions; ours shares the picture among those of one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from bench import sides
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue
from unveil.train import loop, sft
from unveil.train.dataloader import Stream


@dataclass(frozen=True)
class Config(sides.Config):
    """Race SFT steps against TRL's."""

    questions: int = 4
    """Questions on each picture; a batch holds all those of one picture."""

    @property
    def images(self) -> int:
        return self.warmup

    def words(self) -> list[str]:
        return [*super().words(), "--questions", str(self.questions)]


class Ours(sides.Ours):
    """Our recipe's own parts in its own order."""

    def __init__(self, config: Config, folder: Path):
        recipe = sft.Config(dialogues=folder / "dialogues.jsonl", **config.options(folder))
        self.load(config, recipe)
        self.stream = Stream(self.scorer, recipe.dialogues, recipe)
        self.order = loop.parts(list(read_jsonl(recipe.dialogues, Dialogue)), config.questions)
        self.rewind()

    def rows(self, batches: Iterator[Any]) -> Iterator[Any]:
        return self.stream(batches)

    def loss(self, step: int) -> torch.Tensor:
        _, rows = next(self.batches)
        return -self.scorer(rows).logps_S.mean()


class Theirs(sides.Theirs):
    """TRL's trainer."""

    def __init__(self, config: Config, folder: Path):
        from trl import SFTConfig as TrlConfig
        from trl import SFTTrainer

        def turn(role: str, text: str, *before: dict[str, str]) -> list[dict[str, Any]]:
            return [{"role": role, "content": [*before, {"type": "text", "text": text}]}]

        rows = [
            {
                "prompt": turn("user", d.question, {"type": "image"}),
                "completion": turn("assistant", d.answer),
                "images": [d.image],
            }
            for d in read_jsonl(folder / "dialogues.jsonl", Dialogue)
        ]
        self.data, self.size = sides.pictures(rows, folder), config.questions
        model, processor, lora = self.load(config, folder)
        self.trainer = SFTTrainer(
            model=model,
            args=TrlConfig(**self.arguments(config, folder)),
            processing_class=processor,
            train_dataset=self.data,
            peft_config=lora,
        )
        self.begin()


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    title = f"SFT, {config.questions} questions on one picture"
    return sides.run(config, Ours, Theirs, title, config.questions)


if __name__ == "__main__":
    main(tyro.cli(Config))
