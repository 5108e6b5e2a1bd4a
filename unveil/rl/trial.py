"""A user's rewards and advantage, tried so that what is wrong with them is said before a model is loaded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from unveil.core import console, provenance
from unveil.core.answered import Answered, Attention
from unveil.core.box_formats import MARKUP, View
from unveil.core.grading import grade
from unveil.core.records import Dialogue
from unveil.rl.advantages import Advantage, named
from unveil.rl.own_rewards import Own
from unveil.rl.rewards import Reward, RewardError
from unveil.train.questions import Questions

EACH = 3
"""Questions of each kind whose true answers are tried."""

Say = Callable[[str], object]


def tried(rewards: Sequence[Reward], asked: Questions, judged: bool, attention: bool, say: Say) -> list[Reward]:
    """The rewards, those of a user after a trial; raises ``RewardError`` for one that fails, and says what is odd.

    ``judged`` and ``attention`` tell whether answers will come with a judge's score and with where the model looked.
    Completions are texts, or chats for a function that cannot take these.
    """
    if not any(isinstance(reward.function, Own) for reward in rewards):
        return list(rewards)
    groups = [[_true(dialogue, asked, judged, attention)] * 2 for dialogue in _some(asked.train)]
    return [_tried(reward, groups, say) if isinstance(reward.function, Own) else reward for reward in rewards]


def _some(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    """The first few of each kind."""
    seen: Counter[str] = Counter()
    out = []
    for dialogue in dialogues:
        seen[dialogue.kind] += 1
        if seen[dialogue.kind] <= EACH:
            out.append(dialogue)
    return out


def _true(dialogue: Dialogue, asked: Questions, judged: bool, attention: bool) -> Answered:
    """The true answer as if the model had given it, with its boxes in neutral markup, looking at the whole image."""
    record = asked.records[dialogue.record]
    size = record.width, record.height
    case = grade(dialogue, record, dialogue.answer, View(MARKUP, size, size), asked.names)
    everywhere = Attention(np.ones(1), np.array([[0.0, 0.0, *size]]))
    named = (
        {case.name(f.label) for f in record.findings} & set(case.parsed.labels) if dialogue.kind == "diagnosis" else ()
    )
    looked = dict.fromkeys(sorted(named), everywhere) if attention else None
    return Answered(case, looked, 1.0 if judged else None, judged)


def _tried(reward: Reward, groups: Sequence[Sequence[Answered]], say: Say) -> Reward:
    """The reward in the form that it can take."""
    try:
        values = [value for group in groups for value in reward.of(group)]
    except RewardError as error:
        raised = error.__cause__ is not None
        if not (raised and isinstance(reward.function, Own) and reward.function.form == "texts"):
            raise
        chats = replace(reward, function=replace(reward.function, form="messages"))
        try:
            return _tried(chats, groups, say)
        except RewardError as second:
            if str(second) == str(error):
                raise error from error.__cause__
            raise RewardError(f"{error}; with completions as chats: {second}") from second
    known = [value for value in values if not math.isnan(value)]
    if not known:
        say(f"warning: reward {reward.name} gave None, that is no verdict, for all of {len(groups)} true answers")
    if odd := [value for value in known if not 0 <= value <= 1]:
        say(
            f"note: reward {reward.name} gave {odd[0]:g} for a true answer; rewards mostly go from 0 to 1, and with "
            "--combination sum one beyond weighs more than the others"
        )
    return reward


def advantage(name: str, answers: int, parts: bool) -> Advantage:
    """The advantage of that name, after a trial on made-up rewards of so many answers.

    Raises ``AdvantageError`` where it fails, and says where ``parts`` of rewards are credited apart that those of a sum
    are not the sum of theirs.
    """
    found = named(name)
    own = torch.Generator().manual_seed(0)
    mixed_QG, other_QG = torch.rand((2, 3, answers), generator=own, dtype=torch.float64)
    mixed_QG[-1] = 0.5  # all answers earn the same
    spread_Q1 = mixed_QG.std(1, keepdim=True)
    apart_QG, whole_QG = found(mixed_QG, spread_Q1) + found(other_QG, spread_Q1), found(mixed_QG + other_QG, spread_Q1)
    if parts and provenance.is_first() and not torch.allclose(apart_QG, whole_QG, atol=1e-6):
        console.say(
            f"note: the advantage {found.name} of a sum of rewards is not the sum of theirs: --credit parts takes it "
            "of each reward alone, --credit answer of their sum"
        )
    return found
