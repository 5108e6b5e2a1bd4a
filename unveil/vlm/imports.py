"""Libraries that do more than they should as they are imported: bitsandbytes, and peft, which imports it.

Where the package `kernels` is installed, bitsandbytes fetches compiled code for CPUs from the hub, and where it is not,
says so. It is kept from both, here and nowhere else, so nothing of the package imports either by itself.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def bitsandbytes() -> Any:
    """The library of 4-bit weights and 8-bit moments; raises ``ImportError`` where it is not installed."""
    hidden, known, said = sys.modules.get("kernels"), "kernels" in sys.modules, logging.getLogger("bitsandbytes")
    level = said.level
    said.setLevel(logging.ERROR)
    sys.modules["kernels"] = None  # type: ignore[assignment]  # by which Python is told that there is none
    try:
        return import_module("bitsandbytes")
    finally:
        said.setLevel(level)
        if known:
            sys.modules["kernels"] = hidden  # type: ignore[assignment]
        else:
            del sys.modules["kernels"]


def peft() -> Any:
    """The library of adapters."""
    if find_spec("bitsandbytes"):
        bitsandbytes()
    return import_module("peft")


@contextmanager
def calm_peft() -> Iterator[None]:
    """Keeps off the screen that peft asks transformers for a name which will go: no user can do anything about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)
        yield
