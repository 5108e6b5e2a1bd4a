"""Files by the names of models, as options of the command line take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from unveil.core.path_types import InputFile


def _named_files(words: Sequence[str]) -> dict[str, Path]:
    """NAME FILE NAME FILE ... as names with their files; raises ``ValueError`` where a name stands twice."""
    if len(words) % 2 or not words:
        raise ValueError("a name and a file for each model, such as: base base.jsonl sft sft.jsonl")
    names = words[::2]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the name {twice} stands twice: each file needs one of its own")
    return {name: Path(file) for name, file in zip(names, words[1::2], strict=True)}


#: Models by their names, as they are given on the command line.
NamedFiles = Annotated[
    dict[str, InputFile],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME FILE [NAME FILE ...]",
        instance_from_str=_named_files,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda files: [str(word) for pair in files.items() for word in pair],
    ),
]


def _files_by_name(words: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """NAME FILE NAME FILE ... as names with all of their files, however often a name stands."""
    if len(words) % 2 or not words:
        raise ValueError("a name and a file, as often as there are files, such as: sft blank.jsonl sft noise.jsonl")
    names, files = words[::2], [Path(word) for word in words[1::2]]
    return {n: tuple(f for m, f in zip(names, files, strict=True) if m == n) for n in dict.fromkeys(names)}


#: Models by their names with one or several files each.
FilesByName = Annotated[
    dict[str, tuple[InputFile, ...]],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME FILE [NAME FILE ...]",
        instance_from_str=_files_by_name,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda files: [
            str(word) for name, of in files.items() for file in of for word in (name, file)
        ],
    ),
]
