"""Options: dataclasses, flat for who calls from Python and in run.json, in groups for who reads the help.

Options that several commands have stand in one class, which their configurations inherit and hand on whole. A class may
say by ``groups``, titles with the names of options, what the help shows together after all others.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import tyro

WITH: Any = Annotated
"""A type that is known at run time only, with what tyro is told of it."""


def part_of(kind: type, config: Any) -> dict[str, Any]:
    """The options of the class ``kind`` in a configuration that inherits it, by their names."""
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(kind)}


def read(kind: type, words: Sequence[str], prog: str, default: Any = None) -> Any:
    """A configuration from the words of a command line; what they do not say is as in ``default``."""
    found: Any = tyro.cli(view(kind, default), args=words, prog=prog, description=inspect.getdoc(kind))
    values = vars(found)
    for title in groups_of(kind):
        values |= vars(values.pop(title))
    return kind(**values)


def groups_of(kind: type) -> dict[str, list[str]]:
    """The names of options that the help shows together, by their title."""
    found = dict[str, list[str]]()
    for base in reversed(kind.__mro__):
        own: Mapping[str, Sequence[str]] = vars(base).get("groups", {})
        for title, names in own.items():
            found.setdefault(title, []).extend(names)
    return found


def view(kind: type, default: Any = None) -> type:
    """``kind`` as tyro is to read it: what is required, the other options, a dataclass for each group of them."""
    hints, told = typing.get_type_hints(kind, include_extras=True), sentences(kind)

    def option(field: dataclasses.Field[Any]) -> tuple[str, Any, Any]:
        given = {} if default is None else {"default": getattr(default, field.name)}
        own = {name: getattr(field, name) for name in ("default", "default_factory")}
        hint = WITH[hints[field.name], tyro.conf.arg(help=told.get(field.name, ""))]
        return field.name, hint, dataclasses.field(**given or own)

    options = {field.name: option(field) for field in dataclasses.fields(kind)}
    parts = []
    for title, names in groups_of(kind).items():
        made = dataclasses.make_dataclass(title, [options.pop(name) for name in names], kw_only=True)
        parts.append((title, WITH[made, tyro.conf.OmitArgPrefixes], dataclasses.field(default_factory=made)))
    nested = [option for option in options.values() if dataclasses.is_dataclass(option[1].__origin__)]
    alone = [option for option in options.values() if option not in nested]
    alone.sort(key=lambda option: option[2].default is not option[2].default_factory)  # both are missing, or one
    return dataclasses.make_dataclass(kind.__name__, [*alone, *parts, *nested], kw_only=True)


def sentences(kind: type) -> dict[str, str]:
    """What stands under each option of a class, and of those that it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            definition: Any = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            for line, below in pairwise(definition.body):
                if isinstance(line, ast.AnnAssign) and isinstance(below, ast.Expr):
                    found[ast.unparse(line.target)] = " ".join(ast.literal_eval(below.value).split())
    return found
