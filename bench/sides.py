"""What the races against TRL have in common: their options, both sides' models, the order of events."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import Qwen2_5_VLProcessor, Qwen3VLProcessor

from bench import race
from bench.models import PRESETS, images_only, make
from unveil.train import adapters, loop
from unveil.train.options import RecipeOptions
from unveil.vlm.features import Features
from unveil.vlm.model_parts import linear_layers
from unveil.vlm.scorer import Scorer, whole

RATE = 1e-5


@dataclass(frozen=True)
class Config(ABC):
    """RecipeOptions of every race."""

    preset: Literal["tiny", "small", "qwen3_5", "gemma3", "3b", "3b-tenth"] = "small"
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

    @property
    @abstractmethod
    def images(self) -> int:
        """Pictures of the race: as many as the warm-up sees, so that caches are full when time counts."""

    def words(self) -> list[str]:
        """The options that make a process of its own run the same model."""
        given = {"preset": self.preset, "method": self.method, "device": self.device, "threads": self.threads}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return [*words, "--checkpointing"] if self.checkpointing else words

    def options(self, folder: Path, **more: Any) -> dict[str, Any]:
        """The configuration of our recipe that does the same."""
        return {
            "out": folder / "out",
            "model": str(folder / "model"),
            "method": self.method,
            "train_projector": False,
            "gradient_checkpointing": self.checkpointing,
            "learning_rate": RATE,
            "workers": 0,  # as TRL's loader here: both sides decode in this process
            **more,
        }


class Ours(race.Side):
    """A model on our engine. What precedes the first step, such as the reference, costs ``setup_s``."""

    name = "ours"
    setup_s = 0.0
    order: list[Any]
    """Batches, as the recipe's ``Stream`` takes them."""

    def load(self, config: Config, options: RecipeOptions) -> None:
        torch.manual_seed(0)
        loaded = adapters.load(options, torch.device(config.device))
        self.model = adapters.prepare(loaded.model.to(PRESETS[config.preset].dtype), options)
        self.chat = loaded.chat
        seeing = Features(whole(self.model), self.chat.processor.image_processor, options.cache_mb)
        self.scorer = Scorer(self.model, self.chat, seeing)
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=RATE)
        self.model.train()

    def rewind(self) -> None:
        """From the first batch on again."""
        self.batches = self.rows(itertools.cycle(self.order))

    @abstractmethod
    def rows(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Each batch with its encoded rows."""


class Theirs(race.Side):
    """A trainer of TRL: its own collator, data loader and loss."""

    name = "trl"
    trainer: Any
    data: Any
    size: int

    def load(self, config: Config, folder: Path) -> tuple[Any, Any, Any]:
        """The model, its processor, and the configuration of adapters (None when all weights are trained)."""
        from peft import LoraConfig
        from transformers import AutoModelForImageTextToText, AutoProcessor

        usual = RecipeOptions(out=folder)
        dtype = PRESETS[config.preset].dtype
        model = AutoModelForImageTextToText.from_pretrained(folder / "model", dtype=dtype).to(config.device)
        lora = None
        if config.method == "lora":
            targets = linear_layers(model, ["language"])
            lora = LoraConfig(r=usual.lora_rank, lora_alpha=usual.lora_alpha, target_modules=targets)
        else:
            loop.trainable(model, {"language"})
        torch.manual_seed(0)
        return model, AutoProcessor.from_pretrained(folder / "model"), lora

    def arguments(self, config: Config, folder: Path) -> dict[str, Any]:
        """What all its trainers are told."""
        return {
            "output_dir": str(folder / "trl"),
            "per_device_train_batch_size": self.size,
            "max_length": None,
            "gradient_checkpointing": config.checkpointing,
            "learning_rate": RATE,
            "bf16": False,
            "use_cpu": config.device == "cpu",
            "report_to": [],
            "disable_tqdm": True,
        }

    def begin(self) -> None:
        """Takes over the trainer's model."""
        self.model = self.trainer.model
        self.model.train()
        self.optimizer = torch.optim.AdamW(loop.parameter_groups(self.model, 0.0), lr=RATE)
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


def pictures(rows: list[dict[str, Any]], folder: Path) -> Any:
    """Rows as a data set of TRL's, with the pictures decoded when they are asked for."""
    from datasets import Dataset, Image

    for row in rows:
        row["images"] = [str(folder / name) for name in row["images"]]
    return Dataset.from_list(rows).cast_column("images", [Image()])


def run(
    config: Config,
    ours: Any,
    theirs: Any,
    title: str,
    questions: int = 1,
    before: Callable[[Any, Any, Any], None] = lambda *_: None,
    **about: Any,
) -> dict[str, Any]:
    """Runs a race between two classes of sides, prints it, and returns its figures.

    ``before`` is called with both sides before their first steps are compared.
    """
    torch.set_num_threads(config.threads)
    for kind in (Qwen2_5_VLProcessor, Qwen3VLProcessor):
        images_only(kind)
    preset = PRESETS[config.preset]
    with tempfile.TemporaryDirectory() as made:
        folder = config.data or make(Path(made), preset, config.images, questions)
        if config.alone:
            import datasets  # noqa: F401 - libraries count for neither side
            import peft  # noqa: F401
            import trl  # noqa: F401

            memory = race.Memory()
            side = (ours if config.alone == "ours" else theirs)(config, folder)
            for step in range(3):
                side.step(step)
            print(memory.peak())
            return {}
        sides = ours(config, folder), theirs(config, folder)
        race.alike(*sides)
        before(*sides, config)
        apart = race.difference(*sides)
        for side in sides:
            side.rewind()
        found = race.race(sides, config.steps, config.warmup)
        found["ours"]["setup_s"] = sides[0].setup_s
        if config.memory:
            for side in sides:
                found[side.name]["peak_mb"] = _peak_mb(config, folder, side.name)
            found["memory_ratio"] = found["ours"]["peak_mb"] / found["trl"]["peak_mb"]
    found["ratio"] = found["trl"]["step_s"] / found["ours"]["step_s"]
    found |= {**apart, "preset": config.preset, "method": config.method, "questions": questions, **about}
    found |= race.surroundings()
    race.show(f"{title}, {config.preset}, {config.method}", found)
    race.write(config.json, found)
    return found


def _peak_mb(config: Config, folder: Path, side: str) -> float:
    """Memory of a side alone in a process of its own, above that of the imported libraries, in MB."""
    module = f"bench.{Path(sys.modules[type(config).__module__].__file__ or '').stem}"
    words = ["-m", module, *config.words(), "--data", str(folder), "--alone", side]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stderr}")
    return float(done.stdout.strip().splitlines()[-1])
