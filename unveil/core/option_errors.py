"""What is wrong with the words of a command line, in the words of its options."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from types import MappingProxyType

from unveil.core.option_types import Takes, typed
from unveil.core.options import Option

#: What the command line itself reads, of all commands.
COMMON = ("config", "help", "help-all")


def fault(
    options: Sequence[Option], words: Sequence[str], absent: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """The first fault of a command line, in one line; None where none is found.

    Options that do not exist come first: what else is amiss may be due to them. ``absent`` says of some why.
    """
    named, free = {o.name: o for o in options if not o.positional}, [o for o in options if o.positional]
    flags = {option.off.removeprefix("--"): option for option in named.values() if option.off}
    given = [(name, named.get(name) or flags.get(name), values) for name, values in _given(words)]
    over = [value for _, option, values in given for value in _over(option, values)]
    faults = (
        *(_unknown(name, {**named, **flags}, absent) for name, option, _ in given if name and not option),
        *(_ill(option, values) for _, option, values in given if option),
        *(_ill(option, [value]) for option, value in zip(free, over, strict=False)),
        _missing(named.values(), {option.name for _, option, _ in given if option}),
        _missing(free[len(over) :], ()),
        *(f"{value!r} belongs to no option" for value in over[len(free) :]),
    )
    return next(filter(None, faults), None)


def nameless(options: Sequence[Option], words: Sequence[str]) -> str | None:
    """That a list of values is named without one, where that says nothing; None where none is.

    It says something where a list is given otherwise, which is emptied so, and where an option may also have none.
    """
    bare = {name for name, values in _given(words) if not values}
    lists = [option for option in options if option.name in bare and not option.default]
    taken = ((option, Takes.of(option.hint)) for option in lists)
    return next(
        (
            f"{option.flag}: at least one value is needed, {takes.metavar}"
            for option, takes in taken
            if takes.variadic and not takes.optional
        ),
        None,
    )


def _given(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Options as they are typed, each with the words up to the next one; those before the first stand under ""."""
    name, values = "", list[str]()
    for word in words:
        if word.startswith("--") and len(word) > 2:
            yield name, values
            name, equals, value = word[2:].partition("=")
            name, values = name.replace("_", "-"), [value] if equals else []
        else:
            values.append(word)
    yield name, values


def _over(option: Option | None, values: Sequence[str]) -> Sequence[str]:
    """The words after an option that are none of its values."""
    takes = Takes.of(option.hint) if option else Takes(())
    return () if takes.variadic else values[len(takes.kinds) :]


def _unknown(name: str, known: Mapping[str, Option], absent: Mapping[str, str]) -> str | None:
    if name in absent:
        return f"no option --{name}: {absent[name]}"
    close = [known[other] for other in _closest(name, known)]
    hint = f"; perhaps you meant {_options(close)}" if close else ""
    return None if name in COMMON else f"no option --{name}{hint}"


def _closest(name: str, known: Iterable[str]) -> list[str]:
    """Options that are called almost so, or by a part of the name."""
    parts = [other for other in known if name in (other.split("-")[0], other.rpartition(".")[2])]
    return (difflib.get_close_matches(name, known, n=2, cutoff=0.7) or parts)[:2]


def _options(options: Sequence[Option]) -> str:
    """Options with what they are for, where it is one."""
    flags = " or ".join(map(typed, options))
    return f"{flags}: {options[0].sentence}" if len(options) == 1 else flags


def _ill(option: Option, values: Sequence[str]) -> str | None:
    why = Takes.of(option.hint).fault(values)
    return why and f"{' '.join([option.flag, *values])}: {why}"


def _missing(options: Iterable[Option], given: Collection[str]) -> str | None:
    missing = [option for option in options if option.required and option.name not in given]
    named = ", ".join(map(typed, missing))
    return f"{named} {'is' if len(missing) == 1 else 'are'} needed" if missing else None


def unboxed(said: str) -> str:
    """The message in a frame that tyro draws, as one line: what stands below its title and above the next rule."""
    lines = [line.strip("│╭╮╰╯ ") for line in said.splitlines()][1:]

    def is_rule(line: str) -> bool:
        return set(line) <= {"─", "-"}

    return " ".join(takewhile(lambda line: not is_rule(line), dropwhile(is_rule, lines)))
