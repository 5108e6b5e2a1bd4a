"""A DPO step, ours against TRL's ``DPOTrainer``: same weights, pairs, pictures, dtype, adapters, optimiser and batch.

python -m bench.dpo --preset small

Ours computes reference and features of the frozen tower beforehand (``setup_s``); TRL does so in every step.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from accelerate import Accelerator

from bench import race
from bench.models import PRESETS, make
from unveil.records import Pair, read_jsonl
from unveil.train import adapt, dpo, loop
from unveil.train.engine import Scorer, whole
from unveil.train.features import Features


@dataclass(frozen=True)
class Config:
    """Race DPO steps against TRL's."""

    preset: Literal["tiny", "small", "3b", "3b-tenth"] = "small"
    """Shape of the model."""
    method: Literal["lora", "full"] = "lora"
    """Adapters on, or all weights of, the language model; tower and projector are frozen."""
    steps: int = 7
    """Steps that count."""
    warmup: int = 2
    """Steps before."""
    checkpointing: bool = False
    """Gradient checkpointing on both sides."""
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


def stir(model: torch.nn.Module) -> None:
    """Moves the trained weights a little, so that the policy is not its reference."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.requires_grad and ("lora_B" in name or "lora_" not in name):
                p.add_(torch.randn(p.shape, generator=generator).to(p) * 0.01)


class Ours(race.Side):
    """Our recipe's own parts in its own order."""

    name = "ours"

    def __init__(self, config: Config, folder: Path):
        pairs = PRESETS[config.preset].pairs
        self.config = dpo.DpoConfig(
            pairs=folder / "pairs.jsonl",
            out=folder / "out",
            model=str(folder / "model"),
            method=config.method,
            train_projector=False,
            batch_size=pairs,
            gradient_checkpointing=config.checkpointing,
            learning_rate=1e-5,
        )
        accelerator = Accelerator(cpu=config.device == "cpu")
        torch.manual_seed(0)
        loaded = adapt.load(self.config, torch.device(config.device))
        self.model = adapt.prepare(loaded.model.to(PRESETS[config.preset].dtype), self.config)
        self.chat = loaded.chat
        seeing = Features(whole(self.model), self.chat.processor.image_processor, 4096)
        self.scorer = Scorer(self.model, self.chat, seeing)
        self.pairs = list(read_jsonl(self.config.pairs, Pair))
        began = race.clock()
        self.held = dpo.before_training(self.config, accelerator, self.scorer, self.pairs, self.chat, {"made": "here"})
        self.setup_s = race.clock() - began
        self.model.train()
        stir(self.model)
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=1e-5)
        self.order = [self.pairs[i : i + pairs] for i in range(0, len(self.pairs), pairs)]

    def loss(self, step: int) -> torch.Tensor:
        batch = self.order[step % len(self.order)]
        rows = dpo.encode(batch, self.chat, self.config)
        return dpo.pair_loss(self.scorer, batch, rows, self.held, self.config)[0]


class Theirs(race.Side):
    """TRL's trainer: its own collator, data loader, reference and loss."""

    name = "trl"

    def __init__(self, config: Config, folder: Path):
        from datasets import Dataset
        from datasets import Image as Picture
        from peft import LoraConfig
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from trl import DPOConfig, DPOTrainer

        from unveil.models import linear_layers, part_of
        from unveil.preferences import to_trl

        preset = PRESETS[config.preset]
        rows = [to_trl(pair) for pair in read_jsonl(folder / "pairs.jsonl", Pair)]
        for row in rows:
            row["images"] = [str(folder / name) for name in row["images"]]
            del row["id"]
        data = Dataset.from_list(rows).cast_column("images", [Picture()])
        model = AutoModelForImageTextToText.from_pretrained(folder / "model", dtype=preset.dtype).to(config.device)
        ours = adapt.Options(out=folder)
        lora = None
        if config.method == "lora":
            targets = linear_layers(model, ["language"])
            lora = LoraConfig(r=ours.lora_rank, lora_alpha=ours.lora_alpha, target_modules=targets)
        else:
            for name, p in model.named_parameters():
                p.requires_grad_(part_of(name) == "language")
        arguments = DPOConfig(
            output_dir=str(folder / "trl"),
            per_device_train_batch_size=preset.pairs,
            max_length=None,
            gradient_checkpointing=config.checkpointing,
            learning_rate=1e-5,
            bf16=False,
            use_cpu=config.device == "cpu",
            report_to=[],
            disable_tqdm=True,
        )
        torch.manual_seed(0)
        self.trainer = DPOTrainer(
            model=model,
            ref_model=None if lora else copy.deepcopy(model).eval(),
            args=arguments,
            processing_class=AutoProcessor.from_pretrained(folder / "model"),
            train_dataset=data,
            peft_config=lora,
        )
        self.model, self.reference = self.trainer.model, self.trainer.ref_model
        self.model.train()
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=1e-5)
        self.data, self.size = data, preset.pairs
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
        folder = config.data or make(Path(made), preset, images=preset.pairs * config.warmup)
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
        found["ours"]["setup_s"] = ours.setup_s
        if config.memory:
            for name in ("ours", "trl"):
                options = ["--preset", config.preset, "--method", config.method, "--device", config.device]
                options += ["--threads", str(config.threads), "--data", str(folder), "--alone", name]
                options += ["--checkpointing"] if config.checkpointing else []
                found[name]["peak_mb"] = race.peak_mb("bench.dpo", options)
            found["memory_ratio"] = found["ours"]["peak_mb"] / found["trl"]["peak_mb"]
    found["ratio"] = found["trl"]["step_s"] / found["ours"]["step_s"]
    found |= {**apart, "preset": config.preset, "method": config.method, "pairs": preset.pairs, **race.machine()}
    race.show(f"DPO, {config.preset}, {config.method}, {preset.pairs} pairs a step", found)
    race.write(config.json, found)
    return found


if __name__ == "__main__":
    main(tyro.cli(Config))
