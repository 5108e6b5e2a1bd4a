"""Types of options that name files and folders: what each is for. ``paths`` looks whether it can be that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True)
class Place:
    """What a path of an option is for."""

    metavar: str
    """How the help calls it."""
    file: bool
    """Whether it may be a file."""
    folder: bool
    """Whether it may be a folder."""
    made: bool = False
    """Whether the command makes it, or writes into it; else it is read and must be there."""


InputFile = Annotated[Path, Place("FILE", file=True, folder=False)]
InputFolder = Annotated[Path, Place("FOLDER", file=False, folder=True)]
#: Either.
Input = Annotated[Path, Place("PATH", file=True, folder=True)]
OutputFile = Annotated[Path, Place("FILE", file=True, folder=False, made=True)]
OutputFolder = Annotated[Path, Place("FOLDER", file=False, folder=True, made=True)]
