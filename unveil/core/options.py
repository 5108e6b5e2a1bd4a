"""Options: dataclasses, flat for who calls from Python and in run.json, in groups for who reads the help.

Options that several commands have stand in one class, which their configurations inherit and hand on whole. A class may
say by ``groups``, titles with the names of options, what the help shows together after all others; and by ``seldom``,
names of options or titles of groups, what it shows only when all is asked for; and by ``lacks`` why it has not one that
others have.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import inspect
import io
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from unveil.core.registry import PluginOptions, load


@dataclass(frozen=True)
class Option:
    """An option of a command line."""

    name: str
    """As it is typed, without its dashes: ``batch-size``, or ``judge.expert`` of the options ``judge``."""
    path: tuple[str, ...]
    """The fields that lead to it from the configuration."""
    hint: Any
    """The type of its value, with what is annotated to it."""
    default: Any
    """``MISSING`` where it is required."""
    sentence: str
    group: str = ""
    seldom: bool = False
    depth: int = 0
    """How far up the class stands that declares it: what a command alone has, and then what many have."""

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def positional(self) -> bool:
        return tyro.conf.Positional in notes(self.hint)

    @property
    def off(self) -> str | None:
        """What turns it off, of a flag: ``--no-copies``, ``--judge.no-structured``."""
        within, dot, name = self.name.rpartition(".")
        return f"--{within}{dot}no-{name}" if self.hint is bool else None

    @property
    def flag(self) -> str:
        """As it is typed; of a positional one, what stands for it in the help."""
        return self.name.upper() if self.positional else f"--{self.name}"

    def of(self, config: Any) -> Any:
        """Its value in a configuration."""
        for name in self.path:
            config = getattr(config, name)
        return config


def notes(hint: Any) -> tuple[Any, ...]:
    """What is annotated to a type."""
    return tuple(getattr(hint, "__metadata__", ()))


def bare(hint: Any) -> Any:
    """A type without what is annotated to it."""
    return hint.__origin__ if typing.get_origin(hint) is Annotated else hint


def every(kind: type, default: Any = None) -> list[Option]:
    """All options of a configuration in the order of its fields, those of the options within it in their place.

    ``default`` is a configuration whose values stand for the defaults.
    """
    hints, told, seldom = typing.get_type_hints(kind, include_extras=True), sentences(kind), seldom_of(kind)
    titles = {name: title for title, names in groups_of(kind).items() for name in names}
    found: list[Option] = []
    for field in dataclasses.fields(kind):
        hint, value = hints[field.name], _default(field) if default is None else getattr(default, field.name)
        title = titles.get(field.name, "")
        hidden = bool({field.name, title} & seldom)
        inner = bare(hint)
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            prefix = "" if tyro.conf.OmitArgPrefixes in notes(hint) else f"{_typed(field.name)}."
            found += [
                _within(field.name, prefix, hidden, option)
                for option in every(inner, None if value is MISSING else value)
            ]
        else:
            sentence = listing(hint, told.get(field.name, ""))
            depth = _depth(kind, field.name)
            found.append(Option(_typed(field.name), (field.name,), hint, value, sentence, title, hidden, depth))
    return found


def _depth(kind: type, name: str) -> int:
    """How far up the class stands that declares an option."""
    return next(i for i, base in enumerate(kind.__mro__) if name in vars(base).get("__annotations__", {}))


def _typed(name: str) -> str:
    """A field's name as it is typed; one that Python keeps for itself has a line behind it, ``for_``."""
    return name.removesuffix("_").replace("_", "-")


def _within(name: str, prefix: str, hidden: bool, option: Option) -> Option:
    """An option of the options ``name`` of a configuration, as one of the configuration."""
    path, seldom = (name, *option.path), option.seldom or hidden
    return dataclasses.replace(option, name=prefix + option.name, path=path, group=name, seldom=seldom)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


@dataclass(frozen=True)
class Suggestions:
    """Beside the type of an option: names that its help lists, asked for when needed, since plugins add some."""

    names: Callable[[], Iterable[str]]


#: Characters of choices that the help shows in the place of the value; more of them stand below.
MOST = 60


def one_of(known: Sequence[str]) -> str:
    """How a choice is called in the help: by what may be chosen, where that is short."""
    named = "{" + ",".join(known) + "}"
    return named if len(named) <= MOST else "NAME"


#: Words to choose from of which not all are named to somebody who wrote one of them wrongly.
MANY = 12


def no_choice(word: str, known: Sequence[str]) -> str:
    """That a word is none of these; of many, only the one that may be meant is named."""
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"perhaps you meant {close[0]}" if close else ""
    return hint if hint and len(known) > MANY else f"one of {', '.join(known)} is needed{hint and '; '}{hint}"


class OneOf(PrimitiveConstructorSpec[str]):
    """Beside the type of an option: it takes one of these names, asked for when needed, since plugins add some.

    Tyro reads them in the help, in errors and for completion.
    """

    nargs = 1
    choices = property(lambda self: tuple(self._names()))
    metavar = property(lambda self: one_of(self.choices))

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def instance_from_str(self, words: list[str]) -> str:
        if words[0] not in self.choices:
            raise ValueError(no_choice(words[0], self.choices))
        return words[0]

    def is_instance(self, value: Any) -> bool:
        return isinstance(value, str)

    def str_from_instance(self, value: str) -> list[str]:
        return [value]


def part_of(kind: type, config: Any) -> dict[str, Any]:
    """The options of the class ``kind`` in a configuration that inherits it, by their names."""
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(kind)}


class OptionError(ValueError):
    """Words of a command line that its options do not take; the message says which, and what they take."""


def read(kind: type, words: Sequence[str], prog: str, default: Any = None) -> Any:
    """A configuration from the words of a command line; what they do not say is as in ``default``.

    Raises ``OptionError``.
    """
    given: dict[str, Any] = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            config = tyro.cli(kind, args=words, prog=prog, description="", **given)
    except SystemExit as refused:
        if not refused.code:  # tyro's own options, such as the one that writes what shells complete
            raise
        from unveil.core import option_errors

        fault = option_errors.fault(every(kind, default), words, getattr(kind, "lacks", {}))
        raise OptionError(fault or option_errors.unboxed(said.getvalue())) from refused
    if any(word.startswith("--") and after.startswith("--") for word, after in pairwise([*words, "--"])):
        from unveil.core import option_errors

        if fault := option_errors.nameless(every(kind, default), words):
            raise OptionError(fault)
    return config


def load_plugins(kind: type, words: Sequence[str]) -> tuple[Path, ...]:
    """Loads the files behind ``--plugins``, where there is such an option: they add to what other options can name.

    Returns them.
    """
    if not issubclass(kind, PluginOptions):
        return ()
    asked = dataclasses.make_dataclass("asked", [("plugins", tuple[Path, ...], ())])
    found: Any = tyro.cli(asked, args=words, return_unknown_args=True, add_help=False)[0]
    from unveil.core import paths

    paths.check_option(next(option for option in every(kind) if option.name == "plugins"), found.plugins)
    load(found.plugins)
    files: tuple[Path, ...] = found.plugins
    return files


def words(config: Any) -> list[str]:
    """The options by which a configuration differs from its class's defaults, as a command line has them: the inverse
    of ``read``. Options within options are told without a prefix, those without a name of their own first."""
    told: list[str] = []
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        usual = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if dataclasses.is_dataclass(value):
            told += words(value)
        elif value != usual and tyro.conf.Positional in notes(hints[field.name]):
            told.insert(0, str(value))
        elif value != usual:
            told += _option(_typed(field.name), value)
    return told


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, dict):  # such as names and files
        value = tuple(part for pair in value.items() for part in pair)
    return [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]


def groups_of(kind: type) -> dict[str, list[str]]:
    """The names of options that the help shows together, by their title."""
    found = dict[str, list[str]]()
    for base in reversed(kind.__mro__):
        own: Mapping[str, Sequence[str]] = vars(base).get("groups", {})
        for title, names in own.items():
            found.setdefault(title, []).extend(names)
    return found


def seldom_of(kind: type) -> set[str]:
    """The names of options, and the titles of groups, that the help shows only when all is asked for."""
    return {name for base in kind.__mro__ for name in vars(base).get("seldom", ())}


def listing(hint: Any, words: str) -> str:
    """The help of an option with the names that it knows now."""
    known = (", ".join(note.names()) for note in getattr(hint, "__metadata__", ()) if isinstance(note, Suggestions))
    return " ".join([words, *(f"Known: {names}." for names in known)])


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
