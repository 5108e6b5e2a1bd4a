"""The folder that an export makes: whole or not at all, with what made it beside it, so that it can be given on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unveil.core import console, digests, files, provenance
from unveil.core.provenance import OutputError
from unveil.export.left_out import LeftOut


class ExportError(ValueError):
    """What cannot be written at all; the message says why and what to do."""


def make(
    command: str, config: Any, inputs: Sequence[digests.Input], write: Callable[[Path, LeftOut], int], what: str
) -> Path:
    """Makes ``config.out`` by ``write``, which is given a folder to write to, and returns it.

    ``write`` returns how many of ``what`` it has written. Raises ``OutputError`` where something else is there, which
    may be replaced only if an export has made it.
    """
    out: Path = config.out
    marks = (out.with_name(f"{out.name}.run.json"), out.with_name(f".{out.name}.begun.json"))
    if config.restart and out.exists() and not any(mark.exists() for mark in marks):
        raise OutputError(f"{out} is there already, and no {marks[0].name} says that an export made it: name another")
    for path in inputs:
        outside(Path(path), out)
    with provenance.output(out, command, config, inputs) as output:
        if output:
            left_out = LeftOut()
            with files.whole_folder(out) as partial:
                count = write(partial, left_out)
                if not count:
                    left_out.say()
                    raise ExportError(f"{out}: there are no {what} to write")
            output.write(written=count, left_out=left_out.counts)
            console.say(f"{count} {what} in {out}")
            left_out.say()
    return out


def outside(path: Path, out: Path) -> None:
    """Raises ``OutputError`` where a file that is read lies in the folder that is replaced."""
    if path.resolve().is_relative_to(out.resolve()):
        raise OutputError(f"{path} is read and lies in {out}, which is replaced: name another output")
