"""COCO instances: a JSON file with images, annotations and categories; boxes xywh in pixels, polygons or run lengths.

Several JSON files are several splits, named by their path (``annotations/instances_val.json``,
``valid/_annotations.json``). Ids are compared by value, since exporters write 1, 1.0 and "1" for the same. An
annotation whose image is not told may belong to any of its file: then none of them is a negative for having no other.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from unveil.core import geometry, pixels
from unveil.core.geometry import BoxError, MaskError
from unveil.core.records import Finding, Record
from unveil.core.untrusted import JsonError, quoted
from unveil.ingest.conventions import Units, declared, in_pixels, points_in_pixels
from unveil.ingest.files import PART, damaged, opened
from unveil.ingest.folder import Folder
from unveil.ingest.labels import findings_among, no_place
from unveil.ingest.reading import (
    AnnotationError,
    Image,
    Incomplete,
    Rejected,
    Traced,
    boxed,
    number,
    outlined,
    parse_all,
)
from unveil.ingest.spilled import Spilled
from unveil.ingest.streamed import Json, Member

LOOKED_FOR = "a JSON file with images and annotations"

#: The value of an id, the same for 1, 1.0 and "1".
Key = int | float | str
Rows = list[tuple[int, Any]]


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return folder.showing(_looks_like_coco, ".json")


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that a COCO file lists; an image beside them that none lists is rejected."""
    chosen = folder.among(found(folder), LOOKED_FOR)
    seen: set[Path] = set()
    for path in chosen:
        try:
            yield from _Reading(folder, path, seen).items()
        except (AnnotationError, JsonError) as error:
            yield Rejected(folder.relative(path), None, f"not usable as COCO: {error}")
            yield from (Incomplete(folder.relative(image)) for image in _perhaps_of(folder, path))
    yield from folder.unlisted(seen)


def _looks_like_coco(path: Path) -> bool:
    """Told by the names of its lists alone, so that a damaged file is read, and rejected, and not passed over; and of
    one of which not even the names are all there, one is enough."""
    named: set[bytes] = set()
    text, begun, wide = b"", False, False
    with path.open("rb") as file:
        while part := file.read(PART):
            wide = wide or (not text and part[:2] in (b"\xff\xfe", b"\xfe\xff"))  # UTF-16
            text = text[-1000:] + (part.replace(b"\0", b"") if wide else part)
            named.update(name.lower() for name in _NAMES.findall(text))
            if len(named) == 2:
                return True
            begun = begun or _BEGUN.search(text) is not None
    if not begun and not re.search(rb'"(images|annotations)"\s*:\s*\[\s*\Z', text, re.IGNORECASE):
        return False
    try:
        with opened(path, marked=True) as lines:
            for member in Json(lines).members():
                deque(member.items or (), maxlen=0)
    except (AnnotationError, JsonError):
        return True
    return False


_NAMES = re.compile(rb'"(images|annotations)"\s*:', re.IGNORECASE)
_BEGUN = re.compile(rb'"(?:images|annotations)"\s*:\s*\[\s*\{', re.IGNORECASE)
_IMAGES = re.compile(r'"images"\s*:\s*(?=\[)', re.IGNORECASE)


def _perhaps_of(folder: Folder, path: Path) -> Iterable[Path]:
    """The images that a file which cannot be used may be about: those of its list, or any where that is not whole."""
    names: list[str] = []
    try:
        with folder.opening(path)() as file:
            text = Json(file)
            while text.find(_IMAGES):
                names += (_file_name(item.value) for item in text.items())
    except (AnnotationError, JsonError):
        return folder.images
    if not names or "" in names:
        return folder.images
    places = folder.index.find_all(names, path.parent)
    return [image for name, place in places.items() for image in _may_be(folder, name, place)]


def _may_be(folder: Folder, name: str, place: Path | AnnotationError) -> list[Path]:
    """The image of this name, or those that it may be."""
    return [place] if isinstance(place, Path) else folder.index.candidates(name)


class _Reading:
    """One COCO file, of which images and annotations lie on the disk: nothing says in what order they come."""

    def __init__(self, folder: Folder, path: Path, seen: set[Path]) -> None:
        self.folder, self.path, self.seen = folder, path, seen
        self.file = folder.relative(path)
        self.numbers: dict[Key, int] = {}  # of the ids of images, in the order in which they come up
        self.lists: dict[str, Spilled] = {}
        self.categories: list[Any] | None = []
        self.elsewhere: dict[str, int] = {}
        self.file_names: list[str] = []
        self.nameless: set[int] = set()
        self.inside = False
        self.names: dict[Key, str] = {}
        self.category: Callable[[Any], Key | None] = _key
        self.order, self.units = declared("coco", folder.options)
        self.orphans = 0
        with folder.opening(path)() as file:
            for member in Json(file).members():
                if member.name is None:
                    deque(member.items or (), maxlen=0)
                    raise AnnotationError("it is not an object with lists of images and annotations")
                self._take(member.name.lower(), member)
        for name in ("images", "annotations"):
            if name not in self.lists:
                raise AnnotationError(f"{name} is not a list")
        if self.categories is None:
            raise AnnotationError("categories is not a list")
        self.images, self.annotations = self.lists["images"], self.lists["annotations"]

    def _take(self, name: str, member: Member) -> None:
        """Looks at a member of the file once. Of names that differ in letters' case only the last one counts."""
        if name in ("images", "annotations"):
            self.lists.pop(name, None)
            if member.items is not None:
                self.lists[name] = self._image_list(member) if name == "images" else self._annotation_list(member)
            return
        values = [member.value] if member.items is None else (item.value for item in member.items)
        if name == "categories":
            values = list(values)
            self.categories = None if member.items is None else values
        self.elsewhere[name] = sum(1 for value in values for _ in _annotations_in(value))

    def _image_list(self, member: Member) -> Spilled:
        found = Spilled()
        self.file_names, self.nameless, self.inside = [], set(), False
        for row, (image, text) in enumerate(member.items or (), 1):
            owner, name = self._number(image, "id"), _file_name(image)
            found.put(owner, row, text)
            self.file_names.append(name)
            if owner is not None:
                self.inside = self.inside or bool(_inside([(row, image)]))
                self.nameless.update([] if name else [owner])
        return found

    def _annotation_list(self, member: Member) -> Spilled:
        found = Spilled()
        for row, (annotation, text) in enumerate(member.items or (), 1):
            found.put(self._number(annotation, "image_id"), row, text)
        return found

    def _number(self, entry: Any, name: str) -> int | None:
        """The number of the image's id that an entry gives; None where it gives none."""
        key = _key(entry.get(name)) if isinstance(entry, dict) else None
        return None if key is None else self.numbers.setdefault(key, len(self.numbers))

    def items(self) -> Iterator[Record | Rejected | Incomplete]:
        yield from self._categories()
        self.places = places = self.folder.index.find_all(self.file_names, self.path.parent)
        for row, image in _parsed(self.images.of(None)):
            self.orphans += not _file_name(image)
            yield from self._reject(row, f"an entry without an id: {quoted(image)}", _file_name(image))
        yield from self._deal()
        for owner in self.images.owners():
            entries, annotations = self._entries(owner)
            row, image = entries[0]
            if any(places[_file_name(image)] != places[_file_name(other)] for _, other in entries):
                for row, image in entries:  # whose annotations they are cannot be told
                    reason = f"image id {quoted(image['id'])} stands {len(entries)} times"
                    yield from self._reject(row, reason, _file_name(image))
                continue
            try:
                yield from self._record(image, places[_file_name(image)], annotations)
            except (AnnotationError, pixels.ImageError) as error:
                yield from self._reject(row, str(error), _file_name(image), len(annotations))

    def _entries(self, owner: int) -> tuple[Rows, Rows]:
        """The entries of an image, one as a rule, and its annotations."""
        entries = list(_parsed(self.images.of(owner)))
        return entries, [*_inside(entries), *_parsed(self.annotations.of(owner))]

    def _categories(self) -> Iterator[Rejected]:
        """Takes over the names. Annotations of a category that is none, or has several names, are rejected later."""
        doubtful = set()
        for row, entry in enumerate(self.categories or (), 1):
            key, name = (_key(entry.get("id")), entry.get("name")) if isinstance(entry, dict) else (None, None)
            name = str(name).strip() if isinstance(name, (str, int)) else ""
            if key is None or not name or damaged(name):
                yield Rejected(self.file, row, f"category: an id and a name are needed, not {quoted(entry)}")
            elif self.names.setdefault(key, name) != name:
                doubtful.add(key)
                yield Rejected(self.file, row, f"category: the id {quoted(entry['id'])} has several names")
        self.names = {key: name for key, name in self.names.items() if key not in doubtful}
        self.category = _among(self.names)

    def _deal(self) -> Iterator[Rejected]:
        """Gives every annotation to its image, and counts those that no image is known of."""
        listed, keys = set(self.images.owners()), list(self.numbers)
        image_of = _among({keys[n] for n in listed})
        for n in [n for n in self.annotations.owners() if n not in listed]:
            meant = image_of(keys[n])
            self.annotations.move(n, None if meant is None else self.numbers[meant])
        for row, annotation in _parsed(self.annotations.of(None)):
            owner = annotation.get("image_id") if isinstance(annotation, dict) else None
            self.orphans += 1
            yield Rejected(self.file, row, f"annotation of an image that is not listed: image_id {quoted(owner)}")
        for name, rows in self.elsewhere.items():
            if rows:
                self.orphans += rows
                reason = f"annotations under {quoted(name)}, where COCO has none"
                yield Rejected(self.file, None, reason, rows=rows)
        self.orphans += sum(len(self._entries(n)[1]) for n in self.nameless)
        if self.orphans:
            self.folder.note(
                "images without annotations are no negatives where some annotation has no image", self.file
            )
        elif self.images and not self.annotations and not self.inside:
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

    @cache
    def by_number() -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = {}
        for key in known:
            found.setdefault(str(key).lstrip("0") or "0", []).append(key)
        return found

    def find(value: Any) -> Key | None:
        key = value if type(value) is int else _key(value)  # as most are
        if key is None or key in known:
            return key
        fits = by_number().get(str(key).lstrip("0") or "0", ()) if re.fullmatch(r"\d+", str(key)) else ()
        return fits[0] if len(fits) == 1 else None

    return find


def _parsed(rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    return ((row, json.loads(text)) for row, text in rows)  # which were looked at before


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
