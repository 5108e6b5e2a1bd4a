"""What tests share: synthetic images, a few records, and fixtures of the tiny models in ``unveil.testing``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

# the models are tiny, and the suite runs in several processes: these and their children take one thread each
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Finding, Question, Record, Source, Split
from unveil.curate.mau import MauOptions, mau
from unveil.testing.models import TREES, loaded, saved
from unveil.train import averages
from unveil.train.averages import Ratio
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded

settings.register_profile("unveil", deadline=None)  # no test depends on time
settings.load_profile("unveil")
torch.set_num_threads(1)
# containers often forbid bytecode: each process would then compile the tests, and each child the package, once more
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", params=TREES)
def family(request: pytest.FixtureRequest) -> Loaded:
    """A tiny random model of each architecture with its chat."""
    return loaded(request.param)


@pytest.fixture(scope="session")
def tiny() -> Loaded:
    """A tiny random model of the base model's architecture."""
    return loaded("llava_siglip")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny random model with its processor on the disk."""
    return saved("llava_siglip", tmp_path_factory.mktemp("tiny"))


# ------------------------------------------------------------------------------------------------------------- records

SIZES = ((96, 64), (50, 120), (140, 35), (64, 64), (33, 47), (200, 90))


def draw(path: Path, size: tuple[int, int], seed: int) -> Path:
    """A grey picture with noise and a bright disc."""
    width, height = size
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < min(size) / 4
    grey = np.where(disc, 220, 60) + rng.integers(0, 30, (height, width))
    Image.fromarray(grey.astype(np.uint8)).save(path)
    return path


def records_in(folder: Path, count: int = 6) -> list[Record]:
    """Synthetic images of several sizes: a nodule and a cyst, one nodule, nothing, and again; train, val and test."""
    found = (
        (Finding("nodule", (5, 6, 20.5, 30)), Finding("cyst", (22, 8, 33, 25), attributes={"shape": "round"})),
        (Finding("nodule", (10, 10, 30, 30), attributes={"body_part": "lung", "side": "left"}),),
        (),
    )
    question = Question("Is there a nodule?", "Yes.", "closed", "own")
    out = []
    for i in range(count):
        size = SIZES[i % len(SIZES)]
        draw(folder / f"{i}.png", size, i)
        split: Split = "train" if i < count - 3 else ("val", "test", "test")[i - count]
        record = Record(f"r{i}", f"{i}.png", *size, modality="xray", patient=f"p{i // 2}", split=split)
        record = replace(record, findings=found[i % 3], completeness="exhaustive", source=Source("drawn"))
        out.append(replace(record, questions=(question,) if i % 3 == 1 else ()))
    return out


def write_both(folder: Path, count: int) -> Path:
    """records.jsonl of synthetic images, and the dialogues on them beside it; returns the folder."""
    records = records_in(folder, count)
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", mau(records, MauOptions()))
    return folder


def write_dialogues(folder: Path, count: int = 6) -> Path:
    """Synthetic images and the dialogues on them; returns dialogues.jsonl."""
    rules = MauOptions(regions=2)
    write_jsonl(folder / "dialogues.jsonl", mau(records_in(folder, count), rules))
    return folder / "dialogues.jsonl"


@pytest.fixture(scope="session")
def dialogues_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dialogues.jsonl with its images."""
    return write_dialogues(tmp_path_factory.mktemp("data"))


def dialogue(name: str, image: str, question: str, answer: str = "Yes.", **more: Any) -> Dialogue:
    """A dialogue with little to write."""
    return Dialogue(
        **{"id": name, "record": name, "image": image, "split": "train", "kind": "detection"} | more,
        question=question,
        answer=answer,
    )


def ids_of(chat: Chat, text: str) -> list[int]:
    """The ids of a text as an answer holds them."""
    return chat.tokenizer(text)["input_ids"]


def logged(figures: Mapping[str, Ratio]) -> dict[str, float]:
    """Figures of one pass of one process as the log shows them."""
    return averages.averaged([figures], cast(Any, SimpleNamespace(num_processes=1)))
