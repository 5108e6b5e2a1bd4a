"""Checkpoints: all that a run needs to go on to the bit, in files that hold tensors and numbers and can run no code.

A checkpoint is a folder with ``weights.safetensors`` (what is trained; frozen weights come from the base model),
``optimizer.safetensors``, ``random-N.safetensors`` of each process N, and, written last, ``step.json``.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unveil.core import console, faults, files, making, provenance
from unveil.core.untrusted import parse_json
from unveil.train.loop import TrainingError

KEPT = 2
"""Checkpoints of a run that stay."""
SAME = "the same command (train: --resume)"
"""How to go on, in words that fit longer jobs too, which go on unasked."""


class Remembered(Protocol):
    """What else a run remembers: plain numbers by their names."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def claim(folder: Path, config: Any, made_of: Mapping[str, str], accelerator: Accelerator) -> None:
    """Makes the checkpoint folder this run's own: refuses to mix with, or to overwrite, what another run has left.

    ``made_of`` are hashes of what the settings name.
    """
    if accelerator.is_main_process:
        settings = {"processes": accelerator.num_processes, "made_of": dict(made_of)}
        usual = provenance.lasting(provenance.defaults(config))
        _claim(folder, provenance.lasting(provenance.plain(config)) | settings, config.resume, config.restart, usual)
    accelerator.wait_for_everyone()


def _claim(
    folder: Path, settings: dict[str, Any], resume: bool, restart: bool, usual: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """``usual`` are the defaults: of settings that an older version did not know it did as they have it."""
    about = folder / "config.json"
    now, before = provenance.flat(settings), {}
    try:
        before = provenance.flat(usual) | provenance.flat(_read(about)) if about.is_file() else {}
    except TrainingError as error:
        if not restart:
            raise TrainingError(f"{error}: begin anew with --restart") from error
    changed = [
        f"{name.removeprefix('made_of.')} changed since"
        if name.startswith("made_of.")
        else provenance.changed(name, before.get(name), now.get(name))
        for name in {**now, **before}
        if now.get(name) != before.get(name)
    ]
    if restart and (changed or not resume):
        shutil.rmtree(folder, ignore_errors=True)
    if found(folder):
        if not resume:
            raise TrainingError(f"{folder} holds checkpoints: go on with --resume, or throw them away with --restart")
        if changed:
            raise TrainingError(
                f"{folder} is of a run with other settings ({'; '.join(changed)}): --restart begins anew"
            )
    provenance.write_json(about, settings)


def found(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(p for p in folder.glob("step-*") if (p / "step.json").is_file() and p.suffix != files.PARTIAL)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a run. ``model`` is what is trained, without the wrapping of several processes."""

    folder: Path
    accelerator: Accelerator
    model: nn.Module
    optimizer: Any
    remembered: tuple[Remembered, ...] = ()

    def save(self, step: int) -> Path:
        """Writes a checkpoint, all or nothing, and drops all but the newest; all processes write together."""
        final, first = self.folder / f"step-{step:07d}", self.accelerator.is_main_process
        partial = self.folder / f"{final.name}{files.PARTIAL}"
        try:
            if first:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            self.accelerator.wait_for_everyone()
            save_file(_generators(self.accelerator.device), partial / self._random)
            if first:
                save_file(
                    {n: p.detach().contiguous() for n, p in self._trained.items()}, partial / "weights.safetensors"
                )
                save_file(self._moments(), partial / "optimizer.safetensors")
                (partial / "step.json").write_text(json.dumps(self._numbers(step)))
            self.accelerator.wait_for_everyone()
            if first:
                files.sync(partial)
                shutil.rmtree(final, ignore_errors=True)
                partial.replace(final)
                for old in found(self.folder)[:-KEPT]:
                    shutil.rmtree(old)
            self.accelerator.wait_for_everyone()
        except (OSError, SafetensorError) as error:
            if first:
                shutil.rmtree(partial, ignore_errors=True)
            raise TrainingError(
                f"checkpoint {final.name} could not be written: {files.said(error, final)}; {self.kept()}"
            ) from error
        return final

    def heed(self, step: int) -> None:
        """Where a person has asked for the run to end: keeps what was done in a checkpoint, and ends it as Ctrl-C does.

        The first process looks, and all of them end after the same update.
        """
        who = making.asked_to_stop() if self.accelerator.is_main_process else ""
        asked = bool(who)
        if self.accelerator.num_processes > 1:
            count = torch.tensor(int(asked), device=self.accelerator.device)
            asked = bool(int(self.accelerator.reduce(count, "sum")))
        if asked:
            self.save(step)
            making.stop(who or "somebody")

    def stopped(self, total: int) -> str:
        """How many of all updates another run need not do again, in words."""
        done = max((int(checkpoint.name.removeprefix("step-")) for checkpoint in found(self.folder)), default=0)
        return f"{done} of {total} updates are kept"

    def kept(self) -> str:
        """What is there to go on from, in words."""
        there = found(self.folder)
        return f"{SAME} goes on from {there[-1].name}" if there else "there is no checkpoint yet"

    def load(self) -> int:
        """Restores the newest checkpoint; returns the number of updates done, 0 if there is none."""
        there = found(self.folder)
        if not there:
            return 0
        try:
            return self._load(there[-1])
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
            if faults.out_of_memory(error) or files.number(error) not in (None, errno.ENOENT):  # it may well be whole
                raise
            before = f"remove it to go on from {there[-2].name}, or " if there[1:] else ""
            raise TrainingError(
                f"{there[-1]} cannot be taken up ({error}): {before}begin anew with --restart"
            ) from error

    def drop(self, keep: bool) -> None:
        """Removes the checkpoints of a run that has ended, unless they are to be kept."""
        if not keep and self.accelerator.is_main_process:
            shutil.rmtree(self.folder, ignore_errors=True)

    def deliver(self, step: int, write: Callable[[], None]) -> None:
        """Lets the first process write what was trained; where the disk refuses, a checkpoint keeps it."""
        self.accelerator.wait_for_everyone()
        failure = None
        if self.accelerator.is_main_process:
            try:
                with console.progress("save", None):
                    write()
            except (TrainingError, files.WriteError) as error:
                failure = error
        failures = torch.tensor(int(failure is not None), device=self.accelerator.device)
        if int(self.accelerator.reduce(failures, "sum")):
            why = failure or "the first process could not write the model"
            try:
                kept = f"{self.save(step).name} keeps what was trained: {SAME} only writes it"
            except TrainingError as error:
                kept = str(error)
            raise TrainingError(f"{why}; {kept}") from failure

    # --------------------------------------------------------------------------------------------------- what is in it

    @property
    def _random(self) -> str:
        return f"random-{self.accelerator.process_index}.safetensors"

    @property
    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def _moments(self) -> dict[str, Tensor]:
        """What the optimiser remembers of each weight, as NAME/WHAT."""
        state, kept, there = self.optimizer.state, dict[str, Tensor](), set[int]()
        for name, p in self._trained.items():
            for what, value in state.get(p, {}).items():
                tensor = torch.as_tensor(value).contiguous()
                shared = tensor.data_ptr() in there  # as 8-bit moments have their table of levels
                kept[f"{name}/{what}"] = tensor.clone() if shared else tensor
                there.add(tensor.data_ptr())
        return kept

    def _numbers(self, step: int) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        remembered = {type(one).__name__: one.state_dict() for one in self.remembered}
        return {"step": step, "scaler": scaler.state_dict() if scaler else None, "remembered": remembered}

    def _load(self, folder: Path) -> int:
        about = _read(folder / "step.json")
        weights = load_file(folder / "weights.safetensors")
        if differing := sorted(weights.keys() ^ self._trained.keys()):
            raise ValueError(f"{differing[0]} is trained in one of the two only")
        with torch.no_grad():
            for name, p in self._trained.items():
                if weights[name].shape != p.shape:
                    raise ValueError(f"{name} has the shape {tuple(weights[name].shape)}, not {tuple(p.shape)}")
                p.copy_(weights[name])
        self._load_moments(load_file(folder / "optimizer.safetensors"))
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(about["scaler"])
        for one in self.remembered:
            one.load_state_dict(about["remembered"][type(one).__name__])
        _restore(load_file(folder / self._random), self.accelerator.device)
        return int(about["step"])

    def _load_moments(self, moments: Mapping[str, Tensor]) -> None:
        order = [p for group in self.optimizer.param_groups for p in group["params"]]
        numbers = {id(p): number for number, p in enumerate(order)}
        state: dict[int, dict[str, Any]] = {}
        for key, value in moments.items():
            name, _, what = key.rpartition("/")
            number: Any = value.item() if value.dtype == torch.int64 and not value.shape else value
            state.setdefault(numbers[id(self._trained[name])], {})[what] = number
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


def _read(file: Path) -> dict[str, Any]:
    """The numbers of a file; raises ``TrainingError`` where it holds something else."""
    try:
        value = parse_json(file.read_bytes())
    except ValueError as error:
        raise TrainingError(f"{file} is damaged ({error})") from error
    if not isinstance(value, dict):
        raise TrainingError(f"{file} is damaged (not an object)")
    return value


def _generators(device: torch.device) -> dict[str, Tensor]:
    """The states of all random generators of this process."""
    _, words, gauss = random.getstate()
    _, keys, at, has_gauss, cached = cast(Any, np.random.get_state())  # noqa: NPY002
    states = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor(words),
        "python.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.tensor([*keys.tolist(), at, has_gauss]),
        "numpy.gauss": torch.tensor([cached], dtype=torch.float64),
    }
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def _restore(states: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["torch"])
    gauss = states["python.gauss"].tolist()
    random.setstate((3, tuple(states["python"].tolist()), gauss[0] if gauss else None))
    *keys, at, has_gauss = states["numpy"].tolist()
    legacy = ("MT19937", np.array(keys, np.uint32), at, has_gauss, float(states["numpy.gauss"]))
    np.random.set_state(legacy)  # noqa: NPY002
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type])
