"""Splits that a data set publishes: in the names of folders and files, and in lists such as ``ImageSets/Main/val.txt``.

A published split that is not seen is dealt anew, and then the published test set has been learnt from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from unveil.core.records import Record, Split
from unveil.core.untrusted import quoted
from unveil.ingest import cells
from unveil.ingest.columns import naming
from unveil.ingest.reading import Options, Rejected

#: What publishers call the three splits, in folder names, file names and columns.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

#: Characters of a line in which a list names its image; more are no cell.
LONGEST = 2**16

#: What may stand beside a split in the name of a list; another word makes it a list of one class, or no list at all.
_BESIDE = frozenset({
    "list", "lists", "image", "images", "img", "imgs", "file", "files", "filename", "filenames", "name", "names",
    "id", "ids", "set", "split",
})  # fmt: skip
#: The same for the name of a folder.
_BESIDE_FOLDERS = _BESIDE | {
    "data", "dataset", "label", "labels", "annotation", "annotations", "jpg", "jpeg", "png", "dicom", "stage",
    "partial",
}  # fmt: skip


def split_in(path: str) -> Split | None:
    """The split that a path tells, by the last of its parts that tells one: train/images/a.json is train.

    An annotation file tells it by a word of its name. A folder is called so as a whole, but for numbers and what may
    stand beside: "stress test" is no split. Train and val in one name are train, since others tell which is val; with
    test among them a name tells none.
    """
    told = telling(path)
    return told[1] if told else None


@lru_cache(2**12)
def telling(path: str) -> tuple[str, Split] | None:
    """The part of a path that tells its split, and the split."""
    for part in reversed(path.split("/")):
        words = set(_words(part.replace("trainval", "train val")))
        named = {SPLIT_NAMES[word] for word in words & SPLIT_NAMES.keys()}
        if is_file(part) or not words - SPLIT_NAMES.keys() - _BESIDE_FOLDERS:
            if named == {"train", "val"}:
                return part, "train"
            if len(named) == 1:
                return part, named.pop()
    return None


def is_file(part: str) -> bool:
    """Whether the name in a path is that of a file of annotations."""
    return part.lower().endswith((".json", ".jsonl", ".xml", ".csv", ".tsv", ".parquet", ".arrow"))


def _words(text: str) -> list[str]:
    """Words of small letters: "TestSet-2" is test, set."""
    return re.findall("[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def list_name(path: Path) -> tuple[int, Split] | None:
    """Which split a list of this name is of, after the number of its turn: what several lists hold is of the first.

    Test goes first, since what it holds must not be learnt from. A list of train and val together ("trainval") goes
    last: what val does not hold of it is train.
    """
    words = set(_words(path.stem.replace("trainval", "train val")))
    named = {SPLIT_NAMES[word] for word in words & SPLIT_NAMES.keys()}
    if path.suffix.lower() not in (".txt", ".lst", ".csv", ".tsv") or words - SPLIT_NAMES.keys() - _BESIDE:
        return None
    if named == {"train", "val"}:
        return 3, "train"
    turns: tuple[Split, ...] = ("test", "val", "train")
    return next(((turn, split) for turn, split in enumerate(turns) if named == {split}), None)


def measured(record: Record, published: Collection[Split | None]) -> Record:
    """A record of a set whose labels of test are withheld: the images that it publishes for validation are those on
    which figures are measured here, and where all are for training some of them are. What it is published as stands in
    its source."""
    if "test" in published:
        return record
    if "val" in published:
        return replace(record, split="test") if record.split == "val" else record
    return replace(record, split=None)


@dataclass
class Lists:
    """The split of each listed file, and what is wrong with the lists."""

    split: dict[Path, Split] = field(default_factory=dict)
    problems: list[Rejected] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Tables that are called as lists and name no image."""

    def enter(
        self,
        file: str,
        text: str,
        split: Split,
        find: Callable[[str], Path | None],
        options: Options,
        *,
        last: bool = False,
    ) -> None:
        """Takes over what a list names, ``find`` giving what a name means; of the ``last`` list, what no other holds.

        A file that names nothing of the folder is no list: it may be a table, or the labels of an image called train.
        """
        rows = [(row, line) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
        table = file.lower().endswith((".csv", ".tsv"))
        if table:
            found = _listed(file, rows, find, options)
        else:
            found = [(row, line, find(line.strip()) or find(line.split()[0])) for row, line in rows]
        missing = [(row, line, "no image here") for row, line, path in found if path is None]
        if len(missing) == len(found) and (table or all(len(line.split()) > 4 for _, line in rows)):
            self.empty += [file] if table else []
            return
        doubled = []
        for row, line, path in found:
            if path and self.split.setdefault(path, split) != split and not last:
                doubled.append((row, line, f"already in {self.split[path]}"))
        for wrong in filter(None, (missing, doubled)):
            row, line, reason = wrong[0]
            reason = f"{quoted(line.strip())} is {reason}, as {len(wrong)} of the {len(found)} listed are"
            self.problems.append(Rejected(file, row, reason, rows=0))


def _listed(
    file: str, rows: list[tuple[int, str]], find: Callable[[str], Path | None], options: Options
) -> list[tuple[int, str, Path | None]]:
    """The rows of a table, without its header, with what they name: in the columns of the image, of several in that
    which leads to most; in any column where no header tells."""
    sign = cells.delimiter([line for _, line in rows[:50]], options)
    cut = [next(csv.reader([line[:LONGEST]], delimiter=sign, skipinitialspace=True)) for _, line in rows]
    header = cut[0] if cut else []
    columns = naming(header, options) or range(len(header))
    named = [[find(fields[i].strip()) if i < len(fields) else None for fields in cut] for i in columns]
    best = max(named, key=lambda paths: sum(path is not None for path in paths), default=[])
    found = [(row, line, path) for (row, line), path in zip(rows, best, strict=bool(named))]
    return found[1:] if found and found[0][2] is None else found
