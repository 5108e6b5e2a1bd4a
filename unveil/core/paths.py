"""Files and folders that options name: what each is for, and whether it can be that.

A command line is looked at before a command begins, so that hours are not spent before a folder turns out to be none.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import stat
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unveil.core import shards
from unveil.core.files import said
from unveil.core.options import Option, every, notes
from unveil.core.path_types import Place


class PathError(ValueError):
    """A file or folder that cannot be what its option needs; the message names the option and says what to do."""


def check(config: Any) -> None:
    """Raises ``PathError`` where a path in a configuration cannot be what its option needs, or where a file that is to
    be made is one that is read: nobody's own file is written over."""
    given = every(type(config), config)
    for option in given:
        check_option(option, option.of(config))
    there = [(option, place, path) for option in given for place, path in _placed(option, config) if path.is_file()]
    for option, _, path in (one for one in there if one[1].made):
        if same := next((other for other, place, read in there if not place.made and path.samefile(read)), None):
            raise PathError(f"{option.flag} {path} is what {same.flag} reads: name another output")


def _placed(option: Option, config: Any) -> Iterator[tuple[Place, Path]]:
    """The paths that an option has in a configuration, each with what it is for."""
    if place := place_of(option.hint):
        yield from ((place, path) for path in _paths(option.of(config)))


def check_option(option: Option, value: Any) -> None:
    """Raises ``PathError`` where a path in the value of an option cannot be what the option needs."""
    if place := place_of(option.hint):
        for path in _paths(value):
            if why := _made(path, place) if place.made else _read(path, place):
                raise PathError(f"{option.flag} {path}: {why}{_takes(option, place)}")


def named(config: Any, message: str) -> str:
    """A message that begins with a path that an option names, with the option, and what that takes to be read."""
    for option in every(type(config), config):
        place = place_of(option.hint)
        for path in _paths(option.of(config)) if place else ():
            if place and message.startswith((f"{path}:", f"{path} ")):
                return f"{option.flag} {message}{_takes(option, place)}"
    return message


def place_of(hint: Any) -> Place | None:
    """What the paths of an option are for, wherever in its type that stands; None where it takes none."""
    found = next((note for note in notes(hint) if isinstance(note, Place)), None)
    return found or next(filter(None, map(place_of, typing.get_args(hint))), None)


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        yield from _paths(tuple(value.values()))
    elif isinstance(value, tuple):
        for one in value:
            yield from _paths(one)


def _takes(option: Option, place: Place) -> str:
    """What an option takes, on a line of its own; nothing of what is made, since any other place will do."""
    from unveil.core.option_types import typed

    return "" if place.made else f"\n{typed(option)}: {option.sentence}"


def _read(path: Path, place: Place) -> str | None:
    """Why what is to be read cannot be; None where it can."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return "a link that leads nowhere"
        if place.file and _in_parts(path):
            return None
        return of_windows(str(path)) or f"no such {_kind(place)}{_closest(path)}"
    except OSError as error:
        return said(OSError(error.errno, ""))
    if not _may(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
        return "it may not be read: see who owns it"
    if stat.S_ISDIR(mode):
        return None if place.folder else f"a folder, and a file is needed{_within(path)}"
    if not stat.S_ISREG(mode):
        return "neither a file nor a folder: write what comes out of it to a file"
    return None if place.file else "a file, and a folder is needed: name the one that it lies in"


def _in_parts(path: Path) -> bool:
    """Whether a file that is not there lies in parts, of which one may be missing: who reads them tells."""
    try:
        return bool(shards.parts(path))
    except (shards.ShardError, OSError):
        return True


def of_windows(name: str) -> str | None:
    """What to say of a path that leads nowhere, if it is one of Windows and this is another system."""
    drive = re.match(r"([A-Za-z]):(.?)", name)
    if drive is None or os.name == "nt":
        return None
    if drive[2] not in ("\\", "/"):
        return "not there; a path of Windows needs quotation marks here, since the shell takes its backslashes"
    rest = re.sub(r"[\\/]+", "/", name[2:])
    return f"a path of Windows, and this is another system: under WSL it is /mnt/{drive[1].lower()}{rest}"


def _made(path: Path, place: Place) -> str | None:
    """Why there cannot be made what is to be; None where it can."""
    try:
        there = _lowest(path)
    except OSError as error:
        return said(OSError(error.errno, ""))
    if there == path and there.is_dir() and not place.folder:
        return "a folder, and a file is needed: name one in it"
    if there == path and not there.is_dir() and place.file:
        there = there.parent  # another file takes its place
    if not there.is_dir():
        return f"{'it' if there == path else there} is a file, and a folder is needed: name another place"
    return None if _may(there, os.W_OK | os.X_OK) else f"nothing may be written in {there}: name another place"


def _lowest(path: Path) -> Path:
    """The path, or the lowest folder above it that is there."""
    for above in (path, *path.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            above.lstat()
            return above
    return path.absolute().parent


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _kind(place: Place) -> str:
    return " or ".join(name for name, may in (("file", place.file), ("folder", place.folder)) if may)


def _closest(path: Path) -> str:
    """What stands in the place of something that is not there and is called almost so, in words."""
    try:
        close = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1, cutoff=0.8)
    except OSError:
        close = []
    return f"; perhaps you meant {path.parent / close[0]}" if close else ""


def _within(folder: Path) -> str:
    """A file of rows that stands in a folder, in words."""
    found = sorted(folder.glob("*.jsonl"))
    return f": name one in it{f', such as {found[0]}' if found else ''}"
