"""What the tests of preference optimisation share: pairs on synthetic images, and a short run on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.conftest import SIZES, draw
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Pair, image_path
from unveil.testing.models import loaded
from unveil.train import dpo
from unveil.vlm.inputs import EncodedExample

QUESTION = "Where is the nodule?"


def pairs_in(folder: Path) -> list[Pair]:
    """Six pairs for training on two images, two for validation, with answers of unlike length and other images."""
    for i in range(4):
        draw(folder / f"{i}.png", SIZES[i], i)
    out = []
    for i in range(8):
        question, other = ("Name the finding.", QUESTION)[i % 2], f"{(i + 1) % 4}.png"
        better, worse = "nodule; " * (1 + i % 3) + "cyst.", ("No.", "Detection: none. " * 2)[i // 2 % 2]
        pair = Pair(f"p{i}", f"r{i}", f"{i % 2}.png", "train" if i < 6 else "val", "open", question, better, worse)
        out.append(replace(pair, rejected_image=other, weight=(0.5, 1.0, 2.0)[i % 3]))
    return out


def short_run(tiny_folder: Path, tmp_path: Path) -> dpo.Config:
    """A run with all weights and two updates of two pairs."""
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "pairs.jsonl", pairs_in(tmp_path / "data"))
    return dpo.Config(
        pairs=tmp_path / "data" / "pairs.jsonl",
        out=tmp_path / "out",
        model=str(tiny_folder),
        method="full",
        batch_size=2,
        epochs=2 / 3,
        learning_rate=1e-2,
        lora_rank=4,
        lora_alpha=8.0,
        validate_every=0,
        checkpoint_every=0,
        log_every=1,
    )


def rewritten(config: dpo.Config, **changes: Any) -> dpo.Config:
    """The run with a field of its first pair changed."""
    first, *rest = pairs_in(config.pairs.parent)
    write_jsonl(config.pairs, [replace(first, **changes), *rest])
    return config


def encoded(batch: Any, config: dpo.Config) -> list[EncodedExample]:
    """The rows of a batch of pairs."""
    chat, asked = loaded("llava_siglip").chat, dpo.asked_of(batch, config.terms)
    return [chat.encode(d, image_path(d, config.pairs), with_answer=True) for d in asked]


def plain_logps(model: Any, row: EncodedExample) -> list[float]:
    """log p of each answer token of one row alone, from all logits in double precision."""
    inputs = loaded("llava_siglip").chat.batch([row])
    del inputs["labels"]
    with torch.no_grad():
        logps = model(**inputs).logits[0].double().log_softmax(-1)
    return [float(logps[place - 1, token]) for place, token in enumerate(row.answer, len(row.prompt))]


def references(config: dpo.Config) -> list[Path]:
    return sorted(config.pairs.parent.glob("pairs.jsonl.reference-*.safetensors"))
