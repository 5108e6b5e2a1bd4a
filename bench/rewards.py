"""What the parts of learning from rewards cost beside a plain GRPO step: reading attention, and PPO's critic.

python -m bench.rewards --preset small --steps 12

The parts cost less than steps differ by what else a machine does. So each step is compared with the plain one right
beside it, by the seconds of computing on all threads, and what is told is the median of these ratios with its 95 %
interval (bootstrap over steps); the time inside the reading itself is taken as well.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from transformers import Qwen2_5_VLProcessor

from bench import grpo, race
from bench.models import PRESETS, images_only, make
from unveil.rl import credit, ppo
from unveil.rl.advantages import whitened
from unveil.rl.experience import Experience
from unveil.rl.policy import Critic
from unveil.vlm import attention


@dataclass(frozen=True)
class Config(grpo.Config):
    """Race our own GRPO step against the same with attention read, and against PPO's."""

    steps: int = 12
    """Steps that count."""


class Reading(grpo.Ours):
    """The same, and the attention of three tokens of each answer is read."""

    name = "attention"

    def __init__(self, config: Config, folder: Path):
        super().__init__(config, folder)
        self.inside: list[float] = []
        self._time_the_reading()

    def watched(self, drawn: Experience) -> dict[int, list[int]]:
        return {row: [0, 1, 2] for row in range(len(drawn.rows))}

    def step(self, step: int) -> float:
        self.inside.append(0.0)
        return super().step(step)

    def _time_the_reading(self) -> None:
        """Takes the time inside of ``Probe.observe``, which other sides do not call."""
        observe, inside = attention.Probe.observe, self.inside

        def timed(
            probe: attention.Probe, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
        ) -> None:
            began = race.clock()
            observe(probe, module, query, key, value, mask)
            inside[-1] += race.clock() - began

        attention.Probe.observe = timed  # type: ignore[method-assign]


class Ppo(grpo.Ours):
    """The same answers and rewards with a critic."""

    name = "ppo"

    def __init__(self, config: Config, folder: Path):
        super().__init__(config, folder)
        width = self.model.config.get_text_config().hidden_size
        self.scorer.critic = Critic(width, through=False).to(config.device)
        self.optimizer.add_param_group({"params": list(self.scorer.critic.parameters())})
        self.given = ppo.Config(**{k: v for k, v in vars(self.config).items() if k in ppo.Config.__dataclass_fields__})

    def update(self, drawn: Experience) -> torch.Tensor:
        scores = self.scorer(drawn.rows)
        worth = self.earned(drawn, scores)
        earned_S = credit.placed(worth, drawn, self.chat, parts=False)
        found = ppo.held_of(drawn, earned_S, scores)
        found["advantages_S"] = whitened(found["advantages_S"])
        loss, held = self.policy(drawn, scores, worth, **found)
        return loss + self.given.value_weight * ppo.value_loss(scores, held)[0]


def ratio(steps: Sequence[float], beside: Sequence[float], resamples: int = 2000) -> dict[str, float]:
    """The median of the steps' ratios, with its interval."""
    found = np.asarray(steps) / np.asarray(beside)
    drawn = np.random.default_rng(0).integers(0, len(found), (resamples, len(found)))
    low, high = np.percentile(np.median(found[drawn], 1), [2.5, 97.5])
    return {"value": float(np.median(found)), "low": float(low), "high": float(high), "n": len(found)}


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    torch.set_num_threads(config.threads)
    images_only(Qwen2_5_VLProcessor)
    with tempfile.TemporaryDirectory() as made:
        folder = config.data or make(Path(made), PRESETS[config.preset], config.images)
        reading = Reading(config, folder)
        sides = [grpo.Ours(config, folder), reading, Ppo(config, folder)]
        found = race.race(sides, config.steps, config.warmup)
    own = "steps_s" if config.device == "cuda" else "cpus_s"
    for about in found.values():
        about["over_grpo"] = ratio(about[own], found["ours"][own])
    within = ratio(reading.inside[config.warmup :], found["attention"]["steps_s"])
    found["attention"]["share_of_step"] = within
    for name, about in found.items():
        print(f"{name:12}{about['step_s']:8.3f} s   {_told(about['over_grpo'])} of a GRPO step")
    print(f"reading attention takes {_told(within, 4)} of the step's time")
    found |= {"preset": config.preset, "method": config.method, **race.surroundings()}
    race.write(config.json, found)
    print(json.dumps({k: v["over_grpo"] for k, v in found.items() if isinstance(v, dict) and "over_grpo" in v}))
    return found


def _told(figure: dict[str, float], digits: int = 3) -> str:
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


if __name__ == "__main__":
    main(tyro.cli(Config))
