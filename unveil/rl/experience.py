"""From questions to rewarded answers: what GRPO and PPO learn from.

Shapes: Q questions, G answers to each, R = Q * G rows, S answer tokens of all rows, row after row.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unveil.core import console
from unveil.core.answered import Answered, Attention
from unveil.core.grading import Case
from unveil.core.records import Dialogue
from unveil.rl import losses, trial
from unveil.rl.options import GroupOptions, RlOptions
from unveil.rl.rewards import (
    FLAT,
    Combination,
    Reward,
    RewardError,
    hits,
    localisation,
    shares,
    tightened,
    watched,
    weighted,
)
from unveil.train import averages, loop, outlook
from unveil.train.averages import Ratio
from unveil.train.lengths import Asked
from unveil.train.questions import Questions, read
from unveil.vlm import attention_maps
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Generator, Rollout, rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Scorer, Scores

LOG = logging.getLogger(__name__)
ATTENTION_REWARDS = ("vision", "vision-lift")

Judge = Callable[[Sequence[Case]], Sequence[float | None]]
"""Scores answers from 0 to 1, None where it cannot tell; raises where it cannot be asked at all."""


def parts(config: RlOptions) -> list[Reward]:
    """The rewards that the options name.

    Raises ``RewardError`` for one that is not known, ``TrainingError`` where answers could not be compared by them.
    """
    out = [weighted(text) for text in config.rewards]
    if len({reward.name for reward in out}) < len(out):
        raise RewardError(f"--rewards: one of {', '.join(reward.name for reward in out)} stands there twice")
    if config.kl_target is not None and config.kl_target <= 0:
        raise loop.TrainingError("--kl-target must be above 0")
    if config.answers < 2:
        raise loop.TrainingError(f"--answers {config.answers}: answers are compared with others to the same question")
    if not any(reward.weight for reward in out):
        raise loop.TrainingError("--rewards: all weights are 0, so there is nothing to learn from")
    if config.temperature <= 0:
        raise loop.TrainingError("--temperature 0 draws the same answer each time: there is nothing to compare")
    return out


def questions(config: RlOptions) -> Questions:
    """What is asked; raises ``TrainingError`` where there is none to learn from."""
    which = (config.records, config.dialogues, config.kinds, config.validation_rows, config.seed)
    asked = read(*which, config.allow_benchmark_test)
    if not asked.train:
        raise loop.TrainingError(f"{config.dialogues}: no {' or '.join(config.kinds)} question has the split 'train'")
    most = len(asked.train) if config.limit is None else config.limit
    if most < 1:
        raise loop.TrainingError(f"--limit {most} leaves no question to learn from")
    return replace(asked, train=loop.sample(asked.train, most, config.seed))


def foreseen(config: RlOptions) -> list[Asked]:
    """What is learnt from: the true answers stand for those that will be drawn, whose length nobody knows yet."""
    asked = questions(config)
    return [Asked(d, asked.records[d.record].size, (d.answer,) * config.answers) for d in asked.train]


def rehearse(config: RlOptions) -> NoReturn:
    """Says what training would take; raises ``DryRun``, and as training itself for what cannot start."""
    _, asked = tried(config, config.judge.expert != "rules", console.say)
    if isinstance(config, GroupOptions):
        trial.advantage(config.advantage, config.answers, config.credit == "parts")
    drawn = config.batch_size * config.answers
    answers = math.ceil(len(asked.train) * config.answers * config.epochs)
    work = outlook.Work(answers, drawn, updates=config.updates)
    outlook.rehearse(config, "questions", [*asked.train, *asked.val], foreseen(config), work)


def tried(config: RlOptions, judged: bool, say: trial.Say = lambda words: None) -> tuple[list[Reward], Questions]:
    """The rewards and what is asked; what is wrong with either is said here, before a model is loaded."""
    rewards, asked = parts(config), questions(config)
    return trial.tried(rewards, asked, judged, reads_attention(rewards), say), asked


def reads_attention(rewards: Sequence[Reward]) -> bool:
    """Whether any of them needs to know where the model looked."""
    return any(reward.name in ATTENTION_REWARDS for reward in rewards)


def without_attention(rewards: Sequence[Reward], scorer: Scorer) -> tuple[list[Reward], str | None]:
    """The rewards that this model can have, and why others are left out, None if none is."""
    why = scorer.blind if reads_attention(rewards) else None
    if why is None:
        return list(rewards), None
    kept = [reward for reward in rewards if reward.name not in ATTENTION_REWARDS]
    if not any(reward.weight for reward in kept):
        raise loop.TrainingError(f"the vision reward cannot be had: {why}")
    return kept, f"the vision reward is left out: {why}"


# ------------------------------------------------------------------------------------------------------------ answers


@dataclass(frozen=True)
class Experience:
    """Answers of the policy to some questions, before they are rewarded."""

    dialogues: list[Dialogue]
    rollouts: list[Rollout]
    rows: list[EncodedExample]
    """The questions with the answers sampled, R of them."""
    cases: list[Case]
    named: list[dict[str, list[int]]]
    """Of each row, the categories that it names and the tokens that do so."""
    relevance: list[float | None]
    judged: bool
    """Whether a judge was asked for it."""
    sampled_S: Tensor
    """Log-probabilities that the tokens had when they were drawn, NaN where they are not known."""

    @property
    def answers(self) -> int:
        return len(self.rows) // len(self.dialogues)

    @property
    def tokens(self) -> int:
        return len(self.sampled_S)

    @property
    def watched(self) -> dict[int, list[int]]:
        """The tokens whose attention is asked for, by row."""
        found = {i: sorted({t for tokens in named.values() for t in tokens}) for i, named in enumerate(self.named)}
        return {i: tokens for i, tokens in found.items() if tokens}


def collect(
    scorer: Scorer,
    asked: Questions,
    batch: Sequence[Dialogue],
    rows: Sequence[EncodedExample],
    answers: int,
    max_new_tokens: int,
    seed: int,
    judge: Judge | None = None,
    generator: Generator | None = None,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Experience:
    """Lets the policy, or the generator in its place, answer each question ``answers`` times.

    ``autocast`` is around the policy when it draws, so that it computes in what its answers are scored in.
    """
    prompts, chat = [replace(row, answer=[]) for row in rows], scorer.chat
    how = answers, max_new_tokens, scorer.distribution, seed
    if generator:
        drawn = generator(chat, batch, prompts, *how)
    else:
        with autocast():
            drawn = rollout(scorer, prompts, *how)
    answered = [
        replace(prompts[d.question], id=f"{prompts[d.question].id} ({i % answers})", answer=d.ids)
        for i, d in enumerate(drawn)
    ]
    cases = [asked.case(batch[d.question], prompts[d.question], chat.text(d.ids), d.cut) for d in drawn]
    return Experience(
        dialogues=list(batch),
        rollouts=drawn,
        rows=answered,
        cases=cases,
        named=[_named(chat, case, d.ids) for case, d in zip(cases, drawn, strict=True)],
        relevance=list(judge(cases)) if judge else [None] * len(cases),
        judged=judge is not None,
        sampled_S=torch.tensor([p for d in drawn for p in d.logps]),
    )


def _named(chat: Chat, case: Case, ids: Sequence[int]) -> dict[str, list[int]]:
    """The true categories that a diagnosis names, and the tokens of the words that do so."""
    if case.dialogue.kind != "diagnosis":
        return {}
    labels = sorted({case.name(f.label) for f in case.record.findings} & set(case.parsed.labels))
    return {label: tokens for label in labels if (tokens := attention_maps.tokens_of(chat, ids, case.parsed, label))}


# ------------------------------------------------------------------------------------------------------------ rewards


@dataclass
class Progress:
    """What a run remembers of its rewards; kept in checkpoints."""

    iou: float | None = None
    """Running mean of the localisation reward."""
    kl: float = 0.0
    """Coefficient of the KL term."""
    first: dict[str, float] = field(default_factory=dict)
    """Entropy and length of the answers at the start."""
    running: dict[str, float] = field(default_factory=dict)
    """Running means by which a collapse is told: one batch may hold normal images only, of which all answers agree."""
    differed: dict[str, int] = field(default_factory=dict)
    """Updates in which a reward, or their "total", told two answers to one question apart."""

    def state_dict(self) -> dict[str, object]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        vars(self).update(state)


@dataclass(frozen=True)
class Rewarded:
    """What the answers are worth."""

    answered: list[Answered]
    parts_QG: dict[str, NDArray[np.float64]]
    usable_QG: NDArray[np.bool_]
    shares_QG: dict[str, Tensor]
    """What each reward adds to the total (``rewards.shares``), in float64: equal totals stay equal."""

    @cached_property
    def totals_QG(self) -> Tensor:
        """Each answer's reward."""
        return torch.stack(list(self.shares_QG.values())).sum(0)


def rewarded(
    experience: Experience,
    scorer: Scorer,
    scores: Scores,
    rewards: Sequence[Reward],
    state: Progress,
    combination: Combination = "max",
    tighten: bool = False,
) -> Rewarded:
    """The rewards of all answers. ``scores`` hold where their words looked, if a reward asks for it."""
    reads = reads_attention(rewards)
    answered = []
    for i, case in enumerate(experience.cases):
        attention = _attention(experience, i, scores, scorer) if reads else None
        answered.append(Answered(case, attention, experience.relevance[i], experience.judged))
    used = [_tight(reward, state) if tighten else reward for reward in rewards]
    groups = loop.parts(answered, experience.answers)
    usable_QG = np.array([[a.usable for a in group] for group in groups])
    found_QG = {r.name: np.array([r.of(group) for group in groups], np.float64) for r in used}
    parts_QG = {name: np.where(usable_QG | np.isnan(found), found, 0.0) for name, found in found_QG.items()}
    shares_QG = shares(parts_QG, used, usable_QG, combination)
    return Rewarded(answered, parts_QG, usable_QG, {n: torch.from_numpy(v) for n, v in shares_QG.items()})


def _tight(reward: Reward, state: Progress) -> Reward:
    """The localisation reward with the threshold that the run has come to."""
    if reward.name != "localisation":
        return reward
    return replace(reward, function=hits(tightened(state.iou or 0.0)))


def _attention(experience: Experience, row: int, scores: Scores, scorer: Scorer) -> dict[str, Attention]:
    """Where the words of each category that a row names looked; without those whose words do not see the image."""
    if not experience.named[row]:
        return {}
    places = scorer.places(experience.rows[row].seen)
    tokens = experience.watched[row]
    out = {}
    for label, own in experience.named[row].items():
        found = attention_maps.shares(scores.weights[row][[tokens.index(t) for t in own]], places)
        if found is not None:
            out[label] = Attention(found, places)
    return out


def served(experience: Experience, old_S: Tensor, sampled_S: Tensor) -> dict[str, Ratio]:
    """What is logged of answers that a generator drew, besides their mismatch."""
    refused, known = sum(d.refused for d in experience.rollouts), int((~sampled_S.isnan()).sum())
    return {
        "importance_cut": averages.times(losses.importance_cut(old_S, sampled_S), known),
        "importance_none": averages.summed(sampled_S.isnan()),
        "refused": (refused, refused + len(experience.rollouts)),
    }


def figures(experience: Experience, worth: Rewarded) -> dict[str, Ratio]:
    """What is logged of answers and rewards."""
    ious = [iou if a.usable else 0.0 for a in worth.answered if (iou := localisation(a)) is not None]
    answers = len(experience.rollouts)
    alike_Q = (worth.totals_QG.max(1).values - worth.totals_QG.min(1).values) < FLAT
    return {
        "iou": (sum(ious), len(ious)),
        "reward": averages.summed(worth.totals_QG),
        "reward_spread": averages.summed(worth.totals_QG.std(1)),
        "groups_alike": averages.summed(alike_Q),
        "unusable": (float((~worth.usable_QG).sum()), answers),
        "cut": (sum(d.cut for d in experience.rollouts), answers),
        "length": (sum(len(d.ids) for d in experience.rollouts), answers),
        **watched(worth.parts_QG, worth.usable_QG),
    }
