"""The parts that training recipes share: order of the data, schedule, the log of metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from unveil.testing.models import TREES, fresh, loaded
from unveil.train import loop
from unveil.train.loop import MetricsLog, TrainingError, batches, cosine, finite
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.model_parts import parts_of

# ---------------------------------------------------------------------------------------------------------------- order


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=120),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_every_row_comes_once_per_epoch(images: list[str], size: int, together: int, seed: int, epoch: int) -> None:
    made = batches(images, size, together, seed, epoch)
    assert sorted(i for batch in made for i in batch) == list(range(len(images)))
    assert all(0 < len(batch) <= size for batch in made)
    assert len(made) == -(len(images) // -size)
    assert made == batches(images, size, together, seed, epoch)


def runs_of(images: list[str], made: list[list[int]]) -> list[tuple[str, int]]:
    """Images in the order of their rows, and how many rows of one stand side by side."""
    order = [images[i] for batch in made for i in batch]
    return [(image, len(list(group))) for image, group in groupby(order)]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=120), st.integers(1, 6), st.integers(0, 9))
def test_rows_of_one_image_stand_side_by_side(images: list[str], together: int, seed: int) -> None:
    """In parts of ``together`` rows and one of what is left; two parts of one image may meet by chance.

    So the rows side by side are a multiple of ``together``, with what is left over added in one place at the most.
    """
    found = runs_of(images, batches(images, 8, together, seed, 0))
    for image in set(images):
        count = images.count(image)
        mine = [length for name, length in found if name == image]
        assert sorted(length % together for length in mine if length % together) == [count % together] * bool(
            count % together
        )
        if count <= together:
            assert mine == [count]


@pytest.mark.parametrize(("together", "longest"), [(1, 3), (2, 4), (4, 8), (8, 8), (9, 8)])
def test_at_most_so_many_rows_of_an_image_side_by_side(together: int, longest: int) -> None:
    """50 images of 8 rows, 400 in all: parts of an image meet now and then, and never in threes but for single rows."""
    images = [f"{i % 50}" for i in range(400)]
    lengths = [length for _, length in runs_of(images, batches(images, 8, together, 0, 0))]
    assert max(lengths) <= longest
    assert np.mean(lengths) == pytest.approx(min(together, 8), rel=0.1)


def test_rows_of_an_image_are_shuffled_too() -> None:
    """Which questions on an image come together differs between epochs."""
    images = ["a"] * 8 + ["b"] * 8
    pairs = [{frozenset(batch) for batch in batches(images, 2, 2, seed=0, epoch=epoch)} for epoch in range(2)]
    assert pairs[0] != pairs[1]


def test_each_epoch_and_seed_has_its_own_order() -> None:
    images = [f"{i // 3}" for i in range(200)]
    orders = [batches(images, 8, 4, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(o) for o in orders}) == 4


def process(rank: int, world: int, **more: Any) -> Any:
    """What functions here ask of one accelerator among several."""
    return SimpleNamespace(process_index=rank, num_processes=world, is_main_process=rank == 0, **more)


def test_batches_go_on_without_end() -> None:
    """7 rows in batches of 3 are 3 batches an epoch; each epoch has its own order."""
    images = list("abcdefg")
    first = list(islice(loop.endless(images, 3, 4, 5, process(0, 1)), 7))
    assert first == [*batches(images, 3, 4, 5, 0), *batches(images, 3, 4, 5, 1), batches(images, 3, 4, 5, 2)[0]]


def taken(rows: int, size: int, world: int, epochs: int = 2) -> list[list[list[list[int]]]]:
    """By epoch and round the batches of each process, of rows that are all of images of their own."""
    images, each = [f"{i}" for i in range(rows)], loop.updates(rows, size, 1, 1, process(0, world))
    own = [list(islice(loop.endless(images, size, 1, 0, process(r, world)), epochs * each)) for r in range(world)]
    return [[[mine[epoch * each + n] for mine in own] for n in range(each)] for epoch in range(epochs)]


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 9))
def test_every_row_comes_once_in_one_of_the_processes(rows: int, size: int, world: int) -> None:
    """And none is without rows, nor has more than one beyond its share."""
    assume(rows >= world)
    for epoch in taken(rows, size, world):
        assert sorted(i for share in epoch for batch in share for i in batch) == list(range(rows))
        assert all(0 < len(batch) <= size + (world > 1) for share in epoch for batch in share)


@pytest.mark.parametrize(
    ("rows", "world", "sizes"),
    [
        (8, 2, [[2, 2], [2, 2]]),
        (9, 2, [[2, 2], [3, 2]]),
        (10, 2, [[2, 2], [2, 2], [1, 1]]),
        (9, 3, [[2, 2, 2], [1, 1, 1]]),
        (11, 3, [[2, 2, 2], [2, 2, 1]]),
        (7, 1, [[2], [2], [2], [1]]),
        (3, 2, [[2, 1]]),
    ],
)
def test_what_is_left_is_shared_evenly(rows: int, world: int, sizes: list[list[int]]) -> None:
    """In batches of 2. One row left for two processes goes to the first, two go to each."""
    assert [[len(batch) for batch in share] for share in taken(rows, 2, world)[0]] == sizes


def test_batches_are_dealt_in_turn() -> None:
    whole = batches([f"{i}" for i in range(12)], 2, 1, 0, 0)
    assert taken(12, 2, 3)[0] == [whole[:3], whole[3:]]


def test_fewer_rows_than_processes_are_refused() -> None:
    for ask in (
        lambda: next(loop.endless(["a", "b"], 4, 4, 0, process(0, 4))),
        lambda: loop.updates(2, 4, 1.0, 1, process(0, 4)),
    ):
        with pytest.raises(TrainingError, match="2 rows cannot be shared among 4 processes"):
            ask()


def test_after_leaves_out_what_was_done() -> None:
    images, one = list("abcdefg"), process(0, 1)
    straight = list(islice(loop.endless(images, 3, 4, 0, one), 9))
    for skip in (0, 2, 5):
        assert list(islice(loop.after(loop.endless(images, 3, 4, 0, one), skip), 9 - skip)) == straight[skip:]


@pytest.mark.parametrize(
    ("rows", "batch", "accumulate", "epochs", "processes", "expected"),
    [
        (10, 4, 1, 2.0, 1, 6),
        (10, 4, 2, 1.0, 1, 2),
        (10, 4, 1, 1.0, 2, 2),
        (1, 8, 4, 0.1, 1, 1),
        (100, 10, 3, 1.5, 2, 3),
    ],
)
def test_number_of_updates(
    rows: int, batch: int, accumulate: int, epochs: float, processes: int, expected: int
) -> None:
    """ceil(ceil(rows / batch) x epochs / (accumulate x processes)): 3 batches x 2 = 6; 3 / 2 = 2; ...; 15 / 6 = 3."""
    assert loop.updates(rows, batch, epochs, accumulate, process(0, processes)) == expected


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_sample_is_fixed_and_in_order(count: int, most: int, seed: int) -> None:
    rows = [f"r{i:02}" for i in range(count)]
    picked = loop.sample(rows, most, seed)
    assert len(picked) == min(count, most) and set(picked) <= set(rows)
    assert picked == sorted(picked) == loop.sample(rows, most, seed)


def test_a_sample_is_drawn_from_all_rows() -> None:
    """Ten of a hundred by ten seeds: not the first ten, and not always the same."""
    samples = [tuple(loop.sample(range(100), 10, seed)) for seed in range(10)]
    assert len(set(samples)) == 10 and max(max(s) for s in samples) > 90 and min(min(s) for s in samples) < 10


def test_rows_that_do_not_fit_are_named() -> None:
    """Prompts of 5 tokens, answers of 1 and 3: 6 and 8 tokens."""
    seen: Any = None
    rows = [EncodedExample("r1/a", seen, [1] * 5, [2], 0), EncodedExample("r2/b", seen, [1] * 5, [2] * 3, 0)]
    for limit in (None, 8):
        assert loop.fitting(rows, limit) == rows
    with pytest.raises(TrainingError, match=r"^r2/b: 8 tokens are more than 7, the limit"):
        loop.fitting(rows, 7)


# ------------------------------------------------------------------------------------------------------------- schedule


def test_cosine_by_hand() -> None:
    """10 updates, a fifth of them warm-up: 1/2, 2/2, then (1 + cos(pi k / 8)) / 2 for k = 0 ... 7."""
    got = [cosine(step, 10, 0.2) for step in range(10)]
    assert got[:3] == [0.5, 1.0, 1.0]
    assert got[4] == pytest.approx((1 + 2**-0.5) / 2)  # k = 2: cos 45 degrees
    assert got[6] == pytest.approx(0.5)  # k = 4: cos 90 degrees
    assert got[8] == pytest.approx((1 - 2**-0.5) / 2)  # k = 6
    assert got[9] == pytest.approx(0.0380602, abs=1e-7)  # k = 7
    assert cosine(10, 10, 0.2) == pytest.approx(0)


def test_cosine_at_the_edges() -> None:
    """One update only, no warm-up, nothing but warm-up: always in (0, 1]."""
    assert cosine(0, 1, 0.03) == 1.0
    assert [cosine(s, 2, 0.0) for s in (0, 1)] == [1.0, 1.0]
    assert [cosine(s, 4, 1.0) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]


# ------------------------------------------------------------------------------------------------------ what is trained


@pytest.mark.parametrize("parts", [{"language"}, {"projector"}, {"tower"}, {"language", "tower"}])
@pytest.mark.parametrize("name", TREES)
def test_trainable_unfreezes_the_named_parts_only(name: str, parts: set[str]) -> None:
    model = loaded(name).model
    before = {n: p.requires_grad for n, p in model.named_parameters()}
    try:
        chosen = loop.trainable(model, parts)
        free = [n for n, p in model.named_parameters() if p.requires_grad]
        assert set(map(parts_of(model), free)) == parts and len(chosen) == len(free)
    finally:
        for n, p in model.named_parameters():
            p.requires_grad_(before[n])


def test_a_model_without_the_part_is_refused() -> None:
    model = nn.ModuleDict({"language_model": fresh("llava_siglip").model.model.language_model})
    with pytest.raises(TrainingError, match="the model has no part named projector, tower"):
        loop.trainable(model, {"tower", "projector"})


def test_only_matrices_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    model[2].weight.requires_grad_(False)
    decayed, free = loop.parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3)]
    assert [tuple(p.shape) for p in free["params"]] == [(4,), (4,), (4,), (2,)]


# ----------------------------------------------------------------------------------------------------------- an update


def test_a_step_by_hand() -> None:
    """A gradient of (3, 4) has norm 5; clipped to 1 it is (0.6, 0.8), which SGD at rate 1 takes off the weights."""
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[1.0, 1.0]])
    for clip, expected in ((1.0, [0.4, 0.2]), (5.0, [-2.6, -3.8])):
        model(torch.tensor([[3.0, 4.0]])).sum().backward()
        loop.step(Accelerator(cpu=True), model, torch.optim.SGD(model.parameters(), lr=1.0), clip, [])
        assert model.weight[0].tolist() == pytest.approx(expected)
        assert model.weight.grad is None or not model.weight.grad.any()


def test_a_norm_that_is_not_finite_stops_before_the_step() -> None:
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.tolist()
    (model(torch.ones(1, 2)).sum() * float("inf")).backward()
    with pytest.raises(TrainingError, match=r"the gradient's norm is (nan|inf) on r1/a: lower --learning-rate"):
        loop.step(Accelerator(cpu=True), model, torch.optim.SGD(model.parameters(), lr=1.0), 1.0, ["r1/a"])
    assert model.weight.tolist() == before


def test_gradients_are_exchanged_with_the_last_pass_only() -> None:
    entered: list[Any] = []

    @contextmanager
    def no_sync(model: Any) -> Iterator[None]:
        entered.append(model)
        yield

    for i in range(3):
        with loop.synchronised(process(0, 2, no_sync=no_sync), f"pass {i}", i == 2):  # type: ignore[arg-type]
            pass
    assert entered == ["pass 0", "pass 1"]


# ---------------------------------------------------------------------------------------------------------- the metrics


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_are_rewound_to_the_checkpoint(tmp_path: Path) -> None:
    """Logged up to step 3, the last line half-written; resumed after step 2: what follows is written again."""
    path = tmp_path / "metrics.jsonl"
    accelerator = Accelerator(cpu=True)
    log = MetricsLog(path, accelerator, 0)
    for step in (1, 2, 3):
        log.write(step, loss=1 / step)
    log.write(2, val_loss=9.0)
    path.write_text(path.read_text() + '{"step": 4, "lo')
    MetricsLog(path, accelerator, 2).write(3, loss=0.25)
    expected = [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 0.5},
        {"step": 2, "val_loss": 9.0},
        {"step": 3, "loss": 0.25},
    ]
    assert lines(path) == expected
    MetricsLog(path, accelerator, 0)
    assert lines(path) == [], "a run from the start begins a new log"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_names_the_rows(value: float) -> None:
    with pytest.raises(TrainingError, match=r"the loss is -?(nan|inf) on r1/a, r2/b: lower --learning-rate"):
        finite(torch.tensor(value), ["r1/a", "r2/b"])
    assert finite(torch.tensor(2.5, requires_grad=True), []) == 2.5


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_processes_that_share_out_the_weights_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start: without a library that accelerate would need, and although accelerate ignores FSDP on a CPU."""
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(TrainingError, match=f"{name} is not supported yet: let every process hold the whole model"):
        loop.accelerator(tmp_path, ())
    loop.refuse_sharding(["MULTI_GPU"])


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate leaves it out without a word."""
    monkeypatch.setattr(loop, "get_available_trackers", lambda: ["tensorboard"])
    with pytest.raises(TrainingError, match=r"--trackers wandb: not installed; pip install 'unveil\[trackers\]'"):
        loop.accelerator(tmp_path, ("tensorboard", "wandb"))
    loop.refuse_missing(["tensorboard"])
