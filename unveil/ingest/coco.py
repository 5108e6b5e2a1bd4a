"""COCO instances: a JSON file with images, annotations and categories; boxes xywh in pixels, polygons or run lengths.

Several JSON files are several splits, named by their path (``annotations/instances_val.json``,
``valid/_annotations.json``). Ids are compared by value, since exporters write 1, 1.0 and "1" for the same. An
annotation whose image is not told may belong to any of its file: then none of them is a negative for having no other.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.geometry import BoxError, MaskError
from unveil.core.records import Finding, Record
from unveil.core.untrusted import JsonError, parse_json, quoted
from unveil.ingest.conventions import Units, declared, in_pixels, points_in_pixels
from unveil.ingest.files import damaged, text_of
from unveil.ingest.folder import Folder
from unveil.ingest.labels import findings_among, no_place
from unveil.ingest.reading import (
    AnnotationError,
    Image,
    Incomplete,
    IngestError,
    Rejected,
    Traced,
    boxed,
    number,
    outlined,
    parse_all,
)

LOOKED_FOR = "a JSON file with images and annotations"

#: The value of an id, the same for 1, 1.0 and "1".
Key = int | float | str
Rows = list[tuple[int, Any]]


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_looks_like_coco, ".json")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a COCO file lists; an image beside them that none lists is rejected."""
    such = set(found(folder))
    chosen = [path for path in folder.annotations(".json") if path in such]
    if not chosen:
        raise IngestError(f"{folder.root}: looked for {LOOKED_FOR} and found none")
    seen: set[Path] = set()
    for path in chosen:
        text = ""
        try:
            text = folder.text(path, marked=True)
            yield from _Reading(folder, path, seen, _parsed(text)).items()
        except (AnnotationError, JsonError) as error:
            yield Rejected(folder.relative(path), None, f"not usable as COCO: {error}")
            yield from (Incomplete(folder.relative(image)) for image in _perhaps_of(folder, path, text))
        finally:
            gc.unfreeze()
    yield from folder.unlisted(seen)


def _parsed(text: str) -> Any:
    """The content of a file, of millions of rows maybe, which are kept out of the garbage collector's sight: it would
    look through all of them many times for nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return parse_json(text, lenient=True)
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def _looks_like_coco(path: Path) -> bool:
    """Told by the names of its lists alone, so that a damaged file is read, and rejected, and not passed over; and of
    one of which not even the names are all there, one is enough."""
    text = path.read_bytes()
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16
        text = text.replace(b"\0", b"")
    if all(re.search(rb'"%b"\s*:' % name, text, re.IGNORECASE) for name in (b"images", b"annotations")):
        return True
    if not re.search(rb'"(images|annotations)"\s*:\s*\[\s*(\{|\Z)', text, re.IGNORECASE):
        return False
    try:
        parse_json(text_of(path, marked=True), lenient=True)
    except (AnnotationError, JsonError):
        return True
    return False


def _perhaps_of(folder: Folder, path: Path, text: str) -> Iterable[Path]:
    """The images that a file which cannot be used may be about: those of its list, or any where that is not whole."""
    names: list[str] = []
    for start in re.finditer(r'"images"\s*:\s*(?=\[)', text, re.IGNORECASE):
        try:
            names += map(_file_name, json.JSONDecoder().raw_decode(text, start.end())[0])
        except (ValueError, RecursionError):
            return folder.images
    if not names or "" in names:
        return folder.images
    places = folder.index.find_all(names, path.parent)
    return [image for name, place in places.items() for image in _may_be(folder, name, place)]


def _may_be(folder: Folder, name: str, place: Path | AnnotationError) -> list[Path]:
    """The image of this name, or those that it may be."""
    return [place] if isinstance(place, Path) else folder.index.candidates(name)


class _Reading:
    """One COCO file."""

    def __init__(self, folder: Folder, path: Path, seen: set[Path], content: Any) -> None:
        if not isinstance(content, dict):
            raise AnnotationError("it is not an object with lists of images and annotations")
        self.folder, self.path, self.seen = folder, path, seen
        self.file = folder.relative(path)
        self.content = {name.lower(): value for name, value in content.items()}
        self.images, self.annotations = self._list("images"), self._list("annotations")
        self.names: dict[Key, str] = {}
        self.category: Callable[[Any], Key | None] = _key
        self.order, self.units = declared("coco", folder.options)
        self.orphans = 0

    def _list(self, name: str) -> list[Any]:
        if not isinstance(value := self.content.get(name), list):
            raise AnnotationError(f"{name} is not a list")
        return value

    def items(self) -> Iterator[Record | Rejected | Incomplete]:
        yield from self._categories()
        self.places = places = self.folder.index.find_all(map(_file_name, self.images), self.path.parent)
        listed: dict[Key, Rows] = {}
        for row, image in enumerate(self.images, 1):
            key = _key(image.get("id")) if isinstance(image, dict) else None
            if key is None:
                self.orphans += not _file_name(image)
                yield from self._reject(row, f"an entry without an id: {quoted(image)}", _file_name(image))
            else:
                listed.setdefault(key, []).append((row, image))
        of_image: dict[Key, Rows] = {key: _inside(entries) for key, entries in listed.items()}
        nameless = [key for key, entries in listed.items() if not all(_file_name(image) for _, image in entries)]
        yield from self._deal(of_image, nameless)
        for key, entries in listed.items():
            row, image = entries[0]
            if any(places[_file_name(image)] != places[_file_name(other)] for _, other in entries):
                for row, image in entries:  # whose annotations they are cannot be told
                    reason = f"image id {quoted(image['id'])} stands {len(entries)} times"
                    yield from self._reject(row, reason, _file_name(image))
                continue
            try:
                yield from self._record(image, places[_file_name(image)], of_image[key])
            except (AnnotationError, pixels.ImageError) as error:
                yield from self._reject(row, str(error), _file_name(image), len(of_image[key]))

    def _categories(self) -> Iterator[Rejected]:
        """Takes over the names. Annotations of a category that is none, or has several names, are rejected later."""
        doubtful = set()
        for row, entry in enumerate(self._list("categories") if "categories" in self.content else (), 1):
            key, name = (_key(entry.get("id")), entry.get("name")) if isinstance(entry, dict) else (None, None)
            name = str(name).strip() if isinstance(name, (str, int)) else ""
            if key is None or not name or damaged(name):
                yield Rejected(self.file, row, f"category: an id and a name are needed, not {quoted(entry)}")
            elif self.names.setdefault(key, name) != name:
                doubtful.add(key)
                yield Rejected(self.file, row, f"category: the id {quoted(entry['id'])} has several names")
        self.names = {key: name for key, name in self.names.items() if key not in doubtful}
        self.category = _among(self.names)

    def _deal(self, of_image: dict[Key, Rows], nameless: Collection[Key]) -> Iterator[Rejected]:
        """Gives every annotation to its image, and counts those that no image is known of."""
        image_of = _among(of_image)
        for row, annotation in enumerate(self.annotations, 1):
            owner = annotation.get("image_id") if isinstance(annotation, dict) else None
            if (key := image_of(owner)) is not None:
                of_image[key].append((row, annotation))
                continue
            self.orphans += 1
            yield Rejected(self.file, row, f"annotation of an image that is not listed: image_id {quoted(owner)}")
        for name, entries in self.content.items():
            if name not in ("images", "annotations") and (rows := sum(1 for _ in _annotations_in(entries))):
                self.orphans += rows
                reason = f"annotations under {quoted(name)}, where COCO has none"
                yield Rejected(self.file, None, reason, rows=rows)
        self.orphans += sum(len(of_image[key]) for key in nameless)
        if self.orphans:
            self.folder.note(
                "images without annotations are no negatives where some annotation has no image", self.file
            )
        elif self.images and not any(of_image.values()):
            self.folder.note("files without any annotation: their images are read as negatives", self.file)

    def _reject(self, row: int, reason: str, name: str, rows: int = 1) -> Iterator[Rejected | Incomplete]:
        """An image that is not taken over from this file: what another file says of it is not all."""
        place = self.places[name]
        yield Rejected(self.file, row, f"image: {reason}", max(1, rows))
        self.seen.update([place] if isinstance(place, Path) else ())
        yield from (Incomplete(self.folder.relative(path)) for path in _may_be(self.folder, name, place))

    def _record(
        self, entry: dict[str, Any], place: Path | AnnotationError, annotations: Rows
    ) -> Iterator[Record | Rejected]:
        if isinstance(place, AnnotationError):
            raise place
        self.seen.add(place)
        width, height = (number(entry.get(name) or 0, name) for name in ("width", "height"))
        image = self.folder.open(place, (width, height) if width and height else None, "the file")
        named = [(row, (self._label(item), row, item)) for row, item in annotations]
        kept, bad = findings_among(
            self.folder, self.file, named, lambda entry: entry[0], lambda entry: self._placeless(entry[2], image)
        )
        findings, wrong = parse_all(kept, lambda entry: self._finding(*entry, image), self.file)
        bad += wrong
        yield from bad
        lost = bool(bad) or (self.orphans > 0 and not findings)
        yield self.folder.record(image, findings, "exhaustive", lost, split=self.folder.split(place, self.path))

    def _label(self, item: dict[str, Any]) -> str:
        """The name of an annotation's category; "" where it has none."""
        key = self.category(item.get("category_id"))
        return self.names.get(key, "") if key is not None else ""

    def _placeless(self, item: dict[str, Any], image: Image) -> bool:
        """Whether an annotation that says "no finding" marks nothing."""
        box = item.get("bbox") or ()
        plain = isinstance(box, (list, tuple)) and no_place(box, image, self.order, self.units)
        return plain and not item.get("segmentation")

    def _finding(self, name: str, row: int, item: dict[str, Any], image: Image) -> Finding:
        label = name or (not self.names and self.folder.options.default_label)
        if not label and not self.names:
            raise AnnotationError("the file names no categories; --default-label gives its findings a name")
        if not label:
            raise AnnotationError(f"category_id {quoted(item.get('category_id'))} is not among the categories")
        crowd = "yes" if item.get("iscrowd") else None  # kept: many tools set it on any mask in run lengths
        shape, box = None, None
        wrong: dict[str, Exception] = {}
        try:
            shape = _outline(label, item.get("segmentation"), image, self.units)
        except (AnnotationError, BoxError, MaskError) as error:
            wrong["mask"] = error
        try:
            if item.get("bbox"):
                numbers = _numbers(item["bbox"], 4)
                box = boxed(label, in_pixels(numbers, image, self.order, self.units), image, crowd=crowd)
        except (AnnotationError, BoxError) as error:
            wrong["box"] = error
        if box is None and shape is not None and shape.box is not None:
            box = boxed(label, shape.box, image, crowd=crowd)
        if box is None:
            raise wrong.get("box") or wrong.get("mask") or AnnotationError("neither bbox nor segmentation")
        if shape is None and not wrong:
            return box
        for part, reason in wrong.items():  # of the two, the other is good
            self.folder.note(
                f"{part} of an annotation is no good and set aside", f"{self.file}, annotation {row}: {reason}"
            )
        kind = type(shape) if shape else Finding
        return kind(label, box.box, shape.mask if shape else None, box.attributes)


def _key(value: Any) -> Key | None:
    """The value of an id; "01" is a text, since it may stand beside 1."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        text = value.strip()
        return int(text.split(".")[0]) if re.fullmatch(r"-?(0|[1-9]\d{0,99})(\.0{1,9})?", text) else text
    return None


def _among(known: Collection[Key]) -> Callable[[Any], Key | None]:
    """What an id means among those that are known: the same value, or else the only number that is equal to it."""
    by_number: dict[str, list[Key]] = {}
    for key in known:
        by_number.setdefault(str(key).lstrip("0") or "0", []).append(key)

    def find(value: Any) -> Key | None:
        key = value if type(value) is int else _key(value)  # as most are
        if key is None or key in known:
            return key
        fits = by_number.get(str(key).lstrip("0") or "0", ()) if re.fullmatch(r"\d+", str(key)) else ()
        return fits[0] if len(fits) == 1 else None

    return find


def _annotations_in(value: Any) -> Iterator[dict[str, Any]]:
    """The annotations among what a file holds anywhere below one of its entries."""
    if isinstance(value, dict) and {"image_id", "bbox", "segmentation"} & value.keys():
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _annotations_in(inner)


def _inside(entries: Rows) -> Rows:
    """Annotations that stand within the entries of their image, or are written into them."""
    found = [(row, inner) for row, entry in entries for value in entry.values() for inner in _annotations_in(value)]
    return found + [(row, entry) for row, entry in entries if entry.get("bbox") or entry.get("segmentation")]


def _file_name(image: Any) -> str:
    name = (image.get("file_name") or image.get("path")) if isinstance(image, dict) else None
    return name if isinstance(name, str) else ""


def _outline(label: str, segmentation: Any, image: Image, units: Units) -> Finding | None:
    """Mask and box of a segmentation: polygons, run lengths as text or as a list, or nothing."""
    if not segmentation:
        return None
    if isinstance(segmentation, list):
        polygons = map(_numbers, _polygons(segmentation))
        return outlined(label, [points_in_pixels(polygon, image, units) for polygon in polygons], image)
    mask_HW, code = geometry.checked_mask(segmentation, image.width, image.height)
    return Traced(label, geometry.box_of_mask(mask_HW), code)


def _polygons(segmentation: list[Any]) -> list[Any]:
    """Each polygon as x, y, x, y, …: some write one without a list around it, or its points as pairs."""
    if not any(isinstance(part, list) for part in segmentation):
        return [segmentation]
    if all(isinstance(part, list) and len(part) == 2 for part in segmentation):
        return [[value for point in segmentation for value in point]]
    return segmentation


def _numbers(values: Any, length: int | None = None) -> list[float]:
    if not isinstance(values, list) or length not in (None, len(values)):
        raise AnnotationError(f"{length or 'several'} numbers are needed, not {quoted(values)}")
    return list(map(number, values))
