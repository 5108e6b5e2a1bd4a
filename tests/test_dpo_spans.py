"""Loss on the edited tokens only: which they are, and what the loss makes of them."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from unveil.core.jsonl import write_jsonl
from unveil.core.records import Pair
from unveil.train import dpo
from unveil.train.loop import TrainingError

PAIR = Pair("p", "r", "r.png", "train", "open", "Where?", "a", "b")


def rows(*answers: list[int]) -> list[Any]:
    return [SimpleNamespace(answer=answer) for answer in answers]


@pytest.mark.parametrize(
    ("better", "worse", "own", "other"),
    [
        ([1, 2, 3, 9], [1, 5, 3, 9], [0, 1, 0, 0], [0, 1, 0, 0]),
        ([1, 2, 9], [1, 2, 3, 4, 9], [0, 0, 0], [0, 0, 1, 1, 0]),
        ([1, 9], [2, 9], [1, 0], [1, 0]),
        ([1, 2, 9], [1, 2, 9], [1, 1, 1], [1, 1, 1]),
    ],
    ids=["replaced", "inserted", "all but the end", "equal answers count in full"],
)
def test_the_tokens_that_are_not_shared_count(better: list, worse: list, own: list, other: list) -> None:
    """Those outside of the longest common blocks; two pairs in a batch do not mix."""
    found = dpo.counted(rows(better, worse, [7], [8]), 2, "edited")
    assert found.tolist() == [*own, *other, 1, 1]
    assert dpo.counted(rows(better, worse), 1, "all").tolist() == [1] * len(better + worse)


class Given(nn.Module):
    """A scorer that gives these log-probabilities."""

    def __init__(self, values: list[float]):
        super().__init__()
        self.values = torch.tensor(values)

    def forward(self, rows: Any) -> Any:
        return SimpleNamespace(in_order=lambda: self.values)


def test_the_loss_is_that_of_the_edited_tokens() -> None:
    """Answers (1, 2, 9) and (1, 5, 9), of which the second token was edited. Policy less reference: (0.5, 0.3, -1) and
    (0.2, -0.4, 2). Edited: beta (0.3 - -0.4) = 0.07 at beta 0.1, loss log(1 + exp(-0.07)) = 0.6588. In full: beta
    (-0.2 - 1.8) = -0.2, loss log(1 + exp(0.2)) = 0.7981."""
    scorer = Given([0.5, 0.3, -1.0, 0.2, -0.4, 2.0])
    held: Any = SimpleNamespace(of=lambda rows: torch.zeros(6))
    batch: Any = rows([1, 2, 9], [1, 5, 9])
    loss, _ = dpo.pair_loss(scorer, [PAIR], batch, held, spans="edited")
    assert float(loss) == pytest.approx(math.log1p(math.exp(-0.07)), abs=1e-6) == pytest.approx(0.6588, abs=1e-4)
    loss, _ = dpo.pair_loss(scorer, [PAIR], batch, held)
    assert float(loss) == pytest.approx(math.log1p(math.exp(0.2)), abs=1e-6) == pytest.approx(0.7981, abs=1e-4)
    loss, _ = dpo.pair_loss(scorer, [PAIR], batch, held, spans="edited", per_token=True)
    assert float(loss) == pytest.approx(math.log1p(math.exp(-0.07)), abs=1e-6), "one token each"


def test_edited_tokens_need_two_answers(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "pairs.jsonl", [PAIR])
    config = dpo.Config(pairs=tmp_path / "pairs.jsonl", out=tmp_path, spans="edited", terms=("text", "anchor"))
    with pytest.raises(TrainingError, match="--spans edited"):
        dpo.data(config)
