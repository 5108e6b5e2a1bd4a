"""What a step costs on the token tree and on plain rows, as answers and image tokens grow.

python -m bench.growth --json bench/results/growth.json --plot docs/figures/growth.svg

Forward and backward pass of the language model's weights, tower and projector frozen, all answers to one question on
one picture. Plain rows are the same engine without its tree, each answer with its own prompt and image, whose features
are computed each time (as trainers usually do) or remembered.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from bench import race
from bench.models import make_picture, small, texts
from unveil.core.console import progress
from unveil.core.records import Dialogue
from unveil.train import loop
from unveil.vlm.chat import Chat
from unveil.vlm.families import profile_of
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer

ANSWERS = (1, 2, 4, 8, 16)
LINES = (
    ("plain", "plain rows", "#b5532a"),
    ("remembered", "plain rows, features remembered", "#d9a441"),
    ("tree", "token tree, features remembered", "#1f6f8b"),
)
PICTURES = {112: 64, 224: 256, 336: 576, 448: 1024, 630: 2025}
"""Width in pixels, image tokens."""


@dataclass(frozen=True)
class Config:
    """Measure how cost grows, ours and plain."""

    repeats: int = 3
    """Times each is run; the median counts."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where."""
    threads: int = 2
    """Threads of torch."""
    json: Path | None = None
    """File for the figures."""
    plot: Path | None = None
    """File for the plot (svg or png)."""
    source: Path | None = None
    """Show and plot figures that were measured before, of this file, instead."""


def compare(model: Any, chat: Chat, rows: Sequence[EncodedExample], repeats: int) -> dict[str, float]:
    """Seconds and tokens of one forward and backward pass, the ways alternately, medians; the tower is frozen.

    ``plain``: rows, the tower looks at each row's image; ``remembered``: rows, features known; ``tree``: the same, and
    the tree. ``ratio`` is plain to tree, ``tree_ratio`` remembered to tree.
    """
    loop.trainable(model, {"language"})
    model.train()
    ways = {"plain": (False, 0), "remembered": (False, 2048), "tree": (True, 2048)}
    scorers = {
        name: Scorer(model, chat, Features(model, chat.processor.image_processor, room), tree=tree)
        for name, (tree, room) in ways.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    tokens = {}
    for turn in range(repeats + 1):
        for name, scorer in scorers.items():
            scorer.counts["lm_tokens"] = 0
            began = race.clock()
            (-scorer(rows).logps_S.mean()).backward()
            if turn:  # the first one warms up, and fills the memory of features where there is one
                seconds[name].append(race.clock() - began)
            model.zero_grad()
            tokens[name] = scorer.counts["lm_tokens"]
    out: dict[str, float] = {f"{name}_s": statistics.median(s) for name, s in seconds.items()}
    out |= {f"{name}_tokens": tokens[name] for name in ("plain", "tree")}
    return out | {"ratio": out["plain_s"] / out["tree_s"], "tree_ratio": out["remembered_s"] / out["tree_s"]}


def rows_on(
    chat: Chat, picture: Path, questions: int, answers: int, size: tuple[int, int] = (40, 40)
) -> list[EncodedExample]:
    """``answers`` to each of ``questions`` on one picture, of so many tokens each."""
    rng = np.random.default_rng(0)
    asked = [texts(rng, (16, 16)) for _ in range(questions)]
    return [
        chat.encode(Dialogue(f"{q}-{a}", "r", "x", "train", "open", question, texts(rng, size)), picture, True)
        for q, question in enumerate(asked)
        for a in range(answers)
    ]


def main(config: Config) -> dict[str, Any]:
    """Measures, prints, writes and plots."""
    found = json.loads(config.source.read_text()) if config.source else measured(config)
    for axis in ("answers", "image_tokens"):
        heads = (
            axis.replace("_", " "),
            "tree, s",
            "plain, s",
            "remembered, s",
            "ratio",
            "of the tree",
            "tokens",
            "plain",
        )
        print("\n" + "".join(f"{head:>14}" for head in heads))
        for n, f in found[axis].items():
            times = (f["tree_s"], f["plain_s"], f["remembered_s"], f["ratio"], f["tree_ratio"])
            print(f"{n:>14}" + "".join(f"{v:>14.3f}" for v in times) + f"{f['tree_tokens']:>14}{f['plain_tokens']:>14}")
    race.write(config.json, found)
    if config.plot:
        plot(found, config.plot)
    return found


def measured(config: Config) -> dict[str, Any]:
    """Cost by answers and by image tokens."""
    torch.set_num_threads(config.threads)
    found: dict[str, Any] = {"answers": {}, "image_tokens": {}}
    with tempfile.TemporaryDirectory() as folder, progress("growth", len(ANSWERS) + len(PICTURES), 0) as advance:
        for width, tokens in PICTURES.items():
            model, processor = small(width)
            model.config.unveil = {"box_format": "unit", "hint": False}
            chat = Chat(processor, profile_of(model.config))
            model.to(config.device)
            picture = make_picture(Path(folder) / f"{width}.png", width, 0)
            found["image_tokens"][tokens] = compare(model, chat, rows_on(chat, picture, 1, 4), config.repeats)
            advance(note=f"{tokens} image tokens")
            for answers in ANSWERS if tokens == 576 else ():
                found["answers"][answers] = compare(model, chat, rows_on(chat, picture, 1, answers), config.repeats)
                advance(note=f"{answers} answers")
    return found | race.surroundings()


def plot(found: dict[str, Any], path: Path) -> None:
    """Seconds over answers, and over image tokens."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "unveil"  # the same figures give the same file
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    titles = {"answers": "answers to one question (576 image tokens)", "image_tokens": "image tokens (4 answers)"}
    for axes, (axis, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        at = [int(n) for n in found[axis]]
        for name, label, colour in LINES:
            axes.plot(at, [f[f"{name}_s"] for f in found[axis].values()], "o-", label=label, color=colour)
        for n, f in zip(at, found[axis].values(), strict=True):
            axes.annotate(f"{f['ratio']:.1f}×", (n, f["plain_s"]), (-4, 6), textcoords="offset points", ha="center")
        axes.set_xscale("log", base=2)
        axes.set_xticks(at, [str(n) for n in at])
        axes.margins(x=0.12)
        axes.set_yscale("log")
        axes.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
        axes.minorticks_off()
        axes.set_xlabel(title)
        axes.set_ylabel("forward and backward pass, s")
        axes.set_ylim(0.25, 3 * max(f["plain_s"] for f in found[axis].values()))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})


if __name__ == "__main__":
    main(tyro.cli(Config))
