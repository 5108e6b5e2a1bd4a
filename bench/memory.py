"""What ``footprint`` foretells of memory, beside what updates of fine-tuning take. On a CPU.

python -m bench.memory --json bench/results/memory.json

``tensors`` are the bytes of all tensors that live at the fullest moment of two updates, counted operation by operation.
``resident`` is the process's memory at its largest above that before the model was loaded, two updates in a process of
their own; it holds what kernels and the allocator take besides.

``python -m scripts.memory_table`` writes the figures into docs/how-to/memory.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from accelerate import Accelerator

from bench import models as made_up
from bench import race, sides
from bench.models import make
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue
from unveil.testing.models import ENTRIES
from unveil.testing.sizes import WIDE
from unveil.train import adapters, footprint, lengths, loop, resources, sft
from unveil.train.footprint import Live
from unveil.train.lengths import packed
from unveil.vlm import models
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, whole

Preset = Literal["llava", "gemma3", "paligemma2", "tiny", "small", "3b-tenth"]
IMAGES, QUESTIONS = 2, 4
#: What no other benchmark has.
WIDER: dict[str, made_up.Preset] = {
    name: made_up.Preset(partial(ENTRIES[built].build, WIDE), picture=WIDE.picture)
    for name, built in {"llava": "llava_clip", "gemma3": "gemma3", "paligemma2": "paligemma2"}.items()
}


@dataclass(frozen=True)
class Config:
    """Compare foretold and measured memory."""

    presets: tuple[Preset, ...] = ("llava", "gemma3", "paligemma2", "small")
    """Shapes of the model."""
    json: Path | None = None
    """File for the figures."""
    alone: str | None = None
    """Run one configuration, PRESET METHOD CHECKPOINTING as JSON, and print the process's memory."""


@dataclass(frozen=True)
class Trial:
    """A model in training, and a batch of rows: some questions on each of some images."""

    config: sft.Config
    scorer: Scorer
    rows: list[EncodedExample]
    optimizer: torch.optim.Optimizer
    accelerator: Accelerator

    def update(self, times: int = 2) -> None:
        """From the second update on Adam's moments are there."""
        for _ in range(times):
            batches = [self.rows] * self.config.accumulate
            sft.update(self.scorer, self.optimizer, batches, self.accelerator, self.config)


def begin(config: sft.Config) -> Trial:
    """The model is loaded and prepared as the recipe does it."""
    torch.manual_seed(0)
    loaded = adapters.load(config, torch.device("cpu"))
    model = adapters.prepare(loaded.model, config)
    scorer = Scorer(model, loaded.chat, Features(whole(model), loaded.chat.processor.image_processor, config.cache_mb))
    asked = list(read_jsonl(config.dialogues, Dialogue))
    rows = [loaded.chat.encode(d, config.dialogues.parent / d.image, with_answer=True) for d in asked]
    optimizer = torch.optim.AdamW(loop.parameter_groups(model, 0.0), lr=1e-5)
    return Trial(config, scorer.train(), rows, optimizer, Accelerator(cpu=True))


def tensors(trial: Trial) -> int:
    """Bytes of all tensors at the fullest moment of two updates, the weights among them."""
    held = [*trial.scorer.parameters(), *trial.scorer.buffers()]
    seen = [tensor for row in trial.rows for tensor in row.seen.tensors.values()]
    with Live([*held, *seen]) as live:
        trial.update()
    return live.most + sum(p.nbytes for p in trial.scorer.parameters())


def foretold(config: sft.Config) -> int:
    """The same from the model's configuration alone."""
    found = footprint.of(models.blank(config.model), config, "float32")
    rows = lengths.measured(adapters.chat_of(config), sft.foreseen(config))
    return found.peak(packed(rows.rows, found.shares), config.accumulate) + resources.features(found, rows)


def configured(folder: Path, method: Any, checkpointing: bool) -> sft.Config:
    """All rows of a folder that ``bench.models.make`` has made, in one batch."""
    return sft.Config(
        dialogues=folder / "dialogues.jsonl",
        out=folder / "out",
        model=str(folder / "model"),
        method=method,
        batch_size=IMAGES * QUESTIONS,
        gradient_checkpointing=checkpointing,
    )


def main(config: Config) -> list[dict[str, Any]]:
    """Compares, prints a line for each, and returns the figures."""
    sides.images_only(sides.Qwen2_5_VLProcessor)
    if config.alone:
        folder, method, checkpointing = json.loads(config.alone)
        memory = race.Memory()
        begin(configured(Path(folder), method, checkpointing)).update()
        print(memory.peak())
        return []
    found = []
    for preset in config.presets:
        with tempfile.TemporaryDirectory() as made:
            torch.manual_seed(0)
            folder = make(Path(made), (made_up.PRESETS | WIDER)[preset], IMAGES, QUESTIONS)
            for method in ("lora", "full"):
                for checkpointing in (False, True):
                    found.append(_compared(preset, folder, method, checkpointing))
                    print(
                        {
                            name: f"{v / 1e6:,.0f} MB" if isinstance(v, int) and not isinstance(v, bool) else v
                            for name, v in found[-1].items()
                        },
                        flush=True,
                    )
    race.write(config.json, {"memory": found, **race.surroundings()})
    return found


def _compared(preset: str, folder: Path, method: str, checkpointing: bool) -> dict[str, Any]:
    asked = configured(folder, method, checkpointing)
    words = [sys.executable, "-m", "bench.memory", "--alone", json.dumps([str(folder), method, checkpointing])]
    alone = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1]
    about = {"preset": preset, "method": method, "checkpointing": checkpointing}
    figures = {"foretold": foretold(asked), "tensors": tensors(begin(asked)), "resident": round(float(alone) * 1e6)}
    return {**about, **figures, "error": round(figures["foretold"] / figures["tensors"] - 1, 3)}


if __name__ == "__main__":
    main(tyro.cli(Config))
