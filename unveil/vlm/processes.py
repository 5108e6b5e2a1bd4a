"""Processes that work together, as `torchrun` or `accelerate launch` starts them."""

from __future__ import annotations

import time
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def processes() -> PartialState:
    """This process among those that work together, or alone. All wait for the slowest, for a day."""
    return PartialState(parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=timedelta(days=1))


def device() -> torch.device | None:
    """Where this process computes; None, the usual place, where it is alone."""
    state = processes()
    return state.device if state.num_processes > 1 else None


def calm() -> None:
    """Before the group of processes is ended.

    Gloo's thread needs the interpreter to free what was exchanged last; torch holds it while it ends the group and
    waits for the thread: for ever, if that has not been let in before.
    """
    if processes().num_processes > 1:
        time.sleep(0.1)
