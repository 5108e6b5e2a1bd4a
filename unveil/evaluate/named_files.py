"""Models by their names with their files of predictions, as the command line has them."""

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
