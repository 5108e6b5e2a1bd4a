"""Greedy answers to several questions on each image, ours against plain ``generate`` of transformers.

python -m bench.predict --run runs/demo            # the questions of a run's test split, by its fine-tuned model
python -m bench.predict --preset small             # a larger random model, 576 image tokens, 8 questions on each image

Both sides go from the files to the text, and decode each image once. The plain side is how predictions were made before
questions on one image shared it: batches of like questions, padded on the left, each row with an image of its own.
"""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import tyro
from transformers import GenerationConfig

from bench import race
from bench.models import PRESETS, make
from unveil.core.jsonl import read_jsonl
from unveil.core.records import KINDS, Dialogue, image_path, select
from unveil.core.workers import ahead
from unveil.vlm import models
from unveil.vlm.engine import Engine
from unveil.vlm.generate import banned, batches
from unveil.vlm.models import Loaded


@dataclass(frozen=True)
class Config:
    """Race greedy answers against plain transformers."""

    run: Path | None = None
    """Folder of a run, for its test questions and its fine-tuned model."""
    preset: str = "small"
    """A random model, where there is no run."""
    images: int = 200
    """How many images are asked about at the most, the first ones; 16 fill a batch of a random model."""
    questions: int = 8
    """Questions on each image of a random model."""
    max_new_tokens: int | None = None
    """Longest answer; by default 384 for a run, and 16 for a random model, which never ends one."""
    rounds: int = 3
    """Rounds that are timed, after one that is not."""
    threads: int = 2
    """Threads of torch."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where."""
    json: Path | None = None
    """File for the figures."""

    @property
    def longest(self) -> int:
        return self.max_new_tokens or (384 if self.run else 16)


class Side(race.Counted):
    """A way to answer all questions; ``said`` are its texts by id."""

    said: dict[str, str]

    def __init__(self, config: Config, model: Path, file: Path, asked: Sequence[Dialogue]):
        self.config, self.file, self.asked = config, file, asked
        self.loaded: Loaded = models.load(str(model), device=config.device)
        self.model = self.loaded.model

    def step(self, step: int) -> float:
        self.loaded.chat._seen.clear()  # each round decodes each image
        began = race.clock()
        self.said = dict(self.answers())
        return race.clock() - began

    @abstractmethod
    def answers(self) -> Iterator[tuple[str, str]]:
        """Each question's id with the text of its answer."""

    def rows(self, batch: Sequence[Dialogue]) -> list[Any]:
        return [self.loaded.chat.encode(d, image_path(d, self.file), with_answer=False) for d in batch]


class Ours(Side):
    """As `unveil predict`."""

    name = "ours"

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.engine = Engine(self.loaded)

    def answers(self) -> Iterator[tuple[str, str]]:
        for batch, rows in ahead(self.rows, batches(self.asked, 64)):
            found = self.engine.answer(rows, self.config.longest)
            yield from ((d.id, text) for d, (text, _) in zip(batch, found, strict=True))


class Plain(Side):
    """Batches of 64 questions of one kind, whose answers are of like length, by ``generate``."""

    name = "transformers"

    def answers(self) -> Iterator[tuple[str, str]]:
        chat = self.loaded.chat
        pad = chat.tokenizer.pad_token_id
        rule = GenerationConfig(
            max_new_tokens=self.config.longest,
            do_sample=False,
            eos_token_id=sorted(chat.stops),
            pad_token_id=pad if pad is not None else chat.end[0],
            suppress_tokens=banned(chat, self.loaded.model.config),
        )
        order = iter(sorted(self.asked, key=lambda d: (KINDS.index(d.kind), len(d.question), d.id)))
        while part := list(islice(order, 64)):
            inputs = chat.batch(self.rows(part), self.loaded.device, left=True)
            del inputs["labels"]
            with torch.inference_mode():
                out = self.loaded.model.generate(**inputs, generation_config=rule)
            new = out[:, inputs["input_ids"].shape[1] :].tolist()
            yield from ((d.id, chat.text(ids)) for d, ids in zip(part, new, strict=True))


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    torch.set_num_threads(config.threads)
    with nullcontext("") if config.run else tempfile.TemporaryDirectory() as made:
        if config.run:
            model, file = config.run / "sft", config.run / "dialogues.jsonl"
        else:
            make(Path(made), PRESETS[config.preset], config.images, config.questions)
            model, file = Path(made) / "model", Path(made) / "dialogues.jsonl"
        every = select(read_jsonl(file, Dialogue), "test" if config.run else "train")
        kept = set(islice(dict.fromkeys(d.image for d in every), config.images))
        asked = [d for d in every if d.image in kept]
        sides = Ours(config, model, file, asked), Plain(config, model, file, asked)
        found = race.race(sides, config.rounds, 1)
    ours, plain = (found[side.name] for side in sides)
    for side in (ours, plain):
        side["answers_per_s"] = len(asked) / side["step_s"]
        side["lm_tokens_per_answer"] = side["lm_tokens"] / len(asked)
    same = sum(sides[0].said[d.id] == sides[1].said[d.id] for d in asked)
    found |= {"images": len(kept), "questions": len(asked), "same": same, "ratio": plain["step_s"] / ours["step_s"]}
    found |= {"preset": None if config.run else config.preset, **race.surroundings()}
    print(
        f"\n{len(asked)} questions on {len(kept)} images, at most {config.longest} tokens: {same} answers are the same"
    )
    print(f"{'':24}{'ours':>12}{'transformers':>14}{'ratio':>8}")
    for name in ("answers_per_s", "tower_encodings", "lm_tokens_per_answer"):
        ratio = ours[name] / plain[name] if name == "answers_per_s" else plain[name] / ours[name]
        print(f"{name:24}{ours[name]:>12.2f}{plain[name]:>14.2f}{ratio:>8.2f}")
    race.write(config.json, found)
    return found


if __name__ == "__main__":
    main(tyro.cli(Config))
