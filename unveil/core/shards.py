"""A JSONL file in parts: ``records.jsonl`` may lie as ``records-00001.jsonl``, ``records-00002.jsonl`` and so on.

Whoever reads the one file reads the parts where only these are there.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from unveil.core import files


class ShardError(ValueError):
    """Parts of which one is missing; the message names it."""


def shard(path: Path, number: int) -> Path:
    """The name of a part, from 1 on."""
    return path.with_name(f"{path.stem}-{number:05d}{path.suffix}")


def parts(path: str | Path) -> list[Path]:
    """The files that a file consists of: itself, else its parts in order; none where neither is there.

    Raises ``ShardError`` where a part between others is missing.
    """
    path = Path(path)
    if path.exists():
        return [path] if path.is_file() else []
    found = _numbered(path)
    for number in range(1, max(found, default=0) + 1):
        if number not in found:
            raise ShardError(f"{path}: {shard(path, number).name} is missing, of {max(found)} parts")
    return [found[number] for number in sorted(found)]


def write(path: Path, lines: Iterable[bytes], rows: int) -> int:
    """Writes lines into parts of so many rows, which take the place of the earlier ones; returns the number of lines.

    The first part comes last: where it stands, all of them do. Raises ``WriteError`` where the disk refuses.
    """
    partial = path.with_name(f"{path.name}{files.PARTIAL}")
    try:
        with files.refusals(path, partial):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            count = number = 0
            rest = iter(lines)
            while number == 0 or count == number * rows:
                number += 1
                with (partial / str(number)).open("wb") as file:
                    for line in itertools.islice(rest, rows):
                        file.write(line)
                        count += 1
            files.sync(partial)
            remove(path)
            for n in range(number, 0, -1):
                if (
                    n == 1 or (partial / str(n)).stat().st_size
                ):  # the last is empty where the rows just filled the others
                    (partial / str(n)).replace(shard(path, n))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count


def remove(path: Path) -> None:
    """Removes all parts of a file, the first one first."""
    for _, file in sorted(_numbered(path).items()):
        file.unlink()


def _numbered(path: Path) -> dict[int, Path]:
    name = re.compile(rf"{re.escape(path.stem)}-(\d{{5,}}){re.escape(path.suffix)}")
    inside = path.parent.iterdir() if path.parent.is_dir() else ()
    return {int(told[1]): file for file in inside if (told := name.fullmatch(file.name))}
