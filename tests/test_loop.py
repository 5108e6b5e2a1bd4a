"""The parts that training recipes share: order of the data, schedule, checkpoints, the log of metrics."""

from __future__ import annotations

import errno
import json
import pickle
import random
import resource
import subprocess
import sys
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

from bench.families import FAMILIES, fresh, loaded
from unveil.models import parts_of
from unveil.rows import Encoded
from unveil.train import loop
from unveil.train.greedy import Best
from unveil.train.loop import MetricsLog, TrainingError, batches, checkpoints, claim, cosine, finite

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
    rows = [Encoded("r1/a", seen, [1] * 5, [2], 0), Encoded("r2/b", seen, [1] * 5, [2] * 3, 0)]
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
@pytest.mark.parametrize("name", list(FAMILIES))
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


# ---------------------------------------------------------------------------------------------------------- checkpoints


def prepared(seed: int = 0) -> tuple[Accelerator, nn.Module, torch.optim.Optimizer]:
    """A small model that has taken one step, so that the optimiser has a state."""
    torch.manual_seed(seed)
    accelerator = Accelerator(cpu=True)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.1))
    one_step(model, optimizer)
    return accelerator, model, optimizer


def one_step(model: nn.Module, optimizer: Any) -> None:
    model(torch.ones(3, 4)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def state(model: nn.Module) -> list[list[float]]:
    return [p.flatten().tolist() for p in model.state_dict().values()]


def test_a_checkpoint_brings_back_weights_optimiser_and_generators(tmp_path: Path) -> None:
    """Two more steps with dropout come out the same, from a model that was initialised otherwise."""
    accelerator, model, optimizer = prepared()
    loop.save_checkpoint(accelerator, tmp_path, 1)
    drawn = random.random()
    for _ in range(2):
        one_step(model, optimizer)
    accelerator.free_memory()
    again, other, its_optimizer = prepared(seed=7)
    assert loop.load_checkpoint(again, tmp_path) == 1
    assert random.random() == drawn
    for _ in range(2):
        one_step(other, its_optimizer)
    assert state(other) == state(model)


def test_no_checkpoint_is_step_nought(tmp_path: Path) -> None:
    assert loop.load_checkpoint(Accelerator(cpu=True), tmp_path) == 0


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    accelerator, *_ = prepared()
    for step in (2, 10, 9):
        loop.save_checkpoint(accelerator, tmp_path, step)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-0000009", "step-0000010"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_checkpoint_without_its_last_file_does_not_count(tmp_path: Path) -> None:
    """step.json is written last; a folder that a killed run has left is no checkpoint, nor in the way of the next."""
    accelerator, *_ = prepared()
    loop.save_checkpoint(accelerator, tmp_path, 4)
    (tmp_path / "step-0000006.partial").mkdir()
    (tmp_path / "step-0000006.partial" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "step-0000008").mkdir()
    assert [p.name for p in checkpoints(tmp_path)] == ["step-0000004"]
    loop.save_checkpoint(accelerator, tmp_path, 6)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-0000004", "step-0000006"]


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator, model, _ = prepared()
    loop.save_checkpoint(accelerator, tmp_path, 2)
    saved = state(model)

    def full(folder: str) -> None:
        (Path(folder) / "model.safetensors").write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(accelerator, "save_state", full)
        with pytest.raises(
            TrainingError, match=r"step-0000004 could not be written to .*No space left.*last good one is step-0000002"
        ):
            loop.save_checkpoint(accelerator, tmp_path, 4)
    assert [p.name for p in tmp_path.iterdir()] == ["step-0000002"]
    one_step(model, accelerator._optimizers[0])
    assert loop.load_checkpoint(accelerator, tmp_path) == 2 and state(model) == saved


def test_a_full_disk_at_the_first_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator, *_ = prepared()
    monkeypatch.setattr(accelerator, "save_state", lambda folder: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(TrainingError, match="there is none yet"):
        loop.save_checkpoint(accelerator, tmp_path, 4)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from accelerate import Accelerator
from unveil.train import loop
folder, width, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
accelerator = Accelerator(cpu=True)
model = torch.nn.Linear(width, 100)
optimizer = torch.optim.AdamW(model.parameters())
model, optimizer = accelerator.prepare(model, optimizer)
model(torch.ones(1, width)).sum().backward()
optimizer.step()
loop.save_checkpoint(accelerator, folder, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    loop.save_checkpoint(accelerator, folder, 2)
except loop.TrainingError as error:
    print(error)
"""


@pytest.mark.parametrize(("limit", "what"), [(40_000, "weights"), (100_000, "optimiser")])
def test_files_that_the_system_refuses_to_write(limit: int, what: str, tmp_path: Path) -> None:
    """A true write error of the system, by a limit on the size of a file.

    A layer of 200 x 100 float32 takes 80 kB, which stops safetensors at 40 kB; the optimiser's two moments take 160 kB,
    which stops torch at 100 kB.
    """
    command = [sys.executable, "-c", LIMITED, str(tmp_path), "200", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert "checkpoint step-0000002 could not be written" in done.stdout, done.stdout + done.stderr
    assert "the last good one is step-0000001" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["step-0000001"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY, "only the other process was limited"


class Trap:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(Trap.mark),)

    mark = ""


@pytest.mark.parametrize("name", ["optimizer.bin", "random_states_0.pkl"])
def test_a_checkpoint_that_runs_code_is_refused(name: str, tmp_path: Path) -> None:
    """Both files are pickles; they are read by torch's restricted reader, and what it refuses is an error."""
    accelerator, *_ = prepared()
    Trap.mark = str(tmp_path / "sprung")
    folder = loop.save_checkpoint(accelerator, tmp_path / "checkpoints", 1)
    torch.save({"x": Trap()}, folder / name)
    with pytest.raises(pickle.UnpicklingError):
        loop.load_checkpoint(accelerator, tmp_path / "checkpoints")
    assert not Path(Trap.mark).exists()


def test_generators_that_cannot_be_restored_are_an_error(tmp_path: Path) -> None:
    """accelerate notes this in a log that nobody sees and goes on, with other random numbers than before."""
    accelerator, *_ = prepared()
    folder = loop.save_checkpoint(accelerator, tmp_path, 1)
    file = folder / "random_states_0.pkl"
    states = torch.load(file, weights_only=False)
    torch.save({**states, "random_state": "nonsense"}, file)
    torch.rand(1)
    with pytest.raises(TrainingError, match="random generators' state could not be restored"):
        loop.load_checkpoint(accelerator, tmp_path)


def test_a_checkpoint_that_lacks_what_is_kept_now_is_refused(tmp_path: Path) -> None:
    """Such as one of another version."""
    accelerator, *_ = prepared()
    loop.save_checkpoint(accelerator, tmp_path, 1)
    accelerator.register_for_checkpointing(Best(tmp_path))
    with pytest.raises(TrainingError, match=r"(?s)step-0000001 cannot be taken up .*--restart"):
        loop.load_checkpoint(accelerator, tmp_path)


def test_tied_weights_stay_tied() -> None:
    """See ``test_sft``: the runs that are killed and resumed there have their head tied to the embeddings."""
    model = loaded("llava_siglip").model
    assert model.lm_head.weight.data_ptr() == model.model.language_model.embed_tokens.weight.data_ptr()


def test_tied_weights_survive_a_checkpoint(tmp_path: Path) -> None:
    model, _ = FAMILIES["llava_siglip"]()
    accelerator = Accelerator(cpu=True)
    model = accelerator.prepare(model)
    before = {n: p.clone() for n, p in model.state_dict().items()}
    loop.save_checkpoint(accelerator, tmp_path, 1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    loop.load_checkpoint(accelerator, tmp_path)
    assert all(torch.equal(p, before[n]) for n, p in model.state_dict().items())
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight


# --------------------------------------------------------------------------------------------------- whose folder it is


def test_claim_keeps_runs_apart(tmp_path: Path) -> None:
    """A new folder is taken; one with checkpoints only by the same run; ``resume`` and the like make no difference."""
    accelerator, *_ = prepared()
    settings = {"seed": 0, "rate": 0.1, "resume": False}
    claim(tmp_path, settings, False, False, accelerator)
    claim(tmp_path, {**settings, "seed": 1}, False, False, accelerator)
    assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 1, "rate": 0.1, "processes": 1}
    claim(tmp_path, settings, False, False, accelerator)
    loop.save_checkpoint(accelerator, tmp_path, 1)
    with pytest.raises(TrainingError, match="--resume, or throw them away with --restart"):
        claim(tmp_path, settings, False, False, accelerator)
    with pytest.raises(TrainingError, match="another rate, size: use --restart"):
        claim(tmp_path, {"seed": 0, "rate": 0.2, "size": 3}, True, False, accelerator)
    claim(tmp_path, {**settings, "resume": True}, True, False, accelerator)
    assert checkpoints(tmp_path)
    claim(tmp_path, {"seed": 9}, False, True, accelerator)
    assert not checkpoints(tmp_path)


def test_claim_is_for_the_same_number_of_processes(tmp_path: Path) -> None:
    """The batches are dealt out otherwise; only the main process writes, and all wait for it."""
    accelerator, *_ = prepared()
    waited: list[int] = []
    one, two = (process(rank, 2, wait_for_everyone=lambda rank=rank: waited.append(rank)) for rank in (0, 1))
    claim(tmp_path / "of two", {"seed": 0}, False, False, two)
    assert not (tmp_path / "of two").exists() and waited == [1]
    claim(tmp_path, {"seed": 0}, False, False, accelerator)
    loop.save_checkpoint(accelerator, tmp_path, 1)
    with pytest.raises(TrainingError, match="another processes: use --restart"):
        claim(tmp_path, {"seed": 0}, True, False, one)


@pytest.mark.parametrize("keep", [False, True])
def test_checkpoints_go_when_the_run_has_ended(keep: bool, tmp_path: Path) -> None:
    accelerator, *_ = prepared()
    loop.save_checkpoint(accelerator, tmp_path / "checkpoints", 1)
    loop.drop(tmp_path / "checkpoints", keep)
    assert (tmp_path / "checkpoints").exists() == keep
    loop.drop(tmp_path / "none", False)


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
