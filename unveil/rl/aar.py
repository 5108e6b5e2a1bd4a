"""Abnormal-aware rewarding, stage 2 of UMed-LVLM (arXiv 2501.01377): its rewards, learnt from by GRPO or PPO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unveil.core.options import part_of
from unveil.rl import grpo, ppo
from unveil.rl.experience import Judge
from unveil.rl.options import AarOptions, GroupOptions, Part, RlOptions
from unveil.rl.run import Invocation
from unveil.train.loop import TrainingError
from unveil.vlm.generate import Generator

#: The rewards of UMed-LVLM by the names of its ablations.
PARTS: dict[Part, str] = {"relevance": "relevance", "alr": "localisation", "vrr": "vision"}
Config = AarOptions


def main(config: Config, judge: Judge | None = None, generator: Generator | None = None) -> Path:
    """Trains and returns the folder of the trained model; see ``grpo.main``."""
    recipe: Any = {"grpo": grpo, "ppo": ppo}[config.algorithm]
    trained: Path = recipe.main(recipe_of(config), judge, Invocation("train aar", config), generator)
    return trained


def recipe_of(config: Config) -> grpo.Config | ppo.Config:
    """The options of the algorithm; what the paper's command leaves open is as the algorithm has it."""
    if config.algorithm == "ppo" and config.advantage != GroupOptions.advantage:
        raise TrainingError("--advantage is of --algorithm grpo: PPO's advantages are a critic's")
    own = part_of(GroupOptions if config.algorithm == "grpo" else RlOptions, config)
    own["rewards"] = rewards_of(config.rewards, config.without)
    if config.entropy is None:
        del own["entropy"]
    return grpo.Config(**own) if config.algorithm == "grpo" else ppo.Config(**own)


def rewards_of(rewards: Sequence[str], without: Sequence[Part]) -> tuple[str, ...]:
    """The rewards with those that are left out only watched."""
    out = {PARTS[part] for part in without}
    if out >= {name.partition("=")[0] for name in rewards}:
        raise TrainingError("--without leaves no reward to learn from")
    return tuple(f"{name.partition('=')[0]}=0" if name.partition("=")[0] in out else name for name in rewards)
