"""Writes the tables of docs/how-to/memory.md: which model trains on which GPU, with which batches, in how many hours;
and how far what is foretold lies from what ``bench.memory`` has measured.

python -m scripts.memory_table            # from the footprints that were found before
python -m scripts.memory_table --anew     # finds them anew, which takes a minute or two

Footprints are found from the published shapes of the models (``vlm.shapes``), without weights. The rest of the page is
written by hand. A test compares the page with what would be written, and one footprint with one found anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from unveil.core import console
from unveil.core.records import Dialogue
from unveil.train import budget, footprint, lengths, outlook, resources, sft
from unveil.train.footprint import Footprint
from unveil.train.lengths import Asked, Lengths
from unveil.train.options import DeviceType
from unveil.train.outlook import Work
from unveil.train.resources import NeedsError
from unveil.train.throughput import GPUS
from unveil.vlm import models, shapes

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "memory.md"
FOUND = ROOT / "bench" / "results" / "footprints.json"
MEASURED = ROOT / "bench" / "results" / "memory.json"
BEGIN, END = "<!-- written by python -m scripts.memory_table -->", "<!-- end of what is written -->"
BEGIN_ERRORS = "<!-- written by python -m scripts.memory_table, from bench/results/memory.json -->"

#: The models whose memory was measured, by what ``bench.memory`` calls them, and what of each is trained.
TRIED_ON = {
    "llava": "LLaVA, 5 layers of width 128",
    "gemma3": "Gemma 3, the same size",
    "paligemma2": "PaliGemma 2, the same size (plain rows, eager attention)",
    "small": "`small` of the benchmarks, some 60 million weights",
}
WAYS = {
    ("lora", False): "LoRA",
    ("lora", True): "LoRA, gradient checkpointing",
    ("full", False): "all weights",
    ("full", True): "all weights, gradient checkpointing",
}

#: The models of the table, and the GPUs by what --device-type calls them.
MODELS = {
    "Qwen2.5-VL 3B": "Qwen/Qwen2.5-VL-3B-Instruct",
    "Qwen2.5-VL 7B": "Qwen/Qwen2.5-VL-7B-Instruct",
    "Qwen2.5-VL 32B": "Qwen/Qwen2.5-VL-32B-Instruct",
}
Adapters = Literal["lora", "qlora"]
METHODS: dict[Adapters, str] = {"lora": "LoRA", "qlora": "QLoRA"}
CARDS: tuple[DeviceType, ...] = ("rtx4090", "l40s", "h100")
#: What is learnt: images of so many pixels, with so many questions each, and texts of so many characters.
IMAGES, QUESTIONS, PIXELS, QUESTION, ANSWER = 2_500, 4, (896, 896), 70, 140
TRIED = 50
"""Images whose rows are packed: all are alike."""


@dataclass(frozen=True)
class Config:
    """Write the tables."""

    anew: bool = False
    """Find the footprints anew."""


def config(name: str, **options: Any) -> sft.Config:
    """Fine-tuning by adapters in bf16, updates of 16 rows, one epoch."""
    usual: dict[str, Any] = {"method": "lora", "precision": "bf16", "batch_size": 16, "epochs": 1.0}
    return sft.Config(dialogues=Path("d"), out=Path("o"), model=name, **usual | options)


def found(asked: sft.Config) -> Footprint:
    """A footprint of a model that is known by its published shape."""
    return footprint.of(models.unfilled(shapes.config_of(asked.model)), asked, asked.precision)


def anew() -> dict[str, dict[str, Any]]:
    """All footprints, by model, by how adapters are trained, and by whether layers recompute."""
    return {
        key(name, method, again): asdict(found(config(name, method=method, gradient_checkpointing=again)))
        for name in MODELS.values()
        for method in METHODS
        for again in (False, True)
    }


def key(name: str, method: Adapters, recomputing: bool) -> str:
    """By what a footprint is kept."""
    return f"{name}, {method}{', gradient checkpointing' if recomputing else ''}"


def rows(name: str) -> Lengths:
    """Rows of the table's data set for a model, as many as are tried."""
    asked = [
        Asked(Dialogue(f"{n}", f"{n // QUESTIONS}", f"{n // QUESTIONS}.png", "train", "open", "q" * QUESTION, "a"),
              PIXELS, ("a" * ANSWER,))
        for n in range(TRIED * QUESTIONS)
    ]  # fmt: skip
    limits, shape = config(name).limits, shapes.config_of(name)
    few = lengths.by_rule(asked, lambda size: shapes.image_tokens(shape, size, limits))
    return replace(few, pictures=IMAGES)


def page(text: str, known: Mapping[str, dict[str, Any]], measured: Sequence[Mapping[str, Any]]) -> str:
    """The page with its tables written anew from footprints, and from what was measured."""
    return _between(BEGIN_ERRORS, _errors(measured), _between(BEGIN, _cards(known), text))


def _between(begin: str, lines: Sequence[str], text: str) -> str:
    before, _, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE}: the marks around a table are missing: {begin} and {END}")
    return "\n".join([f"{before}{begin}", "", *lines, "", f"{END}{after}"])


def _errors(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {(one["preset"], one["method"], one["checkpointing"]): one for one in measured}
    head = [f"| model | {' | '.join(WAYS.values())} |", f"|---|{'---|' * len(WAYS)}"]
    body = [
        f"| {title} | {' | '.join(_signed(found[name, *way]['error']) for way in WAYS)} |"
        for name, title in TRIED_ON.items()
    ]
    one = found["small", "lora", False]
    process = f"The process itself took {resources.size(one['resident'])} where the tensors of `small` with LoRA took"
    return [*head, *body, "", f"{process} {resources.size(one['tensors'])}: an allocator keeps what was freed."]


def _signed(error: float) -> str:
    return f"{100 * error:+.1f} %".replace("-", "\u2212")


def _cards(known: Mapping[str, dict[str, Any]]) -> list[str]:
    titles = [f"{GPUS[card].title}, {GPUS[card].memory // 10**9} GB" for card in CARDS]
    head = [f"| model | {' | '.join(titles)} |", f"|---|{'---|' * len(CARDS)}"]
    body = [
        f"| {title}, {METHODS[method]} | {' | '.join(_cell(name, method, card, known) for card in CARDS)} |"
        for title, name in MODELS.items()
        for method in METHODS
    ]
    return [*head, *body]


def _cell(name: str, method: Adapters, card: Any, known: Mapping[str, dict[str, Any]]) -> str:
    device, seen = GPUS[card], rows(name)
    of = {again: Footprint(**known[key(name, method, again)]) for again in (False, True)}
    try:
        one, needed = budget.choice(
            config(name, method=method, memory=f"{device.memory // 10**9}GB"), seen, "cuda", device.memory,
            lambda asked: of[asked.gradient_checkpointing],  # of other ways too, which are not shown
        )  # fmt: skip
    except NeedsError as refused:
        if refused.needed is None:
            raise
        return f"no: {resources.size(refused.needed)} (computed)"
    patches = shapes.patches_a_token(shapes.config_of(name))
    count = IMAGES * QUESTIONS
    learning, _ = outlook.seconds(of[one.gradient_checkpointing], seen, one, Work(), device, count, patches)
    again = ", recomputing" if one.gradient_checkpointing else ""
    batches = f"{one.batch_size} × {one.accumulate}"
    return f"{batches}{again}: {needed / 1e9:.0f} GB, {console.lasting(learning)} (computed)"


def main(asked: Config) -> None:
    """Writes the page, and the footprints where they are found anew."""
    if asked.anew:
        FOUND.write_text(json.dumps(anew(), indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), recorded(), measured()), encoding="utf-8")


def recorded() -> dict[str, dict[str, Any]]:
    """The footprints that were found last."""
    known: dict[str, dict[str, Any]] = json.loads(FOUND.read_text(encoding="utf-8"))
    return known


def measured() -> list[dict[str, Any]]:
    """What ``bench.memory`` found last, a row for each model and way to train it."""
    known: dict[str, list[dict[str, Any]]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return known["memory"]


if __name__ == "__main__":
    main(tyro.cli(Config))
