"""An SFT step, ours against TRL's ``SFTTrainer``: same weights, questions, pictures, adapters, optimiser and batch.

python -m bench.sft --preset small

Each picture has several questions; ours shares the picture among those of one batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from bench import race
from bench.models import PRESETS, make
from unveil.models import linear_layers, part_of
from unveil.records import Dialogue, image_path, read_jsonl
from unveil.train import adapt, loop
from unveil.train.engine import Scorer, whole
from unveil.train.features import Features
from unveil.train.sft import SftConfig


@dataclass(frozen=True)
class Config:
    """Race SFT steps against TRL's."""

    preset: Literal["tiny", "small", "3b", "3b-tenth"] = "small"
    """Shape of the model."""
    method: Literal["lora", "full"] = "lora"
    """Adapters on, or all weights of, the language model; tower and projector are frozen."""
    questions: int = 4
    """Questions on each picture; a batch holds all those of one picture."""
    steps: int = 7
    """Steps that count."""
    warmup: int = 2
    """Steps before."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where."""
    threads: int = 2
    """Threads of torch."""
    memory: bool = True
    """Measure each side's memory in a process of its own."""
    alone: Literal["ours", "trl"] | None = None
    """Run one side only and print its memory."""
    data: Path | None = None
    """Folder made before; by default made anew."""
    json: Path | None = None
    """File for the figures."""


class Ours(race.Side):
    """Our recipe's own parts in its own order."""

    name = "ours"

    def __init__(self, config: Config, folder: Path):
        self.file = folder / "dialogues.jsonl"
        options = SftConfig(
            dialogues=self.file,
            out=folder / "out",
            model=str(folder / "model"),
            method=config.method,
            train_projector=False,
        )
        torch.manual_seed(0)
        loaded = adapt.load(options, torch.device(config.device))
        self.model = adapt.prepare(loaded.model.to(PRESETS[config.preset].dtype), options)
        self.chat = loaded.chat
        seeing = Features(whole(self.model), self.chat.processor.image_processor, 4096)
        self.scorer = Scorer(self.model, self.chat, seeing)
        rows = list(read_jsonl(self.file, Dialogue))
        self.order = [rows[i : i + config.questions] for i in range(0, len(rows), config.questions)]
        self.model.train()
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=1e-5)

    def loss(self, step: int) -> torch.Tensor:
        asked = self.order[step % len(self.order)]
        rows = [self.chat.encode(d, image_path(d, self.file), with_answer=True) for d in asked]
        return -self.scorer(rows).logps_S.mean()


class Theirs(race.Side):
    """TRL's trainer: its own collator, data loader and loss."""

    name = "trl"

    def __init__(self, config: Config, folder: Path):
        from datasets import Dataset
        from datasets import Image as Picture
        from peft import LoraConfig
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from trl import SFTConfig as TrlConfig
        from trl import SFTTrainer

        def turn(role: str, text: str, *before: dict[str, str]) -> list[dict[str, Any]]:
            return [{"role": role, "content": [*before, {"type": "text", "text": text}]}]

        rows = [
            {
                "prompt": turn("user", d.question, {"type": "image"}),
                "completion": turn("assistant", d.answer),
                "images": [str(folder / d.image)],
            }
            for d in read_jsonl(folder / "dialogues.jsonl", Dialogue)
        ]
        self.data = Dataset.from_list(rows).cast_column("images", [Picture()])
        self.size = config.questions
        preset, usual = PRESETS[config.preset], adapt.Options(out=folder)
        model = AutoModelForImageTextToText.from_pretrained(folder / "model", dtype=preset.dtype).to(config.device)
        lora = None
        if config.method == "lora":
            targets = linear_layers(model, ["language"])
            lora = LoraConfig(r=usual.lora_rank, lora_alpha=usual.lora_alpha, target_modules=targets)
        else:
            for name, p in model.named_parameters():
                p.requires_grad_(part_of(name) == "language")
        self.trainer = SFTTrainer(
            model=model,
            args=TrlConfig(
                output_dir=str(folder / "trl"),
                per_device_train_batch_size=config.questions,
                max_length=None,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=config.device == "cpu",
                report_to=[],
                disable_tqdm=True,
            ),
            processing_class=AutoProcessor.from_pretrained(folder / "model"),
            train_dataset=self.data,
            peft_config=lora,
        )
        self.model = self.trainer.model
        self.model.train()
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=1e-5)
        self.rewind()

    def rewind(self) -> None:
        """From the first batch on again."""
        self.batches = self._batches()

    def _batches(self) -> Iterator[Any]:
        loader = torch.utils.data.DataLoader(self.data, batch_size=self.size, collate_fn=self.trainer.data_collator)
        while True:
            yield from loader

    def loss(self, step: int) -> torch.Tensor:
        inputs = self.trainer._prepare_inputs(next(self.batches))
        return self.trainer.compute_loss(self.model, inputs)


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    torch.set_num_threads(config.threads)
    preset = PRESETS[config.preset]
    with tempfile.TemporaryDirectory() as made:
        folder = config.data or make(Path(made), preset, images=config.warmup, questions=config.questions)
        if config.alone:
            memory = race.Memory()
            side = Ours(config, folder) if config.alone == "ours" else Theirs(config, folder)
            for step in range(3):
                side.step(step)
            print(memory.peak())
            return {}
        ours, theirs = Ours(config, folder), Theirs(config, folder)
        race.alike(ours, theirs)
        apart = race.difference(ours, theirs)
        theirs.rewind()
        found = race.race([ours, theirs], config.steps, config.warmup)
        if config.memory:
            for name in ("ours", "trl"):
                options = ["--preset", config.preset, "--method", config.method, "--device", config.device]
                options += ["--threads", str(config.threads), "--questions", str(config.questions)]
                found[name]["peak_mb"] = race.peak_mb("bench.sft", [*options, "--data", str(folder), "--alone", name])
            found["memory_ratio"] = found["ours"]["peak_mb"] / found["trl"]["peak_mb"]
    found["ratio"] = found["trl"]["step_s"] / found["ours"]["step_s"]
    found |= {**apart, "preset": config.preset, "method": config.method, "questions": config.questions}
    found |= race.machine()
    race.show(f"SFT, {config.preset}, {config.method}, {config.questions} questions on one picture", found)
    race.write(config.json, found)
    return found


if __name__ == "__main__":
    main(tyro.cli(Config))
