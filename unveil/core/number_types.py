"""Types of options that count something, and whether their numbers can be what they are to be."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from unveil.core.options import every, notes


@dataclass(frozen=True)
class AtLeast:
    """Beside the type of an option: its numbers are not below this one."""

    least: int


#: How many of something, which is to be some.
Count = Annotated[int, AtLeast(1)]
#: The same where none will do.
CountOrNone = Annotated[int, AtLeast(0)]


class NumberError(ValueError):
    """A number that an option cannot take; the message names the option and says what it takes."""


def check(config: Any) -> None:
    """Raises ``NumberError`` where a number in a configuration is too low for its option."""
    for option in every(type(config), config):
        value = option.of(config)
        numbers = [one for one in (value if isinstance(value, tuple) else [value]) if isinstance(one, int)]
        for least in _least(option.hint):
            if numbers and min(numbers) < least:
                raise NumberError(f"{option.flag} {min(numbers)}: a whole number from {least} on is needed")


def _least(hint: Any) -> Iterator[int]:
    """What the numbers of a type are not to be below, wherever in it that stands."""
    yield from (note.least for note in notes(hint) if isinstance(note, AtLeast))
    for part in typing.get_args(hint):
        yield from _least(part)
