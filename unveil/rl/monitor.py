"""What is watched while a model learns from rewards: collapse, and samples with their pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from unveil.core import files, image_files, pixels
from unveil.core.answered import Answered
from unveil.core.records import image_path
from unveil.rl.experience import Experience, Progress, Rewarded

LOG = logging.getLogger(__name__)
SAMPLES = "samples.jsonl"
KEPT = 0.8
"""Share of a running mean that an update leaves."""
SOON = 10
"""Updates after which it is said of a reward that it has told no answers apart."""


def collapsed(
    found: Mapping[str, float], state: Progress, least_entropy: float, most_growth: float, most_unusable: float
) -> str | None:
    """Why a run is to be stopped, None if it may go on: running means over some updates against what it began with.

    ``least_entropy`` and ``most_growth`` are shares of the first entropy and length, ``most_unusable`` one of answers.
    """
    if not state.first:
        state.first = {name: found[name] for name in ("entropy", "length")}
    for name in ("entropy", "length", "unusable"):
        state.running[name] = KEPT * state.running.get(name, found[name]) + (1 - KEPT) * found[name]
    first, found = state.first, state.running
    if found["unusable"] > most_unusable:
        return f"{found['unusable']:.0%} of the answers are empty, unreadable or cut (--most-unusable)"
    if found["length"] > most_growth * first["length"]:
        return f"answers have {found['length']:.0f} tokens, at first {first['length']:.0f} (--most-growth)"
    if found["entropy"] < least_entropy * first["entropy"]:
        return f"entropy is {found['entropy']:.4f} nats a token, at first {first['entropy']:.4f} (--least-entropy)"
    return None


def count(found: Mapping[str, float], rewards: Sequence[str], state: Progress) -> None:
    """Counts an update in which each of the rewards, and their total, told two answers to one question apart."""
    alike = {"total": found["groups_alike"], **{name: found[f"{name}_alike"] for name in rewards}}
    for name, share in alike.items():
        state.differed[name] = state.differed.get(name, 0) + (share < 1)


def alike(state: Progress, updates: int, ended: bool = False) -> list[str]:
    """What is to be said of rewards that in so many updates never told two answers to one question apart."""
    never = [name for name, times in state.differed.items() if not times]
    names = ", ".join(name for name in state.differed if name != "total")
    long = "1 update" if updates == 1 else f"{updates} updates"
    if "total" in never:
        is_learnt = "was learnt" if ended else "is learnt so far"
        return [
            f"warning: nothing {is_learnt}: in {long} all answers to a question always earned the same "
            f"({names}); see groups_alike in metrics.jsonl"
        ]
    return [
        f"warning: the reward {name} teaches nothing: in {long} it was always the same, or without a "
        f"verdict, for all answers to a question; see {name}_alike in metrics.jsonl"
        for name in never
    ]


def sample(experience: Experience, worth: Rewarded, dialogues: Path, out: Path, step: int, count: int = 2) -> None:
    """Writes the best and the worst answer to some questions: samples.jsonl, and a picture of their boxes for each.

    ``dialogues`` is the file of the questions, ``out`` the run's folder.
    """
    for q, dialogue in enumerate(experience.dialogues[:count]):
        total_G = worth.totals_QG[q]
        first = q * experience.answers
        picks = {"best": int(total_G.argmax()), "worst": int(total_G.argmin())}
        picture = out / "samples" / f"step-{step:06d}-{q}.png"
        said = {name: worth.answered[first + g] for name, g in picks.items()}
        row = {
            "step": step,
            "id": dialogue.id,
            "question": dialogue.question,
            "picture": str(picture.relative_to(out)),
            "rewards": [round(float(r), 4) for r in total_G],
            **{name: experience.cases[first + g].text for name, g in picks.items()},
        }
        try:
            _draw(image_path(dialogue, dialogues), said, picture)
            files.append(out / SAMPLES, json.dumps(row, ensure_ascii=False) + "\n")
        except files.WriteError as error:
            LOG.warning("%s; a sample of update %d is left out", error, step)


_COLOURS = {"true": (64, 200, 96), "best": (86, 156, 255), "worst": (240, 80, 80)}


def _draw(path: Path, said: Mapping[str, Answered], out: Path) -> None:
    """True boxes green, those of the best answer blue, of the worst red."""
    image = Image.fromarray(pixels.to_rgb(image_files.read(path)))
    pen = ImageDraw.Draw(image)
    placed = said["best"].dialogue.kind != "report"
    boxes = {"true": [f.box for f in said["best"].record.findings if f.box and placed]}
    boxes |= {name: answered.case.parsed.boxes for name, answered in said.items()}
    for name, found in boxes.items():
        for box in found:
            pen.rectangle([round(v) for v in box], outline=_COLOURS[name], width=max(1, min(image.size) // 128))
    with files.whole(out) as partial:
        image.save(partial, "PNG")
