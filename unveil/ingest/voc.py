"""Pascal VOC: an XML file per image, found anywhere below the folder; splits from ImageSets/Main or from folder names.

The image is the one that ``filename`` names, in the folder ``JPEGImages`` beside ``Annotations`` or beside the XML
file; where it does not exist, the one with the XML file's stem, which is what the original development kit goes by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from unveil import pixels
from unveil.ingest.conventions import declared, in_pixels
from unveil.ingest.reading import (
    SPLIT_NAMES,
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
    parse_all,
    same_size,
    split_in,
    text_of,
)
from unveil.records import Finding, Record, Split

LOOKED_FOR = "XML files with an <annotation>, such as Annotations/*.xml"

#: Of an XML file's path: the folder of the data set that it belongs to, and its stem. What ImageSets calls an image.
Key = tuple[Path, str]


def fits(data: Path, options: Options) -> bool:
    """Whether the folder holds such files."""
    return any(_opens_annotation(path) for path in files(data, ".xml"))


def read(data: Path, options: Options) -> Iterator[Record | Rejected]:
    """Every image that an XML file annotates; an image beside them without an XML file is rejected."""
    folder = Folder(data.resolve(), options)
    annotations = annotation_files(folder.root, options, ".xml")
    if not annotations:
        raise IngestError(f"{data}: looked for {LOOKED_FOR} and found none")
    splits, problems = _published(folder, {_key(path) for path in annotations})
    yield from problems
    seen = set()
    for path in annotations:
        try:
            root = _parse(path)
            found = _image(folder, root, path)
            seen.add(found)
            split = splits.get(_key(path), split_in(folder.relative(path.parent), options))
            yield from _record(folder, root, folder.open(found), folder.relative(path), split)
        except (AnnotationError, pixels.ImageError) as error:
            yield Rejected(folder.relative(path), None, str(error))
    yield from folder.unlisted(seen)


def _opens_annotation(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotation" in file.read(4096)


def _key(annotation: Path) -> Key:
    return annotation.parent.parent, annotation.stem


def _parse(path: Path) -> Element:
    """The root of an XML file; entities, which can grow without end or name other files, are refused."""
    try:
        root: Element | None = defusedxml.ElementTree.parse(path).getroot()
    except DefusedXmlException as error:
        raise AnnotationError(f"XML entities are not allowed: {error}") from error
    except (ParseError, UnicodeError, ValueError, LookupError) as error:
        raise AnnotationError(f"not readable as XML: {error}") from error
    if root is None or root.tag != "annotation":
        raise AnnotationError(f"not a VOC annotation: the root is {'nothing' if root is None else f'<{root.tag}>'}")
    return root


def _image(folder: Folder, root: Element, path: Path) -> Path:
    near = path.parent.parent / "JPEGImages", path.parent
    named = (root.findtext("filename") or "").strip()
    try:
        return folder.find(named, *near)
    except AnnotationError as missing:
        beside = [image for image in folder.by_name.get(path.stem.lower(), []) if image.parent in near]
        if len(beside) != 1:
            raise missing
        return beside[0]


def _record(folder: Folder, root: Element, image: Image, file: str, split: Split | None) -> Iterator[Record | Rejected]:
    if stated := _size(root):
        same_size(stated, image, "<size>")
    objects = enumerate(root.findall("object"), 1)
    findings, bad = parse_all(objects, lambda item: _finding(item, image, folder.options), file)
    yield from bad
    yield folder.record(image, findings, "exhaustive", bool(bad), split=split)


def _size(root: Element) -> tuple[int, int] | None:
    """The stated (width, height); None where it is missing or 0, as tools write that could not read the image."""
    size = root.find("size")
    if size is None:
        return None
    width, height = (int(number(size.findtext(name) or "0", f"<{name}>")) for name in ("width", "height"))
    return (width, height) if width and height else None


def _finding(item: Element, image: Image, options: Options) -> Finding:
    label, corners = (item.findtext("name") or "").strip(), item.find("bndbox")
    if not label:
        raise AnnotationError("the object has no <name>")
    if corners is None:
        raise AnnotationError("the object has no <bndbox>")
    x1, y1, x2, y2 = (number(corners.findtext(n), f"<{n}>") for n in ("xmin", "ymin", "xmax", "ymax"))
    first = 1.0 if options.voc_corners == "one_based" else 0.0  # an inclusive pixel n from 1 is the span n - 1 to n
    flags = {n: "yes" for n in ("difficult", "truncated", "occluded") if (item.findtext(n) or "").strip() == "1"}
    box = in_pixels((x1 - first, y1 - first, x2, y2), image, "xyxy", declared("voc", options)[1])
    return boxed(label, box, image, **flags)


def _published(folder: Folder, known: set[Key]) -> tuple[dict[Key, Split], list[Rejected]]:
    """Splits from ImageSets/Main/train.txt, val.txt, test.txt; lines without an XML file or with a second split."""
    splits: dict[Key, Split] = {}
    problems: list[Rejected] = []
    if folder.options.splits == "none":
        return splits, problems
    for path in files(folder.root, ".txt"):
        if path.parts[-3:-1] != ("ImageSets", "Main") or path.stem not in SPLIT_NAMES:
            continue
        try:
            lines = list(enumerate(map(str.split, text_of(path).splitlines()), 1))
        except AnnotationError as error:
            problems.append(Rejected(folder.relative(path), None, str(error)))
            continue
        for row, words in lines:
            problem = _enter(splits, known, (path.parents[2], words[0]), SPLIT_NAMES[path.stem]) if words else None
            if problem:
                problems.append(Rejected(folder.relative(path), row, problem))
    return splits, problems


def _enter(splits: dict[Key, Split], known: set[Key], key: Key, split: Split) -> str | None:
    """Notes the split of one annotation file; returns what is wrong with it, if anything is."""
    if key not in known:
        return f"no annotation file '{key[1]}.xml'"
    if splits.setdefault(key, split) != split:
        return f"{key[1]!r} is already in {splits[key]}"
    return None
