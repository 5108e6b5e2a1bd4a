"""What the paper's command asks of the algorithm that learns from its rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unveil.rl import aar, grpo, ppo

FILES: dict[str, Any] = {"records": Path("records.jsonl"), "dialogues": Path("dialogues.jsonl"), "out": Path("out")}


@pytest.mark.parametrize("entropy", [0.0, 0.01, 0.3])
def test_an_entropy_bonus_is_what_was_asked_for(entropy: float) -> None:
    """Also where it is the default of the other algorithm."""
    more = FILES | {"entropy": entropy}
    assert aar.recipe_of(aar.Config(algorithm="ppo", **more)) == ppo.Config(**more)
    assert aar.recipe_of(aar.Config(algorithm="grpo", **more)) == grpo.Config(**more)


def test_what_is_left_open_is_as_the_algorithm_has_it() -> None:
    assert aar.recipe_of(aar.Config(algorithm="ppo", **FILES)) == ppo.Config(**FILES)
    assert aar.recipe_of(aar.Config(**FILES)) == grpo.Config(**FILES)


def test_what_is_left_out_is_watched() -> None:
    found = aar.recipe_of(aar.Config(without=("vrr",), rewards=("relevance", "vision=0.5"), **FILES))
    assert found == grpo.Config(rewards=("relevance", "vision=0"), **FILES)
