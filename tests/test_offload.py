"""Activations that wait elsewhere: the same gradients to the bit, and the memory that is foretold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.test_footprint import asked, foretold, measured
from unveil.testing.models import fresh
from unveil.train import adapters, offload, sft
from unveil.train.loop import TrainingError
from unveil.train.offload import LITTLE, Offloaded
from unveil.train.options import RecipeOptions
from unveil.vlm.model_parts import language_model

ROWS, LENGTH = 4, 400


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_the_same_to_the_bit(checkpointing: bool) -> None:
    model = fresh("llava_siglip").model.train()
    config = RecipeOptions(out=Path("o"), method="full", train_projector=True, gradient_checkpointing=checkpointing)
    adapters.prepare(model, config)
    ids = torch.arange(ROWS * LENGTH).view(ROWS, LENGTH) % 90

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(input_ids=ids).logits.square().mean().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    before = gradients()
    away = Offloaded(language_model(model))
    after = gradients()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    states = ROWS * LENGTH * model.config.text_config.hidden_size * 4
    layers = model.config.text_config.num_hidden_layers
    assert states >= LITTLE, "else nothing went"
    if checkpointing:
        assert layers * states <= away.moved <= (layers + 2) * states, "what layers and the last norm begin with"
    else:
        assert away.moved > 5 * layers * states
    assert not away._known, "nothing of it is kept"


def test_what_several_operations_keep_goes_once_and_weights_stay() -> None:
    layer = torch.nn.Linear(256, 256)
    away = Offloaded(layer)
    x = torch.randn(256, 256, requires_grad=True)
    with away.hooks():
        y = (x.sin() * x.cos()) @ layer.weight
    assert away.moved == 4 * x.nbytes, "x, its sine and cosine, and their product; not the weight"
    y.sum().backward()
    assert x.grad is not None


def test_memory_is_foretold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the tensors that two updates make, those of the host left out."""
    config = asked(tmp_path, "llava_clip", method="lora")
    usual = foretold(config)

    class Host:  # memory that torch knows nothing of
        def __init__(self, tensor: Tensor) -> None:
            self.held = tensor.detach().numpy().copy()

        def to(self, device: Any) -> Tensor:
            return torch.from_numpy(np.array(self.held)).clone()

    monkeypatch.setattr(offload, "LITTLE", 1024)  # rows are short here
    monkeypatch.setattr(adapters, "refuse", lambda *_: None)
    monkeypatch.setattr(adapters, "Offloaded", lambda module: Offloaded(module, Host))
    spared = replace(config, offload_activations=True)
    assert foretold(spared) == pytest.approx(measured(spared), rel=0.1)
    assert foretold(spared) < 0.8 * usual


def test_on_a_cpu_it_is_refused(tmp_path: Path) -> None:
    config = sft.Config(dialogues=tmp_path, out=tmp_path, offload_activations=True)
    with pytest.raises(TrainingError, match="--offload-activations spares a GPU's memory, and this is cpu"):
        adapters.load(config, torch.device("cpu"))
