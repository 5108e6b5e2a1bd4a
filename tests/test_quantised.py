"""QLoRA: what is put into 4 bits, that the engine computes with it, and that its adapters go elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import dialogue, draw
from unveil.testing.models import ENTRIES
from unveil.testing.sizes import WIDE
from unveil.train import adapters, footprint, quantised, sft
from unveil.train.loop import TrainingError
from unveil.train.options import RecipeOptions
from unveil.vlm import models
from unveil.vlm.chat import Chat
from unveil.vlm.families import profile_of
from unveil.vlm.features import Features
from unveil.vlm.model_parts import linear_layers
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Scorer, whole

CPU = torch.device("cpu")
CONFIG = RecipeOptions(out=Path("o"), method="qlora", lora_rank=4, train_projector=False)


def wide() -> Loaded:
    """Matrices of 128 columns: on a CPU bitsandbytes packs those of less than a block wrongly."""
    torch.manual_seed(0)
    model, processor = ENTRIES["llava_siglip"].build(WIDE)
    return Loaded("wide", model, Chat(processor, profile_of(model.config)), "")


@pytest.fixture
def packed() -> Loaded:
    loaded = wide()
    quantised.quantise(loaded.model, CPU)
    return loaded


def test_linear_layers_of_the_language_model_are_packed_and_nothing_else(packed: Loaded) -> None:
    before = wide().model
    names = linear_layers(before, ["language"])
    for name in names:
        old, new = before.get_submodule(name).weight, packed.model.get_submodule(name)
        assert new.weight.nbytes == old.numel() / 2
        unpacked = quantised.weight_of(new)
        assert unpacked.shape == old.shape and 0 < (unpacked - old).norm() < 0.12 * old.norm()
    rest = {n: p for n, p in before.named_parameters() if n.removesuffix(".weight") not in names}
    assert all(torch.equal(p, packed.model.get_parameter(n)) for n, p in rest.items()) and len(rest) > 10


def test_a_weight_takes_what_is_foretold() -> None:
    weight = quantised.bitsandbytes("x").nn.Params4bit(
        torch.randn(1024, 1024), requires_grad=False, compress_statistics=True, quant_type="nf4"
    )
    state = weight.to("cpu").quant_state
    scales = state.absmax.nbytes + state.state2.absmax.nbytes
    assert weight.numel() + scales == pytest.approx(quantised.BYTES * 1024**2, rel=1e-3)


def rows_of(loaded: Loaded, folder: Path) -> list:
    image = draw(folder / "a.png", (70, 90), 0)
    asked = [dialogue(f"{n}", image.name, f"Where is nodule {n}?", "In the left lung. " * n) for n in range(1, 4)]
    return [loaded.chat.encode(d, image, with_answer=True) for d in asked]


def scorer_of(model: nn.Module, loaded: Loaded, tree: bool = True) -> Scorer:
    return Scorer(model, loaded.chat, Features(whole(model), loaded.chat.processor.image_processor, 10), tree=tree)


def adapted(loaded: Loaded) -> nn.Module:
    """With adapters that do something."""
    model = adapters.prepare(loaded.model, CONFIG).train()  # else bitsandbytes packs anew for a CPU
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.05)
    return model


def logps(model: nn.Module, loaded: Loaded, rows: list, tree: bool = True) -> Tensor:
    return scorer_of(model, loaded, tree)(rows).logps_S.detach()


def test_the_engine_computes_and_learns_with_it(packed: Loaded, tmp_path: Path) -> None:
    """Trees as plain rows; gradients for the adapters and for nothing else; another model than the whole one."""
    model, rows = adapted(packed), rows_of(packed, tmp_path)
    found = scorer_of(model, packed)(rows)
    found.logps_S.sum().backward()
    assert torch.allclose(found.logps_S.detach(), logps(model, packed, rows, tree=False), atol=1e-4)
    learning = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.norm() > 0}
    assert learning and all("lora_" in name for name in learning)
    unlike = logps(adapted(wide()), packed, rows)
    assert (found.logps_S.detach() - unlike).abs().max() > 1e-3


def test_what_is_handed_over_is_the_policy(packed: Loaded, tmp_path: Path) -> None:
    """A whole model of unpacked weights with what the adapters add answers as the policy does."""
    model, rows = adapted(packed), rows_of(packed, tmp_path)
    plain = wide()
    plain.model.load_state_dict(adapters.merged(model), strict=True)
    assert torch.allclose(logps(plain.model, packed, rows), logps(model, packed, rows), atol=1e-4)


def test_an_adapter_is_saved_without_what_it_lay_on(packed: Loaded, tiny_folder: Path, tmp_path: Path) -> None:
    model = adapted(packed)
    adapters.save(model, packed.chat, replace(CONFIG, out=tmp_path / "out", model=str(tiny_folder)))
    assert (tmp_path / "out" / "adapter_model.safetensors").stat().st_size < 2_000_000
    assert not list((tmp_path / "out").glob("model*.safetensors"))


def test_memory_is_foretold_with_4_bits_a_weight(tiny_folder: Path) -> None:
    shape = models.configuration(str(tiny_folder))
    usual, fewer = (
        footprint.of(models.unfilled(shape), replace(CONFIG, method=method), "float32") for method in ("lora", "qlora")
    )
    layers = quantised.quantisable(models.unfilled(shape))
    spared = (4 - quantised.BYTES) * sum(layer.weight.numel() for layer in layers)
    assert usual.kept - fewer.kept == pytest.approx(spared, rel=1e-3)
    assert fewer.once - usual.once == 4 * max(layer.weight.numel() for layer in layers)
    assert (usual.trained, usual.token) == (fewer.trained, fewer.token)


def test_on_a_cpu_it_is_refused(tmp_path: Path) -> None:
    config = sft.Config(dialogues=tmp_path, out=tmp_path, method="qlora")
    with pytest.raises(TrainingError, match="--method qlora needs a GPU, and this is cpu, where unpacking"):
        adapters.load(config, CPU)
