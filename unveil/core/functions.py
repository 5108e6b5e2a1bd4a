"""Commands as functions of their options, for who calls them from Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from unveil.core import number_types, paths
from unveil.core.jsonl import build
from unveil.core.options import sentences
from unveil.core.provenance import plain

Options = ParamSpec("Options")
Config = TypeVar("Config")
Made = TypeVar("Made")


def function(name: str, config: Callable[Options, Config], main: Callable[[Config], Made]) -> Callable[Options, Made]:
    """A command's ``main`` as a function of the options in ``config``, called ``name``.

    Values are taken as a run.json has them, so a path may be a string, and the other way round. The function raises
    ``TypeError`` for an option that there is not or that is missing, ``RecordError`` for a value of another type, and,
    before it begins, ``NumberError`` for a number that is too low and ``PathError`` for a file or folder that cannot be
    what it is given for.
    """

    def call(*args: Options.args, **options: Options.kwargs) -> Made:
        asked = build(config, plain(config(*args, **options)), f"unveil.{name}")
        number_types.check(asked)
        paths.check(asked)
        return main(asked)

    told = sentences(config) if isinstance(config, type) else {}
    lines = [f"    {option}: {sentence}" for option, sentence in told.items()]
    call.__name__ = call.__qualname__ = name
    call.__doc__ = "\n".join([inspect.getdoc(config) or "", "", inspect.getdoc(main) or "", "", "Options:", *lines])
    call.__signature__ = inspect.signature(config)  # type: ignore[attr-defined]
    return call
