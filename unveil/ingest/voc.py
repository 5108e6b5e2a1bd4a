"""Pascal VOC: an XML file per image, found anywhere below the folder; splits from ImageSets/Main or from folder names.

The image is the one that ``filename`` names, in the folder ``JPEGImages`` beside ``Annotations`` or beside the XML
file. Where that does not exist, or lies beside another one with the XML file's stem, it is the one with the stem, which
is what the original development kit goes by: a name in the file is left behind by whoever renames both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from xml.etree.ElementTree import Element

from unveil.core import pixels
from unveil.core.records import Finding, Record
from unveil.core.untrusted import quoted, shortened
from unveil.ingest.conventions import declared, in_pixels
from unveil.ingest.folder import Folder
from unveil.ingest.labels import findings_among, no_place
from unveil.ingest.lookup import folded
from unveil.ingest.reading import (
    AnnotationError,
    Image,
    Incomplete,
    IngestError,
    Options,
    Rejected,
    boxed,
    number,
    parse_all,
)
from unveil.ingest.xml_files import root_of

_ANNOTATION = re.compile(r"<([\w.-]+:)?annotation[\s>/]", re.IGNORECASE)
LOOKED_FOR = "XML files with an <annotation>, such as Annotations/*.xml"

#: The elements of a box.
CORNERS = ("xmin", "ymin", "xmax", "ymax")
#: Elements that hold a place. One that stands in no object is an annotation that is not understood.
PLACES = ("bndbox", "bbox", "box", "rectangle", "polygon", "robndbox")


def found(folder: Folder) -> list[Path]:
    """Such files."""
    return [path for path in folder.files(".xml") if _opens_annotation(path)]


def read(folder: Folder) -> Iterator[Record | Rejected | Incomplete]:
    """Every image that an XML file annotates; an image beside them without an XML file is rejected."""
    annotations = folder.annotations(".xml")
    if not annotations:
        raise IngestError(f"{folder.root}: looked for {LOOKED_FOR} and found none")
    seen: set[Path] = set()
    for path in annotations:
        described: list[Element] = []
        lost: list[tuple[Exception, list[Path]]] = []
        try:
            described = _parse(folder, path)
        except AnnotationError as error:
            lost.append((error, _perhaps_of(folder, path)))
        for annotation in described:
            images: list[Path] = []
            try:
                images = _images(folder, annotation, path if len(described) == 1 else None, path.parent)
                seen.add(images[0])
                yield from _record(folder, annotation, images[0], path)
            except (AnnotationError, pixels.ImageError) as error:
                lost.append((error, images or _perhaps_of(folder, path, annotation)))
        for problem, images in lost:
            seen.update(images if images is not folder.images else ())
            yield Rejected(folder.relative(path), None, str(problem))
            yield from (Incomplete(folder.relative(image)) for image in images)
    yield from folder.unlisted(seen)


def _opens_annotation(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(2**14).replace(b"\0", b"")  # of UTF-16
    return re.search(_ANNOTATION, start.decode("utf-8", "replace")) is not None


def _parse(folder: Folder, path: Path) -> list[Element]:
    """The annotations of an XML file, one as a rule."""
    root = root_of(path, folder.options)
    found = [root] if root.tag == "annotation" else list(root.iter("annotation"))
    if not found:
        cvat = ": CVAT's own, which --format cvat reads" if root.tag == "annotations" else ""
        raise AnnotationError(f"not a VOC annotation: the root is <{shortened(root.tag)}>{cvat}")
    return found


def _perhaps_of(folder: Folder, path: Path, annotation: Element | None = None) -> list[Path]:
    """The images that a file, or one annotation in it, may be about which cannot be used: all with the file's stem, and
    what it seems to name. Where that is nothing, or the file is damaged and holds several, it may be any."""
    text = path.read_bytes().replace(b"\0", b"").decode("utf-8", "replace")
    if annotation is None:
        names = re.findall(r"<(?:[\w.-]+:)?(?:filename|path)\b[^>]*>([^<]+)<", text, re.IGNORECASE)
        several = len(re.findall(_ANNOTATION, text)) > 1
    else:
        names = [name for tag in ("filename", "path") if (name := annotation.findtext(tag))]
        several = False
    images = [image for name in (path.name, *names) for image in folder.index.candidates(unescape(name))]
    unknown = not (images or names) and re.search(_ANNOTATION, text)
    return folder.images if several or unknown else list(dict.fromkeys(images))


def _of_stem(folder: Folder, path: Path, *near: Path) -> list[Path]:
    """The images with the XML file's stem in its own folder, in JPEGImages beside it, or in the folders given."""
    folders = (path.parent.parent / "JPEGImages", path.parent, *near)
    return [image for image in folder.index.named.get(folded(path.stem), ()) if image.parent in folders]


def _images(folder: Folder, annotation: Element, path: Path | None, near: Path) -> list[Path]:
    """The image of an annotation, and after it the one that it names if that is another.

    ``path`` is the XML file, unless it holds several annotations and its name is of none.
    """
    places = near.parent / "JPEGImages", near
    named = (annotation.findtext("filename") or "").strip()
    try:
        image = folder.find(named, *places)
    except AnnotationError:
        if path and len(stems := _of_stem(folder, path)) == 1:
            return stems
        for written in (annotation.findtext("path"), path and path.stem):
            try:
                return [folder.find(written or "", *places)]
            except AnnotationError:
                continue
        raise
    stems = _of_stem(folder, path, image.parent) if path else []
    if not stems or image in stems:
        return [image]
    if len(stems) > 1:
        several = ", ".join(map(folder.relative, stems[:3]))
        raise AnnotationError(f"<filename> says {quoted(named)}, and several images have the file's stem: {several}")
    folder.note(
        "<filename> and the file's own name mean two images: read as of the latter", folder.relative(path or near)
    )
    return [*stems, image]


def _record(folder: Folder, annotation: Element, place: Path, path: Path) -> Iterator[Record | Rejected]:
    image = folder.open(place, _size(annotation), "<size>")
    objects = list(annotation.iter("object"))
    file = folder.relative(path)
    entries = [(n, (item, corners)) for n, item in enumerate(objects, 1) for corners in _places(item)]
    convention = declared("voc", folder.options)
    named, bad = findings_among(
        folder,
        file,
        entries,
        lambda entry: _name(entry[0]),
        lambda entry: entry[1] is None or no_place(_corners(entry[1]), image, *convention),
    )
    findings, wrong = parse_all(named, lambda entry: _finding(*entry, image, folder.options), file)
    bad += wrong
    understood = {id(element) for item in objects for element in item.iter()}
    strange = [e for e in annotation.iter() if e.tag in PLACES and id(e) not in understood]
    if strange:
        reason = f"{len(strange)} x <{strange[0].tag}> outside any <object>"
        bad.append(Rejected(file, None, reason))
    yield from bad
    yield folder.record(image, findings, "exhaustive", bool(bad), split=folder.split(place, path))


def _size(annotation: Element) -> tuple[float, float] | None:
    """The stated (width, height); None where it is missing or 0, as tools write that could not read the image."""
    size = annotation.find("size")
    if size is None:
        return None
    width, height = (number(size.findtext(name) or "0", f"<{name}>") for name in ("width", "height"))
    return (width, height) if width and height else None


def _places(item: Element) -> list[Element | None]:
    """The boxes of an object, without those of its parts; None alone where it has none."""
    of_parts = {id(corners) for part in item.iter("part") for corners in part.iter("bndbox")}
    return [corners for corners in item.iter("bndbox") if id(corners) not in of_parts] or [None]


def _name(item: Element) -> str:
    return (item.findtext("name") or "").strip()


def _corners(box: Element) -> list[str | None]:
    return [box.findtext(name) for name in CORNERS]


def _finding(item: Element, corners: Element | None, image: Image, options: Options) -> Finding:
    if not (label := _name(item)):
        raise AnnotationError("the object has no <name>")
    if corners is None:
        raise AnnotationError("the object has no <bndbox>")
    x1, y1, x2, y2 = (number(text, f"<{n}>") for n, text in zip(CORNERS, _corners(corners), strict=True))
    first = 1.0 if options.voc_corners == "one_based" else 0.0  # an inclusive pixel n from 1 is the span n - 1 to n
    flags = {n: "yes" for n in ("difficult", "truncated", "occluded") if (item.findtext(n) or "").strip() == "1"}
    box = in_pixels((x1 - first, y1 - first, x2, y2), image, *declared("voc", options))
    return boxed(label, box, image, **flags)
