"""Adapters put into weights: rounded once, so that what an adapter leaves alone stays as it was."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from unveil.testing.models import fresh
from unveil.train import adapters
from unveil.vlm import imports, models

TARGETS = ["q_proj", "down_proj"]


def adapted(folder: Path) -> Path:
    """An adapter of rank 2 that is not 0, with the scale 3, on the tiny model in bf16; returns the adapter's folder."""
    tiny = fresh("llava_siglip")
    base = tiny.model.to(torch.bfloat16)
    base.save_pretrained(folder / "base")
    tiny.chat.processor.save_pretrained(folder / "base")
    torch.manual_seed(1)
    with imports.calm_peft():
        lora = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, target_modules=TARGETS, init_lora_weights=False))
    lora.active_peft_config.base_model_name_or_path = str(folder / "base")
    lora.save_pretrained(folder / "adapter")
    return folder / "adapter"


def expected(folder: Path) -> dict[str, torch.Tensor]:
    """W + 3 B A of each layer in float32, then rounded to bf16: by hand from the files."""
    from safetensors.torch import load_file

    weights = load_file(folder / "adapter_model.safetensors")
    base = models.load(folder.parent / "base", device="cpu", dtype=torch.bfloat16).model.state_dict()
    out = dict(base)
    for name, a in weights.items():
        if "lora_A" in name:
            layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            b = weights[name.replace("lora_A", "lora_B")]
            out[f"{layer}.weight"] = (base[f"{layer}.weight"].float() + 3 * (b.float() @ a.float())).bfloat16()
    assert sum(not torch.equal(out[k], base[k]) for k in base) == len(weights) / 2 > 4
    return out


def test_a_sum_is_rounded_once(tmp_path: Path) -> None:
    """In bf16, whose weights of 1 are 2^-7 apart: rounding what is added first moves one weight in a hundred or so."""
    folder = adapted(tmp_path)
    right = expected(folder)
    found = models.load(folder, device="cpu", dtype=torch.bfloat16).model.state_dict()
    assert found.keys() == right.keys()
    assert all(torch.equal(found[name], right[name]) for name in right)


def test_what_is_handed_over_in_training_is_the_same(tmp_path: Path) -> None:
    folder = adapted(tmp_path)
    base = models.load(tmp_path / "base", device="cpu", dtype=torch.bfloat16).model
    with imports.calm_peft():
        lora = PeftModel.from_pretrained(base, folder)
    right, found = expected(folder), adapters.merged(lora)
    assert found.keys() == right.keys() and all(torch.equal(found[name], right[name]) for name in right)
