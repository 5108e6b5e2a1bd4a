"""Compiled layers learn what the layers as they are learn; what is drawn or looked at passes the latter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.tuning import rows_of
from unveil.testing.models import fresh
from unveil.train import compiled
from unveil.train.loop import TrainingError
from unveil.vlm import attention
from unveil.vlm.features import Features
from unveil.vlm.model_parts import language_model
from unveil.vlm.scorer import Scorer

if not shutil.which("g++"):
    pytest.skip("no C++ compiler is here", allow_module_level=True)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # of torch's compiler about itself
def test_log_probabilities_and_gradients_are_those_of_the_layers_as_they_are(tmp_path: Path) -> None:
    one = fresh("llava_siglip")
    rows = rows_of(one.chat, tmp_path)

    def learnt(size: int) -> tuple[Tensor, dict[str, Tensor]]:
        one.model.zero_grad()
        scores = Scorer(one.model, one.chat, Features(one.model, one.chat.processor.image_processor, 10))(rows[:size])
        scores.logps_S.sum().backward()
        grown = {n: p.grad.clone() for n, p in one.model.named_parameters() if p.grad is not None}
        return scores.logps_S.detach(), grown

    plain = {size: learnt(size) for size in (2, 5)}
    compiled.compile_layers(one.model, "aot_eager")  # traced as always, and not made faster, which takes longer
    for size, (logps_S, gradients) in plain.items():  # trees of another length are not compiled anew
        found, grown = learnt(size)
        assert torch.allclose(found, logps_S, atol=1e-5) and grown.keys() == gradients.keys()
        largest = max(float(g.abs().max()) for g in gradients.values())
        assert all((grown[name] - g).abs().max() < 1e-4 * largest for name, g in gradients.items())


def test_what_is_not_learnt_from_passes_the_layers_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = fresh("llava_siglip").model, list[str]()

    def compiling(plain, dynamic, backend):
        return lambda *given, **named: seen.append("compiled") or plain(*given, **named)

    monkeypatch.setattr(torch, "compile", compiling)
    compiled.compile_layers(model)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        model(input_ids=ids)
    with attention.hooked(dict.fromkeys(attention.modules(language_model(model)).values(), attention.Hook())):
        model(input_ids=ids)
    assert not seen
    model(input_ids=ids)
    assert len(seen) == len(language_model(model).layers)


def test_layers_with_a_state_stay_as_they_are() -> None:
    """Their loop over parts of a row would be unrolled for every length."""
    layers = language_model(model := fresh("qwen3_5").model).layers
    compiled.compile_layers(model)
    made = ["forward" in vars(layer) for layer in layers]
    assert made == [kind == "full_attention" for kind in model.config.text_config.layer_types] and any(made)


def test_a_missing_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    model: nn.Module = fresh("llava_siglip").model
    with pytest.raises(TrainingError, match=r"--compile needs a C\+\+ compiler on a CPU, and neither"):
        compiled.compile_layers(model)
