"""Hashes of what a stage has read: files, folders of data, saved models."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unveil.core import shards
from unveil.core.console import progress
from unveil.core.files import sha256_of
from unveil.core.untrusted import read_json, read_object


def sha256(path: str | Path) -> str:
    """Of the file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return sha256_of(file)


def _sha256_of_parts(path: Path) -> str:
    """Of a file's bytes, which may lie in parts: the same as those of the one file; "missing" of none."""
    found = hashlib.sha256()
    for part in (parts := shards.parts(path)):
        with part.open("rb") as file:
            while some := file.read(2**18):
                found.update(some)
    return found.hexdigest() if parts else "missing"


#: Files whose content counts among the inputs of a folder; of others, images above all, names and sizes do. Formats of
#: plugins add theirs.
TEXTS = {".csv", ".tsv", ".json", ".jsonl", ".xml", ".txt", ".yaml", ".yml", ".names", ".data", ".parquet"}


#: Endings of the files that a saved model consists of: configuration, tokenizer and processor, weights.
OF_MODELS = frozenset({".json", ".jinja", ".txt", ".model", ".tiktoken", ".safetensors", ".bin"})


@dataclass(frozen=True)
class LocalModel:
    """A model's folder as an input, as its user spells it."""

    name: str

    def __fspath__(self) -> str:
        return str(folder_of(self.name))

    def __str__(self) -> str:
        return self.name


Input = os.PathLike[str]


def folder_of(model: str | Path) -> Path:
    """The folder that a model's name stands for, if it is one; a leading ``~`` is the home folder."""
    return Path(model).expanduser()


def of_model(model: str | Path) -> list[Input]:
    """A local model, an input of whatever starts from it; nothing for one of the hub."""
    return [LocalModel(str(model))] if model and folder_of(model).is_dir() else []


def digest(path: Input, out: Path | None = None) -> str:
    """Of an input: a file's bytes; of a folder names and sizes, and the bytes of what may annotate; "missing" of none.

    In a folder, hidden files and what a command of this package has written do not count, nor what is in ``out``, which
    a command may have left half-made there. Of a model the bytes of all files that it consists of count, and those of a
    local one under an adapter.
    """
    if isinstance(path, LocalModel):
        return _of_model(Path(path))
    if not (path := Path(path)).is_dir():
        return sha256(path) if path.is_file() else _sha256_of_parts(path)
    found = hashlib.sha256()
    for name, file in _given(path, {os.path.realpath(known) for known in (path, out) if known}):
        regular = file.is_file()  # neither a pipe nor a link that leads nowhere
        content = sha256(file.path) if regular and Path(name).suffix.lower() in TEXTS else ""
        size = file.stat().st_size if regular else None
        found.update(os.fsencode(f"{name} {size} {content}\n"))
    return found.hexdigest()


def _of_model(folder: Path) -> str:
    found = hashlib.sha256()
    inside = {path.name: path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()}
    beside = tuple(f"{name}." for name in inside)  # pairs.jsonl.reference-1a.safetensors is what pairs were scored by
    for name, path in sorted(inside.items()):
        made = name.endswith("run.json") or f"{name}.run.json" in inside or name.startswith(beside)
        if path.suffix in OF_MODELS and not made:
            about = path.stat()
            found.update(f"{name} {_hashed(path, about.st_ino, about.st_size, about.st_mtime_ns)}\n".encode())
    adapter = read_object(inside["adapter_config.json"]) if "adapter_config.json" in inside else {}
    for base in of_model(adapter.get("base_model_name_or_path") or ""):
        found.update(digest(base).encode())
    return found.hexdigest()


@lru_cache(1024)
def _hashed(path: Path, *_: int) -> str:
    """Of a file's bytes, read once per process while inode, size and time of the file stay as they are."""
    return sha256(path)


def _given(folder: str | Path, seen: set[str], within: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files below a folder that no command has written, in order, by their names in it; each linked folder once."""
    with os.scandir(folder) as entries:  # which tell files from folders without a look at each
        inside = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    for name, entry in sorted(inside.items()):
        if entry.is_dir():
            real = os.path.realpath(entry)
            if real not in seen and not is_output(entry):
                seen.add(real)
                yield from _given(entry.path, seen, f"{within}{name}/")
        elif f"{name}.run.json" not in inside and not name.endswith(".run.json"):
            yield within + name, entry


def is_output(folder: str | Input) -> bool:
    """Whether a command of this package has made a folder, or is making it."""
    made = Path(folder) / "run.json"
    return (made.is_file() and about_run(made) is not None) or made.with_name(".begun.json").is_file()


#: Digests of the inputs of the stage that is at work, which has just taken them.
TAKEN: ContextVar[Mapping[str, str]] = ContextVar("taken", default=MappingProxyType({}))


def digests(inputs: Iterable[Input], out: Path) -> dict[str, str]:
    """Of the inputs of ``out`` by their paths."""
    with progress("hash inputs", None):
        return {str(path): TAKEN.get().get(str(path)) or digest(path, out) for path in inputs}


def about_run(file: Path) -> dict[str, Any] | None:
    """What a run.json says; None where there is none, or none of ours."""
    try:
        about = read_json(file)
    except (OSError, ValueError):
        return None
    known = isinstance(about, dict) and {"command", "config", "inputs"} <= about.keys()
    return about if known else None
