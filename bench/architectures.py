"""What token tree and remembered features save on every architecture: the factors of docs/reference/architectures.md.

python -m bench.architectures --json bench/results/architectures.json

Random models of four layers and width 256 on one picture of 672 x 672 pixels: two answers to one question, as in DPO,
and four questions with one answer each, as in SFT.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from bench import race
from bench.growth import compare, rows_on
from bench.models import make_picture
from unveil.testing.models import TREES, loaded
from unveil.testing.sizes import LARGER


@dataclass(frozen=True)
class Config:
    """Measure the factor of every architecture."""

    families: tuple[str, ...] = (*TREES, "paligemma2")
    """Which."""
    repeats: int = 3
    """Times each is run; the median counts."""
    threads: int = 2
    """Threads of torch."""
    json: Path | None = None
    """File for the figures."""


def main(config: Config) -> dict[str, Any]:
    """Measures, prints and writes."""
    torch.set_num_threads(config.threads)
    found: dict[str, Any] = {}
    print(f"{'':14}{'image':>7}{'two answers':>36}{'four questions':>36}")
    print(f"{'':14}{'tokens':>7}" + f"{'plain / tree':>14}{'of the tree':>12}{'tokens':>10}" * 2)
    with tempfile.TemporaryDirectory() as folder:
        picture = make_picture(Path(folder) / "picture.png", 2 * LARGER.picture, 0)
        for name in config.families:
            one = loaded(name, LARGER)
            image_tokens = len(one.chat.cached_image(picture).block)
            dpo = compare(one.model, one.chat, rows_on(one.chat, picture, 1, 2), config.repeats)
            sft = compare(one.model, one.chat, rows_on(one.chat, picture, 4, 1), config.repeats)
            found[name] = {"image_tokens": image_tokens, "two_answers": dpo, "four_questions": sft}
            cells = "".join(
                f"{f['ratio']:>14.2f}{f['tree_ratio']:>12.2f}{f['plain_tokens'] / f['tree_tokens']:>10.2f}"
                for f in (dpo, sft)
            )
            print(f"{name:14}{image_tokens:>7}{cells}", flush=True)
            loaded.cache_clear()
    about = {"families": found, **race.surroundings()}
    race.write(config.json, about)
    return about


if __name__ == "__main__":
    main(tyro.cli(Config))
