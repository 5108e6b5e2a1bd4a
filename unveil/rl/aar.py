"""The commands that learn from rewards, with the judge and the server that their options name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from unveil.core import console
from unveil.core.grading import Case
from unveil.core.records import Record, read_jsonl
from unveil.experts import options as experts
from unveil.experts.judge import scores
from unveil.experts.options import ExpertOptions
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.rl import experience, grpo, ppo, remote_rollout
from unveil.rl.experience import Judge
from unveil.rl.remote_rollout import GenerateOptions
from unveil.rl.run import Asked, JudgeError
from unveil.train.loop import TrainingError

Part = Literal["vrr", "alr", "relevance"]

#: The rewards of UMed-LVLM by the names of its ablations.
PARTS: dict[Part, str] = {"relevance": "relevance", "alr": "localisation", "vrr": "vision"}


@dataclass(frozen=True, kw_only=True)
class Grpo(grpo.GrpoConfig):
    """Train a model by rewards relative to those of other answers to the same question (GRPO)."""

    judge: ExpertOptions = field(default_factory=ExpertOptions)
    """Who scores relevance."""
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    """Who draws the answers."""


@dataclass(frozen=True, kw_only=True)
class Ppo(ppo.PpoConfig):
    """Train a model by rewards and a critic that learns what to expect (PPO)."""

    judge: ExpertOptions = field(default_factory=ExpertOptions)
    """Who scores relevance."""
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    """Who draws the answers."""


@dataclass(frozen=True, kw_only=True)
class Aar(experience.Options):
    """Abnormal-aware rewarding, stage 2 of UMed-LVLM: rewards for relevance, for the place, and for looking there."""

    algorithm: Literal["grpo", "ppo"] = "grpo"
    """How to learn from the rewards; `unveil train grpo` and `unveil train ppo` have all their options."""
    without: tuple[Part, ...] = ()
    """Leave out: vrr (looking at the lesion), alr (its place), relevance. What is left out is still watched."""
    judge: ExpertOptions = field(default_factory=ExpertOptions)
    """Who scores relevance."""
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    """Who draws the answers."""


def train_grpo(config: Grpo) -> None:
    console.trained(_trained(grpo.main, config))


def train_ppo(config: Ppo) -> None:
    console.trained(_trained(ppo.main, config))


def _trained(main: Callable[..., Path], config: Any, asked: Asked | None = None) -> Path:
    """Runs a recipe with the judge and the server that its options name."""
    if config.generate.dry_run:  # it ends with the first questions
        config = replace(config, validate_every=0)
    if config.judge.expert.startswith("local:"):  # which is loaded before the recipe begins
        experience.tried(config, judged=True)
    with remote_rollout.bound(config.generate, config) as generator:
        return main(config, judge_of(config.judge, config), asked, generator)


def train_aar(config: Aar) -> None:
    console.trained(aar(config))


def aar(config: Aar) -> Path:
    """Stage 2 of UMed-LVLM; returns the folder of the trained model."""
    kind: Any = {"grpo": Grpo, "ppo": Ppo}[config.algorithm]
    own = {f.name: getattr(config, f.name) for f in fields(config) if f.name not in ("algorithm", "without")}
    own["rewards"] = rewards_of(config.rewards, config.without)
    if config.algorithm == "ppo" and config.entropy == experience.Options.entropy:
        del own["entropy"]  # PPO's own
    chosen = kind(**own)
    main: Any = {"grpo": grpo.main, "ppo": ppo.main}[config.algorithm]
    return _trained(main, chosen, Asked("train aar", config))


def rewards_of(rewards: Sequence[str], without: Sequence[Part]) -> tuple[str, ...]:
    """The rewards with those that are left out only watched."""
    out = {PARTS[part] for part in without}
    if out >= {name.partition("=")[0] for name in rewards}:
        raise TrainingError("--without leaves no reward to learn from")
    return tuple(f"{name.partition('=')[0]}=0" if name.partition("=")[0] in out else name for name in rewards)


def judge_of(options: ExpertOptions, config: experience.Options) -> Judge | None:
    """The judge that the options name; the rules need none, since rewards know the annotations themselves."""
    if options.expert == "rules":
        return None
    records = {record.id: record for record in read_jsonl(config.records, Record)}
    expert = experts.bind(options, config.out / "judge", records.values())
    if expert.backend.leaves:
        remote_rollout.look_over(config.dialogues, records)

    def judge(cases: Sequence[Case]) -> list[float | None]:
        try:
            return scores(expert, cases, config.dialogues)
        except (ExpertError, GateError) as error:
            raise JudgeError(f"the judge cannot be asked: {error}") from error

    return judge
