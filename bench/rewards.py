"""What the parts of learning from rewards cost beside a plain GRPO step: reading attention, and PPO's critic.

python -m bench.rewards --preset small
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from transformers import Qwen2_5_VLProcessor

from bench import grpo, race
from bench.models import PRESETS, images_only, make
from unveil.train import ppo
from unveil.train.experience import Experience
from unveil.train.reinforce import Critic


@dataclass(frozen=True)
class Config(grpo.Config):
    """Race our own GRPO step against the same with attention read, and against PPO's."""


class Reading(grpo.Ours):
    """The same, and the attention of three tokens of each answer is read."""

    name = "attention"

    def watched(self, drawn: Experience) -> dict[int, list[int]]:
        return {row: [0, 1, 2] for row in range(len(drawn.rows))}


class Ppo(grpo.Ours):
    """The same answers and rewards with a critic."""

    name = "ppo"

    def __init__(self, config: Config, folder: Path):
        super().__init__(config, folder)
        width = self.model.config.get_text_config().hidden_size
        self.scorer.critic = Critic(width, through=False).to(config.device)
        self.optimizer.add_param_group({"params": list(self.scorer.critic.parameters())})
        self.given = ppo.PpoConfig(
            **{k: v for k, v in vars(self.config).items() if k in ppo.PpoConfig.__dataclass_fields__}
        )

    def update(self, drawn: Experience) -> torch.Tensor:
        scores = self.scorer(drawn.rows)
        worth = self.earned(drawn, scores)
        loss, held = self.policy(drawn, scores, worth, **ppo.held_of(drawn, worth, scores, self.given))
        return loss + self.given.value_weight * ppo.value_loss(scores, held, self.given)[0]


def main(config: Config) -> dict[str, Any]:
    """Runs the race, prints it, and returns its figures."""
    torch.set_num_threads(config.threads)
    images_only(Qwen2_5_VLProcessor)
    with tempfile.TemporaryDirectory() as made:
        folder = config.data or make(Path(made), PRESETS[config.preset], config.images)
        sides = [kind(config, folder) for kind in (grpo.Ours, Reading, Ppo)]
        found = race.race(sides, config.steps, config.warmup)
    for name, about in found.items():
        about["over_grpo"] = about["step_s"] / found["ours"]["step_s"]
        print(f"{name:12}{about['step_s']:8.3f} s   {about['over_grpo']:.3f} of a GRPO step")
    found |= {"preset": config.preset, "method": config.method, **race.surroundings()}
    race.write(config.json, found)
    print(json.dumps({k: v["over_grpo"] for k, v in found.items() if isinstance(v, dict) and "over_grpo" in v}))
    return found


if __name__ == "__main__":
    main(tyro.cli(Config))
