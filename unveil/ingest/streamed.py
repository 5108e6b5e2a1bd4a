"""JSON files of any size, read item by item: a list of a million annotations takes no more memory than one of them.

What comes out, and what is no JSON, is the same as of ``untrusted.parse_json`` read leniently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from unveil.core.untrusted import JsonError, parse_at, quoted
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, IngestError

#: Characters that are read at a time.
PART = 2**18
#: Characters of one item, or of a member that is no list: a mask of a large image needs a tenth of it.
MAX_ITEM = 2**25

#: More characters than a word of JSON has that is no text: what is wrong so near the end may only not be read yet.
LONGEST_TOKEN = 100

_SPACE = re.compile(r"[ \t\n\r]*")


class ListItem(NamedTuple):
    """An item of a list: its value, and the text that says it."""

    value: Any
    text: str


class Member(NamedTuple):
    """A member of the outermost object. Of a list the ``items`` are to be taken before the next member is asked for;
    what is none has a ``value``. Without a ``name``, it is all that the file holds, which is no object."""

    name: str | None
    items: Iterator[ListItem] | None
    value: Any = None


def members(folder: Folder, path: Path) -> Iterator[Member]:
    """All that a JSON file of a folder holds; raises ``IngestError`` where it is none, while items are taken too."""
    with _named(folder, path), folder.opening(path)() as file:
        for member in Json(file).members():
            yield member if member.items is None else member._replace(items=_items(folder, path, member.items))


def _items(folder: Folder, path: Path, items: Iterator[ListItem]) -> Iterator[ListItem]:
    with _named(folder, path):
        yield from items


@contextmanager
def _named(folder: Folder, path: Path) -> Iterator[None]:
    try:
        yield
    except (AnnotationError, JsonError) as error:
        raise IngestError(f"{folder.relative(path)}: {error}") from error


class Json:
    """The text of a JSON file, of which a part is in memory. Raises ``JsonError`` where it is no JSON."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text, self._at = "", 0
        self._before, self._lines, self._column = 0, 0, 0  # of what was let go: characters, lines, those of the last

    def members(self) -> Iterator[Member]:
        """All that the file holds."""
        if self._next() == "{":
            yield from self._named()
        else:
            yield self._member(None)
        if self._next():
            raise self._error("Extra data")

    def _named(self) -> Iterator[Member]:
        names: set[str] = set()
        self._at += 1
        while self._next() != "}":
            if names:
                self._take(",", "Expecting ',' delimiter")
            if self._next() != '"':
                raise self._error("Expecting property name enclosed in double quotes")
            name = self._value().value
            if name in names:
                raise JsonError(f"the key {quoted(name)} stands twice in one object")
            names.add(name)
            self._take(":", "Expecting ':' delimiter")
            yield self._member(name)
        self._at += 1

    def _member(self, name: str | None) -> Member:
        return Member(name, self.items()) if self._next() == "[" else Member(name, None, self._value().value)

    def items(self) -> Iterator[ListItem]:
        """The items of the list that begins here."""
        self._at += 1
        first = True
        while self._next() != "]":
            if not first:
                self._take(",", "Expecting ',' delimiter")
            yield self._value()
            first = False
        self._at += 1

    def find(self, pattern: re.Pattern[str]) -> bool:
        """Goes on to the end of the next match of a pattern, of some hundred characters at most; False where there is
        none."""
        while not (found := pattern.search(self._text, self._at)):
            self._at = max(self._at, len(self._text) - 1000)
            if not self._more():
                return False
        self._at = found.end()
        return True

    def _value(self) -> ListItem:
        """The value that begins here. One that seems broken may only not be read yet to its end."""
        self._next()
        while True:
            try:
                value, end = parse_at(self._text, self._at)
            except json.JSONDecodeError as error:
                # of a text that is not closed its beginning is told; all else is told where it is
                near = error.msg.startswith("Unterminated") or error.pos > len(self._text) - LONGEST_TOKEN
                where = error.pos - self._at
                if near and self._more():
                    continue
                raise self._error(error.msg, self._at + where) from error
            if end == len(self._text) and self._more():  # a number may go on
                continue
            item = ListItem(value, self._text[self._at : end])
            self._at = end
            return item

    def _next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, character: str, otherwise: str) -> None:
        if self._next() != character:
            raise self._error(otherwise)
        self._at += 1

    def _more(self) -> bool:
        """Reads on, twice as much as what is not understood yet; False at the end of the file."""
        kept = len(self._text) - self._at
        if kept > MAX_ITEM:
            raise JsonError(f"a value of more than {MAX_ITEM} characters, from character {self._before + self._at} on")
        part = self._file.read(max(PART, kept))
        if not part:
            return False
        gone = self._text[: self._at]
        self._before += len(gone)
        if lines := gone.count("\n"):
            self._lines, self._column = self._lines + lines, len(gone) - gone.rindex("\n") - 1
        else:
            self._column += len(gone)
        self._text, self._at = self._text[self._at :] + part, 0
        return True

    def _error(self, what: str, at: int | None = None) -> JsonError:
        """As Python's own reader tells where in the file something is wrong."""
        at = self._at if at is None else at
        line = self._lines + self._text.count("\n", 0, at) + 1
        start = self._text.rfind("\n", 0, at)
        column = at - start if start >= 0 else self._column + at + 1
        return JsonError(f"not JSON: {what}: line {line} column {column} (char {self._before + at})")
