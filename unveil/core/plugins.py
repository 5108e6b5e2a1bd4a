"""Functions of the user's own, named as FILE.py:FUNCTION. They run with all rights of this program."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class PluginError(ValueError):
    """A function that cannot be had; the message says why."""


def files(names: Iterable[str]) -> list[Path]:
    """The files of those names that are FILE.py:FUNCTION."""
    return [Path(file) for file, colon, _ in (name.rpartition(":") for name in names) if colon and file.endswith(".py")]


def function(name: str) -> Callable[..., Any]:
    """The function that ``FILE.py:FUNCTION`` names. The file is run, once per call."""
    file, _, wanted = name.rpartition(":")
    path = Path(file)
    if not wanted.isidentifier() or path.suffix != ".py":
        raise PluginError(f"{name!r}: a function is named FILE.py:FUNCTION")
    if not path.is_file():
        raise PluginError(f"{name!r}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{name!r}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises is told with its name
        raise PluginError(f"{name!r}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    found: Callable[..., Any] | None = getattr(module, wanted, None)
    if not callable(found):
        raise PluginError(f"{name!r}: {path} has no function {wanted}")
    return found
