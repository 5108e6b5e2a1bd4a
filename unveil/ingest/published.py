"""Splits that a data set publishes: in the names of folders and files, and in lists such as ``ImageSets/Main/val.txt``.

A published split that is not seen is dealt anew, and then the published test set has been learnt from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from unveil.ingest.reading import Rejected
from unveil.records import Split
from unveil.untrusted import quoted

#: What publishers call the three splits, in folder names, file names and columns.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

#: What may stand beside a split in the name of a list; another word makes it a list of one class, or no list at all.
_BESIDE = frozenset({
    "list", "lists", "image", "images", "img", "imgs", "file", "files", "filename", "filenames", "name", "names",
    "id", "ids", "set", "split",
})  # fmt: skip


@lru_cache(2**12)
def split_in(text: str) -> Split | None:
    """The split that a path names in one of its words, the last one first: train/images/a.png is train."""
    return next((SPLIT_NAMES[word] for word in reversed(_words(text)) if word in SPLIT_NAMES), None)


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


@dataclass
class Lists:
    """The split of each listed file, and what is wrong with the lists."""

    split: dict[Path, Split] = field(default_factory=dict)
    problems: list[Rejected] = field(default_factory=list)

    def enter(
        self, file: str, text: str, split: Split, find: Callable[[str], Path | None], *, last: bool = False
    ) -> None:
        """Takes over what a list names, ``find`` giving what a name means; of the ``last`` list, what no other holds.

        A file that names nothing of the folder is no list: it may be a table, or the labels of an image called train.
        """
        rows = [(row, line) for row, line in enumerate(text.splitlines(), 1) if line.strip()]
        table = file.lower().endswith((".csv", ".tsv"))
        cut = _cells(file) if table else str.split
        found = [(row, line, find(line.strip()) or find(cut(line)[0])) for row, line in rows]
        if table and found and found[0][2] is None:  # the header
            del found[0]
        missing = [(row, line, "no image here") for row, line, path in found if path is None]
        if len(missing) == len(found) and (table or all(len(line.split()) > 4 for _, line in rows)):
            return
        doubled = []
        for row, line, path in found:
            if path and self.split.setdefault(path, split) != split and not last:
                doubled.append((row, line, f"already in {self.split[path]}"))
        for wrong in filter(None, (missing, doubled)):
            row, line, reason = wrong[0]
            reason = f"{quoted(line.strip())} is {reason}, as {len(wrong)} of the {len(found)} listed are"
            self.problems.append(Rejected(file, row, reason, rows=0))


def _cells(file: str) -> Callable[[str], list[str]]:
    delimiter = "\t" if file.lower().endswith(".tsv") else ","
    return lambda line: [cell.strip(' "') for cell in line.split(delimiter)]
