"""What the tests of updates share: questions, answers to them that do not depend on who asks, and gradients caught."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue
from unveil.core.sampling import seed_of
from unveil.rl import grpo, ppo
from unveil.train import dpo, loop
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Distribution

ROWS = 7
REWARD = "def varied(answered):\n    return len(answered.text) % 7 / 6\n"


class Answers:
    """A generator whose answers follow from a question's id alone; those to some questions are much longer."""

    def renew(self, step: int, save: Any) -> None:
        pass

    def __call__(
        self, chat: Chat, dialogues: Sequence[Dialogue], questions: Sequence[EncodedExample], answers: int, most: int,
        distribution: Distribution, seed: int,
    ) -> list[Rollout]:  # fmt: skip
        out = []
        for q, dialogue in enumerate(dialogues):
            seed = seed_of("answers", dialogue.id)
            rng = np.random.default_rng(seed)
            letters = [i for word in "abcdefgh" for i in chat.tokenizer(word, add_special_tokens=False)["input_ids"]]
            for _ in range(answers):
                words = int(rng.integers(2, 4) if seed % 2 else rng.integers(10, 20))
                ids = [*rng.choice(letters, words).tolist(), chat.end[0]]
                out.append(Rollout(q, ids, [float("nan")] * len(ids), cut=False))
        return out


def write_open(folder: Path) -> None:
    """Open questions of the training split, whose answers can all be read, and a reward that differs among these."""
    from tests.conftest import dialogue, records_in

    records = [replace(record, split="train") for record in records_in(folder, ROWS)]
    write_jsonl(folder / "records.jsonl", records)
    asked = [dialogue(r.id, r.image, "What is seen?", "a b", kind="open") for r in records]
    write_jsonl(folder / "dialogues.jsonl", asked)
    (folder / "mine.py").write_text(REWARD)


@contextmanager
def caught(gradients: list[Tensor]) -> Iterator[None]:
    """Keeps the gradient of each update as one vector."""
    real = loop.step

    def step(accelerator: Any, model: Any, optimizer: Any, clip_norm: float, ids: Sequence[str]) -> None:
        scale = accelerator.scaler.get_scale() if accelerator.scaler else 1.0
        own = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(own) / scale)
        real(accelerator, model, optimizer, clip_norm, ids)

    loop.step = step
    try:
        yield
    finally:
        loop.step = real


def updated(recipe: str, folder: Path, model: Path, out: Path, **more: Any) -> tuple[list[Tensor], list[dict]]:
    """The gradients and the log of a run over the questions, or pairs, of a folder."""
    usual = {"out": out, "model": str(model), "validate_every": 0, "checkpoint_every": 0, "log_every": 1, "workers": 0}
    usual |= {"learning_rate": 1e-3, "epochs": 1.0, "together": 1}
    gradients: list[Tensor] = []
    with caught(gradients):
        if recipe == "dpo":
            dpo.main(dpo.Config(**{"pairs": folder / "pairs.jsonl", "sft_weight": 0.5, **usual, **more}))
        else:
            recipes: dict[str, Any] = {"grpo": grpo, "ppo": ppo}
            asked = {"records": folder / "records.jsonl", "dialogues": folder / "dialogues.jsonl", "kinds": ("open",)}
            asked |= {"rewards": (f"{folder}/mine.py:varied",), "answers": 3, "samples_every": 0, "combination": "sum"}
            learning: dict[str, Any] = {"least_entropy": 0.0, "most_unusable": 1.0, "entropy": 0.01, "kl": 0.1}
            chosen = recipes[recipe]
            chosen.main(chosen.Config(**{**asked, **learning, **usual, **more}), generator=Answers())
    return gradients, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def part(recipe: str, folder: Path, model: Path, out: Path) -> None:
    """What one process of several does: two passes an update; the first one saves the gradients that it has seen."""
    found, _ = updated(recipe, folder, model, out / recipe, batch_size=2, accumulate=2)
    if os.environ["RANK"] == "0":
        save_file({str(i): gradient for i, gradient in enumerate(found)}, out / f"{recipe}.safetensors")
