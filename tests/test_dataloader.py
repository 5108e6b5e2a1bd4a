"""Rows for the loop: in order, each image decoded once, its pixels let go when nobody needs them any more."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import dialogue, draw
from unveil.core.pixels import ImageError
from unveil.core.records import Dialogue
from unveil.testing.models import fresh
from unveil.train import loop
from unveil.train.dataloader import ID, LIGHT, Stream
from unveil.train.loop import TrainingError
from unveil.train.options import RecipeOptions
from unveil.vlm.chat import Chat
from unveil.vlm.features import Features
from unveil.vlm.inputs import ImageInput
from unveil.vlm.scorer import Scorer

Rows = list[tuple[str, list[int], list[int], bytes]]


@pytest.fixture
def asked(tmp_path: Path) -> list[Dialogue]:
    """Three questions on each of four images of one size, image after image."""
    for i in range(4):
        draw(tmp_path / f"{i}.png", (64, 64), i)
    return [dialogue(f"d{i}-{q}", f"{i}.png", f"Question {q}?", "nodule.") for i in range(4) for q in range(3)]


def stream_of(folder: Path, name: str = "llava_siglip", frozen: bool = True, **options: Any) -> Stream:
    copy = fresh(name)
    loop.trainable(copy.model, {"language"} if frozen else {"language", "tower"})
    config = RecipeOptions(out=folder, **options)
    features = Features(copy.model, copy.chat.processor.image_processor, config.cache_mb, config.features)
    return Stream(Scorer(copy.model, copy.chat, features), folder / "dialogues.jsonl", config)


def used(stream: Stream, batches: Sequence[Sequence[Dialogue]]) -> Rows:
    """What comes out, each batch used by the features before the next one is asked for, as in training."""
    out = []
    for batch, rows in stream(batches):
        assert [row.id for row in rows] == [d.id for d in batch]
        stream.features([row.seen for row in rows])
        out += [(row.id, row.prompt, row.answer, row.seen.digest) for row in rows]
    return out


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file with the name of each image that any process has decoded, one per line."""
    see, file = Chat.read_image, tmp_path / "decoded.txt"
    file.touch()

    def counting(self: Chat, path: Any, hidden: Any = None) -> ImageInput:
        with file.open("a") as out:
            out.write(f"{Path(path).name} {os.getpid()}\n")
        return see(self, path, hidden)

    monkeypatch.setattr(Chat, "read_image", counting)
    return file


def names(file: Path) -> list[str]:
    return [line.split()[0] for line in file.read_text().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_image_is_decoded_once(workers: int, asked: list[Dialogue], decoded: Path, tmp_path: Path) -> None:
    """Three epochs in different orders, by worker processes or by none: four images, four times decoded."""
    stream, images = stream_of(tmp_path, workers=workers), [d.image for d in asked]
    epochs = [[asked[i] for i in b] for epoch in range(3) for b in loop.batches(images, 4, 2, 0, epoch)]
    used(stream, epochs)
    assert sorted(names(decoded)) == ["0.png", "1.png", "2.png", "3.png"]
    assert stream.features.encodings == 4
    processes = {line.split()[1] for line in decoded.read_text().splitlines()}
    assert (str(os.getpid()) in processes) == (workers == 0)


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 2}, {"cache_mb": 0}, {"workers": 2, "cache_mb": 0}])
@pytest.mark.parametrize("frozen", [True, False])
def test_workers_and_memory_change_nothing(
    frozen: bool, options: dict[str, Any], asked: list[Dialogue], tmp_path: Path
) -> None:
    batches = loop.parts([*asked, *asked[::-1]], 5)
    plain = used(stream_of(tmp_path, frozen=frozen), batches)
    assert used(stream_of(tmp_path, frozen=frozen, **options), batches) == plain


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl", "idefics3"])
def test_pixels_are_let_go_once_the_features_are_known(name: str, asked: list[Dialogue], tmp_path: Path) -> None:
    """The same log-probabilities come from images without pixels, positions included."""
    stream, batches = stream_of(tmp_path, name), loop.parts(asked, 6)
    copy = stream_of(tmp_path, name)
    scorer = Scorer(fresh(name).model.eval(), stream.chat, stream.features)
    with torch.no_grad():
        first = [scorer(rows).in_order() for _, rows in stream(batches)]
        assert all(not seen.whole for seen in stream.kept.values())
        assert all(t.numel() < 100 for seen in stream.kept.values() for t in seen.tensors.values())
        again = [scorer(rows).in_order() for _, rows in stream(batches)]
    assert torch.equal(torch.cat(first), torch.cat(again))
    whole = [row.seen.digest for _, rows in copy(batches) for row in rows]
    assert whole == [row.seen.digest for _, rows in stream(batches) for row in rows]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_left_of_an_image_is_shared_and_counted(workers: int, tmp_path: Path) -> None:
    """Two images of one size and one of another: ids and text twice, though a worker sends each image its own."""
    for name, size in (("a", (64, 64)), ("b", (64, 64)), ("c", (128, 64))):
        draw(tmp_path / f"{name}.png", size, ord(name))
    stream = stream_of(tmp_path, "qwen2_5_vl", workers=workers)
    room = stream.room
    used(stream, [[dialogue(name, f"{name}.png", "Question?", "nodule.")] for name in "abc"])
    a, b, c = stream.kept.values()
    assert a.block is b.block and a.text is b.text and a.types is b.types and a.view is b.view
    assert len(a.block) != len(c.block) and a.digest != b.digest
    layouts = sum(len(seen.text) + ID * (len(seen.block) + sum(map(len, seen.types.values()))) for seen in (a, c))
    assert stream.room == room - 3 * LIGHT - sum(seen.nbytes for seen in (a, b, c)) - layouts


def test_what_images_of_one_size_share_is_counted_as_large_as_it_is(tmp_path: Path) -> None:
    """Ids of a large vocabulary, of 20 images of some 1000 tokens, no two alike: to within a fifth."""
    stream = stream_of(tmp_path, "qwen2_5_vl")
    light = stream.chat.process(np.zeros((64, 64, 3), np.uint8)).light()
    room = stream.room
    tracemalloc.start()
    kept = []
    for count in range(1000, 1020):
        ids = torch.full((count,), 151_655).tolist()  # as processors make them: each a number of its own
        kept.append(stream._shared(replace(light, text="<image>" * count, block=ids)))
        del ids
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 20 and room - stream.room == pytest.approx(held, rel=0.2)


def test_a_trained_tower_needs_the_pixels(asked: list[Dialogue], decoded: Path, tmp_path: Path) -> None:
    """They stay as long as there is room; what finds none is decoded for each batch that needs it.

    An image of 56 x 56 pixels in float32 has 3 * 56 * 56 * 4 = 37,632 bytes.
    """
    stream = stream_of(tmp_path, frozen=False)
    stream.room = 2 * 37_632
    batches = loop.parts(asked, 3) * 2
    used(stream, batches)
    assert names(decoded) == ["0.png", "1.png", "2.png", "3.png", "2.png", "3.png"]
    assert stream.room == 0 and all(seen.whole for seen in stream.kept.values())


def test_an_update_of_several_batches_decodes_once_too(asked: list[Dialogue], decoded: Path, tmp_path: Path) -> None:
    """All batches of an update are fetched before the first one is used; features are known only then.

    Without room for pixels, an image whose turn ended at once would be decoded again in the next batch.
    """
    stream = stream_of(tmp_path, accumulate=3)
    stream.room = 0
    batches = stream([asked[i : i + 2] for i in (0, 2, 4, 6, 8, 10)] * 2)
    for _ in range(4):
        for _, rows in [next(batches) for _ in range(3)]:
            stream.features([row.seen for row in rows])
    assert sorted(names(decoded)) == ["0.png", "1.png", "2.png", "3.png"]
    assert list(batches) == [] and all(not seen.whole for seen in stream.kept.values())


def test_an_image_that_two_batches_ahead_need_is_decoded_once(
    asked: list[Dialogue], decoded: Path, tmp_path: Path
) -> None:
    """Although there is no room to keep it, and both batches were planned before the first arrived."""
    stream = stream_of(tmp_path, frozen=False, workers=1, cache_mb=0)
    used(stream, [asked[:1], asked[1:2], asked[2:3]])
    assert names(decoded) == ["0.png"]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_is_gone_is_named_with_its_row(workers: int, asked: list[Dialogue], tmp_path: Path) -> None:
    """Where its row comes up, not before, so that what was trained until then is not lost."""
    (tmp_path / "2.png").unlink()
    stream = stream_of(tmp_path, workers=workers)
    batches = stream(loop.parts(asked, 3))
    assert [batch[0].id for batch, _ in (next(batches), next(batches))] == ["d0-0", "d1-0"]
    with pytest.raises(ImageError, match=r"^d2-0: .*2\.png"):
        next(batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_a_processor_refuses_is_named(workers: int, asked: list[Dialogue], tmp_path: Path) -> None:
    """Qwen's refuses what is 200 times as high as wide, and does not say of which file it speaks."""
    draw(tmp_path / "1.png", (4, 3000), 1)
    batches = stream_of(tmp_path, "qwen2_5_vl", workers=workers)(loop.parts(asked, 3))
    next(batches)
    with pytest.raises(ImageError, match=r"^d1-0: .*1\.png: Qwen2_5_VLProcessor cannot take 4 x 3000 .*aspect ratio"):
        next(batches)


def test_workers_keep_no_file_open(asked: list[Dialogue], tmp_path: Path) -> None:
    """More images than files may be open: Qwen's grids stay, and a tensor in shared memory would hold one each."""
    open_now = len(list(Path("/proc/self/fd").iterdir()))
    stream = stream_of(tmp_path, "qwen2_5_vl", workers=1)
    for i in range(40):
        draw(tmp_path / f"{i}.png", (64, 64), i)
    used(stream, [[dialogue(f"d{i}", f"{i}.png", "Where?")] for i in range(40)])
    assert len(stream.kept) == 40 and len(list(Path("/proc/self/fd").iterdir())) < open_now + 20


def test_a_row_that_is_too_long_is_named(asked: list[Dialogue], tmp_path: Path) -> None:
    long = replace(asked[1], question="Where is it? " * 50)
    with pytest.raises(TrainingError, match=r"^d0-1: \d+ tokens are more than"):
        used(stream_of(tmp_path, max_length=100), [[asked[0], long]])


def test_a_row_that_is_longer_than_the_models_context_is_named(asked: list[Dialogue], tmp_path: Path) -> None:
    """Whether the tokenizer or the model says how much that is; an own limit goes before both."""
    stream = stream_of(tmp_path)
    assert stream.limit == 1024
    stream.chat.tokenizer.model_max_length, old = 10**30, stream.chat.tokenizer.model_max_length
    try:
        assert stream_of(tmp_path).limit == 1024
        with pytest.raises(TrainingError, match=r"^d0-0: 1\d{3} tokens are more than 1024, .*nothing is cut"):
            used(stream, [[replace(asked[0], question="?" * 1100)]])
        assert stream_of(tmp_path, max_length=5000).limit == 5000
    finally:
        stream.chat.tokenizer.model_max_length = old


def test_features_that_vanish_while_a_run_uses_them_are_named(asked: list[Dialogue], tmp_path: Path) -> None:
    """Without memory all are read from the folder, and nobody has the pixels any more."""
    folder = tmp_path / "features"
    stream = stream_of(tmp_path, cache_mb=0, features=folder)
    used(stream, [asked[:3]])
    assert not next(iter(stream.kept.values())).whole
    used(stream, [asked[:3]])
    for file in folder.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ValueError, match="was there and is gone"):
        used(stream, [asked[:3]])
