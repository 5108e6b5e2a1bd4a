"""What the value of an option may be: in the help, and where a word is none."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unveil.core.options import Option, bare, no_choice, notes, one_of
from unveil.core.path_types import Place


@dataclass(frozen=True)
class Takes:
    """What an option takes: one value of a kind, several, or as many as there are."""

    kinds: tuple[Any, ...]
    """Of the values, one after the other; of a ``variadic`` one, the one of all."""
    variadic: bool = False
    own: Callable[[Sequence[str]], Any] | None = None
    """What reads them all, where the option has a form of its own, which is called so:"""
    called: str = ""

    optional: bool = False
    """Whether the word None says that it has no value."""
    choices: tuple[str, ...] = ()
    """What the form takes, where that is counted."""

    @classmethod
    def of(cls, hint: Any) -> Takes:
        inner = without_none(hint)
        optional, args = inner is not hint, typing.get_args(bare(inner))
        for note in notes(inner):
            if form := getattr(note, "instance_from_str", None):
                return cls((), True, form, note.metavar, optional, getattr(note, "choices", ()))
        if typing.get_origin(bare(inner)) is not tuple:
            return cls(() if hint is bool else (inner,), optional=optional)
        return cls(args[:1], True, optional=optional) if args[-1] is Ellipsis else cls(args, optional=optional)

    @property
    def metavar(self) -> str:
        """How the values are called; choices by themselves where they are few."""
        return self.called or " ".join(map(called, self.kinds)) + (" ..." if self.variadic else "")

    def fault(self, words: Sequence[str]) -> str | None:
        """Why the words are no such values; None where they are."""
        if self.optional and list(words) == ["None"]:
            return None
        if self.own:
            try:
                self.own(words)
            except ValueError as error:
                return str(error)
            return None
        kinds = self.kinds * len(words) if self.variadic else self.kinds
        if len(words) < len(kinds):
            return f"{self.metavar} is needed" if len(kinds) == 1 else f"{len(kinds)} values are needed, {self.metavar}"
        return next(filter(None, map(fault, kinds, words)), None)


def typed(option: Option) -> str:
    """An option as it is typed with its values; of a positional one, what stands for its value."""
    metavar = Takes.of(option.hint).metavar
    if option.positional:
        return metavar if metavar.startswith("{") else option.flag
    return f"{option.flag} {metavar}".rstrip()


def without_none(hint: Any) -> Any:
    """The type of the values that say something: ``int`` of ``int | None``; else the hint itself."""
    if typing.get_origin(bare(hint)) in (types.UnionType, typing.Union):
        return next(arg for arg in typing.get_args(bare(hint)) if arg is not types.NoneType)
    return hint


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a value may be, where these are counted."""
    return tuple(map(str, typing.get_args(bare(kind)))) if typing.get_origin(bare(kind)) is Literal else ()


def called(kind: Any) -> str:
    """How a value of a type is called in the help."""
    if known := choices(kind):
        return one_of(known)
    place = next((note for note in notes(kind) if isinstance(note, Place)), None)
    names = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH", bool: "{True,False}"}
    return place.metavar if place else names.get(bare(kind), "VALUE")


def fault(kind: Any, word: str) -> str | None:
    """Why a word is no value of a type; None where it is."""
    if known := choices(kind):
        return None if word in known else no_choice(word, known)
    names: dict[Any, tuple[Callable[[str], Any], str]] = {int: (int, "a whole number"), float: (float, "a number")}
    read, name = names.get(bare(kind), (str, ""))
    try:
        read(word)
    except ValueError:
        return f"{name} is needed"
    return None
