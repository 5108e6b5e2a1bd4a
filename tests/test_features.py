"""A frozen tower remembers what it saw: the same numbers, computed once per image."""

from __future__ import annotations

from pathlib import Path

import torch
from conftest import dialogue, draw, fresh

from unveil.train import features, sft


def rows(copy, folder: Path) -> list:
    """Four questions on two images."""
    out = []
    for i in range(4):
        image = draw(folder / f"{i % 2}.png", (40, 30), i % 2)
        out.append(copy.chat.encode(dialogue(f"d{i}", image.name, "Where is it?", "nodule. " * (i + 1)), image, True))
    return out


def test_loss_and_gradients_are_those_of_the_whole_pass(tmp_path: Path) -> None:
    """Twice over two images: the tower computes each once, and the model learns the same."""
    copies = [fresh("llava_siglip"), fresh("llava_siglip")]
    found = []
    for copy, remembering in zip(copies, (False, True), strict=True):
        sft.loop.trainable(copy.model, {"language", "projector"})
        if remembering:
            assert features.remember(copy.model, 10)
        for _ in range(2):
            loss, _tokens = sft.nll(copy.model.train(), copy.chat.batch(rows(copy, tmp_path)))
        loss.backward()
        found.append((loss.detach(), [p.grad for p in copy.model.parameters() if p.requires_grad]))
    (loss_a, grads_a), (loss_b, grads_b) = found
    assert torch.allclose(loss_a, loss_b, rtol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(grads_a, grads_b, strict=True) if a is not None)
    assert copies[1].model.model.vision_tower.forward.computed == 2


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Without room every image is computed anew, and nothing else changes."""
    copy = fresh("llava_siglip")
    sft.loop.trainable(copy.model, {"language"})
    assert features.remember(copy.model, 0)
    sft.nll(copy.model, copy.chat.batch(rows(copy, tmp_path)))
    forward = copy.model.model.vision_tower.forward
    assert forward.computed == 4 and not forward.known


def test_a_trained_tower_and_other_families_remember_nothing() -> None:
    trained = fresh("llava_siglip")
    sft.loop.trainable(trained.model, {"language", "tower"})
    assert not features.remember(trained.model, 10)
    other = fresh("qwen2_5_vl")
    sft.loop.trainable(other.model, {"language"})
    assert not features.remember(other.model, 10)
