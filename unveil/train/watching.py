"""What is watched while a model learns from rewards: collapse, samples with their pictures, greedy answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from torch import nn

from unveil import pixels
from unveil.records import image_path
from unveil.train import loop
from unveil.train.engine import Distribution, Scorer
from unveil.train.experience import Experience, Options, Progress, Questions, Rewarded
from unveil.train.rewards import Answered
from unveil.train.rollout import rollout
from unveil.train.stream import Stream
from unveil.verdict import merit

SAMPLES = "samples.jsonl"


def collapsed(found: Mapping[str, float], state: Progress, config: Options) -> str | None:
    """Why a run is to be stopped, None if it may go on. Measured against what it began with."""
    if not state.first:
        state.first = {name: found[name] for name in ("entropy", "length")}
    first = state.first
    if found["unusable"] > config.most_unusable:
        return f"{found['unusable']:.0%} of the answers are empty, unreadable or cut (--most-unusable)"
    if found["length"] > config.most_growth * first["length"]:
        return f"answers have {found['length']:.0f} tokens, at first {first['length']:.0f} (--most-growth)"
    if found["entropy"] < config.least_entropy * first["entropy"]:
        return f"entropy is {found['entropy']:.4f} nats a token, at first {first['entropy']:.4f} (--least-entropy)"
    return None


def sample(
    experience: Experience, worth: Rewarded, asked: Questions, config: Options, step: int, count: int = 2
) -> None:
    """Writes the best and the worst answer to some questions: samples.jsonl, and a picture of their boxes for each."""
    folder = config.out / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    with (config.out / SAMPLES).open("a", encoding="utf-8") as out:
        for q, dialogue in enumerate(experience.dialogues[:count]):
            total_G = worth.totals_QG[q]
            first = q * experience.answers
            picks = {"best": int(total_G.argmax()), "worst": int(total_G.argmin())}
            picture = folder / f"step-{step:06d}-{q}.png"
            said = {name: worth.answered[first + g] for name, g in picks.items()}
            _draw(image_path(dialogue, config.dialogues), said, picture)
            row = {
                "step": step,
                "id": dialogue.id,
                "question": dialogue.question,
                "picture": str(picture.relative_to(config.out)),
                "rewards": [round(float(r), 4) for r in total_G],
                **{name: experience.cases[first + g].text for name, g in picks.items()},
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


_COLOURS = {"true": (64, 200, 96), "best": (86, 156, 255), "worst": (240, 80, 80)}


def _draw(path: Path, said: Mapping[str, Answered], out: Path) -> None:
    """True boxes green, those of the best answer blue, of the worst red."""
    image = Image.fromarray(pixels.to_rgb(pixels.read(path)))
    pen = ImageDraw.Draw(image)
    boxes = {"true": [f.box for f in said["best"].record.findings if f.box]}
    boxes |= {name: answered.case.parsed.boxes for name, answered in said.items()}
    for name, found in boxes.items():
        for box in found:
            pen.rectangle([round(v) for v in box], outline=_COLOURS[name], width=max(1, min(image.size) // 128))
    image.save(out)


@torch.no_grad()
def validate(scorer: Scorer, asked: Questions, stream: Stream, config: Options) -> dict[str, float]:
    """Greedy answers to the validation questions: what decides, whatever the drawn ones earn.

    ``val_score`` is the mean merit of all answers; the others are the metrics of `unveil score`, named ``val_...``.
    """
    sums: dict[str, list[float]] = {}
    merits, unusable = [], 0
    greedy = Distribution(0.0, scorer.distribution.banned)
    for batch, encoded in stream(loop.parts(asked.val, config.batch_size * 2)):
        drawn = rollout(scorer, encoded, 1, config.max_new_tokens, greedy, config.seed)
        for d, row, answer in zip(batch, encoded, drawn, strict=True):
            answered = Answered(asked.case(d, row, scorer.chat.text(answer.ids), answer.cut))
            unusable += not answered.usable
            if (worth := merit(answered.outcome)) is not None:
                merits.append(worth)
            for name in METRICS & answered.outcome.sums.keys():
                part, of = answered.outcome.sums[name]
                total = sums.setdefault(name, [0.0, 0.0])
                total[0], total[1] = total[0] + part, total[1] + of
    out = {f"val_{name}": part / of for name, (part, of) in sorted(sums.items()) if of}
    out["val_unusable"] = unusable / len(asked.val)
    return out | ({"val_score": float(np.mean(merits))} if merits else {})


#: What is told of greedy answers.
METRICS = {"accuracy", "iou", "diagnosis_specificity", "localisation_iou", "localisation_refusal", "recognition"}
BEST = "best.safetensors"


def keep(model: nn.Module, folder: Path) -> None:
    """Writes the trained weights as those that did best so far, all or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{BEST}.partial"
    save_file({n: p.detach().cpu().contiguous() for n, p in model.named_parameters() if p.requires_grad}, partial)
    partial.replace(folder / BEST)


def bring_back(model: nn.Module, folder: Path) -> None:
    """The weights that did best."""
    found = load_file(folder / BEST)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in found:
                p.copy_(found[name])
