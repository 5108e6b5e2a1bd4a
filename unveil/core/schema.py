"""JSON values as instances of annotated types: dataclasses, tuples, dictionaries, literals and plain values.

What makes a value of a type is put together once per type, since a file has a million rows of one type.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unveil.core.untrusted import listed, quoted, shortened

Make = Callable[[Any], Any]


class Unfit(ValueError):
    """A value that is none of a type. ``where`` leads to it from the outermost value, such as ``.findings[0].box``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._steps: list[str] = []

    @property
    def where(self) -> str:
        return "".join(reversed(self._steps))

    def within(self, step: str) -> None:
        """The value is held by another one, under ``step``."""
        self._steps.append(step)


@cache
def maker(hint: Any) -> Make:
    """What makes an instance of the type ``hint`` from parsed JSON; it raises ``Unfit``."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type, hint))
    if origin is types.UnionType or origin is typing.Union:
        return _union(args)
    if origin is tuple:
        return _several(maker(args[0]), args[0]) if args[-1] is Ellipsis else _tuple(args)
    if origin is Literal:
        return _literal(args)
    if origin is dict:
        return _dictionary(maker(args[1]))
    if hint is Any:
        return lambda value: value
    if hint is Path:
        return _path
    return _float if hint is float else _plain(origin or hint)


def _dataclass(kind: type) -> Make:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    makers = {f.name: maker(hints[f.name]) for f in fields}
    required = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}

    def make(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unfit(f"an object is needed, not {quoted(value)}")
        if not value.keys() <= makers.keys():
            raise Unfit(f"unknown field {listed(sorted(value.keys() - makers.keys()))}")
        if not required <= value.keys():
            raise Unfit(f"field {', '.join(sorted(required - value.keys()))} is missing")
        made = {}
        for name, item in value.items():
            try:
                made[name] = makers[name](item)
            except Unfit as error:
                error.within(f".{name}")
                raise
        return kind(**made)

    return make


def _union(args: tuple[Any, ...]) -> Make:
    """Of a type and None, or of several lists of words; others would leave open which of them a value is meant for."""
    kinds = [a for a in args if a is not type(None)]
    if len(kinds) > 1 and all(typing.get_origin(a) is Literal for a in kinds):
        kinds = [Literal[tuple(word for a in kinds for word in typing.get_args(a))]]
    if len(kinds) > 1:
        raise TypeError(f"no value can be told to be of one of {', '.join(map(str, kinds))}")
    inner = maker(kinds[0])
    return inner if type(None) not in args else lambda value: None if value is None else inner(value)


def _several(inner: Make, hint: Any) -> Make:
    plain = _plain_rows(hint)

    def make(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Unfit(f"a list is needed, not {quoted(value)}")
        if (made := plain(value)) is not None:
            return made
        return _all([inner] * len(value), value)

    return make


#: What JSON has as it is.
_PLAIN = (int, float, str, bool)


def _plain_rows(hint: Any) -> Callable[[list[Any]], tuple[Any, ...] | None]:
    """What makes a list of plain values, or of tuples of them, at one go, as most of millions of tokens are made.

    It gives None where a value is of another type, which has to be told or changed.
    """
    columns = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()

    def values(value: list[Any]) -> tuple[Any, ...] | None:
        return tuple(value) if set(map(type, value)) <= {hint} else None

    def rows(value: list[Any]) -> tuple[Any, ...] | None:
        if set(map(type, value)) != {list} or set(map(len, value)) != {len(columns)}:
            return None
        fits = all(set(map(type, of)) == {kind} for of, kind in zip(zip(*value, strict=True), columns, strict=True))
        return tuple(map(tuple, value)) if fits else None

    if columns and all(kind in _PLAIN for kind in columns):
        return rows
    return values if hint in _PLAIN else lambda value: None


def _tuple(hints: tuple[Any, ...]) -> Make:
    inner, kinds = [maker(hint) for hint in hints], list(hints)
    plain = all(hint in _PLAIN for hint in hints)

    def make(value: Any) -> tuple[Any, ...]:
        if plain and type(value) is list and list(map(type, value)) == kinds:
            return tuple(value)
        if not isinstance(value, list):
            raise Unfit(f"a list is needed, not {quoted(value)}")
        if len(value) != len(inner):
            raise Unfit(f"{len(inner)} values are needed, not {len(value)}")
        return _all(inner, value)

    return make


def _all(makers: list[Make], values: list[Any]) -> tuple[Any, ...]:
    made: list[Any] = []
    try:
        for make, item in zip(makers, values, strict=True):
            made.append(make(item))
    except Unfit as error:
        error.within(f"[{len(made)}]")
        raise
    return tuple(made)


def _literal(known: tuple[Any, ...]) -> Make:
    def make(value: Any) -> Any:
        if value not in known:
            raise Unfit(f"one of {', '.join(map(repr, known))} is needed, not {quoted(value)}")
        return value

    return make


def _dictionary(inner: Make) -> Make:
    plain = _plain(dict)

    def make(value: Any) -> dict[str, Any]:
        made = {}
        for key, item in plain(value).items():
            try:
                made[key] = inner(item)
            except Unfit as error:
                error.within(f".{shortened(key)}")
                raise
        return made

    return make


def _path(value: Any) -> Path:
    if isinstance(value, str):
        return Path(value)
    path: Path = _plain(Path)(value)
    return path


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise Unfit(f"float is needed, not {quoted(value)}")


def _plain(kind: type) -> Make:
    def make(value: Any) -> Any:
        if type(value) is kind or (isinstance(value, kind) and kind is not int):
            return value
        raise Unfit(f"{kind.__name__} is needed, not {quoted(value)}")

    return make
