"""Shapes in signatures are held where tests run (``--jaxtyping-packages`` in pyproject.toml).

Each call here broadcasts without a word where nothing checks it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from unveil.rl import advantages, losses, rewards
from unveil.train.losses import anchor, kl_terms, preference

ONE, THREE, TABLE = torch.zeros(1), torch.zeros(3), torch.zeros(2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.importance(THREE, ONE),
        lambda: kl_terms(THREE, TABLE),
        lambda: losses.clipped_policy(THREE, THREE, ONE),
        lambda: losses.clipped_value(THREE, ONE, THREE),
        lambda: losses.averaged(ONE, torch.zeros(3, dtype=torch.long), 1, "sequence"),
        lambda: preference(TABLE),
        lambda: anchor(torch.zeros(3, dtype=torch.long)),
        lambda: advantages.group_relative(torch.zeros(2, 3, 1)),
        lambda: advantages.generalised(TABLE, torch.zeros(2, 1), torch.tensor([3, 3])),
        lambda: advantages.whitened(TABLE),
        lambda: rewards.watched({"form": np.zeros((2, 3))}, np.ones((1, 3), bool)),
        lambda: rewards.shares({"form": np.zeros((2, 3))}, [rewards.named("form", 1.0)], np.ones((2, 1), bool)),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(TypeCheckError):
        call()
