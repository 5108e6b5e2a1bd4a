"""Makes the weights of `unveil.gate.letters` from drawings, and from pictures without letters if there are any.

python -m scripts.letter_finder
python -m scripts.letter_finder --start unveil/gate/letters.npz --minutes 12 --rate 1.5e-3 --pictures FOLDER

The second goes on with the weights that the first one wrote, repeats above all what these still get wrong, and keeps
the mean of the weights that it began and ended with, which told letters from other things better than either.
How far a run gets depends on the machine: another one gives other weights, to be measured anew (`scripts.burned_in`).
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import nn

from scripts.letter_drawings import Sample, sample
from scripts.letter_grounds import Rng, ground, pictures_of
from unveil.gate.letters import LAYERS, WEIGHTS, normalised


@dataclass(frozen=True)
class Config:
    """Learn where letters are from drawn pictures, on one core."""

    out: Path = WEIGHTS
    """Where the weights go."""
    start: Path | None = None
    """Weights to go on with; they have their normalisation worked into them, and none is put back."""
    pictures: tuple[Path, ...] = ()
    """Folders of pictures without any letter, parts of which are grounds beside the drawn ones."""
    minutes: float = 16
    """How long to learn."""
    grounds: int = 250
    """Grounds at hand; one is drawn anew at each step."""
    fresh: int = 18
    """Drawings of a step that were not seen before."""
    again: int = 10
    """Drawings of the steps before, turned or inverted."""
    tempting: int = 8
    """Drawings without letters in which the network sees most, of six times as many."""
    rate: float = 4e-3
    """Highest learning rate; it falls to nothing along a cosine."""
    seed: int = 0
    """Seed of drawings and first weights."""


def network() -> nn.Sequential:
    """The layers of `unveil.gate.letters`, each normalised over the batch until the weights are written."""
    parts: list[nn.Module] = []
    channels = 1
    for i, (kernel, stride, dilation, outputs) in enumerate(LAYERS):
        last = i == len(LAYERS) - 1
        parts.append(nn.Conv2d(channels, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=last))
        parts += [] if last else [nn.BatchNorm2d(outputs), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*parts)


def resumed(path: Path) -> nn.Sequential:
    """The layers alone, with stored weights."""
    parts: list[nn.Module] = []
    channels = 1
    with np.load(path, allow_pickle=False) as stored:
        for i, (kernel, stride, dilation, outputs) in enumerate(LAYERS):
            part = nn.Conv2d(channels, outputs, kernel, stride, dilation * (kernel // 2), dilation)
            part.weight.data = torch.from_numpy(stored[f"w{i}"].astype(np.float32))
            part.bias = nn.Parameter(torch.from_numpy(stored[f"b{i}"].astype(np.float32)))
            parts += [part, nn.ReLU()]
            channels = outputs
    return nn.Sequential(*parts[:-1])


def folded(net: nn.Sequential) -> dict[str, np.ndarray]:
    """Weights and biases with the normalisation worked into them: w' = w g / s, b' = beta - mean g / s."""
    weights: dict[str, np.ndarray] = {}
    parts = list(net)
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if not isinstance(part, nn.Conv2d):
            continue
        w, i = part.weight.detach(), len(weights) // 2
        if isinstance(after, nn.BatchNorm2d):
            assert after.running_var is not None and after.running_mean is not None
            factor = after.weight.detach() / torch.sqrt(after.running_var + after.eps)
            w, b = w * factor[:, None, None, None], after.bias.detach() - after.running_mean * factor
        else:
            assert part.bias is not None
            b = part.bias.detach()
        weights |= {f"w{i}": w.numpy().astype(np.float16), f"b{i}": b.numpy().astype(np.float16)}
    return weights


def again(rng: Rng, old: Sample) -> Sample:
    """The same drawing turned by a right angle, or inverted, or both."""
    turns = int(rng.integers(4))
    turned = [np.rot90(a, turns, (-2, -1)) for a in (old.picture, old.letters, old.weight, old.way)]
    if turns % 2:
        turned[3] = -turned[3]  # twice a quarter turn is half a turn
    if rng.random() < 0.4:
        turned[0] = 255 - turned[0]
    return Sample(*turned)


def tempting(rng: Rng, net: nn.Sequential, grounds: list[np.ndarray], count: int) -> list[Sample]:
    """Of six times as many drawings without letters those where the network sees most of them."""
    drawn = [sample(rng, grounds[int(rng.integers(len(grounds)))], lettered=False) for _ in range(6 * count)]
    if not drawn:
        return []
    net.eval()
    with torch.no_grad():
        seen = net(_input(drawn))[:, 0].flatten(1).topk(8).values.mean(1)
    net.train()
    return [drawn[i] for i in seen.topk(count).indices.tolist()]


def _input(samples: list[Sample]) -> torch.Tensor:
    pictures = torch.from_numpy(np.stack([normalised(s.picture) for s in samples]))
    return pictures[:, None].contiguous(memory_format=torch.channels_last)


def loss_of(found: torch.Tensor, batch: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and how much of it each sample's worst cells have.

    Cross-entropy of cells, overlap (1 - Dice), and the squared error of the row's direction where letters are.
    """
    letters, weight, way = (
        torch.from_numpy(np.stack([getattr(s, name) for s in batch])) for name in ("letters", "weight", "way")
    )
    cells = nn.functional.binary_cross_entropy_with_logits(found[:, 0], letters, weight, reduction="none")
    likely = torch.sigmoid(found[:, 0]) * weight
    both = (likely * letters).sum()
    dice = 1 - (2 * both + 1) / (likely.sum() + (letters * weight).sum() + 1)
    where = letters * weight * (way.square().sum(1) > 0)
    turned = ((found[:, 1:] - way).square().sum(1) * where).sum() / (where.sum() + 1)
    worst = cells.detach().flatten(1).topk(20).values.mean(1)
    return cells.sum() / weight.sum() * 3 + dice + 0.2 * turned, worst


def store(net: nn.Sequential, out: Path) -> None:
    arrays: dict[str, Any] = dict(folded(net))
    np.savez_compressed(out, **arrays)


def main(config: Config) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = (resumed(config.start) if config.start else network()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=1e-3)
    pictures = pictures_of(config.pictures)
    grounds = [ground(rng, pictures) for _ in range(config.grounds)]
    old: deque[Sample] = deque(maxlen=1500)
    start, step, mean = time.monotonic(), 0, 0.0
    while (done := (time.monotonic() - start) / (60 * config.minutes)) < 1:
        for _ in range(4):
            grounds[int(rng.integers(len(grounds)))] = ground(rng, pictures)
        batch = [sample(rng, grounds[int(rng.integers(len(grounds)))]) for _ in range(config.fresh)]
        batch += [again(rng, old[int(rng.integers(len(old)))]) for _ in range(config.again if old else 0)]
        batch += tempting(rng, net, grounds, config.tempting)
        for group in learner.param_groups:
            group["lr"] = config.rate * min(1, (step + 1) / 40) * (0.5 + 0.5 * np.cos(np.pi * done))
        loss, worst = loss_of(net(_input(batch)), batch)
        fresh = worst[: config.fresh]
        hard = fresh >= fresh.median() if config.start else fresh >= 0
        old.extend(s for s, kept in zip(batch[: config.fresh], hard.tolist(), strict=True) if kept)
        learner.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        learner.step()
        step, mean = step + 1, 0.95 * mean + 0.05 * loss.item()
        if step % 50 == 0:
            print(f"step {step}, {done:.0%} of the time, loss {mean / (1 - 0.95**step):.3f}", flush=True)
            store(net, config.out)
    if config.start:
        for part, before in zip(net, resumed(config.start), strict=True):
            for new, old_one in zip(part.parameters(), before.parameters(), strict=True):
                new.data.add_(old_one.data).div_(2)
    store(net, config.out)


if __name__ == "__main__":
    main(tyro.cli(Config))
