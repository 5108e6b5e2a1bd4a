"""Two ways to share a beginning in layers of attention: a mask over one row, and a forked cache; which is faster, when.

python -m bench.branching --json bench/results/branching.json

The mask lets all answers stand in one row, a token tree. A forked cache runs the beginning first, keeping gradients,
hands its keys and values to a batch of answers, padded to the longest, and goes back through both. Layers that hand a
state along the row can only be forked; those of attention can do both, and this says why they take the mask.

Forward and backward pass of the language model's weights of ``small``, features of the image remembered, answers to one
question on one picture. Both give the same log-probabilities, which is looked at before anything is timed.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor
from transformers import DynamicCache

from bench import race
from bench.growth import rows_on
from bench.models import make_picture, small
from unveil.train import loop
from unveil.vlm.chat import Chat
from unveil.vlm.families import profile_of
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, head

PICTURES = {112: 64, 336: 576, 630: 2025}
"""Width in pixels, image tokens."""
ANSWERS = ((2, (40, 40)), (8, (40, 40)), (8, (10, 160)), (4, (400, 400)))
"""How many, and fewest and most of their tokens."""


@dataclass(frozen=True)
class Config:
    """Measure a mask against a forked cache."""

    repeats: int = 5
    """Times each is run, by turns; the median of their ratios counts."""
    threads: int = 2
    """Threads of torch."""
    json: Path | None = None
    """File for the figures."""


def forked(scorer: Scorer, rows: Sequence[EncodedExample]) -> Tensor:
    """Log-probabilities of the tokens of answers to one prompt, (S,), row after row, by a cache that is forked."""
    base: Any = scorer.model
    prompt = rows[0].prompt
    cache = DynamicCache(config=base.config.get_text_config())
    image = {"image": scorer.features([rows[0].seen])}
    before_D = base.model(
        input_ids=torch.tensor([prompt]), mm_encoder_outputs=image, past_key_values=cache, use_cache=True
    ).last_hidden_state[0, -1]
    for layer in cache.layers:
        layer.keys, layer.values = (t.expand(len(rows), -1, -1, -1) for t in (layer.keys, layer.values))
    longest = max(len(row.answer) for row in rows)
    ids_RL = torch.tensor([row.answer + [0] * (longest - len(row.answer)) for row in rows])
    at_L = torch.arange(len(prompt), len(prompt) + longest)[None].expand(len(rows), -1)
    hidden_RLD = base.model.language_model(
        input_ids=ids_RL, position_ids=at_L, past_key_values=cache, use_cache=True
    ).last_hidden_state
    states = [torch.cat([before_D[None], hidden_RLD[r, : len(row.answer) - 1]]) for r, row in enumerate(rows)]
    return head(base, torch.cat(states), torch.tensor([token for row in rows for token in row.answer]))[0]


def compared(scorer: Scorer, rows: Sequence[EncodedExample], repeats: int) -> dict[str, float]:
    """Seconds of a forward and a backward pass by both ways, medians, and the ratio of fork to mask turn by turn."""
    ways = {"mask": lambda: scorer(rows).in_order(), "fork": lambda: forked(scorer, rows)}
    with torch.no_grad():
        apart = float((ways["mask"]() - ways["fork"]()).abs().max())
    if apart > 1e-4:
        raise RuntimeError(f"the two ways give log-probabilities {apart:g} apart")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            began = race.clock()
            (-way().mean()).backward()
            if turn:
                seconds[name].append(race.clock() - began)
            scorer.model.zero_grad()
    ratios = [fork / mask for fork, mask in zip(seconds["fork"], seconds["mask"], strict=True)]
    tokens = len(rows[0].prompt) + sum(len(row.answer) for row in rows)
    padded = len(rows[0].prompt) + len(rows) * max(len(row.answer) for row in rows)
    return {
        "mask_s": statistics.median(seconds["mask"]),
        "fork_s": statistics.median(seconds["fork"]),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "mask_tokens": tokens,
        "fork_tokens": padded,
    }


def main(config: Config) -> dict[str, Any]:
    """Measures, prints and writes."""
    torch.set_num_threads(config.threads)
    rows = []
    print(f"{'image':>8}{'answers':>9}{'tokens':>12}{'mask, s':>10}{'fork, s':>10}{'fork / mask':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for width, image_tokens in PICTURES.items():
            model, processor = small(width)
            model.config.unveil = {"box_format": "unit", "hint": False}
            chat = Chat(processor, profile_of(model.config))
            loop.trainable(model, {"language"})
            scorer = Scorer(model.train(), chat, Features(model, chat.processor.image_processor, 2048))
            picture = make_picture(Path(folder) / f"{width}.png", width, 0)
            for answers, size in ANSWERS:
                found = compared(scorer, rows_on(chat, picture, 1, answers, size), config.repeats)
                rows.append({"image_tokens": image_tokens, "answers": answers, "of": size, **found})
                print(
                    f"{image_tokens:>8}{answers:>9}{f'{size[0]}-{size[1]}':>12}{found['mask_s']:>10.3f}"
                    f"{found['fork_s']:>10.3f}{found['ratio']:>14.2f}  [{found['least']:.2f}, {found['most']:.2f}]",
                    flush=True,
                )
    about = {"rows": rows, **race.surroundings()}
    race.write(config.json, about)
    return about


if __name__ == "__main__":
    main(tyro.cli(Config))
