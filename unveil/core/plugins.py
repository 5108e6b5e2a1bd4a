"""Code of the user's own: files of it, functions in them named as FILE.py:FUNCTION, and what goes wrong there.

It runs with all rights of this program.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from unveil.core.digests import sha256

LONGEST = 200
"""Characters of a user's value or error that a message repeats."""
PLACES: list[str] = []
"""Where such code lies that has been run: files, and folders of packages."""


class PluginError(ValueError):
    """Code of the user's own that cannot be had; the message says why."""


def files(names: Iterable[str]) -> list[Path]:
    """The files of those names that are FILE.py:FUNCTION."""
    return [Path(file) for file, colon, _ in (name.rpartition(":") for name in names) if colon and file.endswith(".py")]


def function(name: str) -> Callable[..., Any]:
    """The function that ``FILE.py:FUNCTION`` names."""
    file, _, wanted = name.rpartition(":")
    if not wanted.isidentifier() or Path(file).suffix != ".py":
        raise PluginError(f"{name!r}: a function is named FILE.py:FUNCTION")
    try:
        module = module_of(Path(file))
    except PluginError as error:
        raise PluginError(f"{name!r}: {error}") from error
    found: Callable[..., Any] | None = getattr(module, wanted, None)
    if not callable(found):
        raise PluginError(f"{name!r}: {file} has no function {wanted}")
    return found


def label(name: str) -> str:
    """The name FILE.py:FUNCTION as messages and logs say it."""
    file, _, wanted = name.rpartition(":")
    return f"{Path(file).stem}.{wanted}"


def module_of(path: Path) -> ModuleType:
    """The module of a file, which is run unless it has been before with the same content."""
    if path.suffix != ".py" or not path.is_file():
        raise PluginError(f"there is no file {path}" if path.suffix == ".py" else f"{path} is no .py file")
    return _run(path.resolve(), sha256(path))


class _AsWritten(SourceFileLoader):
    """Runs what stands in the file, without bytecode kept beside it: that holds for a size and a second alone."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@cache
def _run(path: Path, digest: str) -> ModuleType:
    """The module of a file with this content; in ``sys.modules``, where dataclasses look for it."""
    name = f"_unveil_{path.stem}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsWritten(name, str(path)))
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} cannot be imported")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    PLACES.append(str(path))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises is told with its name
        del sys.modules[name]
        place = "" if isinstance(error, SyntaxError) else _place(error)  # which says it itself
        raise PluginError(f"{path} cannot be imported: {type(error).__name__}: {error}{place}") from error
    return module


def told(error: BaseException) -> str:
    """An exception in a line, with the line of the user's own file where it came up."""
    return short(error) + _place(error)


def is_own(error: BaseException) -> bool:
    """Whether it came up in the user's own code, or in what that has called."""
    return bool(_own(traceback.extract_tb(error.__traceback__)))


def _place(error: BaseException) -> str:
    steps = traceback.extract_tb(error.__traceback__)
    last = (_own(steps) or steps)[-1]
    return f" ({Path(last.filename).name}, line {last.lineno})"


def _own(steps: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    return [step for step in steps if step.filename.startswith(tuple(PLACES))]


def short(value: object) -> str:
    """A value as a message repeats it."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
