"""COCO instances: a JSON file with images, annotations and categories; boxes xywh in pixels, polygons or run lengths.

Several JSON files are several splits, named by their path (``annotations/instances_val.json``,
``valid/_annotations.json``). A file that names no split is read last, so that of an image that stands in ``train.json``
and in ``all.json`` the one with the split is kept and the other is rejected as a duplicate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unveil import geometry, pixels
from unveil.ingest.reading import (
    AnnotationError,
    Folder,
    Image,
    IngestError,
    Options,
    Rejected,
    annotation_files,
    boxed,
    files,
    number,
    outlined,
    parse_all,
    same_size,
    split_in,
    text_of,
)
from unveil.records import Finding, Record
from unveil.untrusted import JsonError, parse_json

LOOKED_FOR = "a JSON file with images, annotations and categories"


def fits(data: Path, options: Options) -> bool:
    """Whether the folder holds such a file."""
    return any(_looks_like_coco(path) for path in files(data, ".json"))


def read(data: Path, options: Options) -> Iterator[Record | Rejected]:
    """Every image that a COCO file lists; an image beside them that none lists is rejected."""
    folder = Folder(data.resolve(), options)
    chosen = [path for path in annotation_files(folder.root, options, ".json") if _looks_like_coco(path)]
    if not chosen:
        raise IngestError(f"{data}: looked for {LOOKED_FOR} and found none")
    seen: set[Path] = set()
    for path in sorted(chosen, key=lambda p: split_in(folder.relative(p), options) is None):
        try:
            content = parse_json(text_of(path), lenient=True)
            yield from _Reading(folder, path, seen).items(content)
        except (AnnotationError, JsonError) as error:
            yield Rejected(folder.relative(path), None, f"not usable as COCO: {error}")
    yield from folder.unlisted(seen)


def _looks_like_coco(path: Path) -> bool:
    """Told by the names of its lists alone, so that a damaged file is read, and rejected, and not passed over."""
    text = path.read_bytes()
    return all(f'"{name}"'.encode() in text for name in ("images", "annotations", "categories"))


class _Reading:
    """One COCO file."""

    def __init__(self, folder: Folder, path: Path, seen: set[Path]) -> None:
        self.folder, self.path, self.seen = folder, path, seen
        self.file = folder.relative(path)
        self.names: dict[Any, str] = {}
        self.uses: Counter[Any] = Counter()

    def items(self, content: Any) -> Iterator[Record | Rejected]:
        images, annotations, categories = (_list(content, name) for name in ("images", "annotations", "categories"))
        self.names = {_get(c, "id"): str(_get(c, "name")).strip() for c in categories}
        if len(self.names) != len(categories):
            raise AnnotationError("a category id stands twice")
        of_image: dict[Any, list[tuple[int, Any]]] = {_id(image): [] for image in images}
        for row, annotation in enumerate(annotations, 1):
            owner = annotation.get("image_id") if isinstance(annotation, dict) else None
            if isinstance(owner, (int, str)) and owner in of_image:
                of_image[owner].append((row, annotation))
            else:
                yield Rejected(self.file, row, f"annotation of an image that is not listed: image_id {owner!r}")
        self.uses = Counter(map(_id, images))
        for row, image in enumerate(images, 1):
            try:
                yield from self._record(image, of_image[_id(image)])
            except (AnnotationError, pixels.ImageError) as error:
                yield Rejected(self.file, row, f"image: {error}")

    def _record(self, entry: dict[str, Any], annotations: list[tuple[int, Any]]) -> Iterator[Record | Rejected]:
        name = entry.get("file_name", entry.get("path"))
        if not isinstance(name, str):
            raise AnnotationError("file_name is missing")
        found = self.folder.find(name, self.path.parent)
        self.seen.add(found)
        if (uses := self.uses[_id(entry)]) > 1:  # whose annotations they are cannot be told
            raise AnnotationError(f"image id {_id(entry)!r} stands {uses} times")
        image = self.folder.open(found)
        if entry.get("width") and entry.get("height"):
            same_size((int(number(entry["width"])), int(number(entry["height"]))), image, "the file")
        findings, bad = parse_all(annotations, lambda item: self._finding(item, image), self.file)
        yield from bad
        split = split_in(self.file, self.folder.options)
        yield self.folder.record(image, findings, "exhaustive", bool(bad), split=split)

    def _finding(self, item: dict[str, Any], image: Image) -> Finding:
        category = item.get("category_id")
        if not isinstance(category, (int, str)) or not self.names.get(category):
            raise AnnotationError(f"category_id {category!r} is not among the categories")
        crowd = "yes" if item.get("iscrowd") else None  # kept: many tools set it on any mask in run lengths
        shape = _outline(self.names[category], item.get("segmentation"), image)
        if item.get("bbox"):
            box = geometry.from_xywh(*_numbers(item["bbox"], 4))
        elif shape and shape.box:
            box = shape.box
        else:
            raise AnnotationError("neither bbox nor segmentation")
        found = boxed(self.names[category], box, image, crowd=crowd)
        return Finding(found.label, found.box, shape.mask if shape else None, found.attributes)


def _outline(label: str, segmentation: Any, image: Image) -> Finding | None:
    """Mask and box of a segmentation: polygons, run lengths as text or as a list, or nothing."""
    if not segmentation:
        return None
    if isinstance(segmentation, list):
        return outlined(label, [_numbers(polygon) for polygon in segmentation], image)
    mask_HW, code = geometry.checked_mask(segmentation, image.width, image.height)
    return Finding(label, geometry.box_of_mask(mask_HW), code)


def _list(content: Any, name: str) -> list[Any]:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise AnnotationError(f"{name} is not a list")
    return value


def _get(entry: Any, name: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get(name), (int, str)):
        raise AnnotationError(f"an entry without {name}: {str(entry)[:80]}")
    return entry[name]


def _id(image: Any) -> Any:
    return _get(image, "id")


def _numbers(values: Any, length: int | None = None) -> list[float]:
    if not isinstance(values, list) or length not in (None, len(values)):
        raise AnnotationError(f"{length or 'several'} numbers are needed, not {str(values)[:80]}")
    return [number(value) for value in values]
