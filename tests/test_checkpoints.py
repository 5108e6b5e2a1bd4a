"""Checkpoints: exact, whole or absent, and nothing in them that runs."""

from __future__ import annotations

import errno
import pickle
import random
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from tests.helpers.forks import started
from unveil.core import files
from unveil.rl.experience import Progress
from unveil.testing.models import ENTRIES, loaded
from unveil.train import checkpoints
from unveil.train.checkpoints import Checkpoints, found
from unveil.train.loop import TrainingError
from unveil.train.validation import Best


def prepared(folder: Path, *remembered: Any, seed: int = 0) -> Checkpoints:
    """The checkpoints of a small model that has taken one step, so that the optimiser has a state."""
    torch.manual_seed(seed)
    accelerator = Accelerator(cpu=True)
    first = nn.Linear(4, 4)
    nn.init.zeros_(first.bias.requires_grad_(False))
    model = nn.Sequential(first, nn.Dropout(0.5), nn.Linear(4, 1))
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.1))
    kept = Checkpoints(folder, accelerator, model, optimizer, remembered)
    one_step(kept)
    return kept


def one_step(kept: Checkpoints) -> None:
    kept.model(torch.ones(3, 4)).square().sum().backward()
    kept.optimizer.step()
    kept.optimizer.zero_grad()


def state(kept: Checkpoints) -> list[list[float]]:
    return [p.flatten().tolist() for p in kept.model.parameters() if p.requires_grad]


def drawn() -> list[Any]:
    """A draw of each generator, normal ones too: of a pair that is made the second one waits."""
    numpy: Any = np.random
    return [random.random(), random.gauss(), numpy.random(), numpy.standard_normal(), torch.rand(2).tolist()]


def test_a_checkpoint_brings_back_weights_optimiser_and_generators(tmp_path: Path) -> None:
    """Two more steps with dropout come out the same, from a model that was initialised otherwise."""
    kept = prepared(tmp_path)
    drawn()
    kept.save(1)
    after = drawn()
    for _ in range(2):
        one_step(kept)
    other = prepared(tmp_path, seed=7)
    drawn()
    assert other.load() == 1
    assert drawn() == after
    for _ in range(2):
        one_step(other)
    assert state(other) == state(kept)


def test_what_a_run_remembers_comes_back(tmp_path: Path) -> None:
    """Floats to the bit, and what is not a number yet."""
    progress, best = Progress(iou=0.1 + 0.2, kl=1 / 3, first={"length": 7.5}, differed={"total": 3}), Best(tmp_path)
    prepared(tmp_path, progress, best).save(4)
    again = Progress(), Best(tmp_path)
    assert prepared(tmp_path, *again).load() == 4
    assert again[0] == progress and (again[1].score, again[1].step) == (None, 0)


def test_the_scaler_of_fp16_comes_back(tmp_path: Path) -> None:
    kept = prepared(tmp_path)
    scale = {"scale": 128.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 7, "_growth_tracker": 5}
    kept.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=128.0, growth_interval=7)
    kept.accelerator.scaler.load_state_dict(scale)
    kept.save(1)
    other = prepared(tmp_path)
    other.accelerator.scaler = torch.amp.GradScaler("cpu")
    other.load()
    assert other.accelerator.scaler.state_dict() == scale


def test_frozen_weights_are_not_kept(tmp_path: Path) -> None:
    saved = load_file(prepared(tmp_path).save(1) / "weights.safetensors")
    assert saved.keys() == {"0.weight", "2.weight", "2.bias"}


def test_no_checkpoint_is_step_nought(tmp_path: Path) -> None:
    assert prepared(tmp_path).load() == 0


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    kept = prepared(tmp_path)
    for step in (2, 10, 9):
        kept.save(step)
    assert [p.name for p in found(tmp_path)] == ["step-0000009", "step-0000010"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_checkpoint_without_its_last_file_does_not_count(tmp_path: Path) -> None:
    """step.json is written last; a folder that a killed run has left is no checkpoint, nor in the way of the next."""
    kept = prepared(tmp_path)
    kept.save(4)
    (tmp_path / "step-0000006.partial").mkdir()
    (tmp_path / "step-0000006.partial" / "weights.safetensors").write_bytes(b"half")
    (tmp_path / "step-0000008").mkdir()
    assert [p.name for p in found(tmp_path)] == ["step-0000004"]
    kept.save(6)
    assert [p.name for p in found(tmp_path)] == ["step-0000004", "step-0000006"]


def limited(folder: Path, limit: int, last: str) -> None:
    """Says why a checkpoint cannot be written where files may be no larger than so many bytes."""
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(200, 100)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    model(torch.ones(1, 200)).sum().backward()
    optimizer.step()
    kept = Checkpoints(folder, accelerator, model, optimizer)
    if last == "first":
        kept.save(1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        kept.save(2)
    except TrainingError as error:
        print(error)


@pytest.mark.parametrize(
    ("limit", "last", "what"),
    [
        (40_000, "first", "the same command (train: --resume) goes on from step-0000001"),
        (100_000, "first", "the same command (train: --resume) goes on from step-0000001"),
        (40_000, "none", "there is no checkpoint yet"),
    ],
)
def test_files_that_the_system_refuses_to_write(limit: int, last: str, what: str, tmp_path: Path) -> None:
    """A true write error of the system, by a limit on the size of a file.

    A layer of 200 x 100 float32 takes 80 kB, which 40 kB stop; the optimiser's two moments take 160 kB, which 100 kB
    stop.
    """
    said = tmp_path / "said"
    process = started(limited, tmp_path / "kept", limit, last, said=said)
    process.join(300)
    assert process.exitcode == 0, said.read_text()
    why = f"{tmp_path}/kept/step-0000002: larger than a file may be here"
    assert said.read_text().strip() == f"checkpoint step-0000002 could not be written: {why}; {what}"
    assert [p.name for p in (tmp_path / "kept").iterdir()] == (["step-0000001"] if last == "first" else [])
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY, "only the other process was limited"


class Trap:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(Trap.mark),)

    mark = ""


def test_nothing_in_a_checkpoint_can_run(tmp_path: Path) -> None:
    """Whatever file of it is a pickle ends in one message, and the pickle is not opened."""
    kept = prepared(tmp_path / "checkpoints", Progress())
    Trap.mark = str(tmp_path / "sprung")
    folder = kept.save(1)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["optimizer.safetensors", "random-0.safetensors", "step.json", "weights.safetensors"]
    for name in [*names, "custom_checkpoint_0.pkl"]:
        whole = (folder / name).read_bytes() if name in names else b""
        (folder / name).write_bytes(pickle.dumps(Trap()))
        if whole:
            with pytest.raises(TrainingError, match=r"(?s)step-0000001.* cannot be taken up .*--restart"):
                kept.load()
            (folder / name).write_bytes(whole)
        else:
            assert kept.load() == 1
    assert not Path(Trap.mark).exists()


def without(file: Path, *names: str) -> None:
    save_file({name: value for name, value in load_file(file).items() if name not in names}, file)


DAMAGES = {
    "a file is gone": lambda at: (at / "random-0.safetensors").unlink(),
    "cut": lambda at: (at / "optimizer.safetensors").write_bytes((at / "optimizer.safetensors").read_bytes()[:-9]),
    "a weight is lacking": lambda at: without(at / "weights.safetensors", "0.weight"),
    "a generator is lacking": lambda at: without(at / "random-0.safetensors", "numpy"),
    "a weight of another shape": lambda at: save_file(
        load_file(at / "weights.safetensors") | {"0.weight": torch.zeros(1, 4)}, at / "weights.safetensors"
    ),
    "moments of nothing": lambda at: save_file({"7.weight/exp_avg": torch.zeros(1)}, at / "optimizer.safetensors"),
    "no number": lambda at: (at / "step.json").write_text('{"step": "many", "remembered": {}}'),
    "no object": lambda at: (at / "step.json").write_text("[1]"),
    "no json": lambda at: (at / "step.json").write_text("{"),
    "not UTF-8": lambda at: (at / "step.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_message(damage: str, tmp_path: Path) -> None:
    """It says what to do, and what is left to go on from; then that can be gone on from."""
    kept = prepared(tmp_path)
    kept.save(1)
    folder = kept.save(2)
    DAMAGES[damage](folder)
    with pytest.raises(TrainingError, match=r"step-0000002 cannot be taken up \(.+\): remove it to go on from step-0"):
        kept.load()
    for file in folder.iterdir():
        file.unlink()
    assert kept.load() == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        PermissionError(errno.EACCES, "Permission denied", "weights.safetensors"),
        OSError(errno.EIO, "Input/output error", "weights.safetensors"),
        OSError("Input/output error (os error 5)"),  # as safetensors says it
    ],
)
def test_what_the_machine_lacks_is_no_damage(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to remove a checkpoint that is whole."""

    def refused(path: Path) -> None:
        raise error

    prepared(tmp_path).save(1)
    monkeypatch.setattr(checkpoints, "load_file", refused)
    with pytest.raises(type(error)) as raised:
        prepared(tmp_path).load()
    assert raised.value is error


def test_a_checkpoint_that_lacks_a_file_is_damaged(tmp_path: Path) -> None:
    (prepared(tmp_path).save(1) / "weights.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"step-0000001 cannot be taken up"):
        prepared(tmp_path).load()


def test_a_checkpoint_that_lacks_what_is_remembered_now_is_refused(tmp_path: Path) -> None:
    """Such as one of another version."""
    prepared(tmp_path).save(1)
    with pytest.raises(TrainingError, match=r"step-0000001 cannot be taken up .*: begin anew with --restart"):
        prepared(tmp_path, Best(tmp_path)).load()


def test_tied_weights_stay_tied() -> None:
    """See ``test_sft``: the runs that are killed and resumed there have their head tied to the embeddings."""
    model = loaded("llava_siglip").model
    assert model.lm_head.weight.data_ptr() == model.model.language_model.embed_tokens.weight.data_ptr()


def test_tied_weights_survive_a_checkpoint(tmp_path: Path) -> None:
    model, _ = ENTRIES["llava_siglip"].build()
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    before = {n: p.clone() for n, p in model.state_dict().items()}
    kept = Checkpoints(tmp_path, accelerator, model, optimizer)
    kept.save(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    kept.load()
    assert all(torch.equal(p, before[n]) for n, p in model.state_dict().items())
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight


@pytest.mark.parametrize("keep", [False, True])
def test_checkpoints_go_when_the_run_has_ended(keep: bool, tmp_path: Path) -> None:
    kept = prepared(tmp_path / "checkpoints")
    kept.save(1)
    kept.drop(keep)
    assert kept.folder.exists() == keep


def full(*_: Any) -> None:
    raise files.WriteError("out: the disk is full")


def test_what_cannot_be_written_at_the_end_is_kept(tmp_path: Path) -> None:
    """And goes on to be written, with no update left to make."""
    kept = prepared(tmp_path)
    trained = state(kept)

    with pytest.raises(
        TrainingError, match=r"^out: the disk is full; step-0000007 keeps what was trained: the same command"
    ):
        kept.deliver(7, full)
    other = prepared(tmp_path, seed=3)
    assert other.load() == 7 and state(other) == trained
    written: list[int] = []
    other.deliver(7, lambda: written.append(1))
    assert written == [1]


def test_where_no_checkpoint_fits_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = prepared(tmp_path)
    kept.save(5)

    monkeypatch.setattr(checkpoints, "save_file", full)
    words = (
        r"^out: the disk is full; checkpoint step-0000007 could not be written: .*"
        r"; the same command \(train: --resume\) goes on from step-0000005$"
    )
    with pytest.raises(TrainingError, match=words):
        kept.deliver(7, full)
