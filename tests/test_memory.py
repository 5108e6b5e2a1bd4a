"""What is advised where memory was short."""

from __future__ import annotations

from pathlib import Path

import pytest

from unveil.core.memory import advice
from unveil.train import sft


@pytest.mark.parametrize(("attention_loss", "recompute"), [(0.0, ", --gradient-checkpointing"), (0.1, "")])
def test_layers_compute_again_only_where_they_may(attention_loss: float, recompute: str) -> None:
    config = sft.Config(dialogues=Path("d"), out=Path("o"), attention_loss=attention_loss, method="lora", workers=0)
    told = advice(config, MemoryError())
    assert told.startswith(
        f"lower --batch-size (now 8) and raise --accumulate (now 1) in turn{recompute}, a lower --max-"
    )
