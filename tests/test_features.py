"""A frozen tower remembers what it saw: the same numbers, computed once per image, in memory and on the disk."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor

from tests.conftest import dialogue, draw
from unveil.testing.models import fresh
from unveil.testing.sizes import TINY
from unveil.train import loop
from unveil.vlm import features, tower_states
from unveil.vlm.families import ModelError, family_of
from unveil.vlm.features import Features
from unveil.vlm.inputs import EncodedExample, ImageInput, stack_images
from unveil.vlm.model_parts import parts_of
from unveil.vlm.models import Loaded

SIZES = ((40, 30), (96, 64), (50, 120))


def rows(copy: Loaded, folder: Path) -> list[EncodedExample]:
    """Four questions on two images."""
    out = []
    for i in range(4):
        image = draw(folder / f"{i % 2}.png", (40, 30), i % 2)
        out.append(copy.chat.encode(dialogue(f"d{i}", image.name, "Where is it?", "nodule. " * (i + 1)), image, True))
    return out


def images(copy: Loaded, folder: Path, count: int = 3) -> list[ImageInput]:
    """Images of different sizes, and so of different numbers of tiles or patches where the family has them."""
    return [copy.chat.cached_image(draw(folder / f"{i}.png", SIZES[i], i)) for i in range(count)]


def frozen(name: str, *parts: str) -> Loaded:
    """A model of its own, of which the language model and the named parts are trained."""
    copy = fresh(name)
    loop.trainable(copy.model, {"language", *parts})
    return copy


def features_of(copy: Loaded, room_mb: int = 10, **options: Any) -> Features:
    return Features(copy.model, copy.chat.processor.image_processor, room_mb, **options)


def flat(found: Any) -> list[Tensor]:
    """What a family hands to its language model: the features, and those of each deeper layer (Qwen3-VL) or what stands
    around tiles (Ovis2)."""
    marks = getattr(found, "visual_indicator_features", None)
    layers = [found.pooler_output, *(getattr(found, "deepstack_features", None) or [])]
    layers += [] if marks is None else [marks]
    return [layer if isinstance(layer, Tensor) else torch.cat(list(layer)) for layer in layers]


def computed(copy: Loaded, seen: Sequence[ImageInput]) -> Any:
    """By the model itself, all images in one pass."""
    stacked = stack_images([s.tensors for s in seen])
    if family_of(copy.model.config).crossed:
        with torch.no_grad():
            given = copy.model.model.vision_model(**stacked).last_hidden_state
            return SimpleNamespace(pooler_output=copy.model.model.multi_modal_projector(given).flatten(1, -2))
    takes = inspect.signature(copy.model.model.get_image_features).parameters
    tensors = {k: v for k, v in stacked.items() if k in takes}
    with torch.no_grad():
        return copy.model.model.get_image_features(**tensors, return_dict=True)


def passes(copy: Loaded) -> list[int]:
    """Grows by one with each pass of the tower."""
    calls: list[int] = []
    (tower,) = (m for n, m in copy.model.model.named_children() if n in ("vision_tower", "visual", "vision_model"))
    tower.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


# ------------------------------------------------------------------------------------------------------------ in memory


def test_remembered_features_are_the_computed_ones(family: Loaded, tmp_path: Path) -> None:
    """Three images, asked for twice in another order: the tower sees each once, alone."""
    copy = frozen(family.name)
    first, second, third = images(copy, tmp_path)
    remembering, calls = features_of(copy), passes(copy)
    assert remembering.keeps == "features"
    for order in ([first, second, third], [third, first], [second, second]):
        before = len(calls)
        found = flat(remembering(order))
        assert len(calls) - before == (3 if len(order) == 3 else 0)
        expected = flat(computed(copy, order))
        calls.pop()
        assert len(found) == len(expected) == (2 if family.name in ("qwen3_vl", "qwen3_vl_moe", "ovis2") else 1)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
            assert not one.requires_grad
    assert remembering.encodings == 3


def test_the_tower_looks_without_dropout_and_training_goes_on(tmp_path: Path) -> None:
    copy = frozen("llava_siglip")
    modes: list[bool] = []
    copy.model.model.vision_tower.register_forward_pre_hook(lambda tower, _: modes.append(tower.training))
    copy.model.train()
    features_of(copy)(images(copy, tmp_path, 1))
    assert modes == [False] and copy.model.training and copy.model.model.vision_tower.training


def test_what_comes_first_stays(tmp_path: Path) -> None:
    """16 features of 32 float32 are 2048 bytes; with room for two images, the third is looked at again each time.

    Over epochs of a, b, c the first two are never computed again; forgetting the oldest would compute all anew.
    """
    copy = frozen("llava_siglip")
    a, b, c = images(copy, tmp_path)
    remembering = features_of(copy)
    remembering.room = 2 * 2048 + 1
    for seen, encodings in ((a, 1), (b, 2), (c, 3), (a, 3), (b, 3), (c, 4)):
        remembering([seen])
        assert remembering.encodings == encodings
    assert list(remembering.known) == [a.digest, b.digest] and remembering.room == 1
    assert [remembering.holds(seen) for seen in (a, b, c)] == [True, True, False]


def test_without_room_every_image_is_looked_at_anew(tmp_path: Path) -> None:
    copy = frozen("llava_siglip")
    seen = images(copy, tmp_path, 2)
    remembering, roomy = features_of(copy, 0), features_of(copy)
    for _ in range(2):
        assert torch.equal(flat(remembering(seen))[0], flat(roomy(seen))[0])
    assert (remembering.encodings, roomy.encodings) == (4, 2) and not remembering.known


@pytest.mark.parametrize(
    ("name", "parts", "keeps"),
    [
        ("llava_siglip", (), "features"),
        ("qwen3_vl", (), "features"),
        ("llava_siglip", ("projector",), "hidden states"),
        ("llava_clip", ("projector",), "hidden states"),
        ("qwen2_5_vl", ("projector",), "nothing"),
        ("llava_siglip", ("tower",), "nothing"),
        ("llava_siglip", ("projector", "tower"), "nothing"),
        ("gemma3", ("tower",), "nothing"),
    ],
)
def test_what_is_kept_depends_on_what_is_trained(name: str, parts: tuple[str, ...], keeps: str, tmp_path: Path) -> None:
    """Two images three times: looked at twice where something is kept, six times where nothing is.

    Features of a model that is trained there carry gradients, and only whole features go onto the disk.
    """
    copy = frozen(name, *parts)
    remembering = features_of(copy, folder=tmp_path / "kept")
    seen = images(copy, tmp_path, 2)
    found = [flat(remembering(seen))[0] for _ in range(3)][-1]
    assert remembering.keeps == keeps
    assert remembering.encodings == (6 if keeps == "nothing" else 2)
    assert found.requires_grad == bool(parts)
    torch.testing.assert_close(found.detach(), flat(computed(copy, seen))[0], rtol=1e-4, atol=1e-5)
    assert (tmp_path / "kept").exists() == (keeps == "features")


def next_llava() -> Any:
    """LLaVA-NeXT, whose projector has a feature for line ends that is a parameter of no module."""
    torch.manual_seed(0)
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**TINY.tower), text_config=tf.LlamaConfig(**TINY.text, vocab_size=100)
    )
    return tf.LlavaNextForConditionalGeneration(config)


def test_the_line_ends_of_llava_next_belong_to_its_projector(tmp_path: Path) -> None:
    """Trained, nothing that they are part of is remembered; other ones are another projector to a folder on disk."""
    model, processor = next_llava(), fresh("llava_clip").chat.processor.image_processor
    assert parts_of(model)("model.image_newline") == "projector"
    assert "model.image_newline" in dict(model.named_parameters())
    loop.trainable(model, {"language"})
    assert not model.model.image_newline.requires_grad
    assert Features(model, processor, 1, tmp_path).keeps == "features"
    with torch.no_grad():
        model.model.image_newline.add_(1)
    with pytest.raises(ModelError, match="features of another tower:"):
        Features(model, processor, 1, tmp_path)
    model.model.image_newline.requires_grad_()
    assert Features(model, processor, 1).keeps != "features"


# ---------------------------------------------------------------------------------------------------------- on the disk


def test_another_run_reads_what_one_has_written(family: Loaded, tmp_path: Path) -> None:
    """Bit for bit, without one look; a changed language model makes no difference."""
    first, second = frozen(family.name), frozen(family.name)
    seen, folder = images(first, tmp_path), tmp_path / "kept"
    written = flat(features_of(first, folder=folder)(seen))
    assert {p.stem for p in folder.glob("*.safetensors")} == {s.digest.hex() for s in seen}
    assert not list(folder.glob("*.partial"))
    with torch.no_grad():
        second.model.lm_head.weight.add_(1)
    reading, calls = features_of(second, folder=folder), passes(second)
    read = flat(reading(seen))
    assert reading.encodings == len(calls) == 0
    assert len(read) == len(written) and all(torch.equal(a, b) for a, b in zip(read, written, strict=True))


def test_a_half_written_file_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run dies while it writes: the next one looks for itself, and writes the file whole."""
    copy, folder = frozen("llava_siglip"), tmp_path / "kept"
    seen = images(copy, tmp_path, 1)

    def dies(tensors: Any, path: Path, about: Any) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(features, "save_file", dies)
        with pytest.raises(KeyboardInterrupt):
            features_of(copy, folder=folder)(seen)
    assert not list(folder.iterdir()) or [p.name for p in folder.iterdir()] == ["features.json"]
    for encodings in (1, 0):
        remembering = features_of(copy, folder=folder)
        assert torch.equal(flat(remembering(seen))[0], flat(features_of(copy)(seen))[0])
        assert remembering.encodings == encodings


@pytest.mark.parametrize("what", ["tower", "projector", "processor", "dtype", "language"])
def test_a_folder_is_of_one_tower_processor_and_dtype(what: str, tmp_path: Path) -> None:
    copy = frozen("llava_siglip")
    features_of(copy, folder=tmp_path)
    before = (tmp_path / "features.json").read_text()
    assert sorted(json.loads(before)) == ["dtype", "processor", "tower"]
    eyes = copy.chat.processor.image_processor
    changed = {
        "tower": copy.model.model.vision_tower,
        "projector": copy.model.model.multi_modal_projector,
        "language": copy.model.model.language_model,
    }
    if what in changed:
        with torch.no_grad():
            next(changed[what].parameters()).add_(1)
    elif what == "processor":
        eyes = type(eyes)(**{**eyes.to_dict(), "image_mean": [0.4] * 3})
    else:
        copy.model.to(torch.bfloat16)
    if what == "language":
        Features(copy.model, eyes, 1, tmp_path)
    else:
        named = {"projector": "tower", "dtype": "dtype and tower"}.get(what, what)
        with pytest.raises(ModelError, match=f"holds features of another {named}: name another folder or remove it"):
            Features(copy.model, eyes, 1, tmp_path)
    assert (tmp_path / "features.json").read_text() == before


def test_the_disk_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Room for one image of 2048 bytes and no more: one file, one warning, and all features are right all the same."""
    copy, folder = frozen("llava_siglip"), tmp_path / "kept"
    seen = images(copy, tmp_path)
    bounded = features_of(copy, folder=folder)
    bounded.disk = 2 * 2048 - 1
    with caplog.at_level(logging.WARNING):
        found = flat(bounded(seen))[0]
    assert torch.equal(found, flat(features_of(copy)(seen))[0])
    assert [p.stem for p in folder.glob("*.safetensors")] == [seen[0].digest.hex()]
    assert [r.getMessage() for r in caplog.records] == [
        f"{folder} is full; further features are computed anew in each run"
    ]


def test_what_other_runs_have_written_counts(tmp_path: Path) -> None:
    copy, folder = frozen("llava_siglip"), tmp_path / "kept"
    seen = images(copy, tmp_path)
    features_of(copy, folder=folder)(seen[:2])
    used = sum(p.stat().st_size for p in folder.glob("*.safetensors"))
    assert features_of(copy, folder=folder, disk_mb=1).disk == 2**20 - used
    full = features_of(copy, folder=folder, disk_mb=0)
    full(seen)
    assert full.encodings == 1 and len(list(folder.glob("*.safetensors"))) == 2


# ------------------------------------------------------------------------------------ hidden states of a frozen tower


@pytest.mark.parametrize("name", ["llava_siglip", "llava_clip"])
def test_loss_and_gradients_are_those_of_the_whole_pass(name: str, tmp_path: Path) -> None:
    """Twice over two images: the tower computes each once, and the model learns the same."""
    found, count = [], []
    for remembering in (False, True):
        copy = frozen(name, "projector")
        if remembering:
            assert tower_states.remember(copy.model, 10, lambda: count.append(1))
        copy.model.train()
        for _ in range(2):
            batch = copy.chat.batch(rows(copy, tmp_path))
            loss = copy.model(**batch).loss
        loss.backward()
        found.append((loss.detach(), [p.grad for p in copy.model.parameters() if p.requires_grad]))
    (loss_a, grads_a), (loss_b, grads_b) = found
    assert torch.allclose(loss_a, loss_b, rtol=1e-6)
    for a, b in zip(grads_a, grads_b, strict=True):
        assert (a is None) == (b is None) and (a is None or torch.allclose(a, b, atol=1e-5))
    assert len(count) == 2


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Without room every image is computed anew, and nothing else changes."""
    copy, count = frozen("llava_siglip"), []
    batch = copy.chat.batch(rows(copy, tmp_path))
    expected = copy.model(**batch).loss
    assert tower_states.remember(copy.model, 0, lambda: count.append(1))
    assert torch.allclose(copy.model(**batch).loss, expected, rtol=1e-6)
    forward: Any = copy.model.model.vision_tower.forward
    assert len(count) == 4 and not forward.known


def test_a_trained_tower_and_other_families_remember_nothing() -> None:
    assert not tower_states.remember(frozen("llava_siglip", "tower").model, 10)
    assert not tower_states.remember(frozen("qwen2_5_vl").model, 10)


def test_a_damaged_file_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a word about it; the features are those that were computed."""
    folder = tmp_path / "kept"
    copy = frozen("llava_siglip")
    (seen,) = images(copy, tmp_path, 1)
    first = features_of(copy, folder=folder)
    expected = flat(first([seen]))
    (file,) = folder.glob("*.safetensors")
    for damage in (file.read_bytes()[:-50], b"", b"x" * 100):
        file.write_bytes(damage)
        again = features_of(copy, folder=folder)
        assert all(map(torch.equal, flat(again([seen])), expected)) and again.encodings == 1
        assert "is damaged" in caplog.text
        caplog.clear()
        assert all(map(torch.equal, flat(features_of(copy, folder=folder)([seen])), expected))
