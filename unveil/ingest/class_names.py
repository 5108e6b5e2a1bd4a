"""What goes before the rows of YOLO: the classes' names, the splits, the key points.

``data.yaml`` says all three. Darknet's forms say less: ``obj.data`` names a file with a name per line (``obj.names``)
and the lists of the splits; labelImg and Label Studio leave ``classes.txt``, Roboflow ``_darknet.labels``. YAML is read
by its events, as text: a class called no is not False, and a file of aliases of aliases is not unfolded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unveil.core.records import Split
from unveil.core.untrusted import quoted
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, IngestError

LOOKED_FOR = "a YAML file with names, such as data.yaml, or a list of names such as obj.names or classes.txt"

#: Limits of a YAML file: Objects365 with its 365 names and a script to fetch it needs 20 kB and a depth of 3.
MAX_BYTES, MAX_DEPTH = 2**18, 16
#: The only tags that may be written out: text and numbers, which are text here.
_PLAIN_TAGS = {None, "!"} | {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")
}


@dataclass(frozen=True)
class Described:
    """What a folder says of its rows. ``keypoints`` is how many numbers follow a box (0: none, or not said)."""

    file: Path
    names: dict[int, str]
    keypoints: int = 0
    folders: dict[tuple[str, ...], Split] = field(default_factory=dict)
    """The last two parts of each folder that is given to a split: exporters write paths of their own disk."""
    lists: dict[Path, Split] = field(default_factory=dict)
    """Lists of a split's images."""


def is_names(path: Path) -> bool:
    """Whether a file is called as lists of class names are."""
    name = path.name.lower()
    return name.endswith((".names", ".labels")) or name in ("classes.txt", "class_names.txt", "names.txt")


def described(folder: Folder) -> Described:
    """What the YAML file with names says, else the list of names. Raises ``IngestError`` where there is none or where
    several contradict one another."""
    files = folder.annotations(".yaml", ".yml", ".names", ".labels", ".data", ".txt")
    found = list(_of_yaml(folder, files))
    found = found or list(_of_lists(folder, files))
    if not found:
        raise IngestError(f"looked for {LOOKED_FOR} and found none")
    first = min(found, key=lambda one: (len(one.file.parts), one.file))
    if others := [one for one in found if one.names != first.names]:
        several = ", ".join(folder.relative(one.file) for one in [first, *others][:4])
        raise IngestError(f"{several} name the classes differently: choose one by --annotations FILE")
    return first


def names_classes(path: Path) -> bool:
    """Whether a YAML file has something called names: others may lie in a folder, and may be anything."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        return False
    with path.open("rb") as file:
        head = file.read(MAX_BYTES + 1)
    return bool(re.search(rb"\bnames\b['\"]?\s*:", head))


def _of_yaml(folder: Folder, files: Iterable[Path]) -> Iterator[Described]:
    for path in files:
        file = folder.relative(path)
        if not names_classes(path):
            continue
        try:
            content = parsed(_text(folder, path))
        except AnnotationError as error:
            raise IngestError(f"{file}: not usable as YAML: {error}") from error
        if isinstance(content, dict) and "names" in content:
            names = _names(content["names"], file)
            stated = str(content.get("nc", ""))
            if stated.isdigit() and int(stated) != len(names):
                raise IngestError(f"{file}: nc says {stated} classes, names has {len(names)}: correct one of them")
            yield Described(path, names, _keypoints(content.get("kpt_shape")), *_splits(folder, content.items(), file))


def _of_lists(folder: Folder, files: list[Path]) -> Iterator[Described]:
    """The lists of names; one that is named by an ``obj.data`` brings its splits."""
    about: dict[Path, dict[str, str]] = {}
    for path in files:
        if path.suffix.lower() == ".data":
            try:
                pairs = (line.partition("=") for line in _text(folder, path).splitlines())
                said = {key.strip().lower(): value.strip() for key, _, value in pairs}
            except AnnotationError:  # weights, tables and much else is called so too
                continue
            if named := _below(folder, said.get("names", "")):
                about[named] = said
    for path in files:
        if path in about or is_names(path):
            file = folder.relative(path)
            try:
                lines = [line.strip() for line in _text(folder, path).rstrip().splitlines()]
            except AnnotationError as error:
                raise IngestError(f"{file}: {error}") from error
            yield Described(path, _names(lines, file), 0, *_splits(folder, about.get(path, {}).items(), file))


def _text(folder: Folder, path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise AnnotationError(f"larger than {MAX_BYTES} bytes")
    return folder.text(path)


def parsed(text: str) -> Any:
    """The first document of YAML with every plain word as the text that it is.

    Raises ``AnnotationError`` for what is no YAML, for aliases and tags, for nesting that no such file needs, and for a
    key that stands twice.
    """
    depth, problem = 0, ""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                problem = f"nested more than {MAX_DEPTH} deep"
            elif isinstance(event, yaml.AliasEvent):
                problem = f"the alias *{event.anchor}: write out what it stands for"
            elif (tag := getattr(event, "tag", None)) not in _PLAIN_TAGS:
                problem = f"the tag {quoted(tag)}: remove it"
            if problem:
                line = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
                raise AnnotationError(f"{line}{problem}")
        return _plain(next(iter(yaml.compose_all(text, Loader=yaml.SafeLoader)), None))
    except (yaml.YAMLError, RecursionError) as error:
        raise AnnotationError(" ".join(str(error).split())[:200]) from error


def _plain(node: yaml.Node | None) -> Any:
    """Text, lists and dictionaries of text."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(str(_plain(key)), _plain(value)) for key, value in node.value]
        if len(found := dict(pairs)) < len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise AnnotationError(f"the key {quoted(twice)} stands twice, line {node.start_mark.line + 1} and on")
        return found
    return [_plain(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else node and node.value


def _names(names: Any, file: str) -> dict[int, str]:
    """Class number to name, from a list or from numbers with names."""
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ())
    found = {
        int(number): name.strip()
        for number, name in pairs
        if isinstance(name, str) and re.fullmatch(r"\d{1,9}", str(number).strip()) and name.strip()
    }
    if not pairs or len(found) != len(pairs):
        raise IngestError(f"{file}: names must be a list, or numbers with names, not {quoted(names)}")
    return found


def _keypoints(shape: Any) -> int:
    """How many numbers follow a box: of kpt_shape [points, numbers each]."""
    if isinstance(shape, list) and len(shape) == 2 and all(str(n).isdigit() for n in shape):
        return int(shape[0]) * int(shape[1])
    return 0


def _splits(
    folder: Folder, said: Iterable[tuple[Any, Any]], file: str
) -> tuple[dict[tuple[str, ...], Split], dict[Path, Split]]:
    """The folders and the lists that are given to one split. What is given to two says nothing."""
    folders: dict[tuple[str, ...], set[Split]] = {}
    lists: dict[Path, Split] = {}
    for key, value in said:
        split = SPLIT_NAMES.get(str(key).strip().lower())
        for text in value if isinstance(value, list) else [value] if split else []:
            parts = tuple(
                p.lower() for p in str(text).replace("\\", "/").split("/") if p.strip() not in ("", ".", "..")
            )
            if split and parts and parts[-1].endswith(".txt"):
                if path := _below(folder, str(text)):
                    lists[path] = split
            elif split and parts:
                folders.setdefault(parts[-2:], set()).add(split)
    for parts, several in folders.items():
        if len(several) > 1:
            folder.note(
                "folder that is given to several splits, so no split is taken of it", f"{'/'.join(parts)} in {file}"
            )
    once = {parts: one for parts, (one, *more) in folders.items() if not more}
    return dict(sorted(once.items(), key=lambda item: -len(item[0]))), lists


def _below(folder: Folder, name: str) -> Path | None:
    """The file of the folder that a path of another disk means: the one with the same name, if there is one only."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
    same = [path for path in folder.files() if last and path.name.lower() == last]
    return same[0] if len(same) == 1 else None
