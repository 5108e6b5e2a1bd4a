"""Answers that only please a reward earn no more than honest ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.answered import (
    AT_BOTH,
    AT_CYST,
    AT_NODULE,
    COMBINATIONS,
    CYST,
    HALF,
    NODULE,
    NORMAL,
    answered,
    at,
    diagnosis,
    totals,
)
from unveil.core.answered import Answered, Attention
from unveil.rl.rewards import (
    REWARDS,
    Combination,
    Reward,
    named,
)

# ------------------------------------------------------------------------------------------------------------- cheating

USUAL = [named(name, 1.0) for name in ("relevance", "localisation", "vision")]
ALL = [named(name, 1.0) for name in REWARDS if name not in ("similarity", "bleu", "findings", "radgraph")]
TRUTH = diagnosis("nodule; cyst", AT_NODULE, AT_CYST)

#: What was said, whether it was cut, and where the words looked.
CHEATS: dict[str, tuple[str, bool, dict[str, Attention]]] = {
    "nothing": ("", False, {}),
    "white space": (" \n", False, {}),
    "one place eight times": (diagnosis("; ".join(["nodule"] * 8), *[AT_NODULE] * 8), False, AT_BOTH),
    "the truth and one place again and again": (
        diagnosis("; ".join(["nodule", "cyst"] * 4), *[AT_NODULE, AT_CYST] * 4),
        False,
        AT_BOTH,
    ),
    "boxes only": (at(*[AT_NODULE] * 8), False, {}),
    "no end": (f"{TRUTH} {TRUTH}", True, AT_BOTH),
    "names without end": (diagnosis("nodule; cyst; " * 20, AT_NODULE, AT_CYST), True, AT_BOTH),
}


def compete(rewards: list[Reward], how: Combination, *group: Answered) -> list[float]:
    """What answers of one group come to."""
    parts = {reward.name: np.array([[reward(one) for one in group]]) for reward in rewards}
    return totals(parts, rewards, np.array([[one.usable for one in group]]), how)[0].tolist()


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("rewards", [USUAL, ALL], ids=["usual", "all"])
@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("honest", [TRUTH, diagnosis("nodule; cyst", HALF, AT_CYST), diagnosis("nodule", AT_NODULE)])
def test_cheating_does_not_pay(honest: str, cheat: str, rewards: list[Reward], how: Combination) -> None:
    """An honest answer, right, half right or half of it, is worth more than each cheat in its group."""
    said, cut, looked = CHEATS[cheat]
    own = AT_BOTH if "cyst" in honest else {"nodule": AT_BOTH["nodule"]}
    group = [
        answered("diagnosis", honest, NODULE, CYST, attention=own),
        answered("diagnosis", said, NODULE, CYST, cut=cut, attention=looked),
    ]
    truthful, cheating = compete(rewards, how, *group)
    assert truthful > cheating


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("cheat", CHEATS)
def test_cheating_does_not_pay_where_there_is_nothing(cheat: str, how: Combination) -> None:
    said, cut, _ = CHEATS[cheat]
    group = [answered("diagnosis", NORMAL, attention={}), answered("diagnosis", said, cut=cut, attention={})]
    truthful, cheating = compete(ALL, how, *group)
    assert truthful > cheating


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("cheat", ["nothing", "white space", "no end", "names without end"])
def test_silence_is_no_better_than_a_mistake(cheat: str, how: Combination) -> None:
    """It names no wrong place, and yet is not worth more than an answer that sees what is not there."""
    said, cut, _ = CHEATS[cheat]
    group = [
        answered("diagnosis", diagnosis("cyst", HALF), attention={}),
        answered("diagnosis", said, cut=cut, attention={}),
    ]
    mistaken, silent = compete(ALL, how, *group)
    assert mistaken >= silent


def test_the_same_answer_cut_is_worth_nothing() -> None:
    whole, cut = (answered("diagnosis", TRUTH, NODULE, CYST, cut=c, attention=AT_BOTH) for c in (False, True))
    assert whole.usable and not cut.usable
    for how in COMBINATIONS:
        truthful, cheating = compete(USUAL, how, whole, cut)
        assert truthful > 0 >= cheating
