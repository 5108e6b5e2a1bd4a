"""YOLO (ultralytics, Roboflow): ``data.yaml`` with the names; images/ and labels/ side by side, a text file per image.

A row is ``class cx cy w h`` (a box) or ``class x1 y1 x2 y2 x3 y3 …`` (a polygon, which gives mask and box), all as
shares of the image's width and height. The label file of ``…/images/…/a.png`` is ``…/labels/…/a.txt``; where no folder
is called images, it lies beside the image. The split is what ``data.yaml`` says of the image's folder, else what the
folder's name says; only the last two parts of its paths count, since exporters write paths of their own disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from unveil import geometry, pixels
from unveil.ingest.folder import Folder
from unveil.ingest.published import SPLIT_NAMES
from unveil.ingest.reading import AnnotationError, Image, IngestError, Rejected, boxed, number, outlined, parse_all
from unveil.records import Finding, Record, Split

LOOKED_FOR = "a YAML file with names, such as data.yaml"


def fits(folder: Folder) -> bool:
    """Whether the folder holds such a file."""
    return any("names" in path.read_text(encoding="utf-8", errors="replace") for path in folder.files(".yaml", ".yml"))


def read(folder: Folder) -> Iterator[Record | Rejected]:
    """Every image with its labels; label files without an image are rejected."""
    described = _description(folder)
    names, splits = _names(described), _declared(described)
    labels_read = set()
    for path in folder.images:
        label_file = _label_file(path, folder.root)
        labels_read.add(label_file)
        try:
            yield from _record(folder, path, label_file, names, _split(folder, path, splits))
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
    for path in folder.files(".txt"):
        if "labels" in path.relative_to(folder.root).parts[:-1] and path not in labels_read:
            yield Rejected(folder.relative(path), None, "no image belongs to this label file")


def _description(folder: Folder) -> dict[str, Any]:
    """The content of the YAML file with names; of several, the one nearest to the top of the folder."""
    found = []
    for path in folder.files(".yaml", ".yml"):
        try:
            content = yaml.safe_load(folder.text(path))
        except (yaml.YAMLError, AnnotationError) as error:
            raise IngestError(f"{path}: not usable as YAML: {error}") from error
        if isinstance(content, dict) and "names" in content:
            found.append((path, content))
    if not found:
        raise IngestError(f"{folder.root}: looked for {LOOKED_FOR} and found none")
    depth = min(len(path.parts) for path, _ in found)
    top = [(path, content) for path, content in found if len(path.parts) == depth]
    if any(content["names"] != top[0][1]["names"] for _, content in top):
        several = ", ".join(path.name for path, _ in top)
        raise IngestError(f"{several}: several YAML files with different names: leave one in the folder")
    return top[0][1]


def _names(described: dict[str, Any]) -> dict[int, str]:
    """Class number to name, from a list or a dict."""
    names = described["names"]
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    found = {k: str(v).strip() for k, v in pairs if isinstance(k, int)}
    if not found or len(found) != len(names) or not all(found.values()):
        raise IngestError(f"names must be a list, or numbers with names, not {str(names)[:80]}")
    return found


def _declared(described: dict[str, Any]) -> dict[tuple[str, ...], Split]:
    """The last two parts of each folder that the YAML file gives to a split."""
    splits: dict[tuple[str, ...], Split] = {}
    for key, split in SPLIT_NAMES.items():
        given = described.get(key) or []
        for text in given if isinstance(given, list) else [given]:
            parts = [p for p in str(text).replace("\\", "/").split("/") if p not in ("", ".", "..")]
            if parts and not parts[-1].endswith(".txt"):
                splits.setdefault(tuple(parts[-2:]), split)
    return splits


def _split(folder: Folder, image: Path, declared: dict[tuple[str, ...], Split]) -> Split | None:
    if folder.options.splits == "none":
        return None
    parts = image.relative_to(folder.root).parts[:-1]
    for ending, split in declared.items():
        if any(parts[i : i + len(ending)] == ending for i in range(len(parts))):
            return split
    return folder.split(image)


def _label_file(image: Path, root: Path) -> Path:
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return root.joinpath(*parts)


def _record(
    folder: Folder, path: Path, label_file: Path, names: dict[int, str], split: Split | None
) -> Iterator[Record | Rejected]:
    if not label_file.is_file() and folder.options.missing_labels == "reject":
        expected = folder.relative(label_file)
        raise AnnotationError(f"no label file {expected!r}; if it is a negative image, use missing_labels=negative")
    image = folder.open(path)
    lines = folder.text(label_file).splitlines() if label_file.is_file() else []
    rows = ((row, line.split()) for row, line in enumerate(lines, 1) if line.strip())
    findings, bad = parse_all(rows, lambda row: _finding(row, image, names), folder.relative(label_file))
    yield from bad
    yield folder.record(image, findings, "exhaustive", bool(bad), split=split)


def _finding(row: list[str], image: Image, names: dict[int, str]) -> Finding:
    chosen, *shares = (number(text) for text in row)
    if chosen not in names:
        raise AnnotationError(f"class {row[0]} is not among the names")
    if len(shares) == 4:
        box = geometry.from_centre(*shares)
        return boxed(names[int(chosen)], geometry.scale(box, (1, 1), (image.width, image.height)), image)
    extents = (image.width, image.height) * (len(shares) // 2)
    if len(shares) != len(extents):
        raise AnnotationError(f"a row needs a class and 4 numbers or x, y pairs, not {len(shares)} numbers")
    return outlined(names[int(chosen)], [[s * e for s, e in zip(shares, extents, strict=True)]], image)
