"""The parts that training recipes share: order of the data, schedule, checkpoints, the log of metrics."""

from __future__ import annotations

import errno
import json
import pickle
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import FAMILIES, loaded
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unveil.train import loop
from unveil.train.loop import MetricsLog, TrainingError, batches, checkpoints, claim, cosine, finite

# ---------------------------------------------------------------------------------------------------------------- order


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 9), st.integers(0, 9)
)
def test_every_row_comes_once_per_epoch(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    made = batches(lengths, size, seed, epoch)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in made)
    assert len(made) == -(len(lengths) // -size)
    assert made == batches(lengths, size, seed, epoch)


def test_each_epoch_and_seed_has_its_own_order() -> None:
    lengths = list(range(200))
    orders = [batches(lengths, 8, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(o) for o in orders}) == 4


def test_rows_of_like_length_come_together() -> None:
    """Lengths 0 ... 255 in one window of 32 batches of eight: sorted and cut, a batch is eight successive lengths.

    In windows of four batches a batch holds a quarter of a random window, and lengths from 0 to 255 lie about 64 apart
    from its shortest to its longest; a batch of eight at random has 7/9 x 256 = 199.
    """
    whole = batches(list(range(256)), 8, seed=3, epoch=0, window=32)
    assert all(max(b) - min(b) == 7 for b in whole)
    assert whole != sorted(whole), "but in random order"
    spread = [max(b) - min(b) for b in batches(list(range(256)), 8, seed=3, epoch=0, window=4)]
    assert np.mean(spread) < 80


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
        assert {loop.part_of(n) for n in free} == parts and len(chosen) == len(free)
    finally:
        for n, p in model.named_parameters():
            p.requires_grad_(before[n])


def test_a_model_without_the_part_is_refused() -> None:
    with pytest.raises(TrainingError, match="the model has no part named projector, tower"):
        loop.trainable(nn.Linear(2, 2), {"tower", "projector"})


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
    claim(tmp_path, settings, resume=False, restart=False)
    claim(tmp_path, {**settings, "seed": 1}, resume=False, restart=False)
    assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 1, "rate": 0.1}
    claim(tmp_path, settings, resume=False, restart=False)
    loop.save_checkpoint(accelerator, tmp_path, 1)
    with pytest.raises(TrainingError, match="--resume, or throw them away with --restart"):
        claim(tmp_path, settings, resume=False, restart=False)
    with pytest.raises(TrainingError, match="another rate, size: use --restart"):
        claim(tmp_path, {"seed": 0, "rate": 0.2, "size": 3}, resume=True, restart=False)
    claim(tmp_path, {**settings, "resume": True}, resume=True, restart=False)
    assert checkpoints(tmp_path)
    claim(tmp_path, {"seed": 9}, resume=False, restart=True)
    assert not checkpoints(tmp_path)


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
